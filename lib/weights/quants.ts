/**
 * The values of quantised tensors: blocks of small whole numbers with shared scales.
 *
 * Every product here has at most 23 significant bits and every sum is of two such products, so doubles hold
 * them exactly and the one rounding, to f32, is the same in any order of evaluation.
 *
 * Source: block layouts of ggml (Q4_0 … Q8_0), of its "K" quantisations, and of those "I" quantisations that need no
 * table of a lattice's points (IQ4_NL, IQ4_XS); MXFP4 and NVFP4 as ggml lays them out.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { toF32 } from "./dtypes.ts";
import { FEW_QUANTS } from "./few_dtypes.ts";
import { blockBytes, blockValues } from "./ggml_types.ts";

/** Writes the values of the block at byte `at` of `b` to `out` from index `to`. */
type Unpack = (b: Block, at: number, out: Float32Array, to: number) => void;

interface Block {
  readonly u8: Uint8Array;
  readonly view: DataView;
}

/**
 * Values of whole blocks as f32.
 *
 * @param type Name as in `GGML_TYPES`; plain types are widened.
 * @throws {LssgenError} `unsupported` for another type, `bad_tensor` for a part of a block.
 */
export function dequantise(bytes: Uint8Array<ArrayBuffer>, type: string): Float32Array<ArrayBuffer> {
  const unpack = UNPACK[type];
  if (!unpack && !Object.hasOwn(FEW_QUANTS, type)) return toF32(bytes, type);
  const [values, size] = [blockValues(type), blockBytes(type)];
  const blocks = bytes.byteLength / size;
  if (!Number.isInteger(blocks)) {
    throw new LssgenError(
      "bad_tensor",
      `${bytes.byteLength} bytes of ${type} were given, expected whole blocks of ${size}`,
    );
  }
  if (!unpack) return FEW_QUANTS[type](bytes);
  const out = new Float32Array(blocks * values);
  const block = { u8: bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  for (let i = 0; i < blocks; i++) unpack(block, i * size, out, i * values);
  return out;
}

const q4_0: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at, true);
  for (let j = 0; j < 16; j++) {
    const q = u8[at + 2 + j];
    out[to + j] = d * ((q & 15) - 8);
    out[to + j + 16] = d * ((q >> 4) - 8);
  }
};

const q4_1: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at, true);
  const m = view.getFloat16(at + 2, true);
  for (let j = 0; j < 16; j++) {
    const q = u8[at + 4 + j];
    out[to + j] = d * (q & 15) + m;
    out[to + j + 16] = d * (q >> 4) + m;
  }
};

const q5_1: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at, true);
  const m = view.getFloat16(at + 2, true);
  const high = view.getUint32(at + 4, true);
  for (let j = 0; j < 16; j++) {
    const q = u8[at + 8 + j];
    out[to + j] = d * (q & 15 | (high >>> j & 1) << 4) + m;
    out[to + j + 16] = d * (q >> 4 | (high >>> j + 16 & 1) << 4) + m;
  }
};

/** 16 groups of 16 values: 16 bytes of scale | minimum << 4, 64 bytes of four 2-bit numbers, d, dmin. */
const q2K: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at + 80, true);
  const dmin = view.getFloat16(at + 82, true);
  for (let i = 0; i < 256; i++) {
    const scale = u8[at + (i >> 4)];
    // Bytes 0 … 31 hold values 0 … 127, one bit pair for each 32 of them; bytes 32 … 63 the rest.
    const q = u8[at + 16 + (i >> 7) * 32 + (i & 31)] >> (i >> 5 & 3) * 2 & 3;
    out[to + i] = d * (scale & 15) * q - dmin * (scale >> 4);
  }
};

/** As Q2_K with a third bit in front (32 bytes) and signed 6-bit scales (12 bytes) instead of minima. */
const q3K: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at + 108, true);
  const scales = at + 96;
  for (let g = 0; g < 16; g++) {
    const low = g < 8 ? u8[scales + g] & 15 : u8[scales + g - 8] >> 4;
    const high = u8[scales + 8 + (g & 3)] >> (g >> 2) * 2 & 3;
    const scale = d * ((low | high << 4) - 32);
    for (let i = g * 16; i < g * 16 + 16; i++) {
      const low = u8[at + 32 + (i >> 7) * 32 + (i & 31)] >> (i >> 5 & 3) * 2 & 3;
      const high = u8[at + (i & 31)] >> (i >> 5) & 1;
      out[to + i] = scale * (low + high * 4 - 4);
    }
  }
};

/** Scale and minimum of group g of 8, six bits each, from the 12 bytes that Q4_K and Q5_K share. */
function scaleK4(u8: Uint8Array, at: number, g: number): [scale: number, minimum: number] {
  if (g < 4) return [u8[at + g] & 63, u8[at + g + 4] & 63];
  return [
    u8[at + g + 4] & 15 | u8[at + g - 4] >> 6 << 4,
    u8[at + g + 4] >> 4 | u8[at + g] >> 6 << 4,
  ];
}

/** 8 groups of 32 values: d, dmin, 12 bytes of scales, 128 bytes of two 4-bit numbers. */
const q4K: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at, true);
  const dmin = view.getFloat16(at + 2, true);
  for (let g = 0; g < 8; g++) {
    const [scale, minimum] = scaleK4(u8, at + 4, g);
    const from = at + 16 + (g >> 1) * 32;
    const shift = (g & 1) * 4;
    for (let l = 0; l < 32; l++) {
      out[to + g * 32 + l] = d * scale * (u8[from + l] >> shift & 15) - dmin * minimum;
    }
  }
};

