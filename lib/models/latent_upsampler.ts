/**
 * The learned latent upsampler of LSSGen: a small ResNet that enlarges normalised latents.
 *
 * Source: LSSGen (arXiv 2507.16154); checkpoint layout of its released weights (prefix `upsampler.`).
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { conv2d, convTranspose2d, type ConvWeights } from "../ops/conv2d.ts";
import { add } from "../ops/elementwise.ts";
import { resample } from "../ops/resample.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import type { Weights } from "./weights.ts";

/** Config keys as the released checkpoints spell them. */
export interface LatentUpsamplerConfig {
  /** Latent channels: 4 or 16. */
  readonly in_channels: number;
  /** Latent channels. */
  readonly out_channels: number;
  /** Width of each block. */
  readonly block_out_channels: readonly number[];
  /** Growth of each block, 1 or 2. */
  readonly strides: readonly number[];
  /** Whether each block upsamples. */
  readonly is_up_samples: readonly boolean[];
  /** Groups of every group norm. */
  readonly norm_num_groups: number;
  /** How the skip connection is enlarged. */
  readonly interpolate: "nearest" | "bilinear" | "bicubic";
}

/** Reads and checks the upsampler's config.json. */
export function latentUpsamplerConfig(c: ConfigReader): LatentUpsamplerConfig {
  c.expect("act_fn", "silu");
  const widths = c.wholes("block_out_channels", { min: 1, max: MOST.width, most: 64 });
  const blocks = { least: widths.length, most: widths.length, each: "block_out_channels" };
  const strides = c.wholes("strides", { min: 1, max: 2, ...blocks });
  const is_up_samples = c.bools("is_up_samples");
  c.require(
    is_up_samples.length === widths.length,
    "is_up_samples",
    `${widths.length} values, one for each of block_out_channels`,
  );
  const norm_num_groups = c.whole("norm_num_groups", 1, MOST.heads, 32);
  c.require(
    widths.every((width) => width % norm_num_groups === 0),
    "norm_num_groups",
    `a divisor of block_out_channels, ${widths.join(", ")}`,
  );
  return {
    in_channels: c.whole("in_channels", 1, MOST.width),
    out_channels: c.whole("out_channels", 1, MOST.width),
    block_out_channels: widths,
    strides,
    is_up_samples,
    norm_num_groups,
    interpolate: c.oneOf("interpolate", ["nearest", "bilinear", "bicubic"], "bilinear"),
  };
}

/** A learned upsampler of any layout. */
export interface LearnedUpsampler {
  /** How many times larger a side gets. */
  readonly scale: number;
  /** Normalised latents [1, h, w, C] f32 → [1, scale·h, scale·w, C] f32; `level`: noise of the next stage's beginning, 0 … 1. */
  forward(r: Recorder, x: Tensor, level: number): Tensor;
}

/** A layout of learned upsamplers: what its config says, and how one is built. */
export type UpsamplerLayout = (json: ConfigReader) => {
  config: { readonly in_channels: number; readonly out_channels: number };
  build: (w: Weights) => LearnedUpsampler;
};

/** The layout, by the class that its config.json names. */
export const latentUpsampler: UpsamplerLayout = (json) => {
  const config = latentUpsamplerConfig(json);
  return { config, build: (w) => new LatentUpsampler(w, config) };
};

/** LatentUpSampler. */
export class LatentUpsampler implements LearnedUpsampler {
  private readonly convIn: ConvWeights;
  private readonly blocks: UpBlock[] = [];
  private readonly normOut: { weight: Tensor; bias: Tensor };
  private readonly convOut: ConvWeights;
  /** How many times larger a side gets. */
  readonly scale: number;

  /** Declares the weights; load them before `forward`. */
  constructor(root: Weights, readonly config: LatentUpsamplerConfig) {
    const w = root.at("upsampler");
    const widths = config.block_out_channels;
    const last = widths[widths.length - 1];
    this.scale = config.strides.reduce((a, b) => a * b, 1);
    this.convIn = w.conv("conv_in", widths[0], config.in_channels, 3);
    widths.forEach((width, i) =>
      this.blocks.push(new UpBlock(w.at("up_blocks").at(i), widths[Math.max(0, i - 1)], width, i, config))
    );
    this.normOut = { weight: w.vector("norm_out.weight", last), bias: w.vector("norm_out.bias", last) };
    this.convOut = w.conv("conv_out", config.out_channels, last, 3);
  }

  /** Normalised latents [B, h, w, C] f32 → [B, scale·h, scale·w, C] f32. */
  forward(r: Recorder, x: Tensor): Tensor {
    using scope = r.scope();
    let h = conv2d(r, x, this.convIn, { pad: 1, dtype: "f32" });
    for (const block of this.blocks) h = block.forward(r, h);
    // eps 1e-5 here, 1e-6 in the blocks: torch's default was left in the reference.
    const norm = { groups: this.config.norm_num_groups, eps: 1e-5, ...this.normOut, act: "silu" as const };
    return scope.keep(conv2d(r, h, this.convOut, { norm, pad: 1, dtype: "f32" }));
  }
}

/** norm → conv (transposed when growing) → silu → norm → conv → silu, plus the skip, projected then enlarged. */
class UpBlock {
  private readonly norm1: { weight: Tensor; bias: Tensor };
  private readonly conv1: ConvWeights;
  private readonly norm2: { weight: Tensor; bias: Tensor };
  private readonly conv2: ConvWeights;
  private readonly skip?: ConvWeights;
  private readonly grows: boolean;
  private readonly groups: number;
  private readonly mode: LatentUpsamplerConfig["interpolate"];

  constructor(w: Weights, Ci: number, Co: number, index: number, c: LatentUpsamplerConfig) {
    this.grows = c.is_up_samples[index] && c.strides[index] === 2;
    this.groups = c.norm_num_groups;
    this.mode = c.interpolate;
    this.norm1 = { weight: w.vector("norm1.weight", Ci), bias: w.vector("norm1.bias", Ci) };
    this.conv1 = w.conv("conv1", Co, Ci, this.grows ? 4 : 3, { transposed: this.grows });
    this.norm2 = { weight: w.vector("norm2.weight", Co), bias: w.vector("norm2.bias", Co) };
    this.conv2 = w.conv("conv2", Co, Co, 3);
    if (Ci !== Co) this.skip = w.conv("skip_proj", Co, Ci, 1);
  }

  forward(r: Recorder, x: Tensor): Tensor {
    using scope = r.scope();
    const norms = [this.norm1, this.norm2].map((n) => ({ groups: this.groups, eps: 1e-6, ...n })); // no activation after them
    let h = this.grows
      ? convTranspose2d(r, x, this.conv1, { norm: norms[0], stride: 2, pad: 1, act: "silu", dtype: "f32" })
      : conv2d(r, x, this.conv1, { norm: norms[0], pad: 1, act: "silu", dtype: "f32" });
    h = conv2d(r, h, this.conv2, { norm: norms[1], frees: scope, pad: 1, act: "silu", dtype: "f32" });

    let skip = this.skip ? conv2d(r, x, this.skip, { dtype: "f32" }) : x;
    if (this.grows) skip = resample(r, skip, 2 * x.shape[1], 2 * x.shape[2], this.mode);
    return scope.keep(add(r, h, skip));
  }
}
