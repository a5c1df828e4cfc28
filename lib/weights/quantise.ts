/**
 * Numbers → the block-quantised tensor types of GGUF files, bit for bit as ggml's reference quantisers write them
 * (without an importance matrix). Every arithmetic step is rounded to f32, in ggml's order, because a search that compares
 * sums of squares turns the last bit of one of them into another block.
 *
 * Source: the formulas of `quantize_row_*_ref` in ggml (MIT): block layouts as in `quants.ts`.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { GGML_TYPES, type GgmlType } from "./ggml_types.ts";

/** Types that can be written. */
export const WRITABLE_TYPES = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
] as const;

/** A type that {@linkcode quantise} writes. */
export type WritableType = typeof WRITABLE_TYPES[number];

const BY_NAME: ReadonlyMap<string, GgmlType> = new Map([...GGML_TYPES.values()].map((t) => [t.name, t]));

/** How a writable type is stored. */
export function storageOf(type: WritableType): GgmlType {
  return BY_NAME.get(type)!;
}

/**
 * Stores values in a type.
 *
 * @param values Any number of whole blocks, finite.
 * @returns The bytes; `undefined` when the type cannot hold the values: f16, and the f16 scales of blocks, end at 65504.
 * @throws {LssgenError} `bad_tensor` for a part of a block.
 */
export function quantise(values: Float32Array, type: WritableType): Uint8Array<ArrayBuffer> | undefined {
  const { values: size, bytes } = storageOf(type);
  const blocks = values.length / size;
  if (!Number.isInteger(blocks)) {
    throw new LssgenError(
      "bad_tensor",
      `${values.length} values cannot be stored as ${type}, expected a multiple of ${size}`,
    );
  }
  switch (type) {
    case "F32":
      return new Uint8Array(values.slice().buffer);
    case "BF16":
      return toBf16(values);
    case "F16": {
      const half = new Float16Array(values);
      return half.every(Number.isFinite) ? new Uint8Array(half.buffer) : undefined;
    }
    default: {
      const out = new Uint8Array(blocks * bytes);
      const view = new DataView(out.buffer);
      const pack = PACK[type];
      for (let b = 0; b < blocks; b++) {
        if (!pack(values, b * size, view, b * bytes)) return undefined;
      }
      return out;
    }
  }
}

/** Rounds to the nearest, ties to even, as PyTorch and ggml do. */
function toBf16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bits = new Uint32Array(values.slice().buffer);
  const out = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = (bits[i] + 0x7fff + (bits[i] >>> 16 & 1)) >>> 16;
  return new Uint8Array(out.buffer);
}

/** Writes one block of `x` from `from` to byte `at`; false when its scale exceeds f16. */
type Pack = (x: Float32Array, from: number, out: DataView, at: number) => boolean;

const f = Math.fround;

/** The nearest whole number, ties to even, of an f32 below 2^22: adding 1.5 · 2^23 leaves no fraction in f32. */
function nearest(v: number): number {
  return f(v + 12582912) - 12582912;
}

function clamp(v: number, low: number, high: number): number {
  return v < low ? low : v > high ? high : v;
}

/** Stores a scale as f16 and says whether it fits. */
function putHalf(out: DataView, at: number, v: number): boolean {
  out.setFloat16(at, v, true);
  return Number.isFinite(out.getFloat16(at, true));
}

/** Value of greatest magnitude, the first of equals, with its sign. */
function extreme(x: Float32Array, from: number, n: number): number {
  let most = 0;
  let value = 0;
  for (let i = from; i < from + n; i++) {
    const size = Math.abs(x[i]);
    if (size > most) {
      most = size;
      value = x[i];
    }
  }
  return value;
}

/** Q8_0: d, then 32 signed bytes. */
const q8_0: Pack = (x, from, out, at) => {
  const d = f(Math.abs(extreme(x, from, 32)) / 127);
  const inverse = d ? f(1 / d) : 0;
  for (let j = 0; j < 32; j++) {
    const v = f(x[from + j] * inverse);
    out.setInt8(at + 2 + j, v < 0 ? -Math.floor(0.5 - v) : Math.floor(0.5 + v)); // C's roundf: halves away from zero
  }
  return putHalf(out, at, d);
};

