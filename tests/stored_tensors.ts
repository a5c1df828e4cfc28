/** Safetensors files of any type, for tests: what lib/ writes is F32. */

/** A tensor as it lies in the file. */
export interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file of them. */
export function storedFile(
  tensors: Readonly<Record<string, Stored>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const directory: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    directory[name] = { dtype, shape, data_offsets: [at, at += bytes.length] };
  }
  const header = new TextEncoder().encode(JSON.stringify(directory));
  const out = new Uint8Array(8 + header.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  let to = 8 + header.length;
  for (const { bytes } of Object.values(tensors)) {
    out.set(bytes, to);
    to += bytes.length;
  }
  return out;
}

/** A GGUF tensor: its type's number, its shape as PyTorch has it, its bytes. */
export interface StoredGguf {
  readonly type: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A GGUF file of them; header values are texts, u32 numbers or lists of i32. */
export function ggufFile(
  tensors: Readonly<Record<string, StoredGguf>>,
  metadata: Readonly<Record<string, string | number | readonly number[]>> = {},
): Uint8Array<ArrayBuffer> {
  const header: number[] = [];
  const push = (v: number | bigint, bytes: number): void => {
    for (let i = 0; i < bytes; i++) header.push(Number(BigInt(v) >> BigInt(8 * i) & 255n));
  };
  const text = (v: string): void => {
    const bytes = new TextEncoder().encode(v);
    push(bytes.length, 8);
    for (const byte of bytes) header.push(byte);
  };
  push(0x46554747, 4);
  push(3, 4);
  push(Object.keys(tensors).length, 8);
  push(Object.keys(metadata).length, 8);
  for (const [key, value] of Object.entries(metadata)) {
    text(key);
    if (typeof value === "string") {
      push(8, 4);
      text(value);
    } else if (typeof value === "number") {
      push(4, 4);
      push(value, 4);
    } else {
      push(9, 4);
      push(5, 4);
      push(value.length, 8);
      for (const v of value) push(BigInt.asUintN(32, BigInt(v)), 4);
    }
  }
  let at = 0;
  const aligned = (n: number): number => Math.ceil(n / 32) * 32;
  for (const [name, { type, shape, bytes }] of Object.entries(tensors)) {
    text(name);
    push(shape.length, 4);
    for (const n of [...shape].reverse()) push(n, 8);
    push(type, 4);
    push(at, 8);
    at += aligned(bytes.length);
  }
  const begin = aligned(header.length);
  const out = new Uint8Array(begin + at);
  out.set(header);
  let to = begin;
  for (const { bytes } of Object.values(tensors)) {
    out.set(bytes, to);
    to += aligned(bytes.length);
  }
  return out;
}
