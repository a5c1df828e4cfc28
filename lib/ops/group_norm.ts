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
import { fold, MAX_GROUPS, rowsThatFit, windowOf } from "./window.ts";

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
  /** Mean and variance to use in place of x's own: those of a picture that x is a band of. */
  readonly statistics?: GroupStatistics;
}

/** Mean and spread of the groups of a picture, by chunks of its pixels. */
export interface GroupStatistics {
  /** f32 [B, groups, chunks, 2]: mean and sum of squared deviations of each chunk. */
  readonly parts: Tensor;
  /** Pixels of a chunk; the last may have fewer. */
  readonly chunk: number;
  /** Chunks. */
  readonly chunks: number;
  /** Pixels of a sample in all. */
  readonly pixels: number;
}

/** Chunks a group's pixels are cut into, so that few groups still fill the GPU. */
const MAX_CHUNKS = 64;
const MIN_CHUNK = 64;
/** Invocations of a workgroup of shaders/group_norm_texels.wgsl. */
const LANES = 64;

/**
 * Statistics of x [B, H, W, C].
 *
 * @param rows Rows to look at, of all; B is 1 then.
 */
export function groupStatistics(
  r: Recorder,
  x: Tensor,
  groups: number,
  rows?: { readonly from: number; readonly to: number },
): GroupStatistics {
  const [C, W] = [x.shape[x.shape.length - 1], x.shape[x.shape.length - 2]];
  using scope = r.scope();
  const { parts, ...sizes } = statisticsOf(r, x, groups, operandOf(r, x, C), {
    at: (rows?.from ?? 0) * W,
    count: rows ? (rows.to - rows.from) * W : elements(x.shape) / (x.shape[0] * C),
  });
  return { ...sizes, parts: scope.keep(parts) };
}

/** Statistics known by number, as of a picture of one pixel: f32 [1, groups, 1, 2] holding mean and variance · C / groups. */
export function knownStatistics(parts: Tensor): GroupStatistics {
  return { parts, chunk: 1, chunks: 1, pixels: 1 };
}

/** How kernels read x: as a copy in a texture, made once for each window, or as it is. */
interface Operand {
  readonly texels: boolean;
  readonly copy: (binding: Tensor | Binding) => GPUTexture;
  /** Pixels that fit a window. */
  readonly fit: number;
}

function operandOf(r: Recorder, x: Tensor, C: number): Operand {
  const texels = operandsOf(r.device) === "texels" && x.byteLength <= MAX_TEXEL_BYTES &&
    C % (x.dtype === "f16" ? 8 : 4) === 0;
  const copy = r.copiesOneByOne();
  const fit = rowsThatFit(r, x, C);
  if (fit < 1) throw new LssgenError("out_of_memory", `A pixel of ${C} channels does not fit a binding`);
  return { texels, copy, fit };
}

/** Statistics of `count` pixels of each sample from pixel `at` on. */
function statisticsOf(
  r: Recorder,
  x: Tensor,
  groups: number,
  { texels, copy, fit }: Operand,
  { at, count: pixels }: { at: number; count: number },
): GroupStatistics {
  const C = x.shape[x.shape.length - 1];
  const B = x.shape[0];
  const P = elements(x.shape) / (B * C);
  const half = x.dtype === "f16";
  const chunk = Math.min(
    Math.max(MIN_CHUNK, Math.ceil(pixels / MAX_CHUNKS)),
    fit === Infinity ? pixels : Math.max(1, fit),
  );
  const chunks = Math.ceil(pixels / chunk);
  const parts = r.tensor([B, groups, chunks, 2], "f32");
  // Many groups of a chunk at once, a lane for four channels: as many whole groups and whole fours as fit.
  const width = C / groups;
  const unit = width % 4 === 0 ? width : width % 2 === 0 ? 2 * width : 4 * width;
  const slice = Math.min(C, Math.floor(Math.min(4 * LANES, LANES * width) / unit) * unit);
  const together = texels && slice > 0;
  for (let b = 0; b < B; b++) {
    const perDispatch = Math.max(1, Math.min(chunks, Math.floor(fit / chunk), MAX_GROUPS));
    for (let first = 0; first < chunks; first += perDispatch) {
      const count = Math.min(perDispatch, chunks - first);
      const from = b * P + at; // the kernel's pixel 0
      const w = windowOf(r, x, from + first * chunk, from + Math.min(pixels, (first + count) * chunk), C);
      r.dispatch({
        shader: together ? "group_norm_texels" : "group_norm_stats",
        types: together ? {} : { xElem: x.dtype },
        constants: together ? { X_TYPE: half ? 1 : 0 } : {},
        params: [
          ...[pixels, C, groups, chunk, chunks, first, b, (w.base - from) >>> 0],
          ...together ? [slice] : [],
        ],
        buffers: [together ? copy(w.binding) : w.binding, parts],
        groups: [count, together ? Math.ceil(C / slice) : groups],
      });
    }
  }
  return { parts, chunk, chunks, pixels };
}