/** Q4_0 and Q5_0: d = extreme / −2^(bits − 1), so that the extreme value is exact. */
function symmetric(bits: 4 | 5): Pack {
  const half = 1 << (bits - 1);
  const top = 2 * half - 1;
  const low = bits === 4 ? 2 : 6;
  return (x, from, out, at) => {
    const d = f(extreme(x, from, 32) / -half);
    const inverse = d ? f(1 / d) : 0;
    const level = (i: number): number => Math.min(top, Math.trunc(f(f(x[from + i] * inverse) + half + 0.5)));
    packHalves(level, out, at + low, bits === 5 ? at + 2 : -1);
    return putHalf(out, at, d);
  };
}

/** Q4_1 and Q5_1: d and the minimum m. */
function affine(bits: 4 | 5): Pack {
  const top = (1 << bits) - 1;
  const low = bits === 4 ? 4 : 8;
  return (x, from, out, at) => {
    let min = x[from];
    let max = x[from];
    for (let i = from + 1; i < from + 32; i++) {
      if (x[i] < min) min = x[i];
      if (x[i] > max) max = x[i];
    }
    const d = f(f(max - min) / top);
    const inverse = d ? f(1 / d) : 0;
    const level = (i: number): number => {
      const v = Math.trunc(f(f(f(x[from + i] - min) * inverse) + 0.5));
      return bits === 4 ? Math.min(top, v) : v & 0xff;
    };
    packHalves(level, out, at + low, bits === 5 ? at + 4 : -1);
    return putHalf(out, at, d) && putHalf(out, at + 2, min);
  };
}

/** Low halves of values i and i + 16 share a byte; fifth bits lie in 32 bits at `high`, where there are any. */
function packHalves(level: (i: number) => number, out: DataView, low: number, high: number): void {
  let fifths = 0;
  for (let j = 0; j < 16; j++) {
    const a = level(j);
    const b = level(j + 16);
    out.setUint8(low + j, a & 15 | (b & 15) << 4);
    fifths |= (a >> 4 & 1) << j | (b >> 4 & 1) << (j + 16);
  }
  if (high >= 0) out.setUint32(high, fifths >>> 0, true);
}

/** Groups below this are stored as zeros. */
const TINY = 1e-15;

// What the searches below fill: levels of a super-block of 256 values, and scales and minima of its groups.
const levels = new Uint8Array(256);
const trial = new Uint8Array(32);
const weights = new Float32Array(32);
const scales = new Float32Array(16);
const minima = new Float32Array(16);

/**
 * Scale d and minimum −m of a group, x ≈ d·level − m with levels 0 … top: weighted least squares over several
 * trial scales. Levels go to `levels` from `to`, m to `minima[g]`.
 *
 * @param absolute Whether errors count by size rather than by square.
 */
function fitAffine(
  x: Float32Array,
  from: number,
  n: number,
  top: number,
  to: number,
  g: number,
  { start, tries, absolute }: { start: number; tries: number; absolute: boolean },
): number {
  let min = x[from];
  let max = x[from];
  let sumW = weights[0];
  let sumX = f(sumW * x[from]);
  for (let i = 1; i < n; i++) {
    const v = x[from + i];
    if (v < min) min = v;
    if (v > max) max = v;
    sumW = f(sumW + weights[i]);
    sumX = f(sumX + f(weights[i] * v));
  }
  if (min > 0) min = 0;
  if (max === min) {
    levels.fill(0, to, to + n);
    minima[g] = -min;
    return 0;
  }
  let inverse = f(top / f(max - min));
  let scale = f(1 / inverse);
  let best = 0;
  for (let i = 0; i < n; i++) {
    const level = clamp(nearest(f(inverse * f(x[from + i] - min))), 0, top);
    levels[to + i] = level;
    const off = f(f(f(scale * level) + min) - x[from + i]);
    best = f(best + f(weights[i] * (absolute ? Math.abs(off) : f(off * off))));
  }
  for (let t = 0; t <= tries; t++) {
    inverse = f(f(f(start + f(f(0.1) * t)) + top) / f(max - min)); // the minimum found so far
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < n; i++) {
      const level = clamp(nearest(f(inverse * f(x[from + i] - min))), 0, top);
      trial[i] = level;
      const w = f(weights[i] * level);
      sumL = f(sumL + w);
      sumL2 = f(sumL2 + f(w * level));
      sumXL = f(sumXL + f(w * x[from + i]));
    }
    const determinant = f(f(sumW * sumL2) - f(sumL * sumL));
    if (!(determinant > 0)) continue;
    let d = f(f(f(sumW * sumXL) - f(sumX * sumL)) / determinant);
    let low = f(f(f(sumL2 * sumX) - f(sumL * sumXL)) / determinant);
    if (low > 0) {
      low = 0;
      d = f(sumXL / sumL2);
    }
    let error = 0;
    for (let i = 0; i < n; i++) {
      const off = f(f(f(d * trial[i]) + low) - x[from + i]);
      error = f(error + f(weights[i] * (absolute ? Math.abs(off) : f(off * off))));
    }
    if (error < best) {
      levels.set(trial.subarray(0, n), to);
      best = error;
      scale = d;
      min = low;
    }
  }
  minima[g] = -min;
  return scale;
}

