/**
 * What a LoRA file's algorithms have in common: each turns the tensors of one module into a change of one weight.
 *
 * @module
 */

import type { PlainType } from "../../tensor.ts";
import type { LowRankChange } from "../stored_form.ts";
import type { TensorFile } from "./file.ts";

/** A weight that is being changed, or some rows of it. */
export interface Place {
  /** Values, [rows.length, width], changed in place. */
  readonly weight: Float32Array<ArrayBuffer>;
  /** Which of the change's own rows these are. For a change with `whole` these are all, in order. */
  readonly rows: readonly number[];
  /** Values of one row: input channels × kernel. */
  readonly width: number;
  /** Values of one input channel: 1 for a linear layer, 9 for a 3×3 convolution. */
  readonly kernel: number;
}

/** A change of one weight or bias. */
export interface Change {
  /** Rows of the weight that it changes; undefined where every count fits. */
  readonly rows: number | undefined;
  /** Values of one row; undefined where every width fits. */
  readonly width: number | undefined;
  /** Whether one row's change depends on other rows, so that all are needed at once. */
  readonly whole: boolean;
  /** Changes the weight in place. */
  apply(place: Place): Promise<void>;
  /** The change as a product of two matrices, all of its rows, where it is one whatever the weight. */
  readonly lowRank?: LowRankChange;
}

/** How a change is scaled: by the file, and by the user. */
export interface Scaling {
  /** alpha / rank and the like: part of what was trained. */
  readonly trained: number;
  /** The user's strength. */
  readonly strength: number;
}

/** A matrix of a LoRA file; axes behind the first count as one. */
export class Matrix {
  /** Rows. */
  readonly rows: number;
  /** Values of a row. */
  readonly width: number;

  /** @param file File. @param name Tensor, which must exist. */
  constructor(private readonly file: TensorFile, private readonly name: string) {
    const { shape } = file.info(name)!;
    this.rows = shape[0] ?? 1;
    this.width = shape.slice(1).reduce((a, b) => a * b, 1);
  }

  /** Sizes as stored. */
  get shape(): readonly number[] {
    return this.file.info(this.name)!.shape;
  }

  /** The type that holds its values without loss. */
  get type(): PlainType {
    const { dtype } = this.file.info(this.name)!;
    return dtype === "F16" ? "f16" : dtype === "BF16" ? "bf16" : "f32";
  }

  /** The values, row by row. */
  read(): Promise<Float32Array<ArrayBuffer>> {
    return this.file.readF32(this.name);
  }

  /** `"NAME" of [4,32]`, for messages. */
  toString(): string {
    return `"${this.name}" of [${this.shape}]`;
  }
}

/** out += factor · b · a, a [rank, width]. Products and sums in double precision. */
export function addProduct(
  out: Float32Array | Float64Array,
  b: ArrayLike<number>,
  a: ArrayLike<number>,
  { rank, width, factor }: { rank: number; width: number; factor: number },
): void {
  let j = 0;
  // Four ranks at a time: the row is read and written a quarter as often.
  for (; j + 4 <= rank; j += 4) {
    const [c0, c1, c2, c3] = [factor * b[j], factor * b[j + 1], factor * b[j + 2], factor * b[j + 3]];
    const from = j * width;
    for (let k = 0, i = from; k < width; k++, i++) {
      out[k] += c0 * a[i] + c1 * a[i + width] + c2 * a[i + 2 * width] + c3 * a[i + 3 * width];
    }
  }
  for (; j < rank; j++) {
    const c = factor * b[j];
    const from = j * width;
    for (let k = 0; k < width; k++) out[k] += c * a[from + k];
  }
}

/** [rows, columns] → [columns, rows]. */
export function transposed(
  values: Float32Array<ArrayBuffer>,
  rows: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j];
  }
  return out;
}

/**
 * Tucker's core multiplied by the factor of the input channels: core [i, j, kernel], factor [j, n] → [i, n · kernel].
 * What is left is a product of low rank: a Tucker-decomposed convolution is one whose second matrix is this.
 */
export function coreTimesFactor(
  core: Float32Array<ArrayBuffer>,
  factor: Float32Array<ArrayBuffer>,
  sizes: { i: number; j: number; n: number; kernel: number },
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(sizes.i * sizes.n * sizes.kernel);
  for (let i = 0; i < sizes.i; i++) {
    for (let n = 0; n < sizes.n; n++) {
      for (let x = 0; x < sizes.kernel; x++) {
        let sum = 0;
        for (let j = 0; j < sizes.j; j++) {
          sum += core[(i * sizes.j + j) * sizes.kernel + x] * factor[j * sizes.n + n];
        }
        out[(i * sizes.n + n) * sizes.kernel + x] = sum;
      }
    }
  }
  return out;
}
