/**
 * How a matrix lies in a file whose values are made of more than its blocks: for readers that hand it on as it lies.
 *
 * @module
 */

import type { PlainType } from "../tensor.ts";
import type { RowRange } from "./safetensors.ts";

/** Factors of a matrix's stored values, one for each rectangle of it. */
export interface BlockScales {
  /** Rows of a rectangle. */
  readonly height: number;
  /** Rectangles side by side. */
  readonly columns: number;
  /** Columns of a rectangle. */
  readonly width: number;
  /** The factors, rectangles of one row after another. */
  values(): Promise<Float32Array<ArrayBuffer>>;
}

/** A change of low rank that is added to a matrix: factor · up · down. */
export interface LowRankChange {
  /** Rows of `down`. */
  readonly rank: number;
  /** Type that holds the values of both without loss. */
  readonly type: PlainType;
  /** What the product is multiplied by. */
  readonly factor: number;
  /** [rank, K]. */
  down(): Promise<Float32Array<ArrayBuffer>>;
  /** [N, rank]. */
  up(): Promise<Float32Array<ArrayBuffer>>;
}

/** How a matrix lies in the file, whose values are made of that in a way that kernels know. */
export interface StoredForm {
  /** Type in the file. */
  readonly dtype: string;
  /** Factors of the stored values. */
  readonly scales?: BlockScales;
  /** What is added to it, in this order. */
  readonly changes?: readonly LowRankChange[];
  /** Bytes as stored, as a checkpoint's `read`. */
  read(
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }>;
}
