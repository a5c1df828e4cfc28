/**
 * A tensor is a record: where numbers lie on the GPU, their shape and type. It computes nothing.
 *
 * @module
 */

/** Element type of an activation. */
export type Dtype = "f32" | "f16";

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f16: 2 };

/** Types of stored values that kernels read as they are. */
export type PlainType = "f32" | "f16" | "bf16";

/** Bytes of one such value. */
export const PLAIN_BYTES: Readonly<Record<PlainType, number>> = { f32: 4, f16: 2, bf16: 2 };

/** Numbers of these types in shaders: `W_TYPE`, `FROM`, `TO`, `CHANGE_TYPE`, … */
export const PLAIN_CODES: Readonly<Record<PlainType, number>> = { f32: 0, f16: 1, bf16: 2 };

/**
 * Dense row-major numbers in a GPU buffer. Sequences are [B, N, C]; pictures and latents are
 * channels-last, [B, H, W, C], so that a 1×1 convolution is a matmul and tokens need no transpose.
 */
export interface Tensor {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Element type. */
  readonly dtype: Dtype;
  /** Buffer that holds the elements. */
  readonly buffer: GPUBuffer;
  /** First element's byte offset, a multiple of 256. */
  readonly offset: number;
  /** Bytes from `offset`; the size rounded up to 16, so that vec4 loads never leave the binding. */
  readonly byteLength: number;
}

/**
 * Rows `at … at + count` of every sample of a sequence [B, N, C]: the text or the picture part of a
 * joint sequence, used in place of a copy.
 */
export interface Rows {
  /** The whole sequence, [B, N, C]. */
  readonly tensor: Tensor;
  /** First row of the part. */
  readonly at: number;
  /** Rows in the part. */
  readonly count: number;
}

/** Number of elements of a shape. */
export function elements(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** Bytes of a buffer for `size` bytes: vec4 loads never leave it. */
export function sixteens(size: number): number {
  return Math.max(16, Math.ceil(size / 16) * 16);
}

/** The part of `tensor` [B, N, C] that holds rows `at … at + count` of every sample. */
export function rows(tensor: Tensor, at: number, count: number): Rows {
  return { tensor, at, count };
}

/** A sequence or a part of one, as (tensor, batch, rows in the part, rows in the whole, first row, width). */
export function sequence(
  x: Tensor | Rows,
): { tensor: Tensor; B: number; S: number; N: number; at: number; C: number } {
  const tensor = "tensor" in x ? x.tensor : x;
  const shape = tensor.shape;
  const C = shape[shape.length - 1];
  if ("tensor" in x) {
    return { tensor, B: elements(shape.slice(0, -2)), S: x.count, N: shape[shape.length - 2], at: x.at, C };
  }
  // A whole tensor is one run of rows, whatever its rank.
  const B = shape.length > 2 ? shape[0] : 1;
  const S = elements(shape) / (C * B);
  return { tensor, B, S, N: S, at: 0, C };
}
