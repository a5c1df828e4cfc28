/**
 * PNG in, with text chunks, on what every engine has: DecompressionStream and plain arrays.
 *
 * Source: W3C "Portable Network Graphics (PNG) Specification (Third Edition)".
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { concat, crc32, MAX_SIDE, type Picture, predict, SIGNATURE, sizeIsSane } from "./png_writing.ts";

export { encodePng, parametersText, type Picture } from "./png_writing.ts";

/** Text that is unpacked from one file, all compressed chunks together. A ComfyUI workflow has up to a few MB. */
const MAX_PACKED_TEXT_BYTES = 8 << 20;
/** Text chunks that are read. */
const MAX_TEXTS = 1000;
/** Compressed bytes handed over at a time: engines unpack each such piece whole, into at most 4 MiB. */
const PIECE = 4096;
/** Deflate cannot do better: 258 bytes from two bits. */
const MAX_DEFLATE_RATIO = 1032;

/**
 * Reads a PNG of any colour type and depth, interlaced or not, as it is stored (not turned upright). Depths below 8 are
 * widened, of 16 bits the upper 8 are taken as Pillow does, palettes resolved, a transparent colour becomes an alpha
 * channel. Colour profiles and gamma are ignored, as Pillow ignores them. Takes the memory of the result and of a row.
 *
 * @param bytes The whole file.
 * @param name File name for messages.
 * @throws {LssgenError} `bad_file` for damage of any kind, `unsupported` for pictures over 2^28 pixels; both before
 * anything of the claimed size is allocated.
 */
export async function decodePng(bytes: Uint8Array<ArrayBuffer>, name = "picture"): Promise<Picture> {
  const file = parseFile(bytes, name);
  const { width, height, depth, colour, interlaced } = file.header;
  const samples = SAMPLES[colour];
  const passes = (interlaced ? ADAM7 : [{ x: 0, y: 0, dx: 1, dy: 1 }])
    .map((pass) => ({
      ...pass,
      columns: Math.ceil((width - pass.x) / pass.dx),
      rows: Math.ceil((height - pass.y) / pass.dy),
    }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
  const rowBytesOf = (columns: number): number => Math.ceil(columns * samples * depth / 8);
  const expected = passes.reduce((sum, { columns, rows }) => sum + rows * (1 + rowBytesOf(columns)), 0);
  const packed = file.pixels.reduce((sum, part) => sum + part.length, 0);
  if (expected > packed * MAX_DEFLATE_RATIO) {
    throw damaged(name, `${packed} bytes of pixel data cannot hold ${width}x${height} pixels`);
  }
  const put = pixelWriter(file, name);
  const inflated = new Inflated(file.pixels, name, "pixel data");
  const step = Math.max(1, samples * depth >> 3);
  let done = 0;
  try {
    for (const { x, y, dx, dy, columns, rows } of passes) {
      const length = 1 + rowBytesOf(columns);
      let row = new Uint8Array(length);
      let above = new Uint8Array(length);
      for (let i = 0; i < rows; i++) {
        const got = await inflated.fill(row);
        done += got;
        if (got < length) {
          throw damaged(
            name,
            `pixel data ends after ${done} of ${expected} bytes; the file may be cut short`,
          );
        }
        if (row[0] > 4) {
          throw damaged(name, `row ${y + i * dy} has filter ${row[0]}, which does not exist`);
        }
        unfilterRow(row, above, step);
        put(row, columns, y + i * dy, x, dx);
        [row, above] = [above, row];
      }
    }
  } finally {
    await inflated.close();
  }
  return put.picture;
}

/** Size and orientation of a PNG, before its pixels are unpacked. */
export interface PngFacts {
  /** Pixels across, as stored. */
  readonly width: number;
  /** Pixels down, as stored. */
  readonly height: number;
  /** TIFF data of an `eXIf` chunk. */
  readonly exif?: Uint8Array;
  /** Adobe's XMP packet, where it stands uncompressed. */
  readonly xmp?: string;
}

/**
 * What a PNG says about its picture.
 *
 * @param bytes The whole file.
 * @param name File name for messages.
 * @throws {LssgenError} As {@linkcode decodePng}.
 */
export function readPngFacts(bytes: Uint8Array<ArrayBuffer>, name = "picture"): PngFacts {
  const { header: { width, height }, exif, texts } = parseFile(bytes, name);
  const xmp = texts.find(({ type, data }) => type === "iTXt" && latin1(data.subarray(0, 18)) === `${XMP}\0`);
  return { width, height, exif, xmp: xmp && latin1(xmp.data.subarray(18)) };
}

/** Keyword of Adobe's metadata. */
const XMP = "XML:com.adobe.xmp";

/**
 * Text chunks of a PNG (tEXt, zTXt, iTXt) by keyword; the last of a keyword wins. Pixels are not read.
 *
 * @param bytes The whole file.
 * @param name File name for messages.
 * @param wanted The only keyword to read; every one when undefined.
 * @throws {LssgenError} `bad_file` when the file is damaged, has more than 1000 texts, or the compressed ones among those
 * that are read hold more than 8 MiB.
 */
export async function readPngText(
  bytes: Uint8Array<ArrayBuffer>,
  name = "picture",
  wanted: string | undefined = undefined,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const file = parseFile(bytes, name);
  if (file.texts.length > MAX_TEXTS) throw damaged(name, `it has more than ${MAX_TEXTS} text chunks`);
  const last = new Map<string, { type: string; data: Uint8Array<ArrayBuffer>; end: number }>();
  for (const { type, data } of file.texts) {
    const end = data.indexOf(0);
    if (end < 1) throw damaged(name, `a ${type} chunk has no keyword`);
    const keyword = latin1(data.subarray(0, end));
    if (wanted === undefined || keyword === wanted) last.set(keyword, { type, data, end });
  }
  let left = MAX_PACKED_TEXT_BYTES;
  for (const [keyword, { type, data, end }] of last) {
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
    if (packed) {
      rest = await inflateText(rest, left, name, keyword);
      left -= rest.length;
    }
    texts.set(keyword, type === "iTXt" ? new TextDecoder().decode(rest) : latin1(rest));
  }
  return texts;
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: keyof typeof SAMPLES;
  readonly interlaced: boolean;
}

/** Adam7: seven passes, each over every dx-th column and dy-th row from (x, y). */
const ADAM7 = [
  { x: 0, y: 0, dx: 8, dy: 8 },
  { x: 4, y: 0, dx: 8, dy: 8 },
  { x: 0, y: 4, dx: 4, dy: 8 },
  { x: 2, y: 0, dx: 4, dy: 4 },
  { x: 0, y: 2, dx: 2, dy: 4 },
  { x: 1, y: 0, dx: 2, dy: 2 },
  { x: 0, y: 1, dx: 1, dy: 2 },
] as const;

interface PngFile {
  readonly header: Header;
  readonly pixels: Uint8Array<ArrayBuffer>[];
  readonly texts: { type: string; data: Uint8Array<ArrayBuffer> }[];
  readonly palette?: Uint8Array;
  readonly transparency?: Uint8Array;
  readonly exif?: Uint8Array;
}

/** Samples of a pixel in the file, by colour type. */
const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
/** Bit depths that the standard allows, by colour type. */
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] } as const;

