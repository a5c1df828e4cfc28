/**
 * Formats of pictures: how a file of each is known, how large its picture is and which way up, all from the header, so
 * that a picture too large to decode is known before it is decoded.
 *
 * Sources: ITU-T T.81 (JPEG), RFC 9649 (WebP), GIF89a, Microsoft's BITMAPINFOHEADER, ISO/IEC 23008-12 (AVIF, HEIC).
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { exifOrientation, type Orientation, xmpOrientation } from "./orientation.ts";
import { readPngFacts } from "./png.ts";

/** What a header says. */
export interface PictureFacts {
  /** Pixels across, as stored; of an animation all frames' canvas. */
  readonly width: number;
  /** Pixels down, as stored. */
  readonly height: number;
  /** How it has to be turned. AVIF is turned by its decoder. */
  readonly orientation: Orientation;
  /** Exif, from its byte order mark on. */
  readonly exif?: Uint8Array;
  /** Bytes that tell a decoder to turn it, which it must not do a second time. */
  readonly turn?: { readonly at: number; readonly littleEndian: boolean };
}

/** A format. To read another one that the platform decodes, add a row to {@linkcode FORMATS}. */
export interface PictureFormat {
  /** As people call it. */
  readonly name: string;
  /** Media type. */
  readonly type: string;
  /** Whether a file begins like one. */
  matches(bytes: Uint8Array): boolean;
  /** Its header; undefined when there is none that can be read. Absent for formats that are known by name only. */
  facts?(bytes: Uint8Array<ArrayBuffer>, name: string): PictureFacts | undefined;
}

/** Every format that is known, those that cannot be read too, so that they can be named. */
export const FORMATS: readonly PictureFormat[] = [
  { name: "PNG", type: "image/png", matches: begins(0, "\x89PNG\r\n\x1a\n"), facts: pngFacts },
  { name: "JPEG", type: "image/jpeg", matches: begins(0, "\xff\xd8\xff"), facts: jpegFacts },
  {
    name: "WebP",
    type: "image/webp",
    matches: (bytes) => begins(0, "RIFF")(bytes) && begins(8, "WEBP")(bytes),
    facts: webpFacts,
  },
  { name: "GIF", type: "image/gif", matches: begins(0, "GIF87a", "GIF89a"), facts: gifFacts },
  { name: "BMP", type: "image/bmp", matches: begins(0, "BM"), facts: bmpFacts },
  { name: "AVIF", type: "image/avif", matches: isoBrand("avif", "avis"), facts: avifFacts },
  { name: "HEIC", type: "image/heic", matches: isoBrand("heic", "heix", "heim", "heis", "hevc", "mif1") },
  { name: "TIFF", type: "image/tiff", matches: begins(0, "II*\0", "MM\0*") },
  { name: "JPEG XL", type: "image/jxl", matches: begins(0, "\xff\x0a", "\0\0\0\x0cJXL ") },
  { name: "JPEG 2000", type: "image/jp2", matches: begins(0, "\0\0\0\x0cjP  ", "\xff\x4f\xff\x51") },
  { name: "Photoshop", type: "image/vnd.adobe.photoshop", matches: begins(0, "8BPS") },
  { name: "icon", type: "image/x-icon", matches: begins(0, "\0\0\x01\0") },
  { name: "PDF", type: "application/pdf", matches: begins(0, "%PDF") },
  { name: "SVG", type: "image/svg+xml", matches: begins(0, "<svg", "<?xml") },
  {
    name: "HTML",
    type: "text/html",
    matches: begins(0, "<!doctype html", "<!DOCTYPE html", "<html", "<HTML"),
  },
  { name: "Git LFS pointer", type: "text/plain", matches: begins(0, "version https://git-lfs") },
];

/** A test for text of bytes at a place. */
function begins(at: number, ...signatures: readonly string[]): (bytes: Uint8Array) => boolean {
  return (bytes) =>
    signatures.some((signature) =>
      bytes.length >= at + signature.length &&
      [...signature].every((c, i) => bytes[at + i] === c.charCodeAt(0))
    );
}

