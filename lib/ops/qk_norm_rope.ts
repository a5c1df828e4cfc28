/**
 * Query and key norm with rotary positions, written straight into a joint sequence.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../tensor.ts";
import { fold, rowsAtOnce, windowOf } from "./window.ts";

/** RMS-norm weights of queries and keys, f32 [d] each. */
export interface QkNorms {
  /** Of the queries. */
  readonly q: Tensor;
  /** Of the keys. */
  readonly k: Tensor;
}

/** Options of {@linkcode qkNormRope}. */
export interface QkNormRopeOptions {
  /** Heads in each of q, k and v. */
  readonly heads: number;
  /** Norms of every row, or of those after the head; none: no norm. */
  readonly norms?: QkNorms;
  /** The first rows of every sample, the text of a joint sequence, have norms of their own. */
  readonly head?: {
    /** Rows. */
    readonly count: number;
    /** Their norms. */
    readonly norms: QkNorms;
  };
  /** Added to the mean square. */
  readonly eps: number;
  /** cos and sin of interleaved pairs at every position, f32 [N, d/2, 2]; none: no rotation. */
  readonly rope?: Tensor;
}

/** Invocations of a workgroup, the shader's own default. */
const WORKGROUP = 64;

/** Norms and rotates the queries and keys of qkv [B, N, 3·heads·d] in place; values stay as they are. */
export function qkNormRope(r: Recorder, qkv: Tensor, o: QkNormRopeOptions): void {
  const { heads, norms, head, rope } = o;
  if (!norms && !rope) return;
  const [B, N, width] = qkv.shape;
  const d = width / (3 * heads);
  if (!Number.isInteger(d / 2)) {
    throw new LssgenError("unsupported", `Head dim ${d} is odd; rotary pairs need an even one`);
  }
  const rows = B * N;
  const step = rowsAtOnce(r, rows, width, [qkv]);
  for (let row0 = 0; row0 < rows; row0 += step) {
    const end = Math.min(rows, row0 + step);
    const { binding, base } = windowOf(r, qkv, row0, end, width);
    const groups = fold(Math.ceil((end - row0) * 2 * heads / WORKGROUP));
    r.dispatch({
      shader: `qk_norm_rope@PAIRS=${d % 4 === 0 ? 2 : 1}`,
      types: { elem: qkv.dtype },
      constants: { EPS: o.eps, NORM: norms ? 1 : 0, ROPE: rope ? 1 : 0 },
      params: [end, N, head?.count ?? 0, heads, d, groups[0], row0, base],
      buffers: [norms?.q, norms?.k, head?.norms.q, head?.norms.k, rope, binding],
      groups,
    });
  }
}
