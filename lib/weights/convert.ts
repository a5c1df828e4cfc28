/**
 * A checkpoint into a file of another type: tensor by tensor, in pieces, so that memory does not grow with the model.
 *
 * Which tensors stay as they are follows stable-diffusion.cpp and ComfyUI-GGUF: vectors, embeddings, and the first and last
 * layers, which are small and decide much.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { elements } from "../tensor.ts";
import type { Checkpoint } from "./checkpoint.ts";
import {
  ggufHeader,
  ggufPadded,
  type HeaderValue,
  safetensorsHeader,
  type TensorPlace,
} from "./file_headers.ts";
import { quantise, storageOf, WRITABLE_TYPES, type WritableType } from "./quantise.ts";
import { GGML_TYPES } from "./ggml_types.ts";
import type { RowRange } from "./safetensors.ts";

/** The two file formats. */
export type FileFormat = "gguf" | "safetensors";

/** Tensors whose name matches get a type of their own; the first rule that matches counts. */
export interface TypeRule {
  /** Found anywhere in the tensor's name. */
  readonly pattern: RegExp;
  /** Type for those tensors. */
  readonly type: WritableType;
}

/** What to write. */
export interface ConvertOptions {
  /** Format of the file. */
  readonly format: FileFormat;
  /** Type of matrices. */
  readonly type: WritableType;
  /** Exceptions by name. */
  readonly rules?: readonly TypeRule[];
  /** Metadata beside what is derived here; later keys win. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** Stops between two pieces. */
  readonly signal?: AbortSignal;
  /** Told after each piece. */
  readonly onProgress?: (progress: ConvertProgress) => void;
  /** Quantises a piece elsewhere (in a worker, say); here when absent. */
  readonly quantise?: (
    values: Float32Array<ArrayBuffer>,
    type: WritableType,
  ) => Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Pieces at work at once; 1 when absent. */
  readonly lanes?: number;
}

/** How far a conversion is. */
export interface ConvertProgress {
  /** Tensor at hand. */
  readonly tensor: string;
  /** Bytes read of the source. */
  readonly done: number;
  /** Bytes of the source. */
  readonly total: number;
}

