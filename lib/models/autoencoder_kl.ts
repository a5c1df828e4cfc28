/**
 * AutoencoderKL: the convolutional VAE of Stable Diffusion, SDXL, SD3 and FLUX.
 *
 * Source: diffusers AutoencoderKL, Encoder, Decoder. Pictures are [B, H, W, 3] in −1 … 1, latents
 * [B, H/8, W/8, C] *unnormalised*: a pipeline applies `(z − shift_factor) · scaling_factor`.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder, Scope } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { conv2d, type ConvOptions, type ConvWeights } from "../ops/conv2d.ts";
import { groupNorm, type GroupStatistics } from "../ops/group_norm.ts";
import { linear, type LinearWeights } from "../ops/linear.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import type { Weights } from "./weights.ts";

/** Config keys as diffusers spells them. */
export interface AutoencoderKlConfig {
  /** Colour channels, 3. */
  readonly in_channels: number;
  /** Colour channels, 3. */
  readonly out_channels: number;
  /** Channels of the latents: 4 or 16. */
  readonly latent_channels: number;
  /** Width at each resolution; each but the last halves the size. */
  readonly block_out_channels: readonly number[];
  /** ResNet blocks a level (the decoder has one more). */
  readonly layers_per_block: number;
  /** Groups of every group norm. */
  readonly norm_num_groups: number;
  /** Whether the middle block has attention. */
  readonly mid_block_add_attention: boolean;
  /** 1×1 convolution after the encoder. */
  readonly use_quant_conv: boolean;
  /** 1×1 convolution before the decoder. */
  readonly use_post_quant_conv: boolean;
  /** Normalised latents = (z − shift_factor) · scaling_factor. */
  readonly scaling_factor: number;
  /** See scaling_factor; 0 where the config has null. */
  readonly shift_factor: number;
}

/** Reads and checks vae/config.json. */
export function autoencoderKlConfig(c: ConfigReader): AutoencoderKlConfig {
  c.expect("act_fn", "silu");
  // Other normalisations of the latents than one factor and one shift.
  c.expect("latents_mean", null);
  c.expect("latents_std", null);
  const widths = c.wholes("block_out_channels", { min: 1, max: MOST.width, most: MOST.levels }, [64]);
  const norm_num_groups = c.whole("norm_num_groups", 1, MOST.heads, 32);
  c.require(
    widths.every((width) => width % norm_num_groups === 0),
    "norm_num_groups",
    `a divisor of block_out_channels, ${widths.join(", ")}`,
  );
  for (
    const [key, type] of [["down_block_types", "DownEncoderBlock2D"], ["up_block_types", "UpDecoderBlock2D"]]
  ) {
    const other = c.strings(key, []).find((t) => t !== type);
    c.require(
      other !== undefined || !c.has(key) || c.strings(key).length === widths.length,
      key,
      `${widths.length} types, one for each of block_out_channels`,
    );
    if (other === undefined) continue;
    throw new LssgenError("unsupported", `"${c.name}": ${key} has "${other}", supported is ${type}`);
  }
  return {
    in_channels: c.whole("in_channels", 1, MOST.width, 3),
    out_channels: c.whole("out_channels", 1, MOST.width, 3),
    latent_channels: c.whole("latent_channels", 1, MOST.width, 4),
    block_out_channels: widths,
    layers_per_block: c.whole("layers_per_block", 1, MOST.layers, 1),
    norm_num_groups,
    mid_block_add_attention: c.bool("mid_block_add_attention", true),
    use_quant_conv: c.bool("use_quant_conv", true),
    use_post_quant_conv: c.bool("use_post_quant_conv", true),
    scaling_factor: c.range("scaling_factor", 1e-4, 1e4, 0.18215),
    shift_factor: c.range("shift_factor", -1e4, 1e4, 0, { orNull: true }),
  };
}

/** AutoencoderKL. */
export class AutoencoderKl {
  private readonly encoder: Encoder;
  private readonly decoder: Decoder;
  private readonly quantConv?: ConvWeights;
  private readonly postQuantConv?: ConvWeights;
  /** Pixels a latent side: 2^(levels − 1), 8 in every known model. */
  readonly factor: number;

