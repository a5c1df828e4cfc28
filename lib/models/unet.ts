/**
 * The UNet of Stable Diffusion 1.5, 2.1 and SDXL.
 *
 * Source: Latent Diffusion (arXiv 2112.10752), SDXL (arXiv 2307.01952); names as in diffusers
 * UNet2DConditionModel. Feature maps are channels-last, [B, H, W, C].
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder, Scope } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { conv2d, type ConvWeights } from "../ops/conv2d.ts";
import { activation, concatChannels, geglu } from "../ops/elementwise.ts";
import { timestepProjection } from "../ops/embedding.ts";
import { groupNorm } from "../ops/group_norm.ts";
import { linear, type LinearWeights } from "../ops/linear.ts";
import { layerNorm } from "../ops/norm.ts";
import { resample } from "../ops/resample.ts";
import type { Tensor } from "../tensor.ts";
import type { ConfigReader } from "../weights/model_folder.ts";
import type { Weights } from "./weights.ts";

/** Config keys as diffusers spells them; values given once for all levels are spread over them. */
export interface UnetConfig {
  /** Latent channels in: 4 (9 for inpainting models). */
  readonly in_channels: number;
  /** Latent channels predicted. */
  readonly out_channels: number;
  /** Width of each level. */
  readonly block_out_channels: readonly number[];
  /** ResNets a level on the way down; one more on the way up. */
  readonly layers_per_block: readonly number[];
  /** Whether each level on the way down has attention. */
  readonly down_attention: readonly boolean[];
  /** Whether each level on the way up has attention, deepest first. */
  readonly up_attention: readonly boolean[];
  /** Transformer blocks in each attention of a level. */
  readonly transformer_layers_per_block: readonly number[];
  /** Heads of each level (the configs call it attention_head_dim). */
  readonly heads: readonly number[];
  /** Width of the text states. */
  readonly cross_attention_dim: number;
  /** Groups of every group norm. */
  readonly norm_num_groups: number;
  /** eps of the ResNets' group norms. */
  readonly norm_eps: number;
  /** Order of the timestep sinusoid. */
  readonly flip_sin_to_cos: boolean;
  /** Shift of the sinusoid's frequencies. */
  readonly freq_shift: number;
  /** "text_time": SDXL's pooled text and size conditioning. */
  readonly addition_embed_type: string | null;
  /** Sinusoid width of each of SDXL's six numbers. */
  readonly addition_time_embed_dim: number;
  /** Input width of SDXL's additional embedding. */
  readonly projection_class_embeddings_input_dim: number;
}

/** Reads and checks unet/config.json; what this file does not build is refused by its key. */
export function unetConfig(c: ConfigReader): UnetConfig {
  const widths = c.numbers("block_out_channels", [320, 640, 1280, 1280]);
  const L = widths.length;
  const spread = (key: string, fallback: number): number[] => {
    const value = c.numberOrNumbers(key, fallback);
    return typeof value === "number" ? widths.map(() => value) : [...value];
  };
  const attentionOf = (key: string, names: [string, string], fallback: string[]): boolean[] =>
    c.strings(key, fallback).map((type) => {
      if (type === names[0]) return true;
      if (type === names[1]) return false;
      throw new LssgenError(
        "unsupported",
        `"${c.name}": ${key} has "${type}", supported are ${names.join(" and ")}`,
      );
    });
  c.expect("act_fn", "silu");
  c.expect("resnet_time_scale_shift", "default");
  c.expect("class_embed_type", null);
  c.expect("time_cond_proj_dim", null);
  c.expect("dual_cross_attention", false);
  c.expect("only_cross_attention", false);
  c.expect("encoder_hid_dim_type", null);
  const heads = c.has("num_attention_heads")
    ? spread("num_attention_heads", 8)
    : spread("attention_head_dim", 8);
  const cross = c.numberOrNumbers("cross_attention_dim", 1280);
  return {
    in_channels: c.number("in_channels", 4),
    out_channels: c.number("out_channels", 4),
    block_out_channels: widths,
    layers_per_block: spread("layers_per_block", 2),
    down_attention: attentionOf("down_block_types", ["CrossAttnDownBlock2D", "DownBlock2D"], [
      ...Array(L - 1).fill("CrossAttnDownBlock2D"),
      "DownBlock2D",
    ]),
    up_attention: attentionOf("up_block_types", ["CrossAttnUpBlock2D", "UpBlock2D"], [
      "UpBlock2D",
      ...Array(L - 1).fill("CrossAttnUpBlock2D"),
    ]),
    transformer_layers_per_block: spread("transformer_layers_per_block", 1),
    heads,
    cross_attention_dim: typeof cross === "number" ? cross : cross[0],
    norm_num_groups: c.number("norm_num_groups", 32),
    norm_eps: c.number("norm_eps", 1e-5),
    flip_sin_to_cos: c.bool("flip_sin_to_cos", true),
    freq_shift: c.number("freq_shift", 0),
    addition_embed_type: c.oneOf("addition_embed_type", ["none", "text_time"], "none"),
    addition_time_embed_dim: c.number("addition_time_embed_dim", 256),
    projection_class_embeddings_input_dim: c.number("projection_class_embeddings_input_dim", 0),
  };
}