function damaged(name: string, what: string): LssgenError {
  return new LssgenError("bad_file", `Cannot read "${name}" as PNG: ${what}`);
}

function parseFile(bytes: Uint8Array<ArrayBuffer>, name: string): PngFile {
  if (bytes.length < 8 || SIGNATURE.some((byte, i) => bytes[i] !== byte)) {
    throw damaged(name, "it does not begin with the PNG signature");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | undefined;
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  let exif: Uint8Array | undefined;
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
    else if (type === "eXIf") exif = data;
    else if (type === "tEXt" || type === "zTXt" || type === "iTXt") {
      // One more than is read, so that too many are noticed.
      if (texts.length <= MAX_TEXTS) texts.push({ type, data });
    } // A capital first letter marks a chunk without which the picture cannot be shown.
    else if (type[0] >= "A" && type[0] <= "Z") {
      throw new LssgenError("unsupported", `Cannot read "${name}": PNG chunk "${type}" is not known`);
    }
  }
  if (!header) throw damaged(name, 'it has no "IHDR" chunk');
  if (header.colour === 3 && (!palette || palette.length < 3 || palette.length % 3 || palette.length > 768)) {
    throw damaged(name, "its palette is missing or misshapen");
  }
  return { header, pixels, texts, palette, transparency, exif };
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
  return { width, height, depth, colour, interlaced: interlace === 1 };
}

function isColourType(value: number): value is keyof typeof SAMPLES {
  return value in SAMPLES;
}

/** Undoes a row's filter in place. Both rows begin with their filter's number; `step` is bytes a pixel. */
function unfilterRow(row: Uint8Array, above: Uint8Array, step: number): void {
  const filter = row[0];
  const head = 1 + step;
  const { length } = row;
  switch (filter) {
    case 1:
      for (let i = head; i < length; i++) row[i] += row[i - step];
      break;
    case 2:
      for (let i = 1; i < length; i++) row[i] += above[i];
      break;
    case 3:
    case 4:
      for (let i = 1; i < length; i++) {
        row[i] += i < head
          ? predict(filter, 0, above[i], 0)
          : predict(filter, row[i - step], above[i], above[i - step]);
      }
  }
}

