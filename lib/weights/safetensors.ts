/**
 * safetensors: an 8-byte header length, a JSON directory, then raw little-endian tensors. Every header
 * is hostile until checked: sizes, offsets and names are verified before a byte of data is read.
 *
 * Source: the format as written down in the safetensors project's README.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type JsonBounds, parseJson } from "../json.ts";
import type { ByteSource } from "./bytes.ts";
import { fewToF32 } from "./few_dtypes.ts";

/** Bytes of one element: every type of the format (safetensors 0.8). */
const BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  F8_E4M3FNUZ: 1,
  F8_E5M2FNUZ: 1,
  F6_E2M3: 6 / 8,
  F6_E3M2: 6 / 8,
  F4: 1 / 2,
  C64: 8,
};

/** The reference refuses headers beyond 100 MB; so does this. */
const MAX_HEADER = 100_000_000;
const HEADER_BOUNDS: JsonBounds = { characters: MAX_HEADER, depth: 8 };

/** One tensor of a file. */
export interface TensorInfo {
  /** Sizes, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** Type as the file spells it: F32, F16, BF16, … or a GGUF type such as Q8_0. */
  readonly dtype: string;
  /** First byte in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** Some rows of a tensor: entries of its first axis. */
export interface RowRange {
  /** First row, from 0. */
  readonly first: number;
  /** Rows. */
  readonly count: number;
}

/**
 * Where rows lie in the file; the whole tensor without `rows`.
 *
 * @throws {LssgenError} `bad_tensor` when the tensor has fewer rows.
 */
export function checkRows(
  file: string,
  name: string,
  info: TensorInfo,
  rows: RowRange | undefined,
): { readonly offset: number; readonly length: number } {
  if (!rows) return info;
  const { first, count } = rows;
  const all = info.shape[0] ?? 0;
  if (!(first >= 0 && count >= 0 && first + count <= all)) {
    throw new LssgenError(
      "bad_tensor",
      `"${file}": tensor "${name}" of [${info.shape}] has ${all} rows, ${first} … ${
        first + count
      } were asked for`,
    );
  }
  const row = all > 0 ? info.length / all : 0;
  return { offset: info.offset + first * row, length: count * row };
}

/** A directory of tensors that are read one by one. */
export class SafetensorsFile {
  /** Use {@linkcode openSafetensors}. */
  constructor(
    private readonly source: ByteSource,
    private readonly tensors: ReadonlyMap<string, TensorInfo>,
    /** The header's texts (`__metadata__`). */
    readonly metadata: ReadonlyMap<string, string> = new Map(),
  ) {}

  /** File name. */
  get name(): string {
    return this.source.name;
  }

  /** Every tensor's name. */
  names(): Iterable<string> {
    return this.tensors.keys();
  }

  /** Shape, type and place; `undefined` when absent. */
  info(name: string): TensorInfo | undefined {
    return this.tensors.get(name);
  }

  /** Little-endian bytes as stored; of some rows where `rows` is given. */
  async read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    const { offset, length } = checkRows(this.name, name, this.require(name), rows);
    return { bytes: await this.source.read(offset, length, into) };
  }

  /** The values as f32, whatever the storage; of some rows where `rows` is given. */
  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const { bytes } = await this.read(name, rows);
    const { dtype } = this.require(name);
    return fewToF32(bytes, dtype) ?? (await import("./dtypes.ts")).toF32(bytes, dtype);
  }

  private require(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info) throw new LssgenError("bad_tensor", `"${this.name}" has no tensor "${name}"`);
    return info;
  }
}

