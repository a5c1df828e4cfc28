/**
 * Stored numbers to f32, for every plain type that checkpoints use.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { aligned, fewToF32 } from "./few_dtypes.ts";

/**
 * Little-endian bytes of a plain type as f32. Integers beyond 2^24 are rounded.
 *
 * @throws {LssgenError} `unsupported` for a type that is not plain.
 */
export function toF32(bytes: Uint8Array<ArrayBuffer>, dtype: string): Float32Array<ArrayBuffer> {
  const few = fewToF32(bytes, dtype);
  if (few) return few;
  const b = aligned(bytes);
  const { buffer, byteOffset: at, byteLength: n } = b;
  switch (dtype) {
    case "F64":
      return new Float32Array(new Float64Array(buffer, at, n / 8));
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
