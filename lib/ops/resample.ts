/**
 * Resampling of pictures and latents, as torch.nn.functional.interpolate does it.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { Spread } from "../token_set.ts";
import type { Tensor } from "../tensor.ts";
import { fold, rowsThatFit, windowOf } from "./window.ts";

/** Interpolation mode, as torch spells it. */
export type ResampleMode = "nearest" | "nearest-exact" | "bilinear" | "bicubic";

/** Torch's further arguments. */
export interface ResampleOptions {
  /** The corner pixels' centres coincide. */
  readonly alignCorners?: boolean;
  /** Average over the source when shrinking. */
  readonly antialias?: boolean;
  /** (vertical, horizontal) factors given in place of a size: torch then uses them, not the ratio of sizes. */
  readonly scaleFactor?: readonly [number, number];
}

/** x [B, h, w, C] → [B, H, W, C] f32. */
export function resample(
  r: Recorder,
  x: Tensor,
  H: number,
  W: number,
  mode: ResampleMode,
  o: ResampleOptions = {},
): Tensor {
  const [, h, w] = x.shape;
  return withTaps(
    r,
    x,
    axisTaps(h, H, mode, o, o.scaleFactor?.[0]),
    axisTaps(w, W, mode, o, o.scaleFactor?.[1]),
  );
}

/**
 * A constant matrix along each axis, in f32: Y = rows · X · columnsᵀ for every channel.
 *
 * @param x [B, h, w, C].
 * @param rows [H][h].
 * @param columns [W][w].
 * @returns [B, H, W, C] f32.
 */
export function separable(
  r: Recorder,
  x: Tensor,
  rows: readonly Float64Array[],
  columns: readonly Float64Array[],
): Tensor {
  using scope = r.scope();
  // One axis after the other: two small products instead of one of the product's size.
  const wide = withTaps(r, x, sameTaps(x.shape[1]), denseTaps(columns));
  return scope.keep(withTaps(r, wide, denseTaps(rows), sameTaps(columns.length)));
}

/** Sums of some rows: x [B, N, C] → [B, M, C] f32, row m being Σ weight · row `source` over the m-th pairs. */
export function sparseRows(r: Recorder, x: Tensor, { pairs: data, K }: Spread): Tensor {
  const [B, N, C] = x.shape;
  const M = data.length / K / 2;
  const out = withTaps(r, { ...x, shape: [B, 1, N, C] }, sameTaps(1), { data, K, N: M });
  return { ...out, shape: [B, M, C] };
}

/** Every input position, weighted by a row of a matrix. */
function denseTaps(matrix: readonly Float64Array[]): Taps {
  const K = matrix[0].length;
  const data = new Float32Array(matrix.length * K * 2);
  matrix.forEach((row, i) =>
    row.forEach((weight, k) => {
      data[(i * K + k) * 2] = k;
      data[(i * K + k) * 2 + 1] = weight;
    })
  );
  return { data, K, N: matrix.length };
}

/** Each position as it is. */
function sameTaps(n: number): Taps {
  const data = new Float32Array(n * 2);
  for (let i = 0; i < n; i++) data[i * 2] = i, data[i * 2 + 1] = 1;
  return { data, K: 1, N: n };
}

/** (position, weight) pairs, K for each of N output positions. */
interface Taps {
  readonly data: Float32Array;
  readonly K: number;
  readonly N: number;
}

