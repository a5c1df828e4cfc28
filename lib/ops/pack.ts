/**
 * Latents to tokens and back.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { elements, type Tensor } from "../tensor.ts";
import { fold } from "./window.ts";

/** Order of a token's channels: (c, dy, dx) as FLUX packs, or (dy, dx, c) as DiT and SD3 write. */
export type PatchOrder = "channel_first" | "channel_last";

/** [B, H, W, C] f32 → [B, (H/p)·(W/p), p·p·C] f32. */
export function packLatents(r: Recorder, x: Tensor, p = 2, order: PatchOrder = "channel_first"): Tensor {
  const [B, H, W, C] = x.shape;
  if (H % p !== 0 || W % p !== 0) {
    throw new LssgenError(
      "bad_option",
      `Latents of ${H} × ${W} do not divide into patches of ${p}; choose a size that is a multiple of ${
        8 * p
      } pixels`,
    );
  }
  const out = r.tensor([B, H / p * (W / p), p * p * C], "f32");
  dispatch(r, x, out, { H, W, C, p, order, unpack: 0 });
  return out;
}

/** [B, h·w, p·p·C] f32 → [B, h·p, w·p, C] f32. */
export function unpackLatents(
  r: Recorder,
  x: Tensor,
  h: number,
  w: number,
  p = 2,
  order: PatchOrder = "channel_first",
): Tensor {
  const C = x.shape[2] / (p * p);
  const out = r.tensor([x.shape[0], h * p, w * p, C], "f32");
  dispatch(r, x, out, { H: h * p, W: w * p, C, p, order, unpack: 1 });
  return out;
}

function dispatch(
  r: Recorder,
  x: Tensor,
  out: Tensor,
  o: { H: number; W: number; C: number; p: number; order: PatchOrder; unpack: 0 | 1 },
): void {
  const count = elements(x.shape);
  const groups = fold(Math.ceil(count / 64));
  r.dispatch({
    shader: "pack",
    constants: { ORDER: o.order === "channel_last" ? 1 : 0, UNPACK: o.unpack },
    params: [count, groups[0], o.H, o.W, o.C, o.p],
    buffers: [x, out],
    groups,
  });
}
