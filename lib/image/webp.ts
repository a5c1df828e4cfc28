/**
 * WebP out, without loss: what every reader of WebP shows to the last bit. Engines without a canvas have no encoder of their
 * own, Deno's writes PNG and JPEG only.
 *
 * The pixels are predicted from their neighbours, the best of five ways in each block; what is left is written as prefix codes
 * and references to what came before.
 *
 * Source: RFC 9649, "WebP Image Format", sections 2 (container) and 3 (lossless bitstream).
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Picture } from "./png.ts";

const MAX_SIDE = 16384;
/** Blocks that share a prediction are 2^5 pixels wide. */
const BLOCK_BITS = 5;
/** Predictions that are tried, by their numbers in the format: left, top, mean of both, the nearer of both, left + top − corner. */
const MODES = [1, 2, 7, 11, 12] as const;
const [GREEN_CODES, CHANNEL_CODES, DISTANCE_CODES] = [256 + 24, 256, 40];
const MAX_CODE_BITS = 15;
const MAX_MATCH = 4096;
const MIN_MATCH = 4;
/** The order in which lengths of the code for code lengths are written. */
const LENGTH_ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/**
 * Writes a picture as lossless WebP.
 *
 * @param picture RGB.
 * @param exif TIFF data for its Exif chunk.
 * @throws {LssgenError} `bad_option` for sides beyond 16384 pixels, which the format cannot hold, and for other channels than RGB.
 */
export function encodeWebp(picture: Picture, exif?: Uint8Array): Uint8Array<ArrayBuffer> {
  const { width, height, channels, data } = picture;
  const fits = width >= 1 && height >= 1 && width <= MAX_SIDE && height <= MAX_SIDE;
  if (!fits || channels !== 3 || data.length !== width * height * 3) {
    throw new LssgenError(
      "bad_option",
      `Cannot write a WebP of ${width}x${height} with ${channels} channels from ${data.length} bytes, expected RGB of at most ` +
        `${MAX_SIDE} pixels a side`,
    );
  }
  const pixels = chunk("VP8L", bitstream(picture));
  if (!exif) return riff([pixels]);
  const header = new Uint8Array(10);
  header[0] = 0x08; // there is Exif
  const view = new DataView(header.buffer);
  view.setUint32(4, (width - 1) | ((height - 1) & 0xff) << 24, true);
  view.setUint16(8, (height - 1) >> 8, true);
  return riff([chunk("VP8X", header), pixels, chunk("EXIF", exif)]);
}

function riff(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = chunks.reduce((sum, part) => sum + part.length, 4);
  const out = new Uint8Array(8 + length);
  out.set(new TextEncoder().encode("RIFF"));
  new DataView(out.buffer).setUint32(4, length, true);
  out.set(new TextEncoder().encode("WEBP"), 8);
  let at = 12;
  for (const part of chunks) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function chunk(kind: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + data.length + (data.length & 1));
  out.set(new TextEncoder().encode(kind));
  new DataView(out.buffer).setUint32(4, data.length, true);
  out.set(data, 8);
  return out;
}

/** Bits, the lowest of a byte first. */
class Bits {
  private bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1 << 16);
  private at = 0;
  private held = 0;
  private count = 0;

  /** Up to 24 bits of a number, the lowest first. */
  put(value: number, bits: number): void {
    this.held |= value << this.count;
    this.count += bits;
    while (this.count >= 8) {
      if (this.at === this.bytes.length) {
        const more = new Uint8Array(2 * this.bytes.length);
        more.set(this.bytes);
        this.bytes = more;
      }
      this.bytes[this.at++] = this.held & 0xff;
      this.held >>>= 8;
      this.count -= 8;
    }
  }

  /** All of them, the last byte filled with zeros. */
  end(): Uint8Array<ArrayBuffer> {
    if (this.count > 0) this.put(0, 8 - this.count);
    return this.bytes.slice(0, this.at);
  }
}