function withTaps(r: Recorder, x: Tensor, ty: Taps, tx: Taps): Tensor {
  const [B, h, w, C] = x.shape;
  const [H, W] = [ty.N, tx.N];
  const out = r.tensor([B, H, W, C], "f32");
  using scope = r.scope();
  void scope;
  const data = new Float32Array(ty.data.length + tx.data.length);
  data.set(ty.data);
  data.set(tx.data, ty.data.length);
  const taps = r.upload([data.length], data);
  // Output rows of one dispatch, so that source and result fit their bindings.
  const fitX = rowsThatFit(r, x, w * C), fitY = rowsThatFit(r, out, W * C);
  const step = Math.max(
    1,
    Math.min(B * H, fitY, fitX === Infinity ? Infinity : Math.floor((fitX - ty.K - 1) * H / h)),
  );
  for (let first = 0; first < B * H; first += step) {
    const end = Math.min(B * H, first + step);
    let [low, high] = [Infinity, 0];
    for (let row = first; row < end; row++) {
      for (let k = 0; k < ty.K; k++) {
        const source = Math.floor(row / H) * h + ty.data[((row % H) * ty.K + k) * 2];
        low = Math.min(low, source);
        high = Math.max(high, source);
      }
    }
    const xw = windowOf(r, x, low, high + 1, w * C);
    const yw = windowOf(r, out, first, end, W * C);
    const count = (end - first) * W * C;
    const groups = fold(Math.ceil(count / 64));
    r.dispatch({
      shader: "resample",
      types: { xElem: x.dtype },
      params: [count, groups[0], h, w, H, W, C, ty.K, tx.K, first, xw.base, yw.base],
      buffers: [xw.binding, taps, yw.binding],
      groups,
    });
  }
  return out;
}

/**
 * Source positions and weights of every output position along one axis: (position, weight) pairs, K of them each.
 *
 * Source: torch's upsample kernels; A = −0.75 for bicubic, −0.5 when antialiased.
 */
function axisTaps(
  n: number,
  N: number,
  mode: ResampleMode,
  o: ResampleOptions,
  factor: number | undefined,
): Taps {
  const scale = o.alignCorners ? (N > 1 ? (n - 1) / (N - 1) : 0) : factor !== undefined ? 1 / factor : n / N;
  const taps: [number, number][][] = [];
  for (let i = 0; i < N; i++) {
    if (mode === "nearest" || mode === "nearest-exact") {
      // torch multiplies in f32: positions that fall on a boundary depend on it.
      const half = mode === "nearest" ? 0 : 0.5;
      taps.push([[Math.min(n - 1, Math.floor(Math.fround((i + half) * Math.fround(scale)))), 1]]);
    } else if (o.antialias) {
      taps.push(antialiased(i, n, scale, mode));
    } else {
      const at = o.alignCorners ? i * scale : (i + 0.5) * scale - 0.5;
      taps.push(mode === "bilinear" ? bilinear(Math.max(0, at), n) : bicubic(at, n));
    }
  }
  const K = Math.max(...taps.map((t) => t.length));
  const data = new Float32Array(N * K * 2);
  taps.forEach((list, i) =>
    list.forEach(([position, weight], k) => {
      data[(i * K + k) * 2] = position;
      data[(i * K + k) * 2 + 1] = weight;
    })
  );
  for (let i = 0; i < N; i++) { // unused taps point at a used row, with weight 0
    for (let k = taps[i].length; k < K; k++) data[(i * K + k) * 2] = taps[i][0][0];
  }
  return { data, K, N };
}

function bilinear(at: number, n: number): [number, number][] {
  const low = Math.min(Math.floor(at), n - 1);
  const t = at - low;
  return [[low, 1 - t], [Math.min(low + 1, n - 1), t]];
}

function bicubic(at: number, n: number): [number, number][] {
  const low = Math.floor(at);
  const t = at - low;
  return [-1, 0, 1, 2].map((k) => [Math.min(n - 1, Math.max(0, low + k)), cubic(Math.abs(k - t), -0.75)]);
}

/** Keys' cubic kernel. */
function cubic(x: number, A: number): number {
  if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * A;
  return 0;
}

function antialiased(i: number, n: number, scale: number, mode: ResampleMode): [number, number][] {
  const width = Math.max(scale, 1);
  const support = (mode === "bilinear" ? 1 : 2) * width;
  const centre = scale * (i + 0.5);
  const first = Math.max(0, Math.trunc(centre - support + 0.5));
  const end = Math.min(n, Math.trunc(centre + support + 0.5));
  const taps: [number, number][] = [];
  let sum = 0;
  for (let j = first; j < end; j++) {
    const d = Math.abs((j - centre + 0.5) / width);
    const weight = mode === "bilinear" ? Math.max(0, 1 - d) : cubic(d, -0.5);
    taps.push([j, weight]);
    sum += weight;
  }
  return taps.map(([j, weight]) => [j, weight / sum]);
}
