/**
 * PNG in and out, with text chunks, on what every engine has: CompressionStream and plain arrays.
 *
 * Source: W3C "Portable Network Graphics (PNG) Specification (Third Edition)".
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

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
const MAX_SIDE = 65_535;
const MAX_PIXELS = 1 << 28;
/** Longest text kept from one chunk, after inflation. */
const MAX_TEXT_BYTES = 16 << 20;
/** Deflate cannot do better: 258 bytes from two bits. */
const MAX_DEFLATE_RATIO = 1032;

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
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

/**
 * Reads a PNG of any colour type and depth. Depths below 8 are widened, 16 bits rounded to 8, palettes
 * resolved, a transparent colour becomes an alpha channel.
 *
 * @param bytes The whole file.
 * @param name File name for messages.
 * @throws {LssgenError} `bad_file` for damage of any kind, `unsupported` for interlaced files and
 * pictures over 2^28 pixels; both before anything of the claimed size is allocated.
 */
export async function decodePng(bytes: Uint8Array<ArrayBuffer>, name = "picture"): Promise<Picture> {
  const file = parseFile(bytes, name);
  const { width, height, depth, colour } = file.header;
  const samples = SAMPLES[colour];
  const rowBytes = Math.ceil(width * samples * depth / 8);
  const expected = height * (1 + rowBytes);
  const packed = concat(file.pixels);
  if (expected > packed.length * MAX_DEFLATE_RATIO) {
    throw damaged(name, `${packed.length} bytes of pixel data cannot hold ${width}x${height} pixels`);
  }
  const raw = await inflate(packed, expected, name, "pixel data");
  if (raw.length < expected) {
    throw damaged(
      name,
      `pixel data ends after ${raw.length} of ${expected} bytes; the file may be cut short`,
    );
  }
  unfilterRows(raw, height, rowBytes, Math.max(1, samples * depth >> 3), name);
  return toPicture(raw, rowBytes, file, name);
}

/**
 * Text chunks of a PNG (tEXt, zTXt, iTXt) by keyword; the last of a keyword wins. Pixels are not read.
 *
 * @param bytes The whole file.
 * @param name File name for messages.
 * @throws {LssgenError} `bad_file` when the file is damaged.
 */
export async function readPngText(
  bytes: Uint8Array<ArrayBuffer>,
  name = "picture",
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const { type, data } of parseFile(bytes, name).texts) {
    const end = data.indexOf(0);
    if (end < 1) throw damaged(name, `a ${type} chunk has no keyword`);
    const keyword = latin1(data.subarray(0, end));
    let rest = data.subarray(end + 1);
    let packed = false;
    if (type === "zTXt") {
      packed = true;
      rest = rest.subarray(1);
    } else if (type === "iTXt") {
      // Flag, method, language tag, 0, translated keyword, 0, text.
      packed = rest[0] === 1;
      const language = rest.indexOf(0, 2);
      const translated = language < 0 ? -1 : rest.indexOf(0, language + 1);
      if (translated < 0) throw damaged(name, `the iTXt chunk "${keyword}" is incomplete`);
      rest = rest.subarray(translated + 1);
    }
    if (packed) rest = await inflate(rest, MAX_TEXT_BYTES, name, `the text "${keyword}"`);
    texts.set(keyword, type === "iTXt" ? new TextDecoder().decode(rest) : latin1(rest));
  }
  return texts;
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

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: keyof typeof SAMPLES;
}

interface PngFile {
  readonly header: Header;
  readonly pixels: Uint8Array<ArrayBuffer>[];
  readonly texts: { type: string; data: Uint8Array<ArrayBuffer> }[];
  readonly palette?: Uint8Array;
  readonly transparency?: Uint8Array;
}

/** Samples of a pixel in the file, by colour type. */
const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
/** Bit depths that the standard allows, by colour type. */
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] } as const;

function damaged(name: string, what: string): LssgenError {
  return new LssgenError("bad_file", `Cannot read "${name}" as PNG: ${what}`);
}

function sizeIsSane(width: number, height: number): boolean {
  return Number.isInteger(width) && Number.isInteger(height) && width >= 1 && height >= 1 &&
    width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS;
}

function parseFile(bytes: Uint8Array<ArrayBuffer>, name: string): PngFile {
  if (bytes.length < 8 || SIGNATURE.some((byte, i) => bytes[i] !== byte)) {
    throw damaged(name, "it does not begin with the PNG signature");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | undefined;
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  const pixels: Uint8Array<ArrayBuffer>[] = [];
  const texts: PngFile["texts"] = [];
  for (let at = 8; at < bytes.length;) {
    if (at + 12 > bytes.length) throw damaged(name, "it is cut short inside a chunk header");
    const length = view.getUint32(at);
    const type = latin1(bytes.subarray(at + 4, at + 8));
    if (length > bytes.length - at - 12) {
      throw damaged(
        name,
        `chunk ${JSON.stringify(type)} at byte ${at} claims ${length} bytes, ${
          bytes.length - at - 12
        } are left`,
      );
    }
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw damaged(name, `the checksum of chunk ${JSON.stringify(type)} at byte ${at} is wrong`);
    }
    if (!header !== (type === "IHDR")) {
      throw damaged(name, `chunk ${JSON.stringify(type)} at byte ${at}, expected one "IHDR", and that first`);
    }
    at += 12 + length;
    if (type === "IEND") break;
    else if (type === "IHDR") header = parseHeader(data, name);
    else if (type === "IDAT") pixels.push(data);
    else if (type === "PLTE") palette = data;
    else if (type === "tRNS") transparency = data;
    else if (type === "tEXt" || type === "zTXt" || type === "iTXt") texts.push({ type, data });
    // A capital first letter marks a chunk without which the picture cannot be shown.
    else if (type[0] >= "A" && type[0] <= "Z") {
      throw new LssgenError("unsupported", `Cannot read "${name}": PNG chunk "${type}" is not known`);
    }
  }
  if (!header) throw damaged(name, 'it has no "IHDR" chunk');
  if (header.colour === 3 && (!palette || palette.length < 3 || palette.length % 3 || palette.length > 768)) {
    throw damaged(name, "its palette is missing or misshapen");
  }
  return { header, pixels, texts, palette, transparency };
}

