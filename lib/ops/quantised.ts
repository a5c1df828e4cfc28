/**
 * Weights that stay quantised on the GPU, in the blocks of GGUF files or as 8-bit floats: expanded on the way into products of few
 * rows, and by one pass into a scratch of a layer for products of many.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Binding, Recorder } from "../gpu/recorder.ts";
import type { BlockKind, ByteKind } from "../gpu/tuning.ts";
import { type Dtype, DTYPE_BYTES, PLAIN_CODES, type PlainType, type Tensor } from "../tensor.ts";
import { bindBytes, fold } from "./window.ts";

/** A stored type that kernels expand. */
export interface QuantisedType {
  /** Number in shaders/parts/quants.wgsl. */
  readonly code: number;
  /** Values of a block. */
  readonly values: number;
  /** Bytes of a block. */
  readonly bytes: number;
}

/** Name of a stored type that kernels expand. */
export type QuantisedName =
  | "Q8_0"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q2_K"
  | "Q3_K"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K"
  | "F8_E4M3"
  | "F8_E5M2"
  | "I8";

/** By the names of GGUF and safetensors. Blocks begin at even bytes. */
export const QUANTISED: Readonly<Record<QuantisedName, QuantisedType>> = {
  Q8_0: { code: 0, values: 32, bytes: 34 },
  Q4_0: { code: 1, values: 32, bytes: 18 },
  Q4_1: { code: 2, values: 32, bytes: 20 },
  Q5_0: { code: 3, values: 32, bytes: 22 },
  Q5_1: { code: 4, values: 32, bytes: 24 },
  Q2_K: { code: 5, values: 256, bytes: 84 },
  Q3_K: { code: 6, values: 256, bytes: 110 },
  Q4_K: { code: 7, values: 256, bytes: 144 },
  Q5_K: { code: 8, values: 256, bytes: 176 },
  Q6_K: { code: 9, values: 256, bytes: 210 },
  F8_E4M3: { code: 10, values: 8, bytes: 8 },
  F8_E5M2: { code: 11, values: 8, bytes: 8 },
  I8: { code: 12, values: 8, bytes: 8 },
};

/** Whether kernels expand a stored type. */
export function isQuantised(type: string): type is QuantisedName {
  return Object.hasOwn(QUANTISED, type);
}

/** A low-rank change of some rows of a weight: W + up · (factors ⊙ down). */
export interface LowRank {
  /** First row that it changes. */
  readonly first: number;
  /** Rows that it changes. */
  readonly count: number;
  /** Rows of `down`. */
  readonly rank: number;
  /** How the values of both matrices are stored. */
  readonly type: PlainType;
  /** [rank, columns of the whole tensor], in a tensor of its bytes. */
  readonly down: Tensor;
  /** [count, rank], likewise. */
  readonly up: Tensor;
  /** f32 [rank], strengths included. */
  readonly factors: Tensor;
}

/** Factors of stored values: one for each row and some columns. */
export interface Scales {
  /** f32 [N, columns]. */
  readonly factors: Tensor;
  /** Factors of a row. */
  readonly columns: number;
  /** Columns of the whole tensor that a factor is for, a multiple of 8. */
  readonly width: number;
}

/** How a quantised matrix lies in its buffer. */
export interface Blocks {
  /** Stored type. */
  readonly type: QuantisedName;
  /** Bytes from row to row: whole blocks. */
  readonly rowBytes: number;
  /** First byte of a row's part, where the matrix is some columns of a wider one. */
  readonly at: number;
  /** What products of many rows expand it to. */
  readonly expanded: Dtype;
  /** Factors beside it. */
  readonly scales?: Scales;
  /** Added while it is expanded; none overlaps another. */
  readonly changes?: readonly LowRank[];
  /** Whether x may be rounded to bytes where the adapter multiplies those faster. */
  readonly integerDot?: boolean;
}

/** A quantised weight [N, K]. */
export interface QuantisedMatrix {
  /** Holds N rows of blocks. */
  readonly buffer: GPUBuffer;
  /** Rows: outputs. */
  readonly N: number;
  /** Columns: inputs, whole blocks. */
  readonly K: number;
  /** Elements from row to row once it is expanded. */
  readonly stride: number;
  /** How it is stored. */
  readonly blocks: Blocks;
}

/** Values that kernels expand at once. */
const UNIT = 32;