/** As Q4_K with the fifth bits of group g in bit g of 32 bytes before the numbers. */
const q5K: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at, true);
  const dmin = view.getFloat16(at + 2, true);
  for (let g = 0; g < 8; g++) {
    const [scale, minimum] = scaleK4(u8, at + 4, g);
    const from = at + 48 + (g >> 1) * 32;
    const shift = (g & 1) * 4;
    for (let l = 0; l < 32; l++) {
      const q = u8[from + l] >> shift & 15 | (u8[at + 16 + l] >> g & 1) << 4;
      out[to + g * 32 + l] = d * scale * q - dmin * minimum;
    }
  }
};

/** 16 groups of 16 values: 128 bytes of low halves, 64 of two high bits, 16 signed scales, d. */
const q6K: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at + 208, true);
  for (let i = 0; i < 256; i++) {
    const half = i >> 7;
    const low = u8[at + half * 64 + (i & 63)] >> (i >> 6 & 1) * 4 & 15;
    const high = u8[at + 128 + half * 32 + (i & 31)] >> (i >> 5 & 3) * 2 & 3;
    out[to + i] = d * view.getInt8(at + 192 + (i >> 4)) * ((low | high << 4) - 32);
  }
};

/** What the 16 codes of IQ4_NL and IQ4_XS mean: finer near zero. */
const IQ4 = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

const iq4NL: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at, true);
  for (let j = 0; j < 16; j++) {
    const q = u8[at + 2 + j];
    out[to + j] = d * IQ4[q & 15];
    out[to + j + 16] = d * IQ4[q >> 4];
  }
};

/** 8 groups of 32 values: d, 16 bits of the scales' upper two bits, 4 bytes of their lower four, 128 bytes of codes. */
const iq4XS: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at, true);
  const high = view.getUint16(at + 2, true);
  for (let g = 0; g < 8; g++) {
    const low = u8[at + 4 + (g >> 1)] >> (g & 1) * 4 & 15;
    const scale = d * ((low | (high >> 2 * g & 3) << 4) - 32);
    for (let j = 0; j < 16; j++) {
      const q = u8[at + 8 + g * 16 + j];
      out[to + g * 32 + j] = scale * IQ4[q & 15];
      out[to + g * 32 + j + 16] = scale * IQ4[q >> 4];
    }
  }
};

/** Five values of −1, 0, 1 a byte (the last four bytes: four), as digits to base 3 of a fraction; d at the end. */
const tq1: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at + 52, true);
  const runs = [[0, 32, 5], [32, 16, 5], [48, 4, 4]]; // first byte, bytes, digits
  let next = to;
  for (const [first, bytes, digits] of runs) {
    for (let digit = 0, power = 1; digit < digits; digit++, power *= 3) {
      for (let j = 0; j < bytes; j++) {
        const q = u8[at + first + j] * power & 255;
        out[next++] = d * ((q * 3 >> 8) - 1);
      }
    }
  }
};

/** Four values of −1, 0, 1 a byte, 32 bytes for each half; d at the end. */
const tq2: Unpack = ({ u8, view }, at, out, to) => {
  const d = view.getFloat16(at + 64, true);
  for (let i = 0; i < 256; i++) {
    out[to + i] = d * ((u8[at + (i >> 7) * 32 + (i & 31)] >> (i >> 5 & 3) * 2 & 3) - 1);
  }
};

/** E2M1's 16 values, doubled; the blocks' scales are halved. */
const E2M1 = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** A power of two (E8M0), then 32 values of four bits. */
const mxfp4: Unpack = ({ u8 }, at, out, to) => {
  const d = 2 ** (u8[at] - 128);
  for (let j = 0; j < 16; j++) {
    const q = u8[at + 1 + j];
    out[to + j] = d * E2M1[q & 15];
    out[to + j + 16] = d * E2M1[q >> 4];
  }
};

/** Four scales (E4M3 without a sign), then four groups of 16 values of four bits. */
const nvfp4: Unpack = ({ u8 }, at, out, to) => {
  for (let g = 0; g < 4; g++) {
    const e = u8[at + g];
    const exponent = e >> 3 & 15;
    const scale = e === 0x7f
      ? 0
      : (exponent === 0 ? (e & 7) * 2 ** -9 : (1 + (e & 7) / 8) * 2 ** (exponent - 7)) / 2;
    for (let j = 0; j < 8; j++) {
      const q = u8[at + 4 + g * 8 + j];
      out[to + g * 16 + j] = scale * E2M1[q & 15];
      out[to + g * 16 + j + 8] = scale * E2M1[q >> 4];
    }
  }
};

const UNPACK: Readonly<Record<string, Unpack>> = {
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_1: q5_1,
  Q2_K: q2K,
  Q3_K: q3K,
  Q4_K: q4K,
  Q5_K: q5K,
  Q6_K: q6K,
  IQ4_NL: iq4NL,
  IQ4_XS: iq4XS,
  TQ1_0: tq1,
  TQ2_0: tq2,
  MXFP4: mxfp4,
  NVFP4: nvfp4,
};
