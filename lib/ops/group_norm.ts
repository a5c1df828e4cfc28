/**
 * Group norm over channels-last pictures.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { MAX_TEXEL_BYTES } from "../gpu/memory.ts";
import type { Binding, Recorder } from "../gpu/recorder.ts";
import { operandsOf } from "../gpu/tune.ts";
import { type Dtype, elements, type Tensor } from "../tensor.ts";
import { fold, rowsThatFit, windowOf } from "./window.ts";

/** Options of {@linkcode groupNorm}. */
export interface GroupNormOptions {
  /** Groups; they divide the channels. */
  readonly groups: number;
  /** Added to the variance. */
  readonly eps: number;
  /** Factor of each channel, f32 [C]. */
  readonly weight: Tensor;
  /** Offset of each channel, f32 [C]. */
  readonly bias: Tensor;
  /** Applied to the result. */
  readonly act?: "none" | "silu";
  /** Type of the output; the recorder's by default. */
  readonly dtype?: Dtype;
}

/** Chunks a group's pixels are cut into, so that few groups still fill the GPU. */
const MAX_CHUNKS = 64;
const MIN_CHUNK = 64;

/** (x − mean) / √(var + eps) over the pixels and channels of each group, times weight plus bias. x [B, H, W, C]. */
export function groupNorm(r: Recorder, x: Tensor, o: GroupNormOptions): Tensor {
  const C = x.shape[x.shape.length - 1];
  const B = x.shape[0];
  const P = elements(x.shape) / (B * C);
  if (C % o.groups !== 0) {
    throw new LssgenError(
      "bad_file",
      `${C} channels do not divide into ${o.groups} groups (norm_num_groups)`,
    );
  }
  const Y = r.tensor(x.shape, o.dtype ?? r.dtype);
  using scope = r.scope();
  void scope;

  const fit = Math.min(rowsThatFit(r, x, C), rowsThatFit(r, Y, C));
  if (fit < 1) throw new LssgenError("out_of_memory", `A pixel of ${C} channels does not fit a binding`);
  const chunk = Math.min(
    Math.max(MIN_CHUNK, Math.ceil(P / MAX_CHUNKS)),
    fit === Infinity ? P : Math.max(1, fit),
  );
  const chunks = Math.ceil(P / chunk);
  const stats = r.tensor([B, o.groups, chunks, 2], "f32");
  const half = x.dtype === "f16";
  const texels = operandsOf(r.device) === "texels" && x.byteLength <= MAX_TEXEL_BYTES &&
    C % (half ? 8 : 4) === 0;
  let copied: { binding: Tensor | Binding; texels: GPUTexture } | undefined;
  const copy = (binding: Tensor | Binding): GPUTexture => {
    if (copied?.binding !== binding) copied = { binding, texels: r.texels(binding) };
    return copied.texels;
  };
  // All groups of a chunk at once, a lane for four channels.
  const together = texels && C <= 4 * 64 && o.groups <= 64;
  for (let b = 0; b < B; b++) {
    const perDispatch = Math.max(1, Math.min(chunks, Math.floor(fit / chunk), 65535));
    for (let first = 0; first < chunks; first += perDispatch) {
      const count = Math.min(perDispatch, chunks - first);
      const w = windowOf(r, x, b * P + first * chunk, b * P + Math.min(P, (first + count) * chunk), C);
      r.dispatch({
        shader: together ? "group_norm_texels" : "group_norm_stats",
        types: together ? {} : { xElem: x.dtype },
        constants: together ? { X_TYPE: half ? 1 : 0 } : {},
        params: [P, C, o.groups, chunk, chunks, first, b, (w.base - b * P) >>> 0],
        buffers: [together ? copy(w.binding) : w.binding, stats],
        groups: [count, together ? 1 : o.groups],
      });
    }
  }
  const scale = r.tensor([B, C, 2], "f32");
  r.dispatch({
    shader: "group_norm_scale",
    constants: { EPS: o.eps },
    params: [B * C, C, o.groups, chunk, chunks, P],
    buffers: [stats, o.weight, o.bias, scale],
    groups: [Math.ceil(B * C / 64)],
  });

  const V = C % 4 === 0 ? 1 : 0;
  const factors = texels ? r.texels(scale) : undefined;
  const step = Math.min(B * P, fit);
  for (let first = 0; first < B * P; first += step) {
    const n = Math.min(step, B * P - first);
    const xw = windowOf(r, x, first, first + n, C);
    const yw = windowOf(r, Y, first, first + n, C);
    const count = n * C / (V ? 4 : 1);
    const groups = fold(Math.ceil(count / 64));
    r.dispatch({
      shader: `scale_shift@V=${V},TEXELS=${texels ? 1 : 0}`,
      types: { ...texels ? {} : { xElem: x.dtype }, yElem: Y.dtype },
      constants: { ACT: o.act === "silu" ? 1 : 0, ...texels ? { X_TYPE: half ? 1 : 0 } : {} },
      params: [count, C, P, groups[0], first, xw.base, yw.base],
      buffers: texels ? [copy(xw.binding), factors!, yw.binding] : [xw.binding, scale, yw.binding],
      groups,
    });
  }
  return Y;
}
