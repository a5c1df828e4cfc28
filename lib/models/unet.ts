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
import { embedTokens, timestepProjection } from "../ops/embedding.ts";
import { groupNorm } from "../ops/group_norm.ts";
import { linear, type LinearWeights, type Matrix } from "../ops/linear.ts";
import { layerNorm } from "../ops/norm.ts";
import { resample } from "../ops/resample.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
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
  /** Transformer blocks of each attention on the way down, by level and ResNet. */
  readonly down_transformers: readonly (readonly number[])[];
  /** Transformer blocks of the attention between the two ways. */
  readonly mid_transformers: number;
  /** Transformer blocks of each attention on the way up, deepest level first. */
  readonly up_transformers: readonly (readonly number[])[];
  /** Levels whose first attention of a block sees the text instead of the picture (the ×4 upscaler). */
  readonly only_cross_attention: readonly boolean[];
  /** What lies between the two ways: nothing at all in distilled networks without it. */
  readonly mid_block_type: "UNetMidBlock2DCrossAttn" | "UNetMidBlock2D" | null;
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
  /** Input width of SDXL's additional embedding, or of the class embedding of type "projection". */
  readonly projection_class_embeddings_input_dim: number;
  /** How class labels come in: as rows of a table, as a number like the timestep, as vectors, or not. */
  readonly class_embed_type: "table" | "timestep" | "projection" | null;
  /** Rows of the class table. */
  readonly num_class_embeds: number;
  /** Width of the guidance scale's sinusoid (latent consistency models); 0 without. */
  readonly time_cond_proj_dim: number;
}