/** Q4_K and Q5_K: 8 groups of 32, scales and minima in six bits each. */
function k45(bits: 4 | 5): Pack {
  const top = (1 << bits) - 1;
  const search = bits === 4
    ? { start: -1, tries: 20, absolute: false }
    : { start: -0.5, tries: 15, absolute: false };
  return (x, from, out, at) => {
    let maxScale = 0;
    let maxMin = 0;
    for (let g = 0; g < 8; g++) {
      const first = from + 32 * g;
      let squares = 0;
      for (let i = 0; i < 32; i++) squares = f(squares + f(x[first + i] * x[first + i]));
      const average = f(Math.sqrt(f(squares / 32)));
      for (let i = 0; i < 32; i++) weights[i] = f(average + Math.abs(x[first + i]));
      scales[g] = fitAffine(x, first, 32, top, 32 * g, g, search);
      maxScale = Math.max(maxScale, scales[g]);
      maxMin = Math.max(maxMin, minima[g]);
    }
    const d = f(maxScale / 63);
    const dmin = f(maxMin / 63);
    const perScale = maxScale > 0 ? f(63 / maxScale) : 0;
    const perMin = maxMin > 0 ? f(63 / maxMin) : 0;
    const fits = putHalf(out, at, d) && putHalf(out, at + 2, dmin);
    const stored = out.getFloat16(at, true);
    const storedMin = out.getFloat16(at + 2, true);
    const packed = new Uint8Array(out.buffer, out.byteOffset + at + 4, 12);
    for (let g = 0; g < 8; g++) {
      const s = Math.min(63, nearest(f(perScale * scales[g])) & 0xff);
      const m = Math.min(63, nearest(f(perMin * minima[g])) & 0xff);
      if (g < 4) {
        packed[g] = s;
        packed[g + 4] = m;
      } else {
        packed[g + 4] = s & 15 | (m & 15) << 4;
        packed[g - 4] |= s >> 4 << 6;
        packed[g] |= m >> 4 << 6;
      }
      const scale = f(stored * s);
      if (scale === 0) continue;
      const low = f(storedMin * m);
      for (let i = 0; i < 32; i++) {
        levels[32 * g + i] = clamp(nearest(f(f(x[from + 32 * g + i] + low) / scale)), 0, top);
      }
    }
    const low = at + (bits === 4 ? 16 : 48);
    for (let pair = 0; pair < 4; pair++) {
      for (let i = 0; i < 32; i++) {
        const a = levels[64 * pair + i];
        const b = levels[64 * pair + 32 + i];
        out.setUint8(low + 32 * pair + i, a & 15 | (b & 15) << 4);
      }
    }
    if (bits === 5) {
      for (let i = 0; i < 32; i++) {
        let fifths = 0;
        for (let g = 0; g < 8; g++) fifths |= (levels[32 * g + i] >> 4) << g;
        out.setUint8(at + 16 + i, fifths);
      }
    }
    return fits;
  };
}