/** Where the file goes: pieces arrive in order, but for the header, which comes last, at 0. */
export interface ConvertSink {
  /**
   * Told before the first piece how many bytes the file will have; it may have a few more where tensors turn out to need F32.
   * Throws where there is no room.
   */
  begin?(bytes: number): Promise<void>;
  /** Writes at a byte of the file. */
  write(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** A tensor of the file to write. */
export interface PlannedTensor {
  /** Name. */
  readonly name: string;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Type in the source. */
  readonly from: string;
  /** Type in the file. */
  readonly to: string;
}

/** What was written. */
export interface ConvertReport {
  /** Bytes of the file. */
  readonly bytes: number;
  /** Type → tensors and bytes. */
  readonly types: ReadonlyMap<string, { readonly tensors: number; readonly bytes: number }>;
  /** Tensors kept in f32 because a value, or a block's scale, is beyond f16's 65504. */
  readonly beyondF16: readonly string[];
}

/** Values of a piece: 4 MiB of f32. */
const PIECE = 1 << 20;

/**
 * Layers that keep the source's precision, as stable-diffusion.cpp has it: FLUX's first and last layers, then MMDiT's, then
 * UNets', then embeddings; and the same layers under diffusers' names.
 */
const PRECISE = new RegExp(
  [
    "(?:img|txt|time|vector|guidance)_in\\.",
    "final_layer\\.",
    "[xyt]_embedder\\.",
    "context_embedder\\.",
    "pos_embed",
    "time_embed\\.",
    "label_emb\\.",
    "embedding",
    "time_text_embed\\.",
    "^norm_out\\.",
    "^proj_out\\.",
  ].join("|"),
);

/** Matrices of this size and less are not worth it (ComfyUI-GGUF's bound). */
const SMALL = 1024;

/** What stands in for a type whose blocks do not divide a row, as llama.cpp has it. */
const FALLBACK: Readonly<Partial<Record<WritableType, WritableType>>> = {
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
};

/**
 * Types that a conversion gives each tensor. Pure: reads nothing.
 *
 * @throws {LssgenError} `unsupported` for a tensor that the format cannot hold.
 */
export function planConversion(
  source: Pick<Checkpoint, "name" | "names" | "info">,
  { format, type, rules = [] }: Pick<ConvertOptions, "format" | "type" | "rules">,
): PlannedTensor[] {
  const planned: PlannedTensor[] = [];
  for (const name of source.names()) {
    const { shape, dtype: from } = source.info(name)!;
    const rule = rules.find(({ pattern }) => pattern.test(name));
    const to = targetType(name, shape, from, rule?.type ?? type, rule !== undefined);
    const holds = format === "gguf" ? GGUF_TYPES : SAFETENSORS_TYPES;
    if (!holds.has(to)) {
      throw new LssgenError(
        "unsupported",
        `"${source.name}": tensor "${name}" is ${from} and would be stored as ${to}, which a .${format} file cannot hold` +
          (format === "safetensors" ? "; choose --type f32, f16 or bf16, or write a .gguf file" : ""),
      );
    }
    planned.push({ name, shape, from, to });
  }
  return planned;
}

const GGUF_TYPES: ReadonlySet<string> = new Set([...GGML_TYPES.values()].map(({ name }) => name));
const SAFETENSORS_TYPES: ReadonlySet<string> = new Set(
  "F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL".split(" "),
);
/** Whole numbers are no weights: they are copied. */
const WHOLE = /^(?:[IU]\d+|BOOL)$/;

function targetType(
  name: string,
  shape: readonly number[],
  from: string,
  wanted: WritableType,
  ruled: boolean,
): string {
  if (WHOLE.test(from)) return from;
  const kept = from === "F32" || from === "F16" || from === "BF16" ? from : from === "F64" ? "F32" : "F16";
  const matrix = shape.filter((size) => size > 1).length > 1;
  if (storageOf(wanted).values === 1) return matrix || wanted === "F32" ? wanted : kept;
  if (!matrix) return kept === "F16" ? "F16" : "F32";
  if (!ruled && (elements(shape) <= SMALL || PRECISE.test(name))) return kept;
  const row = shape.at(-1)!;
  for (const type of [wanted, FALLBACK[wanted]]) {
    if (type !== undefined && row % storageOf(type).values === 0) return type;
  }
  return kept === "F32" ? "F16" : kept; // convolutions, and rows that no block divides
}

/**
 * Writes a checkpoint as one file.
 *
 * @param source Tensors under the names that the file shall have.
 * @throws {LssgenError} `numeric` for a tensor with values that are not finite, by name; what reading and writing throw.
 * @throws {AbortedError} When the signal fires.
 */
export async function convertCheckpoint(
  source: Checkpoint,
  sink: ConvertSink,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const { format, signal, onProgress } = options;
  const planned = planConversion(source, options);
  const total = planned.reduce((sum, t) => sum + storedBytes(t.from, t.shape), 0);
  const places: TensorPlace[] = planned.map((t) => ({
    ...t,
    type: t.to,
    length: storedBytes(t.to, t.shape),
  }));
  const metadata = fileMetadata(planned, options);
  // A tensor that turns out to need f32 makes numbers in a safetensors header longer: leave room.
  const reserved = format === "gguf"
    ? ggufHeader(metadata, places).length
    : safetensorsHeader(textsOf(metadata), widest(places)).length;

  await sink.begin?.(places.reduce((sum, { length }) => sum + length, reserved));
  const written: TensorPlace[] = [];
  const beyondF16: string[] = [];
  let at = reserved;
  let done = 0;
  for (const tensor of planned) {
    let type = tensor.to;
    const before = done;
    for (;;) {
      done = before;
      const end = await writeTensor(source, tensor, type, at, sink, options, (bytes) => {
        if (signal?.aborted) throw new AbortedError();
        done += bytes;
        onProgress?.({ tensor: tensor.name, done, total });
      });
      if (end !== undefined) {
        written.push({ ...tensor, type, length: end - at });
        at = format === "gguf" ? reserved + ggufPadded(end - reserved) : end;
        if (at > end) await sink.write(end, new Uint8Array(at - end));
        break;
      }
      beyondF16.push(tensor.name);
      type = "F32";
    }
  }
  await sink.write(
    0,
    format === "gguf"
      ? ggufHeader(metadata, written)
      : safetensorsHeader(textsOf(metadata), written, reserved),
  );
  const types = new Map<string, { tensors: number; bytes: number }>();
  for (const { type, length } of written) {
    const sum = types.get(type) ?? { tensors: 0, bytes: 0 };
    types.set(type, { tensors: sum.tensors + 1, bytes: sum.bytes + length });
  }
  return { bytes: at, types, beyondF16 };
}

/** Writes one tensor; `undefined` when the type cannot hold its values. */
async function writeTensor(
  source: Checkpoint,
  { name, shape, from }: PlannedTensor,
  to: string,
  begin: number,
  sink: ConvertSink,
  options: ConvertOptions,
  onPiece: (bytes: number) => void,
): Promise<number | undefined> {
  const make = (rows: RowRange | undefined): Promise<Uint8Array<ArrayBuffer> | undefined> =>
    quantised(source, { name, from }, to, rows, options.quantise);
  let at = begin;
  const rest = piecesOf(shape);
  const ahead: { rows: RowRange | undefined; bytes: Promise<Uint8Array<ArrayBuffer> | undefined> }[] = [];
  try {
    while (rest.length + ahead.length > 0) {
      while (rest.length > 0 && ahead.length < (options.lanes ?? 1)) {
        const rows = rest.shift();
        ahead.push({ rows, bytes: make(rows) });
      }
      const { rows, bytes: made } = ahead[0];
      const bytes = await made;
      ahead.shift();
      if (bytes === undefined) return undefined;
      await sink.write(at, bytes);
      at += bytes.length;
      onPiece(storedBytes(from, rows ? [rows.count, ...shape.slice(1)] : shape));
    }
    return at;
  } finally {
    await Promise.allSettled(ahead.map(({ bytes }) => bytes)); // nothing is left running
  }
}

/**
 * Some rows of a tensor as a type; `undefined` when the type cannot hold its values.
 *
 * @throws {LssgenError} `numeric` for values that are not finite.
 */
export async function quantised(
  source: Checkpoint,
  { name, from }: Pick<PlannedTensor, "name" | "from">,
  to: string,
  rows: RowRange | undefined,
  pack: ConvertOptions["quantise"] = (values, type) => Promise.resolve(quantise(values, type)),
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (from === to) return (await source.read(name, rows)).bytes;
  const values = await source.readF32(name, rows);
  if (!values.every(Number.isFinite)) {
    throw new LssgenError(
      "numeric",
      `"${source.name}": tensor "${name}" holds ${values.find((v) => !Number.isFinite(v))}; ` +
        "the checkpoint is damaged, get it again",
    );
  }
  return await pack(values, to as WritableType);
}

/** Ranges of the first axis of about {@linkcode PIECE} values; `undefined` is all of it. */
export function piecesOf(shape: readonly number[]): (RowRange | undefined)[] {
  const all = elements(shape);
  if (all <= PIECE || shape.length < 2) return [undefined];
  const count = Math.max(1, Math.floor(PIECE / (all / shape[0])));
  const out = [];
  for (let first = 0; first < shape[0]; first += count) {
    out.push({ first, count: Math.min(count, shape[0] - first) });
  }
  return out;
}

const BLOCKS: ReadonlyMap<string, { values: number; bytes: number }> = new Map(
  [...GGML_TYPES.values()].map((t) => [t.name, t]),
);
const PLAIN: Readonly<Record<string, number>> = {
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};

/** Bytes of a tensor as a type. */
function storedBytes(type: string, shape: readonly number[]): number {
  const block = BLOCKS.get(type) ?? { values: 1, bytes: PLAIN[type] ?? 4 };
  return elements(shape) / block.values * block.bytes;
}

function widest(places: readonly TensorPlace[]): TensorPlace[] {
  return places.map((p) => ({ ...p, length: Math.max(p.length, 4 * elements(p.shape)) }));
}

function textsOf(metadata: ReadonlyMap<string, HeaderValue>): Map<string, string> {
  return new Map([...metadata].filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** llama.cpp's file types, for the type that most matrices have. */
const FILE_TYPES: Readonly<Record<WritableType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 14,
  Q5_K: 16,
  Q6_K: 18,
  BF16: 32,
};

/** ggml's version of its block layouts. */
const QUANTISATION_VERSION = 2;

/**
 * Keys as ComfyUI-GGUF writes them: its loader refuses a denoiser without `general.architecture`, or guesses. Other
 * files are written as stable-diffusion.cpp does it, without.
 */
function fileMetadata(
  tensors: readonly PlannedTensor[],
  { format, type, metadata }: ConvertOptions,
): Map<string, HeaderValue> {
  const out = new Map<string, HeaderValue>();
  if (format === "gguf") {
    const architecture = architectureOf(new Set(tensors.map(({ name }) => name)));
    if (architecture !== undefined) out.set("general.architecture", architecture);
    out.set("general.quantization_version", { u32: QUANTISATION_VERSION });
    out.set("general.file_type", { u32: FILE_TYPES[type] });
  } else {
    out.set("format", "pt");
  }
  for (const [key, value] of metadata ?? []) out.set(key, value);
  return out;
}

/** A tensor that tells the architecture → its name in GGUF files. */
const MARKERS: readonly (readonly [marker: string, architecture: string])[] = [
  ["double_blocks.0.img_attn.proj.weight", "flux"],
  ["joint_blocks.0.x_block.attn.qkv.weight", "sd3"],
  ["label_emb.0.0.weight", "sdxl"],
  ["input_blocks.0.0.weight", "sd1"],
  ["enc.blk.0.attn_q.weight", "t5encoder"],
];

function architectureOf(names: ReadonlySet<string>): string | undefined {
  for (const [marker, architecture] of MARKERS) {
    if (names.has(marker) || names.has(`model.diffusion_model.${marker}`)) return architecture;
  }
  return undefined;
}

/**
 * A type by its name as stable-diffusion.cpp spells it: `q8_0`, `f16`, `q4_K`, …
 *
 * @throws {LssgenError} `bad_option`, listing the types.
 */
export function writableType(text: string): WritableType {
  const found = WRITABLE_TYPES.find((type) => type.toLowerCase() === text.toLowerCase());
  if (found) return found;
  throw new LssgenError(
    "bad_option",
    `The type is "${text}", expected one of ${WRITABLE_TYPES.map((t) => t.toLowerCase()).join(", ")}`,
  );
}

/**
 * Rules as stable-diffusion.cpp takes them: `REGEX=TYPE`, with commas between.
 *
 * @throws {LssgenError} `bad_option` for what is no rule, no regular expression or no type.
 */
export function typeRules(text: string): TypeRule[] {
  return text.split(",").filter((rule) => rule !== "").map((rule) => {
    const cut = rule.lastIndexOf("=");
    if (cut < 1) {
      throw new LssgenError(
        "bad_option",
        `The tensor type rule "${rule}" is no REGEX=TYPE, such as "attn=q8_0"`,
      );
    }
    try {
      return { pattern: new RegExp(rule.slice(0, cut)), type: writableType(rule.slice(cut + 1)) };
    } catch (error) {
      if (error instanceof LssgenError) throw error;
      throw new LssgenError(
        "bad_option",
        `The tensor type rule "${rule}" has no sound regular expression: ${(error as Error).message}`,
      );
    }
  });
}
