/**
 * Layer norm and RMS norm over the last axis, with adaptive modulation in the same kernel.
 *
 * @module
 */

import type { Binding, Recorder } from "../gpu/recorder.ts";
import { type Dtype, type Rows, sequence, type Tensor } from "../tensor.ts";
import { fold, rowsThatFit, windowOf } from "./window.ts";

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
  const rows = B * S;
  const step = Math.min(rows, rowsThatFit(r, X, D), rowsThatFit(r, Y, D));
  const sourceRow = (row: number): number => Math.floor(row / S) * N + at + row % S;
  for (let row0 = 0; row0 < rows; row0 += step) {
    const end = Math.min(rows, row0 + step);
    const xw = windowOf(r, X, sourceRow(row0), sourceRow(end - 1) + 1, D);
    const yw = windowOf(r, Y, row0, end, D);
    const groups = fold(end - row0);
    const buffers: (Tensor | Binding | undefined)[] = [
      xw.binding,
      o.weight,
      o.bias,
      o.modulation,
      yw.binding,
    ];
    r.dispatch({
      shader: "norm",
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
        o.modulation?.shape[o.modulation.shape.length - 1] ?? 0, o.scaleAt ?? 0, o.shiftAt ?? 0,
      ],
      buffers,
      groups,
    });
  }
  return Y;
}