/** Q2_K: 16 groups of 16 with scale and minimum of four bits each. */
const q2K: Pack = (x, from, out, at) => {
  let maxScale = 0;
  let maxMin = 0;
  for (let g = 0; g < 16; g++) {
    for (let i = 0; i < 16; i++) weights[i] = Math.abs(x[from + 16 * g + i]);
    scales[g] = fitAffine(x, from + 16 * g, 16, 3, 16 * g, g, { start: -0.5, tries: 15, absolute: true });
    maxScale = Math.max(maxScale, scales[g]);
    maxMin = Math.max(maxMin, minima[g]);
  }
  const perScale = maxScale > 0 ? f(15 / maxScale) : 0;
  const perMin = maxMin > 0 ? f(15 / maxMin) : 0;
  const fits = putHalf(out, at + 80, f(maxScale / 15)) && putHalf(out, at + 82, f(maxMin / 15));
  const d = out.getFloat16(at + 80, true);
  const dmin = out.getFloat16(at + 82, true);
  for (let g = 0; g < 16; g++) {
    const s = nearest(f(perScale * scales[g]));
    const m = nearest(f(perMin * minima[g]));
    out.setUint8(at + g, s | m << 4);
    const scale = f(d * (s & 15));
    if (scale === 0) continue;
    const low = f(dmin * (m & 15));
    for (let i = 0; i < 16; i++) {
      levels[16 * g + i] = clamp(nearest(f(f(x[from + 16 * g + i] + low) / scale)), 0, 3);
    }
  }
  packPairs(out, at + 16);
  return fits;
};

/** Two bits of each of 256 levels: a byte holds those of values 32 apart. */
function packPairs(out: DataView, at: number): void {
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < 32; i++) {
      const l = 128 * half + i;
      out.setUint8(
        at + 32 * half + i,
        levels[l] & 3 | (levels[l + 32] & 3) << 2 | (levels[l + 64] & 3) << 4 | (levels[l + 96] & 3) << 6,
      );
    }
  }
}

/** Q3_K: 16 groups of 16 with signed six-bit scales; levels −4 … 3, refined one by one while that helps. */
const q3K: Pack = (x, from, out, at) => {
  let most = 0;
  let extremeScale = 0;
  for (let g = 0; g < 16; g++) {
    scales[g] = fitRefined(x, from + 16 * g, 16 * g);
    if (Math.abs(scales[g]) > most) {
      most = Math.abs(scales[g]);
      extremeScale = scales[g];
    }
  }
  const bytes = new Uint8Array(out.buffer, out.byteOffset + at, 110);
  bytes.fill(0);
  let fits = true;
  if (extremeScale) {
    const inverse = f(-32 / extremeScale);
    for (let g = 0; g < 16; g++) {
      const s = clamp(nearest(f(inverse * scales[g])), -32, 31) + 32;
      if (g < 8) bytes[96 + g] = s & 15;
      else bytes[96 + g - 8] |= (s & 15) << 4;
      bytes[104 + g % 4] |= s >> 4 << 2 * (g >> 2);
    }
    fits = putHalf(out, at + 108, f(1 / inverse));
  }
  const d = out.getFloat16(at + 108, true);
  for (let g = 0; g < 16; g++) {
    const low = g < 8 ? bytes[96 + g] & 15 : bytes[96 + g - 8] >> 4;
    const scale = f(d * ((low | (bytes[104 + g % 4] >> 2 * (g >> 2) & 3) << 4) - 32));
    if (scale === 0) continue;
    for (let i = 0; i < 16; i++) {
      levels[16 * g + i] = clamp(nearest(f(x[from + 16 * g + i] / scale)), -4, 3) + 4;
    }
  }
  for (let i = 0; i < 256; i++) {
    if (levels[i] > 3) bytes[i & 31] |= 1 << (i >> 5); // third bits
  }
  packPairs(out, at + 32);
  return fits;
};

/** Scale of 16 values, x ≈ d·(level − 4), levels 0 … 7; each level is tried anew up to five times. */
function fitRefined(x: Float32Array, from: number, to: number): number {
  const max = extreme(x, from, 16);
  if (Math.abs(max) < TINY) {
    levels.fill(0, to, to + 16);
    return 0;
  }
  const inverse = f(-4 / max);
  const signed = new Int8Array(16);
  let sumLX = 0;
  let sumL2 = 0;
  for (let i = 0; i < 16; i++) {
    const v = x[from + i];
    const l = signed[i] = clamp(nearest(f(inverse * v)), -4, 3);
    const w = f(v * v);
    sumLX = f(sumLX + f(f(w * v) * l));
    sumL2 = f(sumL2 + f(f(w * l) * l));
  }
  for (let round = 0, changed = true; round < 5 && changed; round++) {
    changed = false;
    for (let i = 0; i < 16; i++) {
      const v = x[from + i];
      const w = f(v * v);
      let lx = f(sumLX - f(f(w * v) * signed[i]));
      if (!(lx > 0)) continue;
      let l2 = f(sumL2 - f(f(w * signed[i]) * signed[i]));
      const l = clamp(nearest(f(f(v * l2) / lx)), -4, 3);
      if (l === signed[i]) continue;
      lx = f(lx + f(f(w * v) * l));
      l2 = f(l2 + f(f(w * l) * l));
      if (l2 > 0 && f(f(lx * lx) * sumL2) > f(f(sumLX * sumLX) * l2)) {
        signed[i] = l;
        sumLX = lx;
        sumL2 = l2;
        changed = true;
      }
    }
  }
  for (let i = 0; i < 16; i++) levels[to + i] = signed[i] + 4;
  return sumL2 > 0 ? f(sumLX / sumL2) : 0;
}