/** Constants of shaders/parts/quants.wgsl. */
export function blockConstants({ type, rowBytes, at }: Blocks): Readonly<Record<string, number>> {
  const { code, values, bytes } = QUANTISED[type];
  // Of values of one byte any number makes a block.
  const units = Math.max(1, values / UNIT);
  const starts = values < UNIT ? [rowBytes, at] : [rowBytes, at, bytes];
  const ALIGN = [16, 8, 4].find((align) => starts.every((start) => start % align === 0)) ?? 2;
  return { TYPE: code, BLOCK_BYTES: values < UNIT ? UNIT : bytes, BLOCK_UNITS: units, ALIGN };
}

/**
 * Units of a row that an invocation makes in one go, so that it loads what they share once: high bits, scales, both halves of a byte.
 * Where two units share little, more rows take most of the time anyway, and longer code would be compiled for nothing.
 */
export function spanUnits(type: QuantisedName, rows: number): number {
  const span = SPANS[type] ?? 1;
  return rows > 2 && span < 4 ? 1 : span;
}

const SPANS: Readonly<Partial<Record<QuantisedName, number>>> = { Q3_K: 4, Q4_K: 2, Q5_K: 4, Q6_K: 4 };

/**
 * Whether a weight's numbers are signed bytes as they are: all but 8-bit floats, and but bytes with factors for parts of a row, which
 * need not be whole units.
 */
export function multipliesBytes({ type, scales }: Blocks): boolean {
  return type !== "F8_E4M3" && type !== "F8_E5M2" && (scales === undefined || scales.columns === 1);
}

/** What integer dot products by a type cost, roughly. */
export function byteKindOf(type: QuantisedName): ByteKind {
  return /^Q[45]_[01K]$/.test(type) ? "short" : "long";
}

/** What expanding a type on the way costs, roughly. */
export function kindOf(type: QuantisedName): BlockKind {
  return QUANTISED[type].values === 256 ? "super" : "simple";
}

/** Bytes of `K` values of a type. @throws {LssgenError} `bad_tensor` for a part of a block. */
export function blockBytes(type: QuantisedName, K: number): number {
  const { values, bytes } = QUANTISED[type];
  if (K % values !== 0) {
    throw new LssgenError("bad_tensor", `${K} values of ${type} are no whole blocks of ${values}`);
  }
  return K / values * bytes;
}

/** The buffer's bytes as a tensor to bind. */
export function rawBytes({ buffer, N, blocks }: QuantisedMatrix): Tensor {
  return { shape: [N, blocks.rowBytes], dtype: "f32", buffer, offset: 0, byteLength: N * blocks.rowBytes };
}

const WG = 64;

/** Eighths of the whole tensor's rows, and the one that a matrix of some columns of it begins at. */
export function eighthsOf({ type, rowBytes, at }: Blocks): { readonly whole: number; readonly at: number } {
  const { values, bytes } = QUANTISED[type];
  return { whole: rowBytes / bytes * values / 8, at: at / bytes * values / 8 };
}

/** What kernels are told of the scales: columns, width and first column in eighths. */
export function scaleParams(blocks: Blocks): readonly [columns: number, width8: number, at8: number] {
  const { scales } = blocks;
  return scales ? [scales.columns, scales.width / 8, eighthsOf(blocks).at] : [0, 1, 0];
}

/** Rows n0 … n1 − 1 in runs that one change is for, or none. */
export function* runs(
  changes: readonly LowRank[],
  n0: number,
  n1: number,
): Generator<{ n: number; end: number; change: LowRank | undefined }> {
  for (let n = n0; n < n1;) {
    const change = changes.find(({ first, count }) => n >= first && n < first + count);
    const next = changes.reduce((m, { first }) => first > n ? Math.min(m, first) : m, n1);
    const end = change ? Math.min(n1, change.first + change.count) : next;
    yield { n, end, change };
    n = end;
  }
}