/** A filter's guess of a byte from its neighbours. */
/** Writes rows of samples into a picture: pixel i of row y at column x + i · dx. */
interface PixelWriter {
  (row: Uint8Array, columns: number, y: number, x: number, dx: number): void;
  readonly picture: Picture;
}

/** Samples of any depth → 8 bits; palettes and transparent colours are resolved. Rows begin with their filter's number. */
function pixelWriter({ header, palette, transparency }: PngFile, name: string): PixelWriter {
  const { width, height, depth, colour } = header;
  const samples = SAMPLES[colour];
  const wide = depth === 16;
  const values = new Uint16Array(width * samples);
  const key = colour === 0 || colour === 2 ? transparentColour(transparency, samples, name) : undefined;
  const alpha = key !== undefined || (colour === 3 && transparency !== undefined);
  const channels = ((colour === 3 ? 3 : samples) + (alpha ? 1 : 0)) as Picture["channels"];
  const data = new Uint8Array(width * height * channels);
  const greyScale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  const put = (row: Uint8Array, columns: number, y: number, x: number, dx: number): void => {
    const count = columns * samples;
    for (let i = 0; i < count; i++) {
      if (wide) values[i] = row[1 + 2 * i] << 8 | row[2 + 2 * i];
      else if (depth === 8) values[i] = row[1 + i];
      else {
        const bit = i * depth;
        values[i] = row[1 + (bit >> 3)] >> (8 - depth - (bit & 7)) & (2 ** depth - 1);
      }
    }
    for (let i = 0, column = x; i < count; i += samples, column += dx) {
      let to = (y * width + column) * channels;
      if (colour === 3) {
        const index = values[i];
        if (3 * index >= palette!.length) {
          throw damaged(name, `row ${y} names colour ${index} outside the palette`);
        }
        for (let c = 0; c < 3; c++) data[to++] = palette![3 * index + c];
        if (alpha) data[to] = transparency![index] ?? 255;
        continue;
      }
      let matches = key !== undefined;
      for (let c = 0; c < samples; c++) {
        const value = values[i + c];
        if (key && key[c] !== value) matches = false;
        data[to++] = wide ? value >> 8 : value * greyScale;
      }
      if (alpha) data[to] = matches ? 0 : 255;
    }
  };
  return Object.assign(put, { picture: { width, height, channels, data } });
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

/** Bytes as characters, one each. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

/** Unpacks zlib data piece by piece; whatever is not asked for is never unpacked. */
class Inflated {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(
    packed: readonly Uint8Array<ArrayBuffer>[],
    private readonly name: string,
    private readonly what: string,
  ) {
    let part = 0;
    let at = 0;
    this.reader = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        while (part < packed.length && at >= packed[part].length) {
          part++;
          at = 0;
        }
        if (part === packed.length) return controller.close();
        controller.enqueue(packed[part].slice(at, at + PIECE));
        at += PIECE;
      },
    }).pipeThrough(new DecompressionStream("deflate")).getReader();
  }

  /** Fills an array; returns how many bytes there were, fewer only at the end. */
  async fill(into: Uint8Array): Promise<number> {
    let at = 0;
    while (at < into.length) {
      if (this.rest.length === 0) {
        const { done, value } = await this.next();
        if (done) break;
        this.rest = value!;
      }
      const part = this.rest.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      this.rest = this.rest.subarray(part.length);
    }
    return at;
  }

  /** Stops unpacking. */
  async close(): Promise<void> {
    await this.reader.cancel().catch(() => {});
  }

  private async next(): Promise<{ done: boolean; value?: Uint8Array }> {
    try {
      return await this.reader.read();
    } catch (cause) {
      throw new LssgenError(
        "bad_file",
        `Cannot read "${this.name}" as PNG: ${this.what} cannot be unpacked`,
        { cause },
      );
    }
  }
}

/** A compressed text of at most `limit` bytes. */
async function inflateText(
  packed: Uint8Array<ArrayBuffer>,
  limit: number,
  name: string,
  keyword: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const inflated = new Inflated([packed], name, `the text "${keyword}"`);
  const parts: Uint8Array[] = [];
  const part = new Uint8Array(64 << 10);
  let total = 0;
  try {
    for (let got = part.length; got === part.length;) {
      got = await inflated.fill(part);
      total += got;
      if (total > limit) {
        throw damaged(name, `its compressed texts hold more than ${MAX_PACKED_TEXT_BYTES} bytes`);
      }
      parts.push(part.slice(0, got));
    }
  } finally {
    await inflated.close();
  }
  return concat(parts);
}