function bitstream(picture: Picture): Uint8Array<ArrayBuffer> {
  const { width, height } = picture;
  const bits = new Bits();
  bits.put(0x2f, 8);
  bits.put(width - 1, 14);
  bits.put(height - 1, 14);
  bits.put(0, 1); // no transparency
  bits.put(0, 3); // version
  const rgb = withoutGreen(picture);
  bits.put(1, 1);
  bits.put(2, 2); // transform: green was subtracted
  const { residuals, modes, blocksWide } = predicted(rgb, width, height);
  bits.put(1, 1);
  bits.put(0, 2); // transform: pixels were predicted
  bits.put(BLOCK_BITS - 2, 3);
  entropyCoded(bits, modes, blocksWide, false);
  bits.put(0, 1); // no further transform
  entropyCoded(bits, residuals, width, true);
  return bits.end();
}

/** Pixels as red − green, green, blue − green, each modulo 256, in bits 16, 8 and 0 of a number. */
function withoutGreen({ width, height, data }: Picture): Uint32Array {
  const out = new Uint32Array(width * height);
  for (let i = 0; i < out.length; i++) {
    const green = data[3 * i + 1];
    out[i] = ((data[3 * i] - green) & 0xff) << 16 | green << 8 | (data[3 * i + 2] - green) & 0xff;
  }
  return out;
}

/** What is left of each pixel after the best prediction of its block. */
function predicted(
  rgb: Uint32Array,
  width: number,
  height: number,
): { residuals: Uint32Array; modes: Uint32Array; blocksWide: number } {
  const side = 1 << BLOCK_BITS;
  const blocksWide = Math.ceil(width / side);
  const modes = new Uint32Array(blocksWide * Math.ceil(height / side));
  const residuals = new Uint32Array(rgb.length);
  const tried = new Uint32Array(side * side);
  for (let block = 0; block < modes.length; block++) {
    const x0 = block % blocksWide * side;
    const y0 = Math.floor(block / blocksWide) * side;
    const [w, h] = [Math.min(side, width - x0), Math.min(side, height - y0)];
    let least = Infinity;
    for (const mode of MODES) {
      let cost = 0;
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++) {
          const left = residual(rgb, width, x0 + x, y0 + y, mode);
          tried[y * w + x] = left;
          cost += size(left >>> 16) + size(left >>> 8 & 0xff) + size(left & 0xff);
        }
      }
      if (cost >= least) continue;
      least = cost;
      modes[block] = mode << 8; // in the green channel
      for (let y = 0; y < h; y++) {
        residuals.set(tried.subarray(y * w, y * w + w), (y0 + y) * width + x0);
      }
    }
  }
  return { residuals, modes, blocksWide };
}

/** How far a byte is from 0, modulo 256. */
function size(byte: number): number {
  return byte < 128 ? byte : 256 - byte;
}

function residual(rgb: Uint32Array, width: number, x: number, y: number, mode: number): number {
  const i = y * width + x;
  const pixel = rgb[i];
  if (x === 0 && y === 0) return pixel; // predicted as black
  if (y === 0) return minus(pixel, rgb[i - 1]);
  const top = rgb[i - width];
  if (x === 0) return minus(pixel, top);
  const left = rgb[i - 1];
  switch (mode) {
    case 1:
      return minus(pixel, left);
    case 2:
      return minus(pixel, top);
    case 7:
      return minus(pixel, each(left, top, top, (a, b) => (a + b) >> 1));
    case 11:
      return minus(pixel, nearer(left, top, rgb[i - width - 1]));
    default:
      return minus(
        pixel,
        each(left, top, rgb[i - width - 1], (a, b, c) => Math.min(255, Math.max(0, a + b - c))),
      );
  }
}

function minus(a: number, b: number): number {
  return ((a >>> 16) - (b >>> 16) & 0xff) << 16 | ((a >>> 8 & 0xff) - (b >>> 8 & 0xff) & 0xff) << 8 |
    ((a & 0xff) - (b & 0xff) & 0xff);
}

function each(a: number, b: number, c: number, of: (a: number, b: number, c: number) => number): number {
  return of(a >>> 16, b >>> 16, c >>> 16) << 16 |
    of(a >>> 8 & 0xff, b >>> 8 & 0xff, c >>> 8 & 0xff) << 8 | of(a & 0xff, b & 0xff, c & 0xff);
}