/** A test for the brands of a file of ISO's boxes. */
function isoBrand(...brands: readonly string[]): (bytes: Uint8Array) => boolean {
  return (bytes) => {
    if (!begins(4, "ftyp")(bytes)) return false;
    const length = Math.min(bytes.length, 256, viewOf(bytes).getUint32(0));
    for (let at = 8; at + 4 <= length; at += 4) if (begins(at, ...brands)(bytes)) return true;
    return false;
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, MAX_XMP));
}

/** Metadata that is looked through for an orientation. */
const MAX_XMP = 32 << 10;

/** Facts with the orientation of Exif, or else of XMP. `tiff` lies at `at` of the file. */
function facing(
  size: { width: number; height: number },
  exif: { tiff: Uint8Array; at: number } | undefined,
  xmp: string | undefined,
): PictureFacts {
  const found = exif && exifOrientation(exif.tiff);
  return {
    ...size,
    orientation: found?.value ?? (xmp === undefined ? undefined : xmpOrientation(xmp)) ?? 1,
    ...exif && { exif: exif.tiff },
    turn: found && { at: exif!.at + found.at, littleEndian: found.littleEndian },
  };
}

function pngFacts(bytes: Uint8Array<ArrayBuffer>, name: string): PictureFacts {
  const { width, height, exif, xmp } = readPngFacts(bytes, name);
  // Our own reader turns nothing.
  return { ...facing({ width, height }, exif && { tiff: exif, at: 0 }, xmp), turn: undefined };
}

const EXIF = "Exif\0\0";
const JPEG_XMP = "http://ns.adobe.com/xap/1.0/\0";

/** Segments up to the pixels: the first frame header has the size, APP1 the metadata. */
function jpegFacts(bytes: Uint8Array): PictureFacts | undefined {
  const view = viewOf(bytes);
  let size: { width: number; height: number } | undefined;
  let exif: { tiff: Uint8Array; at: number } | undefined;
  let xmp: string | undefined;
  for (let at = 2; at + 4 <= bytes.length;) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1];
    if (marker === 0xff) { // fill
      at++;
      continue;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { // without a length
      at += 2;
      continue;
    }
    if (marker === 0xda || marker === 0xd9) break;
    const length = view.getUint16(at + 2);
    if (length < 2) return undefined;
    const data = bytes.subarray(at + 4, at + 2 + length);
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame && !size && data.length >= 5) {
      size = { height: data[1] << 8 | data[2], width: data[3] << 8 | data[4] };
    } else if (marker === 0xe1 && !exif && begins(0, EXIF)(data)) {
      exif = { tiff: data.subarray(EXIF.length), at: at + 4 + EXIF.length };
    } else if (marker === 0xe1 && xmp === undefined && begins(0, JPEG_XMP)(data)) xmp = latin1(data);
    at += 2 + length;
  }
  return size && facing(size, exif, xmp);
}

/** Chunks: the canvas or a bitstream has the size; frames may not be larger than the canvas. */
function webpFacts(bytes: Uint8Array): PictureFacts | undefined {
  const view = viewOf(bytes);
  let [width, height] = [0, 0];
  let exif: { tiff: Uint8Array; at: number } | undefined;
  let xmp: string | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    const data = bytes.subarray(at + 8, at + 8 + length);
    const inner = viewOf(data);
    const kind = latin1(bytes.subarray(at, at + 4));
    const grow = (w: number, h: number): void => {
      width = Math.max(width, w);
      height = Math.max(height, h);
    };
    const uint24 = (i: number): number => data[i] | data[i + 1] << 8 | data[i + 2] << 16;
    if (kind === "VP8X" && data.length >= 10) grow(uint24(4) + 1, uint24(7) + 1);
    else if (kind === "ANMF" && data.length >= 12) grow(uint24(6) + 1, uint24(9) + 1);
    else if (kind === "VP8 " && data.length >= 10) {
      grow(inner.getUint16(6, true) & 0x3fff, inner.getUint16(8, true) & 0x3fff);
    } else if (kind === "VP8L" && data.length >= 5) {
      const bits = inner.getUint32(1, true);
      grow((bits & 0x3fff) + 1, (bits >>> 14 & 0x3fff) + 1);
    } else if (kind === "EXIF") {
      const skip = begins(0, EXIF)(data) ? EXIF.length : 0;
      exif ??= { tiff: data.subarray(skip), at: at + 8 + skip };
    } else if (kind === "XMP ") xmp ??= latin1(data);
    at += 8 + length + (length & 1);
  }
  return width > 0 && height > 0 ? facing({ width, height }, exif, xmp) : undefined;
}

