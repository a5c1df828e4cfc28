/**
 * Random normals that are the same everywhere: Philox 4×32-10 in integers, then Box–Muller with a
 * logarithm, sine and cosine of our own.
 *
 * `Math.log`, `Math.cos` and `Math.sin` may differ between engines in the last bit; `+ − × ÷` and
 * `Math.sqrt` may not, and neither may any of them be fused. So only those are used, and a seed gives
 * the same noise, bit for bit, in every engine and on every adapter.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011); test
 * vectors of Random123.
 *
 * @module
 */

import { LssgenError } from "./errors.ts";

/** Which noise is meant. Two different streams share no number. */
export interface NoiseStream {
  /** The user's seed: a whole number in [0, 2^53], or a bigint in [0, 2^64). */
  readonly seed: number | bigint;
  /** Stage of the run, a whole number in [0, 2^32); 0 is the first. */
  readonly stage: number;
  /** Picture of the batch, a whole number in [0, 2^32); 0 is the first. */
  readonly picture: number;
  /** Further draws inside a stage (samplers that add noise in every step), in [0, 2^32). Default 0. */
  readonly draw?: number;
}

/** The largest seed, 2^53 − 1: the same bound in the command line, the library and the server. */
export const MAX_SEED: number = Number.MAX_SAFE_INTEGER;

/** A seed of 32 bits by chance, for who asks for −1. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/**
 * The seed of the first of some pictures with consecutive seeds; −1 draws one.
 *
 * @throws {LssgenError} `bad_option` when it is no whole number from −1 to {@linkcode MAX_SEED}, or a later picture's would not be.
 */
export function firstSeed(seed: number, pictures = 1): number {
  if (!Number.isSafeInteger(seed) || seed < -1) {
    throw new LssgenError(
      "bad_option",
      `seed is ${seed}, expected a whole number from 0 to 2^53 - 1 (${MAX_SEED}), or -1 for one by chance`,
    );
  }
  if (seed > MAX_SEED - (pictures - 1)) {
    throw new LssgenError(
      "bad_option",
      `seed is ${seed}: with ${pictures} pictures of consecutive seeds the last would exceed 2^53 - 1, so take at most ${
        MAX_SEED - (pictures - 1)
      }`,
    );
  }
  return seed === -1 ? randomSeed() : seed;
}

/** Four unsigned 32-bit words. */
export type Words4 = [number, number, number, number];

/**
 * One Philox 4×32-10 block.
 *
 * @param counter Four unsigned 32-bit words; every counter gives another block.
 * @param key0 Low word of the key.
 * @param key1 High word of the key.
 * @returns Four unsigned 32-bit words.
 */
