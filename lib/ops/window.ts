/**
 * Binding a part of a tensor that is larger than the adapter's largest binding.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Binding, Recorder } from "../gpu/recorder.ts";
import { DTYPE_BYTES, type Tensor } from "../tensor.ts";

/** Most workgroups along one dimension, from the WebGPU specification. */
export const MAX_GROUPS = 65535;

/** Rows of `width` elements, bound from row `base` on. */
export interface Window {
  /** What to bind. */
  readonly binding: Tensor | Binding;
  /** First bound row; kernels subtract it. */
  readonly base: number;
}

/** Rows of `bytes` bytes that make a multiple of 256 bytes, WebGPU's offset alignment. */
function alignment(bytes: number): number {
  let rows = 1;
  while (rows * bytes % 256 !== 0) rows *= 2; // bytes are a multiple of 2, so at most 128 rows
  return rows;
}

/** Binds rows `first … end` of a tensor of rows of `width` elements; the whole tensor where it fits. */
export function windowOf(r: Recorder, t: Tensor, first: number, end: number, width: number): Window {
  if (t.byteLength <= r.device.info.maxBindingBytes) return { binding: t, base: 0 };
  const bytes = width * DTYPE_BYTES[t.dtype];
  const align = alignment(bytes);
  const base = Math.floor(first / align) * align;
  const offset = base * bytes;
  const size = Math.min(Math.ceil((end - base) * bytes / 16) * 16, t.byteLength - offset);
  return { binding: { tensor: t, offset, size }, base };
}

/** Rows of `width` elements that fit one binding, whatever the first row; 0 when not even one window does. */
export function rowsThatFit(r: Recorder, t: Tensor, width: number): number {
  if (t.byteLength <= r.device.info.maxBindingBytes) return Infinity;
  const bytes = width * DTYPE_BYTES[t.dtype];
  return Math.max(0, Math.floor(r.device.info.maxBindingBytes / bytes) - alignment(bytes));
}

/**
 * Rows of `width` elements to handle at once, so that the windows of all operands fit.
 *
 * @throws {LssgenError} `out_of_memory` when not even one row does.
 */
export function rowsAtOnce(r: Recorder, rows: number, width: number, operands: readonly Tensor[]): number {
  const step = Math.min(rows, ...operands.map((t) => rowsThatFit(r, t, width)));
  if (step < 1) {
    throw new LssgenError(
      "out_of_memory",
      `Rows of ${width} channels do not fit a binding of ${r.device.info.maxBindingBytes} bytes`,
    );
  }
  return step;
}

/** Workgroups of a one-dimensional dispatch folded over x and y: x alone stops at 65 535. */
export function fold(groups: number): [number, number] {
  const x = Math.min(groups, MAX_GROUPS);
  return [x, Math.ceil(groups / x)];
}

/** Bytes `from` … `to` of a tensor, or all of it, widened to what a binding may start and end at. */
export function bindBytes(tensor: Tensor, from: number, to: number, whole: boolean): Binding {
  if (whole) return { tensor, offset: 0, size: Math.ceil(tensor.byteLength / 16) * 16 };
  const offset = Math.floor(from / 256) * 256;
  return {
    tensor,
    offset,
    size: Math.min(Math.ceil(to / 16) * 16, Math.ceil(tensor.byteLength / 16) * 16) - offset,
  };
}
