/**
 * PNG out, with text chunks, on what every engine has: CompressionStream and plain arrays. Apart from reading, which a page
 * does without until somebody brings a picture.
 *
 * Source: W3C "Portable Network Graphics (PNG) Specification (Third Edition)".
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { bad } from "../option_kinds.ts";

/** A picture in 8 bits: rows from the top, channels innermost. */
export interface Picture {
  /** Pixels across, at least 1. */
  readonly width: number;
  /** Pixels down, at least 1. */
  readonly height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 2 | 3 | 4;
  /** [height, width, channels], sRGB, alpha not multiplied in. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Largest side and largest number of pixels that are read or written. */
export const MAX_SIDE: number = 65_535;
const MAX_PIXELS = 1 << 28;
/** What every PNG begins with. */
export const SIGNATURE: readonly number[] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const COLOUR_TYPE = { 1: 0, 2: 4, 3: 2, 4: 6 } as const;

/**
 * Writes a picture as PNG. The same picture and text give the same bytes on the same engine.
 *
 * @param picture Grey or RGB, with or without alpha.
 * @param text Text chunks by keyword, before the pixels: tEXt where Latin-1 holds the text, else iTXt.
 * @throws {LssgenError} `bad_option` for an impossible size, a wrong number of bytes, or a keyword that
 * is empty, longer than 79 characters or outside printable ASCII.
 */
export async function encodePng(
  picture: Picture,
  text: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  if (!ArrayBuffer.isView(picture?.data)) {
    throw bad("picture", picture, "width, height, channels and data");
  }
  const { width, height, channels, data } = picture;
  if (!sizeIsSane(width, height) || data.length !== width * height * channels) {
    throw new LssgenError(
      "bad_option",
      `Cannot write a PNG of ${width}x${height} with ${channels} channels from ${data.length} bytes, ` +
        `expected ${width * height * channels}`,
    );
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  header[9] = COLOUR_TYPE[channels];
  const pixels = await pipe(filterRows(data, height, channels), new CompressionStream("deflate"));
  return concat([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    ...Object.entries(text).map(([keyword, value]) => textChunk(keyword, value)),
    chunk("IDAT", pixels),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/** What {@linkcode parametersText} writes. */
export interface PictureParameters {
  /** What was asked for. */
  readonly prompt: string;
  /** What was asked to be absent; omitted when empty. */
  readonly negativePrompt?: string;
  /** Further fields in order, under the names people search for: Steps, Sampler, CFG scale, Seed, Size, Model. */
  readonly fields: Readonly<Record<string, string | number>>;
}

/** The text of the `parameters` chunk, as A1111's web UI spells it and other programs read it. */
export function parametersText(parameters: PictureParameters): string {
  const { prompt, negativePrompt, fields } = parameters;
  const list = Object.entries(fields).map(([key, value]) => {
    const plain = String(value);
    return `${key}: ${/[,:\n]/.test(plain) ? JSON.stringify(plain) : plain}`;
  });
  const negative = negativePrompt ? `\nNegative prompt: ${negativePrompt}` : "";
  return `${prompt}${negative}\n${list.join(", ")}`;
}

/** Whether pictures of this size are read and written. */
export function sizeIsSane(width: number, height: number): boolean {
  return Number.isInteger(width) && Number.isInteger(height) && width >= 1 && height >= 1 &&
    width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS;
}

/** What a filter of a row expects of a byte, by its neighbours. */
export function predict(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4: {
      const l = Math.abs(up - corner);
      const u = Math.abs(left - corner);
      const c = Math.abs(left + up - 2 * corner);
      return l <= u && l <= c ? left : u <= c ? up : corner;
    }
    default:
      return 0;
  }
}

/**
 * Puts before each row its filter's number and filters it. The filter with the least sum of absolute
 * differences is taken, which the standard recommends and which costs little in size.
 */
function filterRows(data: Uint8Array, height: number, channels: number): Uint8Array<ArrayBuffer> {
  const rowBytes = data.length / height;
  const out = new Uint8Array(data.length + height);
  const trial = new Uint8Array(rowBytes);
  for (let y = 0; y < height; y++) {
    const row = y * rowBytes;
    const to = row + y;
    let least = Infinity;
    for (let filter = 0; filter <= 4; filter++) {
      let sum = 0;
      for (let i = 0; i < rowBytes && sum < least; i++) {
        const left = i >= channels ? data[row + i - channels] : 0;
        const up = y > 0 ? data[row + i - rowBytes] : 0;
        const corner = y > 0 && i >= channels ? data[row + i - rowBytes - channels] : 0;
        const difference = (data[row + i] - predict(filter, left, up, corner)) & 0xff;
        trial[i] = difference;
        sum += difference < 128 ? difference : 256 - difference;
      }
      if (sum < least) {
        least = sum;
        out[to] = filter;
        out.set(trial, to + 1);
      }
    }
  }
  return out;
}

function textChunk(keyword: string, value: string): Uint8Array<ArrayBuffer> {
  if (!/^[!-~]([ -~]{0,77}[!-~])?$/.test(keyword)) {
    throw new LssgenError(
      "bad_option",
      `Cannot write PNG text under the keyword "${keyword}", expected 1 to 79 printable ASCII characters`,
    );
  }
  const plain = value.replaceAll("\0", "");
  const key = new TextEncoder().encode(keyword);
  // Latin-1 as the standard defines it: no control characters but line feed.
  if (/^[\n\x20-\x7e\xa0-\xff]*$/.test(plain)) {
    return chunk("tEXt", concat([key, Uint8Array.of(0), Uint8Array.from(plain, (c) => c.charCodeAt(0))]));
  }
  return chunk("iTXt", concat([key, new Uint8Array(5), new TextEncoder().encode(plain)]));
}

function chunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** The checksum of a chunk. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Arrays end to end. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

async function pipe(
  bytes: Uint8Array<ArrayBuffer>,
  through: CompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(through)).arrayBuffer());
}
