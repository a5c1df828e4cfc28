/**
 * GGUF: a header of typed keys and tensor descriptions, then aligned tensors. Every header is hostile until
 * checked: no length is believed before it is known to fit into the file.
 *
 * Source: the format as written down in the ggml project (docs/gguf.md), versions 2 and 3, little-endian.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";
import { FEW_QUANTS, fewToF32 } from "./few_dtypes.ts";
import { blockBytes, blockValues, GGML_TYPES, GGML_UNSUPPORTED, type GgmlType } from "./ggml_types.ts";
import { checkRows, type RowRange, type TensorInfo } from "./safetensors.ts";

/** The first four bytes. */
export const GGUF_MAGIC = 0x46554747;
/** Largest header, as for safetensors; tokenizers of 256 k pieces need 20 MB. */
const MAX_HEADER = 100_000_000;
/** Longest key or tensor name, in bytes; the format's own limit for keys. */
const MAX_NAME = 65_535;
/** Arrays of arrays; ggml itself writes none. */
const MAX_NESTING = 4;
/** Arrays inside of arrays in all; each is an object of its own, many times its 12 bytes. */
const MAX_NESTED = 65_536;
const MAX_DIMS = 4;

/** A header value: 64-bit numbers are bigints, arrays of numbers typed arrays, those of booleans bytes of 0 and 1. */
export type GgufValue =
  | number
  | bigint
  | boolean
  | string
  | GgufNumbers
  | readonly GgufValue[];

/** A header's list of numbers. */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** A GGUF file's tensors under the names and with the axis order of PyTorch (outermost first). */
export class GgufFile {
  /** Use {@linkcode openGguf}. */
  constructor(
    private readonly source: ByteSource,
    /** Header keys, for example `general.architecture`. */
    readonly metadata: ReadonlyMap<string, GgufValue>,
    private readonly tensors: ReadonlyMap<string, TensorInfo>,
  ) {}

  /** File name. */
  get name(): string {
    return this.source.name;
  }

  /** Every tensor's name. */
  names(): Iterable<string> {
    return this.tensors.keys();
  }

  /** Shape, type (Q4_K, F32, …) and place; `undefined` when absent. */
  info(name: string): TensorInfo | undefined {
    return this.tensors.get(name);
  }

  /** Bytes as stored, quantised blocks included; of some rows where `rows` is given. */
  async read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    const info = this.require(name);
    const { offset, length } = checkRows(this.name, name, info, rows);
    // Rows are whole blocks in most tensors; not in a vector, nor where a matrix was reshaped for its blocks' sake.
    const { from, count, block } = valuesOf(info, rows);
    if (from % block !== 0 || count % block !== 0) {
      throw new LssgenError(
        "unsupported",
        `"${this.name}": "${name}" of ${info.dtype} cannot be cut at its value ${from}, expected whole blocks of ${block}`,
      );
    }
    return { bytes: await this.source.read(offset, length, into) };
  }

  /** The values as f32, dequantised; of some rows where `rows` is given. */
  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const info = this.require(name);
    checkRows(this.name, name, info, rows);
    const { from, count, block } = valuesOf(info, rows);
    const [first, last] = [Math.floor(from / block), Math.ceil((from + count) / block)];
    const bytes = await this.source.read(
      info.offset + first * blockBytes(info.dtype),
      (last - first) * blockBytes(info.dtype),
    );
    const values = block === 1
      ? fewToF32(bytes, info.dtype) ?? (await import("./dtypes.ts")).toF32(bytes, info.dtype)
      : Object.hasOwn(FEW_QUANTS, info.dtype)
      ? FEW_QUANTS[info.dtype](bytes)
      : (await import("./quants.ts")).dequantise(bytes, info.dtype);
    return values.length === count
      ? values
      : values.slice(from - first * block, from - first * block + count);
  }

  private require(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info) throw new LssgenError("bad_tensor", `"${this.name}" has no tensor "${name}"`);
    return info;
  }
}

/** Which values of a tensor are meant, and how many of them are stored together. */
function valuesOf(
  { shape, dtype }: TensorInfo,
  rows: RowRange | undefined,
): { from: number; count: number; block: number } {
  const row = shape.slice(1).reduce((a, b) => a * b, 1);
  const all = shape.length === 0 ? 1 : shape[0] * row;
  return {
    from: rows ? rows.first * row : 0,
    count: rows ? rows.count * row : all,
    block: blockValues(dtype),
  };
}

