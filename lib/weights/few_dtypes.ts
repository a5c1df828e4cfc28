/**
 * Stored numbers to f32 for the types that most files hold, the built-in model's among them; the page reads those without the code of all
 * others (dtypes.ts, quants.ts).
 *
 * @module
 */

/** Little-endian bytes of F32, F16 or BF16 as f32, undefined for other types. */
export function fewToF32(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: string,
): Float32Array<ArrayBuffer> | undefined {
  const { buffer, byteOffset: at, byteLength: n } = aligned(bytes);
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer, at, n / 4);
    case "F16":
      return new Float32Array(new Float16Array(buffer, at, n / 2));
    case "BF16": {
      const half = new Uint16Array(buffer, at, n / 2);
      const out = new Uint32Array(half.length);
      for (let i = 0; i < half.length; i++) out[i] = half[i] << 16;
      return new Float32Array(out.buffer);
    }
  }
}

/** Typed arrays need their own alignment: a copy gives it where a view cannot. */
export function aligned(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
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