/**
 * A group norm as one multiply-add a value: f32 [B, width, 2] of each channel's scale and shift, zeros beyond the last.
 *
 * @param width C or more.
 */
export function groupNormFactors(
  r: Recorder,
  x: Tensor,
  o: Omit<GroupNormOptions, "act" | "dtype">,
  width: number,
): Tensor {
  using scope = r.scope();
  return scope.keep(factorsOf(r, x, o, width, operandOf(r, x, x.shape[x.shape.length - 1])));
}

function factorsOf(
  r: Recorder,
  x: Tensor,
  o: Omit<GroupNormOptions, "act" | "dtype">,
  width: number,
  operand: Operand,
): Tensor {
  const C = x.shape[x.shape.length - 1];
  const B = x.shape[0];
  if (C % o.groups !== 0) {
    throw new LssgenError(
      "bad_file",
      `${C} channels do not divide into ${o.groups} groups (norm_num_groups)`,
    );
  }
  const { parts, chunk, chunks, pixels } = o.statistics ??
    statisticsOf(r, x, o.groups, operand, { at: 0, count: elements(x.shape) / (B * C) });
  const scale = r.tensor([B, width, 2], "f32");
  r.dispatch({
    shader: "group_norm_scale",
    constants: { EPS: o.eps },
    params: [B * width, C, o.groups, chunk, chunks, pixels, width],
    buffers: [parts, o.weight, o.bias, scale],
    groups: [Math.ceil(B * width / 64)],
  });
  return scale;
}

/** (x − mean) / √(var + eps) over the pixels and channels of each group, times weight plus bias. x [B, H, W, C]. */
export function groupNorm(r: Recorder, x: Tensor, o: GroupNormOptions): Tensor {
  const C = x.shape[x.shape.length - 1];
  const B = x.shape[0];
  const P = elements(x.shape) / (B * C);
  const Y = r.tensor(x.shape, o.dtype ?? r.dtype);
  using scope = r.scope();
  void scope;

  const operand = operandOf(r, x, C);
  const { texels, copy } = operand;
  const scale = factorsOf(r, x, o, C, operand);
  const V = C % 4 === 0 ? 1 : 0;
  const factors = texels ? r.texels(scale) : undefined;
  const step = Math.min(B * P, operand.fit, rowsThatFit(r, Y, C));
  for (let first = 0; first < B * P; first += step) {
    const n = Math.min(step, B * P - first);
    const xw = windowOf(r, x, first, first + n, C);
    const yw = windowOf(r, Y, first, first + n, C);
    const count = n * C / (V ? 4 : 1);
    const groups = fold(Math.ceil(count / 64));
    r.dispatch({
      shader: `scale_shift@V=${V},TEXELS=${texels ? 1 : 0}`,
      types: { ...texels ? {} : { xElem: x.dtype }, yElem: Y.dtype },
      constants: { ACT: o.act === "silu" ? 1 : 0, ...texels ? { X_TYPE: x.dtype === "f16" ? 1 : 0 } : {} },
      params: [count, C, P, groups[0], first, xw.base, yw.base],
      buffers: texels ? [copy(xw.binding), factors!, yw.binding] : [xw.binding, scale, yw.binding],
      groups,
    });
  }
  return Y;
}
