/**
 * Between golden tensors (NCHW, f32 on the CPU) and the GPU's (channels-last, f32 or f16).
 *
 * @module
 */

import type { Recorder } from "../../lib/gpu/recorder.ts";
import { cast } from "../../lib/ops/elementwise.ts";
import type { Tensor } from "../../lib/tensor.ts";
import type { Values } from "./case.ts";

/** Uploads as it is, in f32. */
export function up(r: Recorder, v: Values, shape: readonly number[] = v.shape): Tensor {
  return r.upload(shape, Float32Array.from(v.data));
}

/** Uploads in the recorder's activation type, as intermediate activations are kept. */
export function upActivation(r: Recorder, v: Values, shape: readonly number[] = v.shape): Tensor {
  const t = up(r, v, shape);
  return r.dtype === "f32" ? t : cast(r, t, r.dtype);
}

/** [B, C, H, W] → channels-last on the GPU, f32. */
export function upImage(r: Recorder, v: Values): Tensor {
  const [B, C, H, W] = v.shape;
  const out = new Float32Array(v.data.length);
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      for (let i = 0; i < H * W; i++) out[(b * H * W + i) * C + c] = v.data[(b * C + c) * H * W + i];
    }
  }
  return r.upload([B, H, W, C], out);
}

/** Reads a tensor back, optionally under another shape. */
export async function down(r: Recorder, t: Tensor, shape: readonly number[] = t.shape): Promise<Values> {
  return { shape, data: await r.read(t) };
}

/** Channels-last on the GPU → [B, C, H, W]. */
export async function downImage(r: Recorder, t: Tensor): Promise<Values> {
  const [B, H, W, C] = t.shape;
  return { shape: [B, C, H, W], data: toNchw(await r.read(t), B, H, W, C) };
}

/** [B, H, W, C] → [B, C, H, W] on the CPU. */
export function toNchw(
  x: Float32Array,
  B: number,
  H: number,
  W: number,
  C: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(x.length);
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      for (let i = 0; i < H * W; i++) out[(b * C + c) * H * W + i] = x[(b * H * W + i) * C + c];
    }
  }
  return out;
}

/** A tensor's numbers as a plain array. */
export function numbers(v: Values): number[] {
  return Array.from(v.data);
}
