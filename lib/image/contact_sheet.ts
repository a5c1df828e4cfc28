/**
 * Pictures in a grid with a label under each, as papers show methods side by side.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { GLYPH_HEIGHT, GLYPH_WIDTH, glyphPixel } from "./font.ts";
import type { Picture } from "./png.ts";

/** One cell of a sheet. */
export interface SheetCell {
  /** Shown at its own size, centred; smaller ones leave paper around them. */
  readonly picture: Picture;
  /** Lines under the picture; a line too long for the cell is cut and ends in "..". */
  readonly label: readonly string[];
}

/** How a sheet is laid out. */
export interface SheetLayout {
  /** Cells in a row, at least 1. */
  readonly columns: number;
  /** Side of a letter's dot in pixels. Default 2; more where the sheet is wider than `shownWidth`. */
  readonly textScale?: number;
  /** Pixels across that the sheet is shown at where it is wider; letters grow so that they stay readable there. */
  readonly shownWidth?: number;
  /** Lines over the pictures, broken between words. */
  readonly title?: readonly string[];
  /** Pixels of paper around each cell. Default 12. */
  readonly gap?: number;
}

const PAPER = 255;
const INK = 32;
/** Lines that one text of the title takes at most. */
const MAX_LINES = 4;
/** Most pixels of a sheet, what PNG readers commonly take. */
const MAX_PIXELS = 1 << 28;

/**
 * Composes the sheet, RGB on white; cells run left to right, then down.
 *
 * @throws {LssgenError} `bad_option` without cells, for a wrong layout, or when the sheet would exceed
 * 2^28 pixels.
 */
export function contactSheet(cells: readonly SheetCell[], layout: SheetLayout): Picture {
  const { columns, gap = 12, shownWidth = Infinity, title = [] } = layout;
  if (cells.length === 0) throw new LssgenError("bad_option", "Cannot compose a sheet of no pictures");
  for (
    const [name, value, least] of [["columns", columns, 1], ["textScale", layout.textScale ?? 1, 1], [
      "gap",
      gap,
      0,
    ]] as const
  ) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new LssgenError(
        "bad_option",
        `Cannot lay out a sheet: ${name} is ${value}, expected a whole number from ${least} on`,
      );
    }
  }
  const across = Math.min(columns, cells.length);
  const cellWidth = Math.max(...cells.map(({ picture }) => picture.width));
  const width = gap + across * (cellWidth + gap);
  const textScale = layout.textScale ?? Math.max(2, Math.ceil(2 * width / shownWidth));
  const down = Math.ceil(cells.length / columns);
  const lineHeight = (GLYPH_HEIGHT + 2) * textScale;
  const pictureHeight = Math.max(...cells.map(({ picture }) => picture.height));
  const cellHeight = pictureHeight + lineHeight * Math.max(...cells.map(({ label }) => label.length));
  const lines = title.flatMap((line) => wrapped(line, width - 2 * gap, textScale));
  const head = lines.length === 0 ? 0 : lines.length * lineHeight + gap;
  const height = gap + head + down * (cellHeight + gap);
  if (width * height > MAX_PIXELS) {
    throw new LssgenError(
      "bad_option",
      `Cannot compose a sheet of ${width}x${height} pixels, at most 2^28 in all; use fewer or smaller pictures`,
    );
  }
  const sheet: Picture = { width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(PAPER) };
  lines.forEach((line, row) => drawText(sheet, line, gap, gap + row * lineHeight, textScale));
  cells.forEach(({ picture, label }, i) => {
    const left = gap + (i % columns) * (cellWidth + gap);
    const top = gap + head + Math.floor(i / columns) * (cellHeight + gap);
    const inset = (cellWidth - picture.width) >> 1;
    paste(sheet, picture, left + inset, top + ((pictureHeight - picture.height) >> 1));
    label.forEach((line, row) => {
      const y = top + pictureHeight + row * lineHeight + 2 * textScale;
      drawText(sheet, fitted(line, cellWidth, textScale), left, y, textScale);
    });
  });
  return sheet;
}

/** Copies `picture` into RGB `sheet`; grey is spread, alpha laid over the paper. */
function paste(sheet: Picture, picture: Picture, left: number, top: number): void {
  const { width, height, channels, data } = picture;
  const grey = channels <= 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      const to = ((top + y) * sheet.width + left + x) * 3;
      const alpha = channels === 2 || channels === 4 ? data[from + channels - 1] / 255 : 1;
      for (let c = 0; c < 3; c++) {
        sheet.data[to + c] = Math.round(data[from + (grey ? 0 : c)] * alpha + PAPER * (1 - alpha));
      }
    }
  }
}

/** Letters that fit beside each other. */
function roomFor(width: number, scale: number): number {
  return Math.floor((width + scale) / ((GLYPH_WIDTH + 1) * scale));
}

/**
 * A text in lines that fit.
 *
 * @param width Pixels that a line may take.
 * @param scale Side of a letter's dot in pixels.
 * @param most Lines at most: the last one is cut and ends in "..".
 */
export function wrapped(text: string, width: number, scale: number, most: number = MAX_LINES): string[] {
  const room = roomFor(width, scale);
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && Array.from(`${last} ${word}`).length <= room) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  const shown = lines.length <= most ? lines : [...lines.slice(0, most - 1), lines.slice(most - 1).join(" ")];
  return shown.map((line) => fitted(line, width, scale));
}

function fitted(line: string, cellWidth: number, scale: number): string {
  const room = roomFor(cellWidth, scale);
  const letters = Array.from(line);
  return letters.length <= room
    ? line
    : `${letters.slice(0, Math.max(0, room - 2)).join("")}..`.slice(0, room);
}

function drawText(sheet: Picture, text: string, left: number, top: number, scale: number): void {
  Array.from(text).forEach((character, i) => {
    const x0 = left + i * (GLYPH_WIDTH + 1) * scale;
    for (let y = 0; y < GLYPH_HEIGHT * scale; y++) {
      for (let x = 0; x < GLYPH_WIDTH * scale; x++) {
        if (!glyphPixel(character, Math.floor(x / scale), Math.floor(y / scale))) continue;
        const to = ((top + y) * sheet.width + x0 + x) * 3;
        sheet.data.fill(INK, to, to + 3);
      }
    }
  });
}
