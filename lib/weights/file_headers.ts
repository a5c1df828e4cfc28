/**
 * Headers of the files that are written: GGUF and safetensors. Sizes are known before the data, so tensors stream to
 * their places and the header is written last.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { GGML_TYPES } from "./ggml_types.ts";

/** A tensor to be written. */
export interface TensorPlace {
  /** Name in the file. */
  readonly name: string;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** GGUF's or safetensors' spelling, for example Q8_0, F16, BF16. */
  readonly type: string;
  /** Bytes of its data. */
  readonly length: number;
}

/** A header's value: a text, a boolean, or numbers of one type. */
export type HeaderValue =
  | string
  | boolean
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly i32s: readonly number[] }
  | { readonly f32s: Float32Array }
  | { readonly texts: readonly string[] };

/** Tensors of a GGUF file begin at multiples of this many bytes. */
export const GGUF_ALIGNMENT = 32;
/** The format allows four axes, and ggml names of at most 63 bytes; readers here and in Python take longer ones. */
const GGUF_AXES = 4;

const TYPE_IDS: ReadonlyMap<string, number> = new Map([...GGML_TYPES].map(([id, { name }]) => [name, id]));
const UINT32 = 4;
const INT32 = 5;
const FLOAT32 = 6;
const BOOL = 7;
const TEXT = 8;
const ARRAY = 9;

/** Bytes to the next multiple of a GGUF file's alignment. */
export function ggufPadded(length: number): number {
  return Math.ceil(length / GGUF_ALIGNMENT) * GGUF_ALIGNMENT;
}

/**
 * A GGUF header of version 3, padded to where the data begins. Its size depends on names, shapes and metadata only.
 *
 * @param tensors In the order of their data, each padded by {@linkcode ggufPadded}.
 * @throws {LssgenError} `unsupported` for a tensor with more than four axes, `bad_option` for a type that GGUF has not.
 */
export function ggufHeader(
  metadata: ReadonlyMap<string, HeaderValue>,
  tensors: readonly TensorPlace[],
): Uint8Array<ArrayBuffer> {
  const out = new Bytes();
  out.u32(0x46554747); // "GGUF"
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.text(key);
    writeValue(out, value);
  }
  let at = 0;
  for (const { name, shape, type, length } of tensors) {
    const id = TYPE_IDS.get(type);
    if (id === undefined) throw new LssgenError("bad_option", `GGUF has no type ${type} (tensor "${name}")`);
    if (shape.length > GGUF_AXES) {
      throw new LssgenError(
        "unsupported",
        `Tensor "${name}" is [${shape}], GGUF holds at most ${GGUF_AXES} axes; write a .safetensors file instead`,
      );
    }
    out.text(name);
    out.u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size); // innermost axis first
    out.u32(id);
    out.u64(at);
    at += ggufPadded(length);
  }
  return out.padded(GGUF_ALIGNMENT);
}

function writeValue(out: Bytes, value: HeaderValue): void {
  if (typeof value === "string") {
    out.u32(TEXT);
    out.text(value);
  } else if (typeof value === "boolean") {
    out.u32(BOOL);
    out.u8(value ? 1 : 0);
  } else if ("u32" in value) {
    out.u32(UINT32);
    out.u32(value.u32);
  } else if ("f32" in value) {
    out.u32(FLOAT32);
    out.f32(value.f32);
  } else if ("i32s" in value) {
    out.array(INT32, value.i32s.length);
    for (const v of value.i32s) out.u32(v);
  } else if ("f32s" in value) {
    out.array(FLOAT32, value.f32s.length);
    for (const v of value.f32s) out.f32(v);
  } else {
    out.array(TEXT, value.texts.length);
    for (const v of value.texts) out.text(v);
  }
}

/**
 * A safetensors header, padded with blanks to a multiple of eight.
 *
 * @param tensors In the order of their data, which lies without gaps.
 * @param size Bytes that the header shall have in all, where it was reserved before types were certain.
 */
export function safetensorsHeader(
  metadata: ReadonlyMap<string, string>,
  tensors: readonly TensorPlace[],
  size?: number,
): Uint8Array<ArrayBuffer> {
  const directory: Record<string, unknown> = {};
  if (metadata.size > 0) directory.__metadata__ = Object.fromEntries(metadata);
  let at = 0;
  for (const { name, shape, type, length } of tensors) {
    directory[name] = { dtype: type, shape, data_offsets: [at, at += length] };
  }
  const json = new TextEncoder().encode(JSON.stringify(directory));
  const all = size ?? 8 + Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(all).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(all - 8), true);
  header.set(json, 8);
  return header;
}

/** Little-endian bytes that grow. */
class Bytes {
  private bytes = new Uint8Array(1 << 16);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  u8(v: number): void {
    const at = this.room(1);
    this.view.setUint8(at, v);
  }

  u32(v: number): void {
    const at = this.room(4);
    this.view.setUint32(at, v, true);
  }

  f32(v: number): void {
    const at = this.room(4);
    this.view.setFloat32(at, v, true);
  }

  u64(v: number): void {
    const at = this.room(8);
    this.view.setBigUint64(at, BigInt(v), true);
  }

  /** Length in bytes, then UTF-8. */
  text(v: string): void {
    const bytes = new TextEncoder().encode(v);
    this.u64(bytes.length);
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** What stands before an array's elements. */
  array(type: number, length: number): void {
    this.u32(ARRAY);
    this.u32(type);
    this.u64(length);
  }

  padded(alignment: number): Uint8Array<ArrayBuffer> {
    this.room(-this.at & (alignment - 1));
    return this.bytes.slice(0, this.at);
  }

  /** Where the next `n` bytes go; replaces `bytes` and `view` when they are too small. */
  private room(n: number): number {
    const from = this.at;
    this.at += n;
    if (this.at > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.at, 2 * this.bytes.length));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return from;
  }
}