/** Left or top, whichever is nearer to left + top − corner over all channels. */
function nearer(left: number, top: number, corner: number): number {
  let [toLeft, toTop] = [0, 0];
  for (let shift = 0; shift <= 16; shift += 8) {
    const [l, t, c] = [left >>> shift & 0xff, top >>> shift & 0xff, corner >>> shift & 0xff];
    toLeft += Math.abs(t - c);
    toTop += Math.abs(l - c);
  }
  return toLeft < toTop ? left : top;
}

/** A pixel, or the repetition of `length` pixels from `distance` before. */
interface Token {
  readonly pixel: number;
  readonly length: number;
  readonly distance: number;
}

/** Pixels in prefix codes. Each channel has a code of its own; opacity is the same everywhere. */
function entropyCoded(bits: Bits, pixels: Uint32Array, width: number, main: boolean): void {
  const tokens = references(pixels);
  const counts = [GREEN_CODES, CHANNEL_CODES, CHANNEL_CODES, CHANNEL_CODES, DISTANCE_CODES].map((n) =>
    new Uint32Array(n)
  );
  const [green, red, blue, alpha, distance] = counts;
  for (const token of tokens) {
    if (token.length === 0) {
      green[token.pixel >>> 8 & 0xff]++;
      red[token.pixel >>> 16]++;
      blue[token.pixel & 0xff]++;
      alpha[OPAQUE]++;
    } else {
      green[256 + prefix(token.length).symbol]++;
      distance[prefix(distanceCode(token.distance, width)).symbol]++;
    }
  }
  bits.put(0, 1); // no cache of colours
  if (main) bits.put(0, 1); // one set of codes for the whole picture
  const [greens, reds, blues, , distances] = counts.map((count) => writeCode(bits, count));
  for (const token of tokens) {
    if (token.length === 0) {
      greens(token.pixel >>> 8 & 0xff);
      reds(token.pixel >>> 16);
      blues(token.pixel & 0xff);
      continue; // opacity has one value, which takes no bits
    }
    const length = prefix(token.length);
    greens(256 + length.symbol);
    bits.put(length.rest, length.extra);
    const far = prefix(distanceCode(token.distance, width));
    distances(far.symbol);
    bits.put(far.rest, far.extra);
  }
}

/** What is left of opacity, 255 everywhere and predicted as 255: nothing. */
const OPAQUE = 0;

/** Greedy: the match with the last place where the same four pixels stood, if there is one. */
function references(pixels: Uint32Array): Token[] {
  const last = new Int32Array(1 << 16).fill(-1);
  const tokens: Token[] = [];
  const key = (i: number): number => {
    let hash = 0;
    for (let k = 0; k < MIN_MATCH; k++) hash = Math.imul(hash, 0x9e3779b1) + pixels[i + k] | 0;
    return (Math.imul(hash, 0x85ebca6b) >>> 16) & 0xffff;
  };
  for (let i = 0; i < pixels.length;) {
    const from = i + MIN_MATCH <= pixels.length ? last[key(i)] : -1;
    const most = from < 0 ? 0 : Math.min(MAX_MATCH, pixels.length - i);
    let length = 0;
    while (length < most && pixels[from + length] === pixels[i + length]) length++;
    if (length < MIN_MATCH) {
      tokens.push({ pixel: pixels[i], length: 0, distance: 0 });
      length = 1;
    } else tokens.push({ pixel: 0, length, distance: i - from });
    for (let k = i; k < i + length && k + MIN_MATCH <= pixels.length; k++) last[key(k)] = k;
    i += length;
  }
  return tokens;
}

/** Distances in the format's numbers: the pixel above and the one to the left have short ones. */
function distanceCode(distance: number, width: number): number {
  return distance === width ? 1 : distance === 1 ? 2 : distance + 120;
}

/** A length or distance from 1 on as a symbol and some bits as they are. */
function prefix(value: number): { symbol: number; extra: number; rest: number } {
  const v = value - 1;
  if (v < 4) return { symbol: v, extra: 0, rest: 0 };
  const high = 31 - Math.clz32(v);
  const second = v >>> (high - 1) & 1;
  return { symbol: 2 * high + second, extra: high - 1, rest: v & ((1 << (high - 1)) - 1) };
}