/** ComfyUI-GGUF stores a matrix whose rows are no whole blocks as [n / 256, 256], and its shape under this key. */
const ORIGINAL_SHAPE = "comfy.gguf.orig_shape.";

/** The shape of a tensor that was reshaped to be quantised. */
function originalShape(
  c: Cursor,
  name: string,
  stored: readonly number[],
  value: GgufValue,
): readonly number[] {
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as number[], Number) : [];
  const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  const sound = list.length > 0 && list.length <= 8 && list.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!sound || count(list) !== count(stored)) {
    throw c.bad(`key "${ORIGINAL_SHAPE}${name}" is [${list.slice(0, 9)}], the tensor is [${stored}]`);
  }
  return list;
}

/** Facts in the header that would change what the tensors mean. */
async function checkFacts(
  c: Cursor,
  metadata: ReadonlyMap<string, GgufValue>,
  quantised: boolean,
): Promise<void> {
  const type = metadata.get("general.type");
  if (typeof type === "string" && type !== "model") {
    const other = (await import("../impostor.ts")).otherGguf(type);
    if (other) throw new LssgenError("unsupported", `"${c.source.name}" is ${other}`);
  }
  const version = metadata.get("general.quantization_version");
  if (quantised && version !== undefined && version !== 2) {
    throw new LssgenError(
      "unsupported",
      `"${c.source.name}" is quantised by version ${version} of ggml's layouts, expected 2; get another file of the model`,
    );
  }
}

/**
 * Reads and checks the header of a file.
 *
 * @throws {LssgenError} `bad_file` for an unsound file, `unsupported` for a version, byte order or tensor type
 *   that is not read here; the message names the key or tensor.
 */
export async function openGguf(source: ByteSource): Promise<GgufFile> {
  const c = new Cursor(source);
  if (source.size < 4 || (await c.need(4, "the magic"), c.u32() !== GGUF_MAGIC)) {
    const { impostorOf } = await import("../impostor.ts");
    const other = await impostorOf(source);
    if (other) throw new LssgenError("bad_file", `"${source.name}" ${other}`);
    throw c.bad('it does not begin with the magic "GGUF"');
  }
  await c.need(20, "the counts");
  const version = c.u32();
  if (version !== 2 && version !== 3) {
    throw new LssgenError(
      "unsupported",
      (version & 0xffff) === 0 && version !== 0
        ? `"${source.name}" is a big-endian GGUF file, expected little-endian; convert it`
        : `"${source.name}" is a GGUF file of version ${version}, expected 2 or 3; convert it`,
    );
  }
  const tensorCount = c.u64();
  const keyCount = c.u64();
  // An entry has at least 13 (key) or 24 bytes (tensor): impossible counts are refused before any loop.
  if (tensorCount > BigInt(c.left) / 24n) {
    throw c.bad(`it claims ${tensorCount} tensors, its ${source.size} bytes cannot hold them`);
  }
  if (keyCount > BigInt(c.left) / 13n) {
    throw c.bad(`it claims ${keyCount} keys, its ${source.size} bytes cannot hold them`);
  }

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < Number(keyCount); i++) {
    const key = await c.name(`key ${i}`);
    if (metadata.has(key)) throw c.bad(`key "${key}" is there twice`);
    await c.need(4, `the type of key "${key}"`);
    metadata.set(key, await readValue(c, c.u32(), `key "${key}"`, 0));
  }
  const alignment = metadata.get("general.alignment") ?? 32;
  if (
    typeof alignment !== "number" || !(Number.isInteger(alignment) && alignment > 0) ||
    (alignment & (alignment - 1)) !== 0
  ) {
    throw c.bad(`its general.alignment is ${alignment}, expected a power of two`);
  }

  const described: { name: string; shape: number[]; type: GgmlType; offset: bigint; length: number }[] = [];
  const names = new Set<string>();
  for (let i = 0; i < Number(tensorCount); i++) {
    const name = await c.name(`the name of tensor ${i}`);
    const where = `tensor "${name}"`;
    if (names.has(name)) throw c.bad(`${where} is there twice`);
    names.add(name);
    await c.need(4, where);
    const dims = c.u32();
    if (dims > MAX_DIMS) throw c.bad(`${where} has ${dims} axes, at most ${MAX_DIMS} are allowed`);
    await c.need(dims * 8 + 12, where);
    const shape: number[] = [];
    let elements = 1n;
    for (let d = 0; d < dims; d++) {
      const size = c.u64();
      elements *= size;
      if (size > MAX_SAFE || elements > MAX_SAFE) {
        throw c.bad(`${where} has an axis of ${size}, more values than a file can hold`);
      }
      shape.unshift(Number(size)); // the file lists the innermost axis first
    }
    const type = tensorType(c, where, c.u32());
    const row = shape.at(-1) ?? 1;
    if (row % type.values !== 0) {
      throw c.bad(`${where} has rows of ${row} values, ${type.name} needs a multiple of ${type.values}`);
    }
    const length = Number(elements) / type.values * type.bytes;
    described.push({ name, shape, type, offset: c.u64(), length });
  }

  const begin = Math.ceil(c.at / alignment) * alignment;
  const tensors = new Map<string, TensorInfo>();
  for (const { name, shape, type, offset, length } of described) {
    const where = `tensor "${name}"`;
    if (offset % BigInt(alignment) !== 0n) {
      throw c.bad(`${where} begins at ${offset}, expected a multiple of its alignment ${alignment}`);
    }
    // Empty tensors may lie at the very end, after the padding that a writer left out.
    if (length > 0 && BigInt(begin) + offset + BigInt(length) > BigInt(source.size)) {
      throw c.bad(
        `${where} lies at ${BigInt(begin) + offset} … ${
          BigInt(begin) + offset + BigInt(length)
        }, the file has ${source.size} bytes`,
      );
    }
    const at = length > 0 ? begin + Number(offset) : 0;
    const original = metadata.get(ORIGINAL_SHAPE + name);
    tensors.set(name, {
      shape: original === undefined ? shape : originalShape(c, name, shape, original),
      dtype: type.name,
      offset: at,
      length,
    });
  }
  await checkFacts(c, metadata, described.some(({ type }) => type.values > 1));
  let end = 0;
  for (const [name, info] of [...tensors].sort((a, b) => a[1].offset - b[1].offset)) {
    if (info.length > 0 && info.offset < end) {
      throw c.bad(`tensor "${name}" begins at ${info.offset}, inside another that ends at ${end}`);
    }
    end = info.offset + info.length;
  }
  return new GgufFile(source, metadata, tensors);
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

