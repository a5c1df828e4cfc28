/**
 * Some of a picture's tokens out of its latents, and latents out of what a transformer makes of them.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { Spread, TokenSet } from "../token_set.ts";
import type { Tensor } from "../tensor.ts";
import { combine } from "./elementwise.ts";
import { packLatents, type PatchOrder, unpackLatents } from "./pack.ts";
import { resample, sparseRows } from "./resample.ts";

/** Row and column of every token of a grid. */
export function gridPlaces(h: number, w: number): [y: number, x: number][] {
  return Array.from({ length: h * w }, (_, i) => [Math.floor(i / w), i % w]);
}

/** Latents [B, H, W, C] → the set's tokens, [B, count, p·p·C] f32. */
export function takeTokens(r: Recorder, x: Tensor, set: TokenSet, p = 2): Tensor {
  using scope = r.scope();
  const [, H, W] = x.shape;
  const whole = packLatents(r, x, p);
  const alone = (row: number): boolean => row < whole.shape[1];
  const one: Spread = {
    K: 1,
    pairs: Float32Array.from(set.rows.flatMap((row) => alone(row) ? [row, 1] : [0, 0])),
  };
  const own = sparseRows(r, whole, one);
  if (!set.half) return scope.keep(own);
  const half = packLatents(r, resample(r, x, H / 2, W / 2, "nearest"), p);
  const other: Spread = {
    K: 1,
    pairs: Float32Array.from(set.rows.flatMap((row) => alone(row) ? [0, 0] : [row - whole.shape[1], 1])),
  };
  return scope.keep(combine(r, [own, sparseRows(r, half, other)].map((tensor) => ({ coef: 1, tensor }))));
}

/** The set's tokens [B, count, p·p·C] f32 → latents [B, h·p, w·p, C] f32, h × w being the picture's grid. */
export function spreadTokens(
  r: Recorder,
  y: Tensor,
  set: TokenSet,
  h: number,
  w: number,
  p: number,
  order?: PatchOrder,
): Tensor {
  using scope = r.scope();
  const own = unpackLatents(r, sparseRows(r, y, set.full), h, w, p, order);
  if (!set.half) return scope.keep(own);
  const half = unpackLatents(r, sparseRows(r, y, set.half), h / 2, w / 2, p, order);
  const grown = resample(r, half, h * p, w * p, "nearest");
  return scope.keep(combine(r, [own, grown].map((tensor) => ({ coef: 1, tensor }))));
}
