/**
 * Stored numbers to f32, for every plain type that checkpoints use.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/**
 * Little-endian bytes of a plain type as f32. Integers beyond 2^24 are rounded.
 *
 * @throws {LssgenError} `unsupported` for a type that is not plain.
 */
export function toF32(bytes: Uint8Array<ArrayBuffer>, dtype: string): Float32Array<ArrayBuffer> {
  // Typed arrays need their own alignment: a copy gives it where a view cannot.
  const b = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset: at, byteLength: n } = b;
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer, at, n / 4);
    case "F64":
      return new Float32Array(new Float64Array(buffer, at, n / 8));
    case "F16":
      return new Float32Array(new Float16Array(buffer, at, n / 2));
    case "BF16": {
      const half = new Uint16Array(buffer, at, n / 2);
      const out = new Uint32Array(half.length);
      for (let i = 0; i < half.length; i++) out[i] = half[i] << 16;
      return new Float32Array(out.buffer);
    }
    case "I64":
      return Float32Array.from(new BigInt64Array(buffer, at, n / 8), Number);
    case "U64":
      return Float32Array.from(new BigUint64Array(buffer, at, n / 8), Number);
    case "I32":
      return new Float32Array(new Int32Array(buffer, at, n / 4));
    case "U32":
      return new Float32Array(new Uint32Array(buffer, at, n / 4));
    case "I16":
      return new Float32Array(new Int16Array(buffer, at, n / 2));
    case "U16":
      return new Float32Array(new Uint16Array(buffer, at, n / 2));
    case "I8":
      return new Float32Array(new Int8Array(buffer, at, n));
    case "U8":
    case "BOOL":
      return new Float32Array(b);
    default: {
      const table = BYTES[dtype];
      if (!table) throw new LssgenError("unsupported", `Tensors of type ${dtype} cannot be read`);
      const out = new Float32Array(n);
      for (let i = 0; i < n; i++) out[i] = table[b[i]];
      return out;
    }
  }
}

/** Blocks of Q8_0 as f32: 32 whole numbers of a byte and their scale, an f16 before them. */
function q8ToF32(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks = bytes.byteLength / 34;
  const out = new Float32Array(32 * blocks);
  for (let i = 0; i < blocks; i++) {
    const scale = view.getFloat16(34 * i, true);
    for (let j = 0; j < 32; j++) out[32 * i + j] = scale * view.getInt8(34 * i + 2 + j);
  }
  return out;
}

/** Blocks of Q5_0 as f32: an f16 scale, 32 upper bits, and 32 lower halves, in each byte those of value j and of value j + 16. */
function q5ToF32(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(bytes.byteLength / 22 * 32);
  for (let at = 0, to = 0; at < bytes.byteLength; at += 22, to += 32) {
    const scale = view.getFloat16(at, true);
    const high = view.getUint32(at + 2, true);
    for (let j = 0; j < 32; j++) {
      const low = bytes[at + 6 + (j & 15)] >> (j >> 2 & 4) & 15;
      out[to + j] = scale * ((low | (high >>> j & 1) << 4) - 16);
    }
  }
  return out;
}

/** Quantised types that the built-in model is stored in; the page reads them without the code of all others (quants.ts). */
export const FEW_QUANTS: Readonly<
  Record<string, (bytes: Uint8Array<ArrayBuffer>) => Float32Array<ArrayBuffer>>
> = {
  Q5_0: q5ToF32,
  Q8_0: q8ToF32,
};

/** The values of the 256 bytes, by type: computed one by one they take a hundred times as long. */
const BYTES: Readonly<Record<string, Float32Array>> = {
  F8_E4M3: bytes((v) => float8(v, 4, 3)),
  F8_E5M2: bytes((v) => float8(v, 5, 2)),
  F8_E4M3FNUZ: bytes((v) => fnuz(v, 4, 3)),
  F8_E5M2FNUZ: bytes((v) => fnuz(v, 5, 2)),
  F8_E8M0: bytes((v) => v === 255 ? NaN : 2 ** (v - 127)),
};

function bytes(value: (byte: number) => number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, byte) => value(byte));
}

/** AMD's 8-bit floats: a bias larger by one, no infinity, one NaN in the place of minus zero. */
function fnuz(v: number, exponentBits: number, mantissaBits: number): number {
  if (v === 0x80) return NaN;
  const exponent = (v & 0x7f) >> mantissaBits;
  const fraction = (v & ((1 << mantissaBits) - 1)) / (1 << mantissaBits);
  const bias = 1 << (exponentBits - 1);
  const value = exponent === 0 ? 2 ** (1 - bias) * fraction : 2 ** (exponent - bias) * (1 + fraction);
  return v & 0x80 ? -value : value;
}

/** An 8-bit float; E4M3 has no infinity and one NaN (the "fn" kind), E5M2 is IEEE-like. */
function float8(v: number, exponentBits: number, mantissaBits: number): number {
  const sign = v & 0x80 ? -1 : 1;
  const exponent = (v & 0x7f) >> mantissaBits;
  const mantissa = v & ((1 << mantissaBits) - 1);
  const bias = (1 << (exponentBits - 1)) - 1;
  const top = (1 << exponentBits) - 1;
  if (exponentBits === 5 && exponent === top) return mantissa ? NaN : sign * Infinity;
  if (exponentBits === 4 && (v & 0x7f) === 0x7f) return NaN;
  const fraction = mantissa / (1 << mantissaBits);
  return exponent === 0 ? sign * 2 ** (1 - bias) * fraction : sign * 2 ** (exponent - bias) * (1 + fraction);
}