/** Expands rows n … end − 1, as many as may be bound at once, into Y. */
function dispatchRows(
  r: Recorder,
  weight: QuantisedMatrix,
  { n, end, change }: { n: number; end: number; change: LowRank | undefined },
  { to, skipped, numbers, rows }: {
    to: Tensor | Binding;
    /** Loads of Y before row n. */
    skipped: number;
    /** Rows to gather, in place of all. */
    numbers?: Tensor;
    rows: number;
  },
): void {
  const { K, stride, blocks } = weight;
  const { rowBytes, at, scales, expanded } = blocks;
  const raw = rawBytes(weight);
  const from = bindBytes(raw, n * rowBytes, end * rowBytes, raw.byteLength <= r.device.info.maxBindingBytes);
  // As of many rows: what is expanded here is a whole matrix as a rule.
  const span = spanUnits(blocks.type, Infinity);
  const groups = fold(Math.ceil(rows * Math.ceil(stride / (UNIT * span)) / WG));
  const eighths = eighthsOf(blocks);
  r.dispatch({
    shader: `expand@SPAN=${span}`,
    types: {},
    constants: {
      WG,
      ...blockConstants(blocks),
      Y_TYPE: expanded === "f16" && !numbers ? 1 : 0,
      CHANGED: change ? 1 : 0,
      CHANGE_TYPE: change ? PLAIN_CODES[change.type] : 0,
      SCALED: scales ? 1 : 0,
      GATHER: numbers ? 1 : 0,
    },
    params: [
      ...[n, end, K / 8, stride / 8],
      ...[rowBytes, (from.offset - at) >>> 0, change?.rank ?? 0, groups[0]],
      ...[skipped, numbers ? rows : 0, change?.first ?? 0],
      ...[eighths.whole, eighths.at, ...scaleParams(blocks).slice(0, 2)],
    ],
    buffers: [from, change?.down, change?.up, change?.factors, scales?.factors, numbers, to],
    groups,
  });
}

/** Rows of a weight that may be bound at once. @throws {LssgenError} `unsupported` when one row exceeds a binding. */
function rowsToBind(r: Recorder, { N, blocks: { rowBytes } }: QuantisedMatrix, otherBytes: number): number {
  const limit = r.device.info.maxBindingBytes;
  if (N * rowBytes <= limit && N * otherBytes <= limit) return N;
  const rows = Math.floor((limit - 512) / Math.max(rowBytes, otherBytes));
  if (rows >= 1) return rows;
  throw new LssgenError(
    "unsupported",
    `A weight row of ${rowBytes} bytes exceeds the binding limit of ${limit}`,
  );
}

/**
 * Rows n0 … n1 − 1 of a weight, expanded: [n1 − n0, stride] of the innermost scope, 16-bit values as f16.
 *
 * @throws {LssgenError} `unsupported` when one row exceeds a binding.
 */
export function expand(r: Recorder, weight: QuantisedMatrix, n0: number, n1: number): Tensor {
  const { stride, blocks: { expanded, changes = [] } } = weight;
  const y = r.tensor([n1 - n0, stride], expanded);
  const yBytes = stride * DTYPE_BYTES[expanded];
  const step = rowsToBind(r, weight, yBytes);
  const whole = y.byteLength <= r.device.info.maxBindingBytes;
  for (let from = n0; from < n1; from += step) {
    for (const run of runs(changes, from, Math.min(n1, from + step))) {
      const to = bindBytes(y, (run.n - n0) * yBytes, (run.end - n0) * yBytes, whole);
      // Rows of Y are counted from the first that this dispatch makes.
      const skipped = (run.n - n0) * yBytes - to.offset;
      dispatchRows(r, weight, run, { to, skipped: skipped / 16, rows: run.end - run.n });
    }
  }
  return y;
}

/**
 * Rows by their numbers, [rows.length, stride] f32 of the innermost scope: a table of embeddings at some tokens.
 *
 * @param rows Numbers below N.
 * @throws {LssgenError} `unsupported` when one row exceeds a binding.
 */
export function expandRows(r: Recorder, weight: QuantisedMatrix, rows: Int32Array<ArrayBuffer>): Tensor {
  const { N, stride, blocks: { changes = [] } } = weight;
  const y = r.tensor([rows.length, stride], "f32");
  const step = rowsToBind(r, weight, 0);
  using _numbers = r.scope();
  const numbers = r.upload([rows.length], rows);
  // Each dispatch writes the rows that lie in what it binds.
  for (let from = 0; from < N; from += step) {
    for (const run of runs(changes, from, Math.min(N, from + step))) {
      if (!rows.some((row) => row >= run.n && row < run.end)) continue;
      dispatchRows(r, weight, run, { to: y, skipped: 0, numbers, rows: rows.length });
    }
  }
  return y;
}