function tensorType(c: Cursor, where: string, id: number): GgmlType {
  const type = GGML_TYPES.get(id);
  if (type) return type;
  const known = GGML_UNSUPPORTED.get(id);
  if (known === undefined) throw c.bad(`${where} has the unknown type ${id}`);
  throw new LssgenError(
    "unsupported",
    `"${c.source.name}": ${where} is stored as ${known}, expected one of ${
      [...GGML_TYPES.values()].map((t) => t.name).join(", ")
    }; get another quantisation of the model`,
  );
}

/** Type number of a header value → its bytes and how one and many are read; 8 is a text, 9 an array. */
const NUMBERS: ReadonlyMap<
  number,
  readonly [bytes: number, many: (bytes: ArrayBuffer) => GgufNumbers]
> = new Map<number, readonly [number, (bytes: ArrayBuffer) => GgufNumbers]>([
  [0, [1, (b) => new Uint8Array(b)]],
  [1, [1, (b) => new Int8Array(b)]],
  [2, [2, (b) => new Uint16Array(b)]],
  [3, [2, (b) => new Int16Array(b)]],
  [4, [4, (b) => new Uint32Array(b)]],
  [5, [4, (b) => new Int32Array(b)]],
  [6, [4, (b) => new Float32Array(b)]],
  [10, [8, (b) => new BigUint64Array(b)]],
  [11, [8, (b) => new BigInt64Array(b)]],
  [12, [8, (b) => new Float64Array(b)]],
]);
const BOOL = 7;
const TEXT = 8;
const ARRAY = 9;

