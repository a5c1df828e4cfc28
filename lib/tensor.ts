/**
 * A tensor is a record: where numbers lie on the GPU, their shape and type. It computes nothing.
 *
 * @module
 */

/** Element type of an activation or of a plain GPU tensor. */
export type Dtype = "f32" | "f16";

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f16: 2 };

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

/** Number of elements of a shape. */
export function elements(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}