/** Scale of 16 values, x ≈ d·(level − 32), levels 0 … 63: the best of nineteen, by squares weighted with x². */
function fitSymmetric(x: Float32Array, from: number, to: number): number {
  const max = extreme(x, from, 16);
  if (Math.abs(max) < TINY) {
    levels.fill(0, to, to + 16);
    return 0;
  }
  let chosen = 0;
  let scale = 0;
  let best = 0;
  for (let t = 0; t <= 18; t++) {
    // The plain scale first, then the others from −0.9 to 0.9 levels beside it.
    const step = t === 0 ? 0 : t <= 9 ? t - 10 : t - 9;
    const inverse = f(-f(32 + f(f(0.1) * step)) / max);
    let sumLX = 0;
    let sumL2 = 0;
    for (let i = 0; i < 16; i++) {
      const v = x[from + i];
      const l = clamp(nearest(f(inverse * v)), -32, 31);
      const w = f(v * v);
      sumLX = f(sumLX + f(f(w * v) * l));
      sumL2 = f(sumL2 + f(f(w * l) * l));
    }
    if (t > 0 && !(sumL2 > 0 && f(sumLX * sumLX) > f(best * sumL2))) continue;
    chosen = inverse;
    scale = sumL2 ? f(sumLX / sumL2) : 0;
    best = f(scale * sumLX);
  }
  for (let i = 0; i < 16; i++) levels[to + i] = clamp(nearest(f(chosen * x[from + i])), -32, 31) + 32;
  return scale;
}

/** Q6_K: 16 groups of 16 with signed bytes for scales. */
const q6K: Pack = (x, from, out, at) => {
  let most = 0;
  let extremeScale = 0;
  for (let g = 0; g < 16; g++) {
    scales[g] = fitSymmetric(x, from + 16 * g, 16 * g);
    if (Math.abs(scales[g]) > most) {
      most = Math.abs(scales[g]);
      extremeScale = scales[g];
    }
  }
  if (most < TINY) {
    new Uint8Array(out.buffer, out.byteOffset + at, 210).fill(0);
    return true;
  }
  const inverse = f(-128 / extremeScale);
  const fits = putHalf(out, at + 208, f(1 / inverse));
  const d = out.getFloat16(at + 208, true);
  for (let g = 0; g < 16; g++) {
    const s = Math.min(127, nearest(f(inverse * scales[g])));
    out.setInt8(at + 192 + g, s);
    const scale = f(d * s);
    if (scale === 0) continue;
    for (let i = 0; i < 16; i++) {
      levels[16 * g + i] = clamp(nearest(f(x[from + 16 * g + i] / scale)), -32, 31) + 32;
    }
  }
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < 32; i++) {
      const l = 128 * half + i;
      const [a, b, c, e] = [levels[l], levels[l + 32], levels[l + 64], levels[l + 96]];
      out.setUint8(at + 64 * half + i, a & 15 | (c & 15) << 4);
      out.setUint8(at + 64 * half + 32 + i, b & 15 | (e & 15) << 4);
      out.setUint8(at + 128 + 32 * half + i, a >> 4 | b >> 4 << 2 | c >> 4 << 4 | e >> 4 << 6);
    }
  }
  return fits;
};

const PACK: Readonly<Record<Exclude<WritableType, "F32" | "F16" | "BF16">, Pack>> = {
  Q8_0: q8_0,
  Q4_0: symmetric(4),
  Q4_1: affine(4),
  Q5_0: symmetric(5),
  Q5_1: affine(5),
  Q2_K: q2K,
  Q3_K: q3K,
  Q4_K: k45(4),
  Q5_K: k45(5),
  Q6_K: q6K,
};