/** Reads and checks unet/config.json; what this file does not build is refused by its key. */
export function unetConfig(c: ConfigReader): UnetConfig {
  const most = { min: 1, max: MOST.width, most: MOST.levels };
  const widths = c.wholes("block_out_channels", most, [320, 640, 1280, 1280]);
  const L = widths.length;
  const ofLevels = (key: string, fallback: string[]): readonly string[] => {
    const types = c.strings(key, fallback);
    c.require(types.length === L, key, `${L} types, one for each of block_out_channels`);
    return types;
  };
  const attentionOf = (key: string, names: [string, string], fallback: string[]): boolean[] =>
    ofLevels(key, fallback).map((type) => {
      if (type === names[0]) return true;
      if (type === names[1]) return false;
      throw new LssgenError(
        "unsupported",
        `"${c.name}": ${key} has "${type}", supported are ${names.join(" and ")}`,
      );
    });
  for (const [key, value] of Object.entries(ONLY)) c.expect(key, value);
  const layers = c.wholeOfEach("layers_per_block", "block_out_channels", L, 1, MOST.layers, 2);
  const cross = c.wholeOfEach("cross_attention_dim", "block_out_channels", L, 1, MOST.width, 1280);
  const heads = c.wholeOfEach("attention_head_dim", "block_out_channels", L, 1, MOST.heads, 8);
  const groups = c.whole("norm_num_groups", 1, MOST.heads, 32);
  const levels = `block_out_channels, ${widths.join(", ")}`;
  c.require(widths.every((width) => width % groups === 0), "norm_num_groups", `a divisor of ${levels}`);
  const transformers = depths(c, "transformer_layers_per_block", layers) ??
    layers.map((n) => Array(n).fill(1));
  const back = depths(c, "reverse_transformer_layers_per_block", layers.map((n) => n + 1).reverse());
  if (!back && transformers.some((of) => of.some((depth) => depth !== of[0]))) {
    throw new LssgenError(
      "bad_file",
      `"${c.name}": transformer_layers_per_block differs within a level, so reverse_transformer_layers_per_block is needed too`,
    );
  }
  // Without a list of its own the way up mirrors the way down, one attention more a level.
  const up_transformers = back ?? transformers.map((of) => [...of, of[0] ?? 1]).reverse();
  const cross_attention_dim = cross[0];
  if (cross.some((width) => width !== cross_attention_dim)) {
    throw new LssgenError(
      "unsupported",
      `"${c.name}": cross_attention_dim is ${JSON.stringify(cross)}, supported is one width for all levels`,
    );
  }
  const down_attention = attentionOf("down_block_types", ["CrossAttnDownBlock2D", "DownBlock2D"], [
    ...Array(L - 1).fill("CrossAttnDownBlock2D"),
    "DownBlock2D",
  ]);
  const up_attention = attentionOf("up_block_types", ["CrossAttnUpBlock2D", "UpBlock2D"], [
    "UpBlock2D",
    ...Array(L - 1).fill("CrossAttnUpBlock2D"),
  ]);
  c.require(
    // Where a level has no attention its heads are never used; the last level's are the middle's too.
    widths.every((width, i) =>
      width % heads[i] === 0 || !(down_attention[i] || up_attention[L - 1 - i] || i === L - 1)
    ),
    "attention_head_dim",
    `divisors of ${levels}`,
  );
  const addition_embed_type = c.oneOf("addition_embed_type", ["none", "text_time"], "none", { orNull: true });
  const embedded = c.whole("projection_class_embeddings_input_dim", 0, MOST.width, 0, { orNull: true });
  c.require(
    embedded > 0 || addition_embed_type === "none",
    "projection_class_embeddings_input_dim",
    "the width of pooled text and sizes",
  );
  return {
    in_channels: c.whole("in_channels", 1, MOST.width, 4),
    out_channels: c.whole("out_channels", 1, MOST.width, 4),
    block_out_channels: widths,
    layers_per_block: layers,
    down_attention,
    up_attention,
    down_transformers: transformers,
    mid_transformers: transformers[L - 1][0] ?? 1,
    up_transformers,
    only_cross_attention: flags(c, "only_cross_attention", L),
    // Null is a value here: no block.
    mid_block_type: Object.hasOwn(c.json, "mid_block_type") && !c.has("mid_block_type")
      ? null
      : c.oneOf<NonNullable<UnetConfig["mid_block_type"]>>(
        "mid_block_type",
        ["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"],
        "UNetMidBlock2DCrossAttn",
      ),
    heads,
    cross_attention_dim,
    norm_num_groups: groups,
    norm_eps: c.range("norm_eps", 1e-12, 0.1, 1e-5),
    flip_sin_to_cos: c.bool("flip_sin_to_cos", true),
    freq_shift: c.whole("freq_shift", 0, 1, 0),
    addition_embed_type,
    addition_time_embed_dim: c.whole("addition_time_embed_dim", 2, MOST.width, 256, { orNull: true }),
    projection_class_embeddings_input_dim: embedded,
    class_embed_type: c.has("class_embed_type")
      ? c.oneOf<"timestep" | "projection">("class_embed_type", ["timestep", "projection"])
      : c.has("num_class_embeds")
      ? "table"
      : null,
    num_class_embeds: c.whole("num_class_embeds", 1, MOST.rows, 0, { orNull: true }),
    time_cond_proj_dim: c.whole("time_cond_proj_dim", 0, MOST.width, 0, { orNull: true }),
  };
}

/** Options that no Stable Diffusion sets otherwise; each would change the picture. */
const ONLY: Readonly<Record<string, string | number | boolean | null>> = {
  act_fn: "silu",
  attention_type: "default",
  center_input_sample: false,
  class_embeddings_concat: false,
  conv_in_kernel: 3,
  conv_out_kernel: 3,
  cross_attention_norm: null,
  downsample_padding: 1,
  dual_cross_attention: false,
  encoder_hid_dim_type: null,
  mid_block_scale_factor: 1,
  num_attention_heads: null, // diffusers refuses it too: attention_head_dim holds the heads
  resnet_out_scale_factor: 1,
  resnet_skip_time_act: false,
  resnet_time_scale_shift: "default",
  time_embedding_act_fn: null,
  time_embedding_dim: null,
  time_embedding_type: "positional",
  timestep_post_act: null,
};

