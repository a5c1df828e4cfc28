/**
 * Query and key norm with rotary positions, written straight into a joint sequence.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../tensor.ts";
import { fold, rowsThatFit, windowOf } from "./window.ts";

/** Options of {@linkcode qkNormRope}. */
export interface QkNormRopeOptions {
  /** Heads in each of q, k and v. */
  readonly heads: number;
  /** RMS-norm weight of the queries, f32 [d]; none: no norm. */
  readonly normQ?: Tensor;
  /** RMS-norm weight of the keys, f32 [d]. */
  readonly normK?: Tensor;
  /** Added to the mean square. */
  readonly eps: number;
  /** cos and sin of interleaved pairs at every joint position, f32 [N, d/2, 2]; none: no rotation. */
  readonly rope?: Tensor;
  /** Joint sequence, [B, N, 3·heads·d]. */
  readonly into: Tensor;
  /** First row written. */
  readonly at: number;
}

/** Writes normed and rotated queries and keys, and plain values, of qkv [B, S, 3·heads·d] to rows at … at + S. */
export function qkNormRope(r: Recorder, qkv: Tensor, o: QkNormRopeOptions): void {
  const [B, S, width] = qkv.shape;
  const N = o.into.shape[1];
  const d = width / (3 * o.heads);
  if (!Number.isInteger(d / 2)) {
    throw new LssgenError("unsupported", `Head dim ${d} is odd; rotary pairs need an even one`);
  }
  const rows = B * S;
  const step = Math.min(rows, rowsThatFit(r, qkv, width), rowsThatFit(r, o.into, width));
  const target = (row: number): number => Math.floor(row / S) * N + o.at + row % S;
  for (let row0 = 0; row0 < rows; row0 += step) {
    const end = Math.min(rows, row0 + step);
    const xw = windowOf(r, qkv, row0, end, width);
    const yw = windowOf(r, o.into, target(row0), target(end - 1) + 1, width);
    const groups = fold(end - row0);
    r.dispatch({
      shader: "qk_norm_rope",
      types: { elem: qkv.dtype },
      constants: { EPS: o.eps, NORM: o.normQ ? 1 : 0, ROPE: o.rope ? 1 : 0 },
      params: [end, S, N, o.at, o.heads, d, groups[0], row0, xw.base, yw.base],
      buffers: [xw.binding, o.normQ, o.normK, o.rope, yw.binding],
      groups,
    });
  }
}