  /** Declares the weights; load them before use. */
  constructor(w: Weights, readonly config: AutoencoderKlConfig) {
    const C = config.latent_channels;
    this.factor = 2 ** (config.block_out_channels.length - 1);
    this.encoder = new Encoder(w.at("encoder"), config);
    this.decoder = new Decoder(w.at("decoder"), config);
    if (config.use_quant_conv) this.quantConv = w.conv("quant_conv", 2 * C, 2 * C, 1);
    if (config.use_post_quant_conv) this.postQuantConv = w.conv("post_quant_conv", C, C, 1);
  }

  /** Picture [B, H, W, 3] → mean and log-variance side by side, [B, h, w, 2C] f32. Odd sizes round down. */
  encode(r: Recorder, x: Tensor): Tensor {
    using scope = r.scope();
    const h = this.encoder.forward(r, x);
    return scope.keep(this.quantConv ? conv2d(r, h, this.quantConv, { dtype: "f32" }) : h);
  }

  /** Latents [B, h, w, C] → picture [B, 8h, 8w, 3] f32, about −1 … 1. */
  decode(r: Recorder, z: Tensor): Tensor {
    using scope = r.scope();
    return scope.keep(this.decoder.upper(r, this.decodeLower(r, z, 0), 0));
  }

  /**
   * The decoder below its level `level`, at the size that level − 1 works at: what {@linkcode decodeUpper} goes on from.
   *
   * @returns [B, s·h, s·w, width] f32, s = 2^(level − 1); [B, h, w, width] for level 0.
   */
  decodeLower(r: Recorder, z: Tensor, level: number): Tensor {
    using scope = r.scope();
    const h = this.postQuantConv ? conv2d(r, z, this.postQuantConv, { dtype: "f32" }) : z;
    return scope.keep(this.decoder.lower(r, h, level));
  }

  /**
   * The decoder from level `level` on, also for some rows of what lies below: of its output, all rows are right but those
   * nearer than {@linkcode decodeReach} to rows that are missing.
   *
   * @param norms Says which statistics each group norm uses, in their order.
   */
  decodeUpper(r: Recorder, x: Tensor, level: number, norms?: Norms): Tensor {
    return this.decoder.upper(r, x, level, norms);
  }

  /** Rows above and below that a row of {@linkcode decodeLower}'s result looks at in {@linkcode decodeUpper}. */
  decodeReach(level: number): number {
    let reach = 1; // conv_out
    for (let i = this.config.block_out_channels.length - 1; i >= level; i--) {
      reach += 2 * (this.config.layers_per_block + 1);
      if (i > 0) reach = Math.ceil((reach + 1) / 2); // the upsampler's convolution
    }
    return reach;
  }

  /** Channels of the widest map of the decoder's level: what the upsampler below hands it, or its own. */
  decodeWidth(level: number): number {
    const widths = [...this.config.block_out_channels].reverse();
    return Math.max(widths[Math.max(0, level - 1)], widths[level]);
  }
}

class Encoder {
  private readonly convIn: ConvWeights;
  private readonly levels: { resnets: ResnetBlock[]; downsample?: ConvWeights }[] = [];
  private readonly mid: MidBlock;
  private readonly normOut: Norm;
  private readonly convOut: ConvWeights;

  constructor(w: Weights, c: AutoencoderKlConfig) {
    const widths = c.block_out_channels;
    const G = c.norm_num_groups;
    this.convIn = w.conv("conv_in", widths[0], c.in_channels, 3);
    widths.forEach((width, i) => {
      const block = w.at("down_blocks").at(i);
      const resnets = Array.from(
        { length: c.layers_per_block },
        (_, j) =>
          new ResnetBlock(block.at("resnets").at(j), j === 0 ? widths[Math.max(0, i - 1)] : width, width, G),
      );
      const downsample = i < widths.length - 1
        ? block.conv("downsamplers.0.conv", width, width, 3)
        : undefined;
      this.levels.push({ resnets, downsample });
    });
    const last = widths[widths.length - 1];
    this.mid = new MidBlock(w.at("mid_block"), last, G, c.mid_block_add_attention);
    this.normOut = norm(w, "conv_norm_out", last, G);
    this.convOut = w.conv("conv_out", 2 * c.latent_channels, last, 3);
  }