/** What one call of the network needs. */
export interface UnetInput {
  /** Latents, scaled as the scheduler asks, [B, h, w, C]. */
  readonly sample: Tensor;
  /** Timestep of each sample, 0 … 999. */
  readonly timestep: readonly number[];
  /** Text states, [B, T, cross_attention_dim]. */
  readonly encoderHiddenStates: Tensor;
  /** SDXL: pooled text, [B, P]. */
  readonly textEmbeds?: Tensor;
  /** SDXL: original height and width, crop top and left, target height and width, for each sample. */
  readonly timeIds?: readonly (readonly number[])[];
}

/** UNet2DConditionModel. */
export class Unet {
  private readonly convIn: ConvWeights;
  private readonly time: readonly [LinearWeights, LinearWeights];
  private readonly addition?: readonly [LinearWeights[], LinearWeights];
  private readonly down: Level[] = [];
  private readonly mid: { first: UnetResnet; attention: SpatialTransformer; second: UnetResnet };
  private readonly up: Level[] = [];
  private readonly normOut: { groups: number; eps: number; weight: Tensor; bias: Tensor };
  private readonly convOut: ConvWeights;

  /** Declares the weights; load them before `forward`. */
  constructor(w: Weights, readonly config: UnetConfig) {
    const c = config;
    const widths = c.block_out_channels;
    const L = widths.length;
    const E = 4 * widths[0]; // width of the time embedding
    this.convIn = w.conv("conv_in", widths[0], c.in_channels, 3);
    this.time = [
      w.linear("time_embedding.linear_1", E, widths[0]),
      w.linear("time_embedding.linear_2", E, E),
    ];
    if (c.addition_embed_type === "text_time") {
      const times = 6 * c.addition_time_embed_dim;
      const P = c.projection_class_embeddings_input_dim - times;
      this.addition = [
        w.linearColumns("add_embedding.linear_1", E, [P, times]),
        w.linear("add_embedding.linear_2", E, E),
      ];
    }

    const attentionAt = (path: Weights, i: number, C: number) =>
      new SpatialTransformer(path, C, c.heads[i], c.transformer_layers_per_block[i], c);
    const skips = [widths[0]]; // channels of every map kept for the way up
    for (let i = 0; i < L; i++) {
      const block = w.at("down_blocks").at(i);
      const level: Level = { resnets: [], attentions: [] };
      for (let j = 0; j < c.layers_per_block[i]; j++) {
        const Ci = j === 0 ? widths[Math.max(0, i - 1)] : widths[i];
        level.resnets.push(new UnetResnet(block.at("resnets").at(j), Ci, widths[i], E, c));
        if (c.down_attention[i]) {
          level.attentions.push(attentionAt(block.at("attentions").at(j), i, widths[i]));
        }
        skips.push(widths[i]);
      }
      if (i < L - 1) {
        level.resize = block.conv("downsamplers.0.conv", widths[i], widths[i], 3);
        skips.push(widths[i]);
      }
      this.down.push(level);
    }

    const deepest = widths[L - 1];
    const middle = w.at("mid_block");
    this.mid = {
      first: new UnetResnet(middle.at("resnets.0"), deepest, deepest, E, c),
      attention: attentionAt(middle.at("attentions.0"), L - 1, deepest),
      second: new UnetResnet(middle.at("resnets.1"), deepest, deepest, E, c),
    };

    let channels = deepest;
    for (let i = 0; i < L; i++) {
      const block = w.at("up_blocks").at(i);
      const k = L - 1 - i; // the level whose width this one has
      const level: Level = { resnets: [], attentions: [] };
      for (let j = 0; j <= c.layers_per_block[k]; j++) {
        level.resnets.push(
          new UnetResnet(block.at("resnets").at(j), channels + skips.pop()!, widths[k], E, c),
        );
        if (c.up_attention[i]) level.attentions.push(attentionAt(block.at("attentions").at(j), k, widths[k]));
        channels = widths[k];
      }
      if (i < L - 1) level.resize = block.conv("upsamplers.0.conv", channels, channels, 3);
      this.up.push(level);
    }
    this.normOut = {
      groups: c.norm_num_groups,
      eps: c.norm_eps,
      weight: w.vector("conv_norm_out.weight", widths[0]),
      bias: w.vector("conv_norm_out.bias", widths[0]),
    };
    this.convOut = w.conv("conv_out", c.out_channels, widths[0], 3);
  }