async function readValue(c: Cursor, type: number, where: string, depth: number): Promise<GgufValue> {
  const number = NUMBERS.get(type);
  if (number) {
    const [bytes, many] = number;
    await c.need(bytes, where);
    return many(c.take(bytes))[0];
  }
  if (type === BOOL) {
    await c.need(1, where);
    return c.bool(where);
  }
  if (type === TEXT) return await c.text(where, MAX_HEADER, false);
  if (type !== ARRAY) throw c.bad(`${where} has the unknown type ${type}`);

  if (depth === MAX_NESTING) throw c.bad(`${where} nests arrays deeper than ${MAX_NESTING}`);
  await c.need(12, where);
  const element = c.u32();
  const count = c.u64();
  const least = NUMBERS.get(element)?.[0] ?? (element === TEXT ? 8 : element === ARRAY ? 12 : 1);
  if (count * BigInt(least) > BigInt(c.left)) {
    throw c.bad(`${where} claims an array of ${count}, its ${c.source.size} bytes cannot hold it`);
  }
  const n = Number(count);
  const numbers = NUMBERS.get(element);
  if (numbers) {
    await c.need(n * least, where);
    return numbers[1](c.take(n * least));
  }
  if (element === BOOL) {
    await c.need(n, where);
    return c.bools(n, where);
  }
  // An array of arrays is many times its bytes in memory, and no file of a network has one.
  if (element === ARRAY && (c.nested += n) > MAX_NESTED) {
    throw c.bad(`${where} holds more than ${MAX_NESTED} arrays of its own`);
  }
  const list: GgufValue[] = [];
  for (let i = 0; i < n; i++) list.push(await readValue(c, element, where, depth + 1));
  return list;
}

/** Reads a header front to back in pieces. `need` before every read is what keeps it inside the file. */
class Cursor {
  private bytes = new Uint8Array(0);
  private view = new DataView(this.bytes.buffer);
  private next = 0;
  private base = 0;
  /** Arrays inside of arrays, of all keys. */
  nested = 0;

  constructor(readonly source: ByteSource) {}

  /** Position in the file. */
  get at(): number {
    return this.base + this.next;
  }

  /** Bytes that a header may still have. */
  get left(): number {
    return Math.min(this.source.size, MAX_HEADER) - this.at;
  }

  /** Makes `n` bytes readable. */
  async need(n: number, what: string): Promise<void> {
    if (this.next + n <= this.bytes.length) return;
    if (n > this.left) {
      throw this.bad(
        this.source.size > MAX_HEADER
          ? `its header goes on beyond ${MAX_HEADER} bytes, at ${what}`
          : `it ends at byte ${this.source.size}, ${what} needs ${n} bytes from ${this.at}`,
      );
    }
    const at = this.at;
    const length = Math.min(this.left, Math.max(n, 1 << 18));
    this.bytes = await this.source.read(at, length);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, length);
    this.base = at;
    this.next = 0;
  }

  u32(): number {
    const v = this.view.getUint32(this.next, true);
    this.next += 4;
    return v;
  }

  u64(): bigint {
    const v = this.view.getBigUint64(this.next, true);
    this.next += 8;
    return v;
  }

  bool(where: string): boolean {
    const v = this.bytes[this.next++];
    if (v > 1) throw this.bad(`${where} is a boolean of value ${v}, expected 0 or 1`);
    return v === 1;
  }

  /** A copy of the next `n` bytes. */
  /** Booleans as their bytes: a list of them would take eight times the file's. */
  bools(n: number, where: string): Uint8Array {
    const list = new Uint8Array(this.take(n));
    const wrong = list.findIndex((v) => v > 1);
    if (wrong >= 0) throw this.bad(`${where} has a boolean of value ${list[wrong]}, expected 0 or 1`);
    return list;
  }

  take(n: number): ArrayBuffer {
    this.next += n;
    return this.bytes.slice(this.next - n, this.next).buffer;
  }

  /** A key or tensor name. */
  name(where: string): Promise<string> {
    return this.text(where, MAX_NAME, true);
  }

  /** A text with its length in front; a strict one must be UTF-8. */
  async text(where: string, longest: number, strict: boolean): Promise<string> {
    await this.need(8, where);
    const length = this.u64();
    if (length > BigInt(Math.min(longest, this.left))) {
      throw this.bad(
        `${where} claims a text of ${length} bytes, at most ${Math.min(longest, this.left)} fit`,
      );
    }
    const n = Number(length);
    await this.need(n, where);
    this.next += n;
    try {
      return (strict ? STRICT : LENIENT).decode(this.bytes.subarray(this.next - n, this.next));
    } catch {
      throw this.bad(`${where} is not UTF-8`);
    }
  }

  bad(what: string): LssgenError {
    return new LssgenError(
      "bad_file",
      `"${this.source.name}" is not a sound GGUF file: ${what}; download it again`,
    );
  }
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder();