  forward(r: Recorder, x: Tensor): Tensor {
    using scope = r.scope();
    let h = conv2d(r, x, this.convIn, { pad: 1, dtype: "f32" });
    for (const { resnets, downsample } of this.levels) {
      for (const resnet of resnets) h = step(scope, h, resnet.forward(r, h));
      // Padded at the right and bottom only, as the original autoencoder was trained.
      if (downsample) {
        h = step(scope, h, conv2d(r, h, downsample, { stride: 2, pad: [0, 0, 1, 1], dtype: "f32" }));
      }
    }
    h = step(scope, h, this.mid.forward(r, h));
    const norm = normed(r, h, this.normOut);
    return scope.keep(conv2d(r, h, this.convOut, { norm, pad: 1, dtype: "f32" }));
  }
}

/** Bytes that smaller maps of the blocks before may leave in the pool, where larger ones find no use for them. */
const POOLED = 64 << 20;

class Decoder {
  private readonly convIn: ConvWeights;
  private readonly mid: MidBlock;
  private readonly levels: { resnets: ResnetBlock[]; upsample?: ConvWeights }[] = [];
  private readonly normOut: Norm;
  private readonly convOut: ConvWeights;

  constructor(w: Weights, c: AutoencoderKlConfig) {
    const widths = [...c.block_out_channels].reverse();
    const G = c.norm_num_groups;
    this.convIn = w.conv("conv_in", widths[0], c.latent_channels, 3);
    this.mid = new MidBlock(w.at("mid_block"), widths[0], G, c.mid_block_add_attention);
    widths.forEach((width, i) => {
      const block = w.at("up_blocks").at(i);
      const resnets = Array.from(
        { length: c.layers_per_block + 1 },
        (_, j) =>
          new ResnetBlock(block.at("resnets").at(j), j === 0 ? widths[Math.max(0, i - 1)] : width, width, G),
      );
      const upsample = i < widths.length - 1 ? block.conv("upsamplers.0.conv", width, width, 3) : undefined;
      this.levels.push({ resnets, upsample });
    });
    const last = widths[widths.length - 1];
    this.normOut = norm(w, "conv_norm_out", last, G);
    this.convOut = w.conv("conv_out", c.out_channels, last, 3);
  }

  lower(r: Recorder, z: Tensor, end: number): Tensor {
    using scope = r.scope();
    let h = conv2d(r, z, this.convIn, { pad: 1, dtype: "f32" });
    h = step(scope, h, this.mid.forward(r, h));
    return scope.keep(this.through(r, h, 0, end));
  }

  upper(r: Recorder, x: Tensor, from: number, norms?: Norms): Tensor {
    using scope = r.scope();
    const h = this.through(r, x, from, this.levels.length, norms);
    const norm = normed(r, h, this.normOut, norms);
    return scope.keep(conv2d(r, h, this.convOut, { norm, pad: 1, dtype: "f32" }));
  }

  /** Levels from … end − 1. Sizes double on the way into a level, so that the smaller map is what is kept between. */
  private through(r: Recorder, x: Tensor, from: number, end: number, norms?: Norms): Tensor {
    using scope = r.scope();
    let h = x;
    for (let i = from; i < end; i++) {
      const upsample = i > 0 ? this.levels[i - 1].upsample : undefined;
      if (upsample) h = step(scope, h, conv2d(r, h, upsample, { pad: 1, upsample: 2, dtype: "f32" }));
      for (const resnet of this.levels[i].resnets) {
        r.trim({ beyond: POOLED });
        const next = resnet.forward(r, h, norms, scope);
        // What was freed already may be the very buffer that came next.
        h = resnet.frees ? next : step(scope, h, next);
      }
    }
    return scope.keep(h);
  }
}

/** ResNet, attention over all pixels, ResNet. */
class MidBlock {
  private readonly first: ResnetBlock;
  private readonly attention?: AttentionBlock;
  private readonly second: ResnetBlock;

  constructor(w: Weights, C: number, groups: number, attention: boolean) {
    this.first = new ResnetBlock(w.at("resnets.0"), C, C, groups);
    if (attention) this.attention = new AttentionBlock(w.at("attentions.0"), C, groups);
    this.second = new ResnetBlock(w.at("resnets.1"), C, C, groups);
  }

  forward(r: Recorder, x: Tensor): Tensor {
    using scope = r.scope();
    let h = this.first.forward(r, x);
    if (this.attention) h = this.attention.forward(r, h);
    return scope.keep(this.second.forward(r, h));
  }
}

/** x + conv(silu(norm(conv(silu(norm x))))), with a 1×1 convolution on the way past where widths differ. */
class ResnetBlock {
  private readonly norm1: Norm;
  private readonly conv1: ConvWeights;
  private readonly norm2: Norm;
  private readonly conv2: ConvWeights;
  private readonly shortcut?: ConvWeights;