/** Transformer blocks by level and attention, from a number, one a level, or a list a level; undefined when absent. */
function depths(c: ConfigReader, key: string, counts: readonly number[]): number[][] | undefined {
  if (!c.has(key)) return undefined;
  const value = c.json[key];
  const levels: unknown[] = Array.isArray(value) ? value : counts.map(() => value);
  const whole = (v: unknown): v is number =>
    typeof v === "number" && Number.isInteger(v) && v >= 0 && v <= MOST.layers;
  const out = levels.map((of, i) => whole(of) ? Array<number>(counts[i]).fill(of) : of);
  const fits = (of: unknown, i: number): of is number[] =>
    Array.isArray(of) && of.length === counts[i] && of.every(whole);
  if (out.length === counts.length && out.every(fits)) return out as number[][];
  throw new LssgenError(
    "bad_file",
    `"${c.name}": "${key}" is ${
      JSON.stringify(value)
    }, expected a whole number, or for each of ${counts.length} levels one, ` +
      `or a list of ${counts.join(", ")}`,
  );
}

/** true or false for each of n levels, given once or as a list. */
function flags(c: ConfigReader, key: string, n: number): readonly boolean[] {
  if (!c.has(key)) return Array(n).fill(false);
  if (!Array.isArray(c.json[key])) return Array(n).fill(c.bool(key));
  const values = c.bools(key);
  c.require(values.length === n, key, `true or false, or ${n} of them`);
  return values;
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
  /** SDXL: original height and width, crop top and left, target height and width, for each sample (its refiner: five). */
  readonly timeIds?: readonly (readonly number[])[];
  /** Where there is a class embedding: a row, a number like the timestep, or a vector for each sample. */
  readonly classLabels?: readonly (readonly number[])[];
  /** Latent consistency models: the guidance scale's sinusoid for each sample, [B, time_cond_proj_dim]. */
  readonly timestepCond?: Tensor;
}

/** UNet2DConditionModel. */
export class Unet {
  private readonly convIn: ConvWeights;
  private readonly time: readonly [LinearWeights, LinearWeights];
  private readonly timeCond?: LinearWeights;
  private readonly classTable?: Matrix;
  private readonly classMlp?: readonly [LinearWeights, LinearWeights];
  private readonly addition?: readonly [LinearWeights, LinearWeights];
  private readonly down: Level[] = [];
  private readonly mid?: { first: UnetResnet; attention?: SpatialTransformer; second?: UnetResnet };
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
    const mlp = (name: string, K: number) =>
      [w.linear(`${name}.linear_1`, E, K), w.linear(`${name}.linear_2`, E, E)] as const;
    const added = c.projection_class_embeddings_input_dim;
    if (c.time_cond_proj_dim > 0) {
      this.timeCond = w.linear("time_embedding.cond_proj", widths[0], c.time_cond_proj_dim, { bias: false });
    }
    if (c.class_embed_type === "table") {
      this.classTable = w.matrix(["class_embedding.weight"], [c.num_class_embeds], E);
    } else if (c.class_embed_type !== null) {
      this.classMlp = mlp("class_embedding", c.class_embed_type === "timestep" ? widths[0] : added);
    }
    if (c.addition_embed_type === "text_time") this.addition = mlp("add_embedding", added);

