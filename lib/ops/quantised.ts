/**
 * Weights that stay quantised on the GPU, in the blocks of GGUF files or as 8-bit floats: expanded on the way into products of few
 * rows, and by one pass into a scratch of a layer for products of many.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { f32, type Recorder } from "../gpu/recorder.ts";
import { type Dtype, DTYPE_BYTES, type Tensor } from "../tensor.ts";
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
  | "F8_E5M2";

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
};

/** Whether kernels expand a stored type. */
export function isQuantised(type: string): type is QuantisedName {
  return Object.hasOwn(QUANTISED, type);
}

/** A low-rank change of a weight: W + up · down. */
export interface LowRank {
  /** f32 [rank, K]. */
  readonly down: Tensor;
  /** f32 [N, rank], strengths included. */
  readonly up: Tensor;
}

/** How a quantised matrix lies in its buffer. */
export interface Blocks {
  /** Stored type. */
  readonly type: QuantisedName;
  /** Bytes from row to row: whole blocks. */
  readonly rowBytes: number;
  /** First byte of a row's part, where the matrix is some columns of a wider one. */
  readonly at: number;
  /** Factor of all values. */
  readonly scale: number;
  /** What products of many rows expand it to. */
  readonly expanded: Dtype;
  /** Added while it is expanded. */
  readonly lora?: LowRank;
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

/** Constants of shaders/parts/quants.wgsl. */
export function blockConstants(type: QuantisedName): Readonly<Record<string, number>> {
  const { code, values, bytes } = QUANTISED[type];
  return { TYPE: code, BLOCK_BYTES: bytes, BLOCK_VALUES: values };
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

/**
 * Rows n0 … n1 − 1 of a weight, expanded: [n1 − n0, stride] of the innermost scope, 16-bit values as f16.
 *
 * @throws {LssgenError} `unsupported` when one row exceeds a binding.
 */
export function expand(r: Recorder, weight: QuantisedMatrix, n0: number, n1: number): Tensor {
  const { K, stride, blocks: { type, rowBytes, at, scale, expanded, lora } } = weight;
  const y = r.tensor([n1 - n0, stride], expanded);
  const limit = r.device.info.maxBindingBytes;
  const yBytes = stride * DTYPE_BYTES[expanded];
  const rows = Math.floor((limit - 512) / Math.max(rowBytes, yBytes));
  if (rows < 1) {
    throw new LssgenError(
      "unsupported",
      `A weight row of ${rowBytes} bytes exceeds the binding limit of ${limit}`,
    );
  }
  const raw = rawBytes(weight);
  const whole = raw.byteLength <= limit && y.byteLength <= limit;
  const step = whole ? n1 - n0 : rows;
  for (let n = n0; n < n1; n += step) {
    const end = Math.min(n1, n + step);
    const from = bindBytes(raw, n * rowBytes, end * rowBytes, whole);
    const to = bindBytes(y, (n - n0) * yBytes, (end - n0) * yBytes, whole);
    // Rows of Y are counted from the first that this dispatch makes.
    const skipped = (n - n0) * yBytes - to.offset;
    if (skipped !== 0 && skipped % 16 !== 0) {
      throw new LssgenError("internal", "expand: rows are no whole loads");
    }
    const groups = fold(Math.ceil((end - n) * stride / 8 / WG));
    r.dispatch({
      shader: "expand",
      types: {},
      constants: { WG, ...blockConstants(type), Y_TYPE: expanded === "f16" ? 1 : 0, LORA: lora ? 1 : 0 },
      params: [
        ...[n, end, K / 8, stride / 8],
        ...[rowBytes, (from.offset - at) >>> 0, lora ? lora.down.shape[0] : 0, groups[0]],
        ...[f32(scale), skipped / 16, 0],
      ],
      buffers: [from, lora?.down, lora?.up, undefined, to],
      groups,
    });
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
  const { N, K, stride, blocks: { type, rowBytes, at, scale, lora } } = weight;
  const y = r.tensor([rows.length, stride], "f32");
  const limit = r.device.info.maxBindingBytes;
  const raw = rawBytes(weight);
  const whole = raw.byteLength <= limit;
  const step = whole ? N : Math.floor((limit - 512) / rowBytes);
  if (step < 1) {
    throw new LssgenError(
      "unsupported",
      `A table row of ${rowBytes} bytes exceeds the binding limit of ${limit}`,
    );
  }
  using _numbers = r.scope();
  const numbers = r.upload([rows.length], rows);
  // Each dispatch writes the rows that lie in what it binds.
  for (let n = 0; n < N; n += step) {
    const end = Math.min(N, n + step);
    if (!rows.some((row) => row >= n && row < end)) continue;
    const from = bindBytes(raw, n * rowBytes, end * rowBytes, whole);
    const groups = fold(Math.ceil(rows.length * stride / 8 / WG));
    r.dispatch({
      shader: "expand",
      types: {},
      constants: { WG, ...blockConstants(type), Y_TYPE: 0, LORA: lora ? 1 : 0, GATHER: 1 },
      params: [
        ...[n, end, K / 8, stride / 8],
        ...[rowBytes, (from.offset - at) >>> 0, lora ? lora.down.shape[0] : 0, groups[0]],
        ...[f32(scale), 0, rows.length],
      ],
      buffers: [from, lora?.down, lora?.up, numbers, y],
      groups,
    });
  }
  return y;
}