  /** Noise (or velocity) predicted, [B, h, w, C] f32. */
  forward(r: Recorder, input: UnetInput): Tensor {
    using scope = r.scope();
    const temb = this.embed(r, input);
    const context = input.encoderHiddenStates;

    let h = conv2d(r, input.sample, this.convIn, { pad: 1, dtype: "f32" });
    const skips = [h];
    for (const { resnets, attentions, resize } of this.down) {
      resnets.forEach((resnet, j) => {
        h = resnet.forward(r, h, temb);
        if (attentions[j]) h = replace(scope, h, attentions[j].forward(r, h, context));
        skips.push(h);
      });
      if (resize) {
        h = conv2d(r, h, resize, { stride: 2, pad: 1, dtype: "f32" });
        skips.push(h);
      }
    }

    h = this.mid.first.forward(r, h, temb);
    h = replace(scope, h, this.mid.attention.forward(r, h, context));
    h = replace(scope, h, this.mid.second.forward(r, h, temb));

    for (const { resnets, attentions, resize } of this.up) {
      resnets.forEach((resnet, j) => {
        const skip = skips.pop()!;
        const joined = concatChannels(r, h, skip);
        scope.free(h);
        scope.free(skip);
        h = replace(scope, joined, resnet.forward(r, joined, temb));
        if (attentions[j]) h = replace(scope, h, attentions[j].forward(r, h, context));
      });
      if (resize) {
        // To the size of the map it will join: at odd sizes that is not the double.
        const [, H, W] = skips[skips.length - 1].shape;
        const even = H === 2 * h.shape[1] && W === 2 * h.shape[2];
        const larger = even ? h : resample(r, h, H, W, "nearest");
        const next = conv2d(r, larger, resize, { pad: 1, upsample: even ? 2 : undefined, dtype: "f32" });
        if (!even) scope.free(larger);
        h = replace(scope, h, next);
      }
    }
    const n = groupNorm(r, h, { ...this.normOut, act: "silu" });
    return scope.keep(conv2d(r, n, this.convOut, { pad: 1, dtype: "f32" }));
  }