export function philox4x32(counter: Readonly<Words4>, key0: number, key1: number): Words4 {
  const out: Words4 = [counter[0], counter[1], counter[2], counter[3]];
  philoxInto(out, key0, key1);
  return out;
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** Replaces the counter in `words` by its block. */
function philoxInto(words: Words4, key0: number, key1: number): void {
  let [a, b, c, d] = words;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(MULTIPLIER_0, a);
    const low0 = Math.imul(MULTIPLIER_0, a);
    const high1 = mulHigh(MULTIPLIER_1, c);
    const low1 = Math.imul(MULTIPLIER_1, c);
    a = high1 ^ b ^ k0;
    b = low1;
    c = high0 ^ d ^ k1;
    d = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  words[0] = a >>> 0;
  words[1] = b >>> 0;
  words[2] = c >>> 0;
  words[3] = d >>> 0;
}

/** Upper 32 bits of an unsigned 32 × 32 product, by halves of 16 so that every sum is exact in a double. */
function mulHigh(x: number, y: number): number {
  const x0 = x & 0xffff;
  const x1 = x >>> 16;
  const y0 = y & 0xffff;
  const y1 = y >>> 16;
  const cross = x1 * y0 + (x0 * y0 >>> 16);
  const middle = x0 * y1 + (cross % 0x10000);
  return (x1 * y1 + Math.floor(cross / 0x10000) + Math.floor(middle / 0x10000)) | 0;
}

/**
 * `count` independent standard normals, rounded to f32. A longer draw begins with the shorter one.
 *
 * @param stream Seed, stage and picture; each combination owns 2^34 numbers.
 * @param count How many, at most 2^31.
 * @throws {LssgenError} `bad_option` when a part of the stream or the count is out of range.
 */
export function philoxNormals(stream: NoiseStream, count: number): Float32Array<ArrayBuffer> {
  const [key0, key1] = seedWords(stream.seed);
  const stage = word("stage", stream.stage);
  const picture = word("picture", stream.picture);
  const draw = word("draw", stream.draw ?? 0);
  if (!Number.isSafeInteger(count) || count < 0 || count > 2 ** 31) {
    throw new LssgenError("bad_option", `Cannot draw ${count} normals, expected a whole number up to 2^31`);
  }
  const out = new Float32Array(count);
  const words: Words4 = [0, 0, 0, 0];
  for (let at = 0, block = 0; at < count; at += 4, block++) {
    words[0] = block;
    words[1] = stage;
    words[2] = picture;
    words[3] = draw;
    philoxInto(words, key0, key1);
    // A Float32Array ignores writes behind its end, so the last block needs no guard.
    normalPair(words[0], words[1], out, at);
    normalPair(words[2], words[3], out, at + 2);
  }
  return out;
}

/**
 * The key of a seed, [low, high] words.
 *
 * @throws {LssgenError} `bad_option` when the seed is no whole number in range.
 */
export function seedWords(seed: number | bigint): [number, number] {
  if (typeof seed === "bigint") {
    if (seed < 0n || seed >= 1n << 64n) {
      throw new LssgenError("bad_option", `Seed ${seed} is out of range, expected 0 to 2^64 - 1`);
    }
    return [Number(seed & 0xffffffffn), Number(seed >> 32n)];
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 2 ** 53) {
    throw new LssgenError(
      "bad_option",
      `Seed ${seed} is out of range, expected a whole number from 0 to 2^53 (larger ones as bigint)`,
    );
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

function word(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
    throw new LssgenError(
      "bad_option",
      `Noise ${name} is ${value}, expected a whole number from 0 to 2^32 - 1`,
    );
  }
  return value;
}

/** Box–Muller: two random words to two normals at `out[at]` and `out[at + 1]`. */
function normalPair(x: number, y: number, out: Float32Array, at: number): void {
  // Half a step above zero keeps the logarithm finite; the largest normal is 6.8.
  const radius = Math.sqrt(-2 * pinnedLog((x + 0.5) * 2 ** -32));
  const quarters = y * 2 ** -30;
  out[at] = radius * pinnedCosine(quarters);
  out[at + 1] = radius * pinnedSine(quarters);
}

/**
 * Cosine of an angle in quarter turns, from exactly rounded operations only.
 *
 * @param quarters In [0, 4]; 4 is the full turn.
 */
export function pinnedCosine(quarters: number): number {
  // The nearest quarter turn is taken off exactly; the rest lies within ±π/4.
  const nearest = Math.floor(quarters + 0.5);
  const angle = (quarters - nearest) * (Math.PI / 2);
  const value = nearest & 1 ? sineNearZero(angle) : cosineNearZero(angle);
  return nearest === 1 || nearest === 2 ? -value : value;
}

/** Sine, as {@linkcode pinnedCosine}. */
export function pinnedSine(quarters: number): number {
  const nearest = Math.floor(quarters + 0.5);
  const angle = (quarters - nearest) * (Math.PI / 2);
  const value = nearest & 1 ? cosineNearZero(angle) : sineNearZero(angle);
  return nearest === 2 || nearest === 3 ? -value : value;
}

/**
 * Natural logarithm from exactly rounded operations only; within 2 ulp of the true value.
 *
 * @param x A normal positive double.
 */
export function pinnedLog(x: number): number {
  // x = m · 2^e with m in [√½, √2), then log m = 2·artanh((m − 1)/(m + 1)).
  let exponent = 0;
  let m = x;
  while (m < Math.SQRT1_2) {
    m *= 2;
    exponent--;
  }
  while (m >= Math.SQRT2) {
    m /= 2;
    exponent++;
  }
  const f = (m - 1) / (m + 1);
  const f2 = f * f; // at most 0.0295, so the term after the last is below 2^-58
  let series = ARTANH[0];
  for (let k = 1; k < ARTANH.length; k++) series = series * f2 + ARTANH[k];
  return exponent * Math.LN2 + (2 * f + 2 * f * f2 * series);
}

/** Coefficients of (artanh f − f) / f³ in f², highest power first. */
const ARTANH = [1 / 23, 1 / 21, 1 / 19, 1 / 17, 1 / 15, 1 / 13, 1 / 11, 1 / 9, 1 / 7, 1 / 5, 1 / 3];

/** Sine for |x| ≤ π/4 by its Taylor series; the term after the last is below 2^-56 of the value. */
function sineNearZero(x: number): number {
  const x2 = x * x;
  let s = 1 / 355687428096000; // 1/17!
  s = s * x2 - 1 / 1307674368000;
  s = s * x2 + 1 / 6227020800;
  s = s * x2 - 1 / 39916800;
  s = s * x2 + 1 / 362880;
  s = s * x2 - 1 / 5040;
  s = s * x2 + 1 / 120;
  s = s * x2 - 1 / 6;
  return x + x * x2 * s;
}

/** Cosine for |x| ≤ π/4 by its Taylor series. */
function cosineNearZero(x: number): number {
  const x2 = x * x;
  let c = 1 / 20922789888000; // 1/16!
  c = c * x2 - 1 / 87178291200;
  c = c * x2 + 1 / 479001600;
  c = c * x2 - 1 / 3628800;
  c = c * x2 + 1 / 40320;
  c = c * x2 - 1 / 720;
  c = c * x2 + 1 / 24;
  return 1 - x2 / 2 + x2 * x2 * c;
}