  constructor(w: Weights, Ci: number, Co: number, groups: number) {
    this.norm1 = norm(w, "norm1", Ci, groups);
    this.conv1 = w.conv("conv1", Co, Ci, 3);
    this.norm2 = norm(w, "norm2", Co, groups);
    this.conv2 = w.conv("conv2", Co, Co, 3);
    if (Ci !== Co) this.shortcut = w.conv("conv_shortcut", Co, Ci, 1);
  }

  /** Whether {@linkcode forward} frees x itself: with twice the channels of what follows it is the largest map of all. */
  get frees(): boolean {
    return this.shortcut !== undefined;
  }

  /** x [B, H, W, Ci] f32 → [B, H, W, Co] f32. `owner` frees x as soon as it is used up, where {@linkcode frees} says so. */
  forward(r: Recorder, x: Tensor, norms?: Norms, owner?: Scope): Tensor {
    using scope = r.scope();
    const residual = this.shortcut ? conv2d(r, x, this.shortcut, { dtype: "f32" }) : x;
    // f32 between the convolutions: SDXL's decoder leaves the range of f16 here.
    const norm1 = normed(r, x, this.norm1, norms);
    const frees = this.frees && owner
      ? {
        free(t: Tensor): void {
          owner.free(t);
          r.trim({ beyond: POOLED });
        },
      }
      : undefined;
    const h = conv2d(r, x, this.conv1, { norm: norm1, frees, pad: 1, dtype: "f32" });
    // Of twice the channels where they halve, and of no use to what follows.
    r.trim({ beyond: POOLED });
    const norm = normed(r, h, this.norm2, norms);
    return scope.keep(conv2d(r, h, this.conv2, { norm, frees: scope, pad: 1, residual, dtype: "f32" }));
  }
}

/** Single-head self-attention over all pixels. */
class AttentionBlock {
  private readonly groupNorm: Norm;
  private readonly qkv: LinearWeights;
  private readonly out: LinearWeights;

  constructor(w: Weights, private readonly C: number, groups: number) {
    this.groupNorm = norm(w, "group_norm", C, groups);
    // Files of 2022 (SD1.5, sd-vae-ft-mse) have the first names.
    const first = w.has("query.weight");
    this.qkv = w.linearCat(first ? ["query", "key", "value"] : ["to_q", "to_k", "to_v"], [C, C, C], C);
    this.out = w.linear(first ? "proj_attn" : "to_out.0", C, C);
  }

  /** x [B, H, W, C] f32 → same. */
  forward(r: Recorder, x: Tensor): Tensor {
    const { C } = this;
    const [B, H, W] = x.shape;
    using scope = r.scope();
    const tokens = { ...groupNorm(r, x, this.groupNorm), shape: [B, H * W, C] };
    const qkv = linear(r, tokens, this.qkv);
    const a = attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: C }, { tensor: qkv, at: 2 * C }, {
      heads: 1,
      headDim: C,
    });
    const y = linear(r, a, this.out, { residual: { ...x, shape: [B, H * W, C] }, dtype: "f32" });
    return { ...scope.keep(y), shape: x.shape };
  }
}

/** Statistics for the group norms of a forward pass over a part of a picture. */
export interface Norms {
  /** Those that the next group norm uses for x. */
  next(r: Recorder, x: Tensor, groups: number): GroupStatistics;
}

/** norm and SiLU as a convolution takes them, with the statistics that `norms` has for x. */
function normed(r: Recorder, x: Tensor, norm: Norm, norms?: Norms): ConvOptions["norm"] {
  return { ...norm, act: "silu", statistics: norms?.next(r, x, norm.groups) };
}

interface Norm {
  readonly groups: number;
  readonly eps: number;
  readonly weight: Tensor;
  readonly bias: Tensor;
}

function norm(w: Weights, name: string, C: number, groups: number): Norm {
  return { groups, eps: 1e-6, weight: w.vector(`${name}.weight`, C), bias: w.vector(`${name}.bias`, C) };
}

/** Frees the former activation as soon as the next is recorded: the decoder's peak is two, not all of them. */
function step(scope: { free(t: Tensor): void }, before: Tensor, after: Tensor): Tensor {
  scope.free(before);
  return after;
}