/**
 * Reads and checks the directory of a file.
 *
 * @throws {LssgenError} `bad_file`, naming the file, the tensor and what was expected.
 */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const bad = (what: string): LssgenError =>
    new LssgenError(
      "bad_file",
      `"${source.name}" is not a sound safetensors file: ${what}; download it again`,
    );
  /** Where the header cannot be one, the file may be something else: that says more than a wrong number. */
  const wrong = async (what: string): Promise<LssgenError> => {
    const { impostorOf } = await import("../impostor.ts");
    const other = await impostorOf(source);
    return other ? new LssgenError("bad_file", `"${source.name}" ${other}`) : bad(what);
  };
  if (source.size < 8) throw await wrong(`it has ${source.size} bytes, a header needs at least 8`);
  const head = await source.read(0, 8);
  const length = Number(new DataView(head.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER) {
    throw await wrong(`its header claims ${length} bytes, at most ${MAX_HEADER} are allowed`);
  }
  if (8 + length > source.size) {
    // A sound beginning means a file that was cut.
    const cut = (await source.read(8, Math.min(2, source.size - 8)))[0] === 0x7b;
    const what = `its header claims ${length} bytes, the file has ${source.size}`;
    throw cut ? bad(what) : await wrong(what);
  }

  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await source.read(8, length));
    header = parseJson(source.name, text, HEADER_BOUNDS);
  } catch (error) {
    if (error instanceof LssgenError) throw error;
    throw await wrong(`its header is not JSON (${(error as Error).message})`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw bad("its header is not an object");
  }

  let metadata: ReadonlyMap<string, string> | undefined;
  const tensors = new Map<string, TensorInfo>();
  const data = source.size - 8 - length;
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      const texts = typeof entry === "object" && entry !== null && !Array.isArray(entry);
      if (!texts || !Object.values(entry).every((v) => typeof v === "string")) {
        throw bad("its __metadata__ is not an object of texts");
      }
      metadata = new Map(Object.entries(entry as Record<string, string>));
      continue;
    }
    const e = entry as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    const where = `tensor "${name}"`;
    if (typeof e !== "object" || e === null) throw bad(`${where} is not described by an object`);
    if (typeof e.dtype !== "string" || !Object.hasOwn(BYTES, e.dtype)) {
      throw bad(
        `${where} has the unknown dtype ${shown(e.dtype)}, expected one of ${Object.keys(BYTES).join(", ")}`,
      );
    }
    const isCount = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;
    if (!Array.isArray(e.shape) || !e.shape.every(isCount)) {
      throw bad(`${where} has the shape ${shown(e.shape)}, expected whole numbers from 0`);
    }
    const offsets = e.data_offsets;
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
      throw bad(`${where} has the data_offsets ${shown(offsets)}, expected [begin, end]`);
    }
    const [begin, end] = offsets as [number, number];
    if (begin > end || end > data) {
      throw bad(`${where} lies at ${begin} … ${end}, the data has ${data} bytes`);
    }
    const want = (e.shape as number[]).reduce((a, b) => a * b, BYTES[e.dtype]);
    if (end - begin !== want) {
      throw bad(
        `${where} of [${e.shape}] ${e.dtype} needs ${want} bytes, its data_offsets hold ${end - begin}`,
      );
    }
    tensors.set(name, {
      shape: e.shape as number[],
      dtype: e.dtype,
      offset: 8 + length + begin,
      length: end - begin,
    });
  }

  // The data must be covered without holes or overlaps: else one tensor could alias another.
  let at = 0;
  const sorted = [...tensors].sort((a, b) => a[1].offset - b[1].offset || a[1].length - b[1].length);
  for (const [name, info] of sorted) {
    const begin = info.offset - 8 - length;
    if (begin !== at) {
      throw bad(`tensor "${name}" begins at ${begin}, expected ${at} (no holes, no overlaps)`);
    }
    at += info.length;
  }
  if (at !== data) throw bad(`its tensors end at ${at}, the data has ${data} bytes`);
  // JSON.parse keeps the last of two equal keys: an earlier one would have left a hole, unless it was empty.
  const keys = text.match(/"data_offsets"/g)?.length ?? 0;
  if (keys !== tensors.size) throw bad(`it describes ${keys} tensors under ${tensors.size} names`);
  return new SafetensorsFile(source, tensors, metadata);
}

/** A wrong value for a message: short, and never walked into, however deep it nests. */
function shown(v: unknown): string {
  if (typeof v === "string") return `"${v.slice(0, 40)}"`;
  if (!Array.isArray(v)) return typeof v === "object" && v !== null ? "an object" : String(v);
  const parts = v.slice(0, 6).map((x) => typeof x === "object" && x !== null ? "…" : String(x).slice(0, 40));
  return `[${parts.join(", ")}${v.length > 6 ? ", …" : ""}]`;
}

/** A tensor to write. */
export interface TensorEntry {
  /** Name. */
  readonly name: string;
  /** Sizes. */
  readonly shape: readonly number[];
  /** Values, written as F32. */
  readonly data: Float32Array;
}

/** A whole safetensors file of F32 tensors. */
export function writeSafetensors(entries: readonly TensorEntry[]): Uint8Array<ArrayBuffer> {
  const directory: Record<string, unknown> = {};
  let at = 0;
  for (const { name, shape, data } of entries) {
    directory[name] = { dtype: "F32", shape, data_offsets: [at, at + 4 * data.length] };
    at += 4 * data.length;
  }
  let json = JSON.stringify(directory);
  json += " ".repeat((8 - json.length % 8) % 8); // the data begins at a multiple of 8
  const header = new TextEncoder().encode(json);
  const out = new Uint8Array(8 + header.length + at);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  let offset = 8 + header.length;
  for (const { data } of entries) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return out;
}