  /** silu(time + pooled text and sizes), [B, 4·C₀]: every ResNet applies silu first. */
  private embed(r: Recorder, { timestep, textEmbeds, timeIds }: UnetInput): Tensor {
    const c = this.config;
    const B = timestep.length;
    using scope = r.scope();
    const order = { flipSinToCos: c.flip_sin_to_cos, downscaleFreqShift: c.freq_shift };
    const width = c.block_out_channels[0];
    const t = r.upload([B, width], timestepProjection([...timestep], width, order));
    const emb = linear(r, linear(r, t, this.time[0], { act: "silu", dtype: "f32" }), this.time[1], {
      dtype: "f32",
    });
    if (this.addition) {
      if (!textEmbeds || !timeIds) {
        throw new LssgenError("internal", "SDXL's UNet needs pooled text and time ids");
      }
      const [[fromText, fromTimes], out] = this.addition;
      const flat = timestepProjection(timeIds.flat(), c.addition_time_embed_dim, order);
      const times = r.upload([B, 6 * c.addition_time_embed_dim], flat);
      const h = linear(r, textEmbeds, fromText, { dtype: "f32" });
      linear(r, times, fromTimes, { into: h, accumulate: true });
      linear(r, activation(r, h, "silu", "f32"), out, { into: emb, accumulate: true });
    }
    return scope.keep(activation(r, emb, "silu", "f32"));
  }
}

/** One resolution: ResNets, each followed by attention where there is one, and the convolution that leaves it. */
interface Level {
  readonly resnets: UnetResnet[];
  readonly attentions: SpatialTransformer[];
  resize?: ConvWeights;
}

/** ResnetBlock2D with a time embedding added between its convolutions. */
class UnetResnet {
  private readonly norm1: { weight: Tensor; bias: Tensor };
  private readonly conv1: ConvWeights;
  private readonly timeProj: LinearWeights;
  private readonly norm2: { weight: Tensor; bias: Tensor };
  private readonly conv2: ConvWeights;
  private readonly shortcut?: ConvWeights;
  private readonly groups: number;
  private readonly eps: number;

  constructor(w: Weights, Ci: number, Co: number, E: number, c: UnetConfig) {
    this.groups = c.norm_num_groups;
    this.eps = c.norm_eps;
    this.norm1 = { weight: w.vector("norm1.weight", Ci), bias: w.vector("norm1.bias", Ci) };
    this.conv1 = w.conv("conv1", Co, Ci, 3);
    this.timeProj = w.linear("time_emb_proj", Co, E);
    this.norm2 = { weight: w.vector("norm2.weight", Co), bias: w.vector("norm2.bias", Co) };
    this.conv2 = w.conv("conv2", Co, Co, 3);
    if (Ci !== Co) this.shortcut = w.conv("conv_shortcut", Co, Ci, 1);
  }

  /** x [B, H, W, Ci] f32, temb [B, E] (after silu) → [B, H, W, Co] f32. */
  forward(r: Recorder, x: Tensor, temb: Tensor): Tensor {
    const { groups, eps } = this;
    using scope = r.scope();
    const channelBias = linear(r, temb, this.timeProj, { dtype: "f32" });
    let h = groupNorm(r, x, { groups, eps, ...this.norm1, act: "silu" });
    h = replace(scope, h, conv2d(r, h, this.conv1, { pad: 1, channelBias, dtype: "f32" }));
    h = replace(scope, h, groupNorm(r, h, { groups, eps, ...this.norm2, act: "silu" }));
    const residual = this.shortcut ? conv2d(r, x, this.shortcut, { dtype: "f32" }) : x;
    return scope.keep(conv2d(r, h, this.conv2, { pad: 1, residual, dtype: "f32" }));
  }
}

/** Transformer2DModel: a feature map as tokens through a few transformer blocks, added to itself. */
class SpatialTransformer {
  private readonly norm: { groups: number; eps: number; weight: Tensor; bias: Tensor };
  private readonly projIn: LinearWeights;
  private readonly blocks: TransformerBlock[];
  private readonly projOut: LinearWeights;

