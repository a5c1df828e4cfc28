/**
 * Layer norm and RMS norm over the last axis, with adaptive modulation in the same kernel.
 *
 * @module
 */

import type { Binding, Recorder } from "../gpu/recorder.ts";
import { NORM_KERNELS, reductionOf } from "../gpu/tune.ts";
import { type Dtype, type Rows, sequence, type Tensor } from "../tensor.ts";
import { fold, rowsAtOnce, windowOf } from "./window.ts";

/** Options of {@linkcode layerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance. */
  readonly eps: number;
  /** Factor of each channel, f32 [D]. */
  readonly weight?: Tensor;
  /** Offset of each channel, f32 [D]. */
  readonly bias?: Tensor;
  /** f32 [B, M]: columns `scaleAt` … and `shiftAt` … give y = n·(1 + scale) + shift for a sample's rows. */
  readonly modulation?: Tensor;
  /** First column of the scale. */
  readonly scaleAt?: number;
  /** First column of the shift. */
  readonly shiftAt?: number;
  /** The first rows of every sample, the text of a joint sequence, have columns of their own. */
  readonly head?: {
    /** Rows. */
    readonly count: number;
    /** First column of their scale. */
    readonly scaleAt: number;
    /** First column of their shift. */
    readonly shiftAt: number;
  };
  /** Type of the output; the recorder's by default. */
  readonly dtype?: Dtype;
}

/** (x − mean) / √(var + eps) over the last axis, then affine or modulation. [B, S, D] → [B, S, D]. */
export function layerNorm(r: Recorder, x: Tensor | Rows, o: LayerNormOptions): Tensor {
  return norm(r, x, o, 0);
}

/** x / √(mean x² + eps) · weight over the last axis. */
export function rmsNorm(
  r: Recorder,
  x: Tensor | Rows,
  o: { eps: number; weight: Tensor; dtype?: Dtype },
): Tensor {
  return norm(r, x, o, 1);
}

function norm(r: Recorder, x: Tensor | Rows, o: LayerNormOptions, rms: 0 | 1): Tensor {
  const { tensor: X, B, S, N, at, C: D } = sequence(x);
  const Y = r.tensor("tensor" in x ? [B, S, D] : X.shape, o.dtype ?? r.dtype);
  const M = o.modulation?.shape[o.modulation.shape.length - 1] ?? 0;
  const { scaleAt = 0, shiftAt = 0, head = { count: 0, scaleAt: 0, shiftAt: 0 } } = o;
  const fours = [D, M, scaleAt, shiftAt, head.scaleAt, head.shiftAt].every((v) => v % 4 === 0);
  const way = reductionOf(r.device);
  const { shader, rowsAGroup } = NORM_KERNELS[way === "rows" && !fours ? "tree" : way];
  const rows = B * S;
  const step = rowsAtOnce(r, rows, D, [X, Y]);
  const sourceRow = (row: number): number => Math.floor(row / S) * N + at + row % S;
  for (let row0 = 0; row0 < rows; row0 += step) {
    const end = Math.min(rows, row0 + step);
    const xw = windowOf(r, X, sourceRow(row0), sourceRow(end - 1) + 1, D);
    const yw = windowOf(r, Y, row0, end, D);
    const groups = fold(Math.ceil((end - row0) / rowsAGroup));
    const buffers: (Tensor | Binding | undefined)[] = [
      xw.binding,
      o.weight,
      o.bias,
      o.modulation,
      yw.binding,
    ];
    r.dispatch({
      shader,
      types: { xElem: X.dtype, yElem: Y.dtype },
      constants: {
        EPS: o.eps,
        RMS: rms,
        AFFINE: o.weight ? (o.bias ? 2 : 1) : 0,
        MODULATE: o.modulation ? 1 : 0,
      },
      // deno-fmt-ignore
      params: [
        end, D, S, groups[0], row0, N, at, xw.base, yw.base,
        M, scaleAt, shiftAt, head.count, head.scaleAt, head.shiftAt,
      ],
      buffers,
      groups,
    });
  }
  return Y;
}