    const attentionAt = (path: Weights, level: number, depth: number) =>
      new SpatialTransformer(path, widths[level], c.heads[level], depth, c, c.only_cross_attention[level]);
    const skips = [widths[0]]; // channels of every map kept for the way up
    for (let i = 0; i < L; i++) {
      const block = w.at("down_blocks").at(i);
      const level: Level = { resnets: [], attentions: [] };
      for (let j = 0; j < c.layers_per_block[i]; j++) {
        const Ci = j === 0 ? widths[Math.max(0, i - 1)] : widths[i];
        level.resnets.push(new UnetResnet(block.at("resnets").at(j), Ci, widths[i], E, c));
        if (c.down_attention[i]) {
          level.attentions.push(attentionAt(block.at("attentions").at(j), i, c.down_transformers[i][j]));
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
    const resnet = (j: number) => new UnetResnet(middle.at("resnets").at(j), deepest, deepest, E, c);
    if (c.mid_block_type === "UNetMidBlock2DCrossAttn") {
      const at = middle.at("attentions.0");
      const attention = new SpatialTransformer(at, deepest, c.heads[L - 1], c.mid_transformers, c, false);
      this.mid = { first: resnet(0), attention, second: resnet(1) };
    } else if (c.mid_block_type !== null) this.mid = { first: resnet(0) };

    let channels = deepest;
    for (let i = 0; i < L; i++) {
      const block = w.at("up_blocks").at(i);
      const k = L - 1 - i; // the level whose width this one has
      const level: Level = { resnets: [], attentions: [] };
      for (let j = 0; j <= c.layers_per_block[k]; j++) {
        level.resnets.push(
          new UnetResnet(block.at("resnets").at(j), channels + skips.pop()!, widths[k], E, c),
        );
        if (c.up_attention[i]) {
          level.attentions.push(attentionAt(block.at("attentions").at(j), k, c.up_transformers[i][j]));
        }
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

    if (this.mid) {
      const { first, attention, second } = this.mid;
      h = first.forward(r, h, temb); // what it got is kept for the way up
      if (attention) h = replace(scope, h, attention.forward(r, h, context));
      if (second) h = replace(scope, h, second.forward(r, h, temb));
    }

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
    const norm = { ...this.normOut, act: "silu" as const };
    return scope.keep(conv2d(r, h, this.convOut, { norm, pad: 1, dtype: "f32" }));
  }

  /** silu(time + class + pooled text and sizes), [B, 4·C₀]: every ResNet applies silu first. */
  private embed(
    r: Recorder,
    { timestep, textEmbeds, timeIds, classLabels, timestepCond }: UnetInput,
  ): Tensor {
    const c = this.config;
    const B = timestep.length;
    using scope = r.scope();
    const order = { flipSinToCos: c.flip_sin_to_cos, downscaleFreqShift: c.freq_shift };
    const width = c.block_out_channels[0];
    const sinusoid = (values: readonly number[]) =>
      r.upload([B, width], timestepProjection(values, width, order));
    const t = sinusoid(timestep);
    if (this.timeCond && timestepCond) linear(r, timestepCond, this.timeCond, { into: t, accumulate: true });
    if (c.class_embed_type !== null && !classLabels) {
      throw new LssgenError("internal", "This UNet needs class labels");
    }
    const label = (classLabels ?? []).flat();
    const row = this.classTable && embedTokens(r, Int32Array.from(label), [B, 1], this.classTable);
    const emb = linear(r, linear(r, t, this.time[0], { act: "silu", dtype: "f32" }), this.time[1], {
      residual: row && { ...row, shape: [B, 4 * width] },
      dtype: "f32",
    });
    const addMlp = (x: Tensor, [first, second]: readonly [LinearWeights, LinearWeights]): void => {
      linear(r, linear(r, x, first, { act: "silu", dtype: "f32" }), second, { into: emb, accumulate: true });
    };
    if (this.classMlp) {
      const vector = c.class_embed_type === "timestep"
        ? sinusoid(label)
        : r.upload([B, label.length / B], Float32Array.from(label));
      addMlp(vector, this.classMlp);
    }
    if (this.addition) {
      if (!textEmbeds || !timeIds) {
        throw new LssgenError("internal", "SDXL's UNet needs pooled text and time ids");
      }
      const flat = timestepProjection(timeIds.flat(), c.addition_time_embed_dim, order);
      const times = r.upload([B, flat.length / B], flat);
      addMlp(concatChannels(r, textEmbeds, times), this.addition);
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
export class UnetResnet {
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
    const [norm1, norm2] = [this.norm1, this.norm2].map((n) => ({ groups, eps, ...n, act: "silu" as const }));
    const h = conv2d(r, x, this.conv1, { norm: norm1, pad: 1, channelBias, dtype: "f32" });
    const residual = this.shortcut ? conv2d(r, x, this.shortcut, { dtype: "f32" }) : x;
    return scope.keep(
      conv2d(r, h, this.conv2, { norm: norm2, frees: scope, pad: 1, residual, dtype: "f32" }),
    );
  }
}

/** Transformer2DModel: a feature map as tokens through a few transformer blocks, added to itself. */
class SpatialTransformer {
  private readonly norm: { groups: number; eps: number; weight: Tensor; bias: Tensor };
  private readonly projIn: LinearWeights;
  private readonly blocks: TransformerBlock[];
  private readonly projOut: LinearWeights;

  constructor(
    w: Weights,
    C: number,
    heads: number,
    depth: number,
    c: UnetConfig,
    onlyCross: boolean,
  ) {
    const affine = { weight: w.vector("norm.weight", C), bias: w.vector("norm.bias", C) };
    this.norm = { groups: c.norm_num_groups, eps: 1e-6, ...affine };
    this.projIn = w.linear("proj_in", C, C); // a 1×1 convolution in SD1.5: the same numbers
    this.blocks = Array.from(
      { length: depth },
      (_, i) =>
        new TransformerBlock(w.at("transformer_blocks").at(i), C, heads, c.cross_attention_dim, onlyCross),
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

/** BasicTransformerBlock: self-attention (or a first one to the text), cross-attention, gated MLP; pre-norm, in place. */
export class TransformerBlock {
  private readonly norms: { weight: Tensor; bias: Tensor }[];
  private readonly qkv?: LinearWeights;
  private readonly cross1?: Cross;
  private readonly out1: LinearWeights;
  private readonly cross2: Cross;
  private readonly out2: LinearWeights;
  private readonly up: LinearWeights;
  private readonly down: LinearWeights;

  constructor(
    w: Weights,
    private readonly C: number,
    private readonly heads: number,
    crossDim: number,
    onlyCross: boolean,
  ) {
    const none = { bias: false };
    this.norms = [1, 2, 3].map((i) => ({
      weight: w.vector(`norm${i}.weight`, C),
      bias: w.vector(`norm${i}.bias`, C),
    }));
    const attn1 = w.at("attn1");
    const cross = (at: Weights): Cross => ({
      q: at.linear("to_q", C, C, none),
      kv: at.linearCat(["to_k", "to_v"], [C, C], crossDim, none),
    });
    if (onlyCross) this.cross1 = cross(attn1);
    else this.qkv = attn1.linearCat(["to_q", "to_k", "to_v"], [C, C, C], C, none);
    this.out1 = attn1.linear("to_out.0", C, C);
    const attn2 = w.at("attn2");
    this.cross2 = cross(attn2);
    this.out2 = attn2.linear("to_out.0", C, C);
    this.up = w.linear("ff.net.0.proj", 8 * C, C);
    this.down = w.linear("ff.net.2", C, 4 * C);
  }

  /** stream [B, N, C] f32 is updated in place. */
  forward(r: Recorder, stream: Tensor, context: Tensor): void {
    const { norms } = this;
    using scope = r.scope();
    let h = layerNorm(r, stream, { eps: 1e-5, ...norms[0] });
    let a = this.cross1 ? this.toText(r, h, context, this.cross1) : this.toPicture(r, h, this.qkv!);
    linear(r, a, this.out1, { into: stream, accumulate: true });
    for (const t of [h, a]) scope.free(t);

    h = layerNorm(r, stream, { eps: 1e-5, ...norms[1] });
    a = this.toText(r, h, context, this.cross2);
    linear(r, a, this.out2, { into: stream, accumulate: true });
    for (const t of [h, a]) scope.free(t);

    h = layerNorm(r, stream, { eps: 1e-5, ...norms[2] });
    const up = geglu(r, linear(r, h, this.up)); // [B, N, 4C]
    linear(r, up, this.down, { into: stream, accumulate: true });
  }

  private toPicture(r: Recorder, h: Tensor, weights: LinearWeights): Tensor {
    const { C, heads } = this;
    using scope = r.scope();
    const qkv = linear(r, h, weights);
    const [q, k, v] = [0, C, 2 * C].map((at) => ({ tensor: qkv, at }));
    return scope.keep(attention(r, q, k, v, { heads, headDim: C / heads }));
  }

  private toText(r: Recorder, h: Tensor, context: Tensor, weights: Cross): Tensor {
    const { C, heads } = this;
    using scope = r.scope();
    const q = linear(r, h, weights.q);
    const kv = linear(r, context, weights.kv);
    const [k, v] = [0, C].map((at) => ({ tensor: kv, at }));
    return scope.keep(attention(r, { tensor: q, at: 0 }, k, v, { heads, headDim: C / heads }));
  }
}

/** Query from the picture, key and value from the text. */
interface Cross {
  readonly q: LinearWeights;
  readonly kv: LinearWeights;
}

/** Frees the former activation as soon as the next is recorded. */
function replace(scope: Scope, before: Tensor, after: Tensor): Tensor {
  scope.free(before);
  return after;
}