/** Writes a prefix code for symbols that occur so often; the result writes a symbol. */
function writeCode(bits: Bits, counts: Uint32Array): (symbol: number) => void {
  const used = [...counts.keys()].filter((symbol) => counts[symbol] > 0);
  if (used.length <= 2 && used.every((symbol) => symbol < 256)) {
    const [first = 0, second] = used;
    bits.put(1, 1);
    bits.put(second === undefined ? 0 : 1, 1);
    bits.put(first > 1 ? 1 : 0, 1);
    bits.put(first, first > 1 ? 8 : 1);
    if (second !== undefined) bits.put(second, 8);
    return second === undefined ? () => {} : (symbol) => bits.put(symbol === second ? 1 : 0, 1);
  }
  const lengths = codeLengths(counts, MAX_CODE_BITS);
  bits.put(0, 1);
  writeLengths(bits, lengths);
  return emitter(bits, lengths);
}

/** Code lengths, themselves as prefix codes: 16 repeats a length, 17 and 18 repeat zeros. */
function writeLengths(bits: Bits, lengths: Uint8Array): void {
  const runs: { symbol: number; extra: number; rest: number }[] = [];
  for (let i = 0; i < lengths.length;) {
    const length = lengths[i];
    let run = 1;
    while (i + run < lengths.length && lengths[i + run] === length) run++;
    i += run;
    if (length === 0) {
      for (; run >= 11; run -= Math.min(run, 138)) {
        runs.push({ symbol: 18, extra: 7, rest: Math.min(run, 138) - 11 });
      }
      if (run >= 3) runs.push({ symbol: 17, extra: 3, rest: run - 3 });
      else for (; run > 0; run--) runs.push({ symbol: 0, extra: 0, rest: 0 });
      continue;
    }
    runs.push({ symbol: length, extra: 0, rest: 0 });
    for (run--; run >= 3; run -= Math.min(run, 6)) {
      runs.push({ symbol: 16, extra: 2, rest: Math.min(run, 6) - 3 });
    }
    for (; run > 0; run--) runs.push({ symbol: length, extra: 0, rest: 0 });
  }
  const counts = new Uint32Array(LENGTH_ORDER.length);
  for (const { symbol } of runs) counts[symbol]++;
  const codes = codeLengths(counts, 7);
  bits.put(LENGTH_ORDER.length - 4, 4);
  for (const symbol of LENGTH_ORDER) bits.put(codes[symbol], 3);
  bits.put(0, 1); // lengths of all symbols follow
  const emit = emitter(bits, codes);
  for (const { symbol, extra, rest } of runs) {
    emit(symbol);
    bits.put(rest, extra);
  }
}

/** Huffman's lengths, none above `most`: rare symbols are counted as more frequent until it is so. */
function codeLengths(counts: Uint32Array, most: number): Uint8Array {
  for (let floor = 1;; floor *= 2) {
    const lengths = new Uint8Array(counts.length);
    let nodes = [...counts.keys()].filter((symbol) => counts[symbol] > 0).map((symbol) => ({
      count: Math.max(floor, counts[symbol]),
      symbols: [symbol],
    }));
    if (nodes.length === 1) lengths[nodes[0].symbols[0]] = 1;
    while (nodes.length > 1) {
      nodes.sort((a, b) => b.count - a.count);
      const [a, b] = [nodes.pop()!, nodes.pop()!];
      const symbols = [...a.symbols, ...b.symbols];
      for (const symbol of symbols) lengths[symbol]++;
      nodes = [...nodes, { count: a.count + b.count, symbols }];
    }
    if (lengths.every((length) => length <= most)) return lengths;
  }
}

/** Canonical codes, the highest bit first; the only symbol of a code takes no bits. */
function emitter(bits: Bits, lengths: Uint8Array): (symbol: number) => void {
  if (lengths.reduce((n, length) => n + (length > 0 ? 1 : 0), 0) === 1) return () => {};
  const codes = new Uint16Array(lengths.length);
  let code = 0;
  for (let length = 1; length <= MAX_CODE_BITS; length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      for (let bit = 0; bit < length; bit++) codes[symbol] |= (code >>> bit & 1) << (length - 1 - bit);
      code++;
    }
    code <<= 1;
  }
  return (symbol) => bits.put(codes[symbol], lengths[symbol]);
}