  constructor(w: Weights, C: number, heads: number, depth: number, c: UnetConfig) {
    const affine = { weight: w.vector("norm.weight", C), bias: w.vector("norm.bias", C) };
    this.norm = { groups: c.norm_num_groups, eps: 1e-6, ...affine };
    this.projIn = w.linear("proj_in", C, C); // a 1×1 convolution in SD1.5: the same numbers
    this.blocks = Array.from(
      { length: depth },
      (_, i) => new TransformerBlock(w.at("transformer_blocks").at(i), C, heads, c.cross_attention_dim),
    );
    this.projOut = w.linear("proj_out", C, C);
  }

  /** x [B, H, W, C] f32, context [B, T, cross_attention_dim] → [B, H, W, C] f32. */
  forward(r: Recorder, x: Tensor, context: Tensor): Tensor {
    const [B, H, W, C] = x.shape;
    const tokens = [B, H * W, C];
    using scope = r.scope();
    const n = groupNorm(r, x, this.norm);
    const stream = linear(r, { ...n, shape: tokens }, this.projIn, { dtype: "f32" });
    scope.free(n);
    for (const block of this.blocks) block.forward(r, stream, context);
    const y = linear(r, stream, this.projOut, { residual: { ...x, shape: tokens }, dtype: "f32" });
    return { ...scope.keep(y), shape: x.shape };
  }
}

/** BasicTransformerBlock: self-attention, cross-attention to the text, gated MLP; pre-norm, residual in place. */
class TransformerBlock {
  private readonly norms: { weight: Tensor; bias: Tensor }[];
  private readonly qkv: LinearWeights;
  private readonly out1: LinearWeights;
  private readonly q2: LinearWeights;
  private readonly kv2: LinearWeights;
  private readonly out2: LinearWeights;
  private readonly up: LinearWeights;
  private readonly down: LinearWeights;

  constructor(w: Weights, private readonly C: number, private readonly heads: number, crossDim: number) {
    const none = { bias: false };
    this.norms = [1, 2, 3].map((i) => ({
      weight: w.vector(`norm${i}.weight`, C),
      bias: w.vector(`norm${i}.bias`, C),
    }));
    const attn1 = w.at("attn1");
    this.qkv = attn1.linearCat(["to_q", "to_k", "to_v"], [C, C, C], C, none);
    this.out1 = attn1.linear("to_out.0", C, C);
    const attn2 = w.at("attn2");
    this.q2 = attn2.linear("to_q", C, C, none);
    this.kv2 = attn2.linearCat(["to_k", "to_v"], [C, C], crossDim, none);
    this.out2 = attn2.linear("to_out.0", C, C);
    this.up = w.linear("ff.net.0.proj", 8 * C, C);
    this.down = w.linear("ff.net.2", C, 4 * C);
  }

  /** stream [B, N, C] f32 is updated in place. */
  forward(r: Recorder, stream: Tensor, context: Tensor): void {
    const { C, heads, norms } = this;
    const headDim = C / heads;
    using scope = r.scope();
    let h = layerNorm(r, stream, { eps: 1e-5, ...norms[0] });
    const qkv = linear(r, h, this.qkv);
    let a = attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: C }, { tensor: qkv, at: 2 * C }, {
      heads,
      headDim,
    });
    linear(r, a, this.out1, { into: stream, accumulate: true });
    for (const t of [h, qkv, a]) scope.free(t);

    h = layerNorm(r, stream, { eps: 1e-5, ...norms[1] });
    const q = linear(r, h, this.q2);
    const kv = linear(r, context, this.kv2);
    a = attention(r, { tensor: q, at: 0 }, { tensor: kv, at: 0 }, { tensor: kv, at: C }, { heads, headDim });
    linear(r, a, this.out2, { into: stream, accumulate: true });
    for (const t of [h, q, kv, a]) scope.free(t);

    h = layerNorm(r, stream, { eps: 1e-5, ...norms[2] });
    const up = geglu(r, linear(r, h, this.up)); // [B, N, 4C]
    linear(r, up, this.down, { into: stream, accumulate: true });
  }
}

/** Frees the former activation as soon as the next is recorded. */
function replace(scope: Scope, before: Tensor, after: Tensor): Tensor {
  scope.free(before);
  return after;
}
