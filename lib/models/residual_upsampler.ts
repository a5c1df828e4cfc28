/**
 * A residual latent upsampler: what a small network adds to bicubic growth.
 *
 * Ours, for the same place as LSSGen's (latent_upsampler.ts). All of it but the last sum works at the small size; it has no norms, which
 * would take a latent's mean, and so a picture's colour, away (EDSR, arXiv 1707.02921); and it is told the noise level that the grown
 * latents enter the next stage with: what will drown in noise anyway may stay soft.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { conv2d, type ConvWeights } from "../ops/conv2d.ts";
import { add, combine } from "../ops/elementwise.ts";
import { unpackLatents } from "../ops/pack.ts";
import { resample } from "../ops/resample.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import type { UpsamplerLayout } from "./latent_upsampler.ts";
import type { Weights } from "./weights.ts";

/** Config of class LatentResidualUpSampler. */
export interface ResidualUpsamplerConfig {
  /** Latent channels. */
  readonly in_channels: number;
  /** Latent channels, the same. */
  readonly out_channels: number;
  /** Channels of the blocks. */
  readonly width: number;
  /** How many blocks of two convolutions. */
  readonly num_blocks: number;
}

/** Reads and checks the upsampler's config.json. */
export function residualUpsamplerConfig(c: ConfigReader): ResidualUpsamplerConfig {
  c.expect("act_fn", "silu");
  const in_channels = c.whole("in_channels", 1, MOST.width);
  const out_channels = c.whole("out_channels", 1, MOST.width);
  c.require(out_channels === in_channels, "out_channels", `in_channels, ${in_channels}`);
  return {
    ...{ in_channels, out_channels },
    width: c.whole("width", 1, MOST.width),
    num_blocks: c.whole("num_blocks", 1, 64),
  };
}

/** LatentResidualUpSampler. */
export class ResidualUpsampler {
  private readonly convIn: ConvWeights;
  private readonly noise: Tensor;
  private readonly blocks: readonly (readonly [ConvWeights, ConvWeights])[];
  private readonly convOut: ConvWeights;
  /** How many times larger a side gets. */
  readonly scale = 2;

  /** Declares the weights; load them before `forward`. */
  constructor(root: Weights, readonly config: ResidualUpsamplerConfig) {
    const w = root.at("upsampler");
    const { in_channels: C, width: W } = config;
    this.convIn = w.conv("conv_in", W, C, 3);
    this.noise = w.vector("noise", W);
    this.blocks = Array.from({ length: config.num_blocks }, (_, i) => {
      const b = w.at("blocks").at(i);
      return [b.conv("conv1", W, W, 3), b.conv("conv2", W, W, 3)] as const;
    });
    this.convOut = w.conv("conv_out", 4 * C, W, 3);
  }

  /**
   * Normalised latents [1, h, w, C] f32 → [1, 2h, 2w, C] f32.
   *
   * @param level Noise level of the next stage's beginning, 0 … 1.
   */
  forward(r: Recorder, x: Tensor, level: number): Tensor {
    using scope = r.scope();
    const [, h, w] = x.shape;
    const told = combine(r, [{ coef: level, tensor: this.noise }]);
    const channelBias = { ...told, shape: [1, this.config.width] };
    let y = conv2d(r, x, this.convIn, { pad: 1, channelBias, dtype: "f32" });
    for (const [conv1, conv2] of this.blocks) {
      const inner = conv2d(r, y, conv1, { pad: 1, act: "silu", dtype: "f32" });
      y = conv2d(r, inner, conv2, { pad: 1, residual: y, dtype: "f32" }); // y + conv2(silu(conv1(y)))
    }
    const out = conv2d(r, y, this.convOut, { pad: 1, dtype: "f32" }); // [1, h, w, 4·C]: (c, dy, dx), as pixel shuffle reads it
    const detail = unpackLatents(r, { ...out, shape: [1, h * w, out.shape[3]] }, h, w);
    return scope.keep(add(r, resample(r, x, 2 * h, 2 * w, "bicubic"), detail));
  }
}

/** The layout, by the class that its config.json names. */
export const residualUpsampler: UpsamplerLayout = (json) => {
  const config = residualUpsamplerConfig(json);
  return { config, build: (w) => new ResidualUpsampler(w, config) };
};
