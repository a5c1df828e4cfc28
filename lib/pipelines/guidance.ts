/**
 * Classifier-free guidance: two samples in one call of the network, then one combination of its halves.
 *
 * Source: arXiv 2207.12598, eq. 6, in the form of diffusers: base + scale · (guided − base).
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { cast, combine } from "../ops/elementwise.ts";
import { type Dtype, DTYPE_BYTES, elements, type Tensor } from "../tensor.ts";
import { joined, type States } from "./prompts.ts";

/** x [1, ..] `count` times: [count, ..]. */
export function repeated(r: Recorder, x: Tensor, count: number): Tensor {
  if (count === 1) return x;
  const bytes = elements(x.shape) * DTYPE_BYTES[x.dtype];
  const out = r.tensor([count, ...x.shape.slice(1)], x.dtype);
  for (let b = 0; b < count; b++) r.copy(x, 0, out, b * bytes, bytes);
  return out;
}

/** Sample `index` of x [B, ..] as a tensor of its own, [1, ..]. */
export function sampleOf(r: Recorder, x: Tensor, index: number): Tensor {
  const out = r.tensor([1, ...x.shape.slice(1)], x.dtype);
  const bytes = elements(out.shape) * DTYPE_BYTES[x.dtype];
  r.copy(x, index * bytes, out, 0, bytes);
  return out;
}

/** [base, guided] → base + scale · (guided − base), [1, ..] f32. */
export function guided(r: Recorder, both: Tensor, scale: number, base = 0): Tensor {
  using scope = r.scope();
  const [low, high] = [sampleOf(r, both, base), sampleOf(r, both, 1 - base)];
  return scope.keep(combine(r, [{ coef: 1 - scale, tensor: low }, { coef: scale, tensor: high }]));
}

/** States of each sample as one tensor, [B, rows, width]. */
export function uploadStates(r: Recorder, states: readonly States[], dtype: Dtype = r.dtype): Tensor {
  const { rows, width } = states[0];
  const t = r.upload([states.length, rows, width], joined(states.map(({ data }) => data)));
  return dtype === "f32" ? t : cast(r, t, dtype);
}

/** A vector of each sample as one tensor, [B, n] f32. */
export function uploadVectors(r: Recorder, vectors: readonly Float32Array[]): Tensor {
  return r.upload([vectors.length, vectors[0].length], joined(vectors));
}