/** The canvas and the first frame, whichever is larger. */
function gifFacts(bytes: Uint8Array): PictureFacts | undefined {
  if (bytes.length < 13) return undefined;
  const view = viewOf(bytes);
  let [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  const tableBytes = (flags: number): number => flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
  for (let at = 13 + tableBytes(bytes[10]); at + 10 <= bytes.length;) {
    if (bytes[at] === 0x2c) {
      width = Math.max(width, view.getUint16(at + 1, true) + view.getUint16(at + 5, true));
      height = Math.max(height, view.getUint16(at + 3, true) + view.getUint16(at + 7, true));
      return { width, height, orientation: 1 };
    }
    if (bytes[at] !== 0x21) return undefined;
    // An extension: its label, then blocks, each behind its length, until one of none.
    for (at += 2; at < bytes.length && bytes[at] > 0;) at += 1 + bytes[at];
    at++;
  }
  return undefined;
}

function bmpFacts(bytes: Uint8Array): PictureFacts | undefined {
  if (bytes.length < 26) return undefined;
  const view = viewOf(bytes);
  const old = view.getUint32(14, true) === 12;
  const [width, height] = old
    ? [view.getUint16(18, true), view.getUint16(20, true)]
    : [view.getInt32(18, true), Math.abs(view.getInt32(22, true))]; // negative: rows from the top
  return { width, height, orientation: 1 };
}

/** The largest of the sizes that a file's items have; a grid of tiles is an item itself. */
function avifFacts(bytes: Uint8Array): PictureFacts | undefined {
  const view = viewOf(bytes);
  let [width, height] = [0, 0];
  const walk = (from: number, end: number, depth: number): void => {
    for (let at = from; at + 8 <= end;) {
      const length = view.getUint32(at) || end - at;
      // 64-bit lengths are those of pixel data, which comes last.
      if (length < 8 || at + length > end) return;
      const kind = latin1(bytes.subarray(at + 4, at + 8));
      if (kind === "ispe" && length >= 20) {
        width = Math.max(width, view.getUint32(at + 12));
        height = Math.max(height, view.getUint32(at + 16));
      } else if (depth < 3 && (kind === "meta" || kind === "iprp" || kind === "ipco")) {
        walk(at + (kind === "meta" ? 12 : 8), at + length, depth + 1);
      }
      at += length;
    }
  };
  walk(0, bytes.length, 0);
  return width > 0 && height > 0 ? { width, height, orientation: 1 } : undefined;
}

/** The format of a file. */
export function formatOf(bytes: Uint8Array): PictureFormat | undefined {
  return FORMATS.find((format) => format.matches(bytes));
}

/** Formats that can be read, for messages. */
export function readableFormats(): string {
  return FORMATS.filter(({ facts }) => facts).map(({ name }) => name).join(", ");
}

/**
 * The header of a file in one of the formats.
 *
 * @throws {LssgenError} `bad_file` for a damaged header, `unsupported` for a format that is not read.
 */
export function pictureFacts(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): { format: PictureFormat; facts: PictureFacts } {
  const format = formatOf(bytes);
  if (!format?.facts) {
    throw new LssgenError(
      format ? "unsupported" : "bad_file",
      `Cannot read "${name}" as a picture: ${
        bytes.length === 0 ? "it is empty" : format ? `it is ${format.name}` : "its format is not known"
      }, expected one of ${readableFormats()}`,
    );
  }
  const facts = format.facts(bytes, name);
  if (!facts || facts.width < 1 || facts.height < 1) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${name}" as ${format.name}: its header names no size; the file may be damaged or cut short`,
    );
  }
  return { format, facts };
}