function parseHeader(data: Uint8Array, name: string): Header {
  if (data.length !== 13) throw damaged(name, `the IHDR chunk has ${data.length} bytes, expected 13`);
  const view = new DataView(data.buffer, data.byteOffset, 13);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [depth, colour, compression, filter, interlace] = data.subarray(8);
  if (width < 1 || height < 1) throw damaged(name, `its size is ${width}x${height}`);
  if (!sizeIsSane(width, height)) {
    throw new LssgenError(
      "unsupported",
      `Cannot read "${name}": ${width}x${height} pixels, at most ${MAX_SIDE} a side and 2^28 in all are read`,
    );
  }
  if (!isColourType(colour) || !(DEPTHS[colour] as readonly number[]).includes(depth)) {
    throw damaged(name, `colour type ${colour} with ${depth} bits does not exist`);
  }
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw damaged(name, `compression ${compression}, filter ${filter}, interlace ${interlace} do not exist`);
  }
  if (interlace === 1) {
    throw new LssgenError(
      "unsupported",
      `Cannot read "${name}": interlaced PNG, save it again without interlacing`,
    );
  }
  return { width, height, depth, colour };
}

function isColourType(value: number): value is keyof typeof SAMPLES {
  return value in SAMPLES;
}

/** Undoes the row filters in place; every row of `raw` starts with its filter's number. */
function unfilterRows(raw: Uint8Array, height: number, rowBytes: number, step: number, name: string): void {
  for (let y = 0; y < height; y++) {
    const row = y * (rowBytes + 1) + 1;
    const above = row - rowBytes - 1;
    const filter = raw[row - 1];
    if (filter > 4) throw damaged(name, `row ${y} has filter ${filter}, which does not exist`);
    if (filter === 0) continue;
    for (let i = 0; i < rowBytes; i++) {
      const left = i >= step ? raw[row + i - step] : 0;
      const up = y > 0 ? raw[above + i] : 0;
      const corner = y > 0 && i >= step ? raw[above + i - step] : 0;
      raw[row + i] += predict(filter, left, up, corner);
    }
  }
}

/** A filter's guess of a byte from its neighbours. */
function predict(filter: number, left: number, up: number, corner: number): number {
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

/** Samples of any depth → 8 bits; palettes and transparent colours are resolved. */
function toPicture(raw: Uint8Array, rowBytes: number, file: PngFile, name: string): Picture {
  const { header: { width, height, depth, colour }, palette, transparency } = file;
  const samples = SAMPLES[colour];
  const count = width * samples;
  const wide = depth === 16;
  const row = new Uint16Array(count);
  const key = colour === 0 || colour === 2 ? transparentColour(transparency, samples, name) : undefined;
  const alpha = key !== undefined || (colour === 3 && transparency !== undefined);
  const channels = ((colour === 3 ? 3 : samples) + (alpha ? 1 : 0)) as Picture["channels"];
  const data = new Uint8Array(width * height * channels);
  const greyScale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  let to = 0;
  for (let y = 0; y < height; y++) {
    const from = y * (rowBytes + 1) + 1;
    for (let i = 0; i < count; i++) {
      if (wide) row[i] = raw[from + 2 * i] << 8 | raw[from + 2 * i + 1];
      else if (depth === 8) row[i] = raw[from + i];
      else {
        const bit = i * depth;
        row[i] = raw[from + (bit >> 3)] >> (8 - depth - (bit & 7)) & (2 ** depth - 1);
      }
    }
    for (let i = 0; i < count; i += samples) {
      if (colour === 3) {
        const index = row[i];
        if (3 * index >= palette!.length) {
          throw damaged(name, `row ${y} names colour ${index} outside the palette`);
        }
        for (let c = 0; c < 3; c++) data[to++] = palette![3 * index + c];
        if (alpha) data[to++] = transparency![index] ?? 255;
        continue;
      }
      let matches = key !== undefined;
      for (let c = 0; c < samples; c++) {
        const value = row[i + c];
        if (key && key[c] !== value) matches = false;
        data[to++] = wide ? Math.round(value / 257) : value * greyScale;
      }
      if (alpha) data[to++] = matches ? 0 : 255;
    }
  }
  return { width, height, channels, data };
}

function transparentColour(
  chunkData: Uint8Array | undefined,
  samples: number,
  name: string,
): number[] | undefined {
  if (!chunkData) return undefined;
  if (chunkData.length !== 2 * samples) throw damaged(name, `the tRNS chunk has ${chunkData.length} bytes`);
  return Array.from({ length: samples }, (_, c) => chunkData[2 * c] << 8 | chunkData[2 * c + 1]);
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

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
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

/** Inflates until `limit` bytes are there; whatever follows is never unpacked. */
async function inflate(
  packed: Uint8Array<ArrayBuffer>,
  limit: number,
  name: string,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts: Uint8Array[] = [];
  let total = 0;
  try {
    while (total < limit) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(total + value.length > limit ? value.subarray(0, limit - total) : value);
      total += parts[parts.length - 1].length;
    }
    await reader.cancel();
  } catch (cause) {
    throw new LssgenError("bad_file", `Cannot read "${name}" as PNG: ${what} cannot be unpacked`, { cause });
  }
  return concat(parts);
}
