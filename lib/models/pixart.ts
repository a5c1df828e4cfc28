/**
 * PixArt: a diffusion transformer with cross-attention to T5 and one modulation shared by all blocks.
 *
 * Source: arXiv 2310.00426, 2403.04692; diffusers PixArtTransformer2DModel.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { activation, add, concatChannels } from "../ops/elementwise.ts";
import { timestepProjection } from "../ops/embedding.ts";
import { sincos2d } from "../ops/sincos2d.ts";
import { linear, type LinearWeights } from "../ops/linear.ts";
import { layerNorm } from "../ops/norm.ts";
import { packLatents, unpackLatents } from "../ops/pack.ts";
import { elements, type Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import type { Weights } from "./weights.ts";

/** Config keys as diffusers spells them. */
export interface PixartConfig {
  /** Latent channels. */
  readonly in_channels: number;
  /** Channels of the output: twice as many where the variance is learned. */
  readonly out_channels: number;
  /** Blocks. */
  readonly num_layers: number;
  /** Channels a head. */
  readonly attention_head_dim: number;
  /** Heads; the width D is heads × head dim. */
  readonly num_attention_heads: number;
  /** Width of the T5 states. */
  readonly caption_channels: number;
  /** Whether query, key and value have biases. */
  readonly attention_bias: boolean;
  /** Latents a side at training. */
  readonly sample_size: number;
  /** Latents a token side. */
  readonly patch_size: number;
  /** Scale of the position table. */
  readonly interpolation_scale: number;
  /** Epsilon of the norms. */
  readonly norm_eps: number;
  /** Whether size and aspect ratio are further conditions (PixArt-α at 1024²). */
  readonly use_additional_conditions: boolean;
}

/** Reads and checks transformer/config.json. */
export function pixartConfig(c: ConfigReader): PixartConfig {
  c.expect("activation_fn", "gelu-approximate");
  c.expect("norm_type", "ada_norm_single");
  c.expect("norm_elementwise_affine", false);
  const size = c.whole("sample_size", 1, MOST.positions, 128);
  const heads = c.whole("num_attention_heads", 1, MOST.heads, 16);
  const dim = c.whole("attention_head_dim", 1, MOST.width, 72);
  c.expect("cross_attention_dim", heads * dim);
  c.require(
    heads * dim % 4 === 0,
    "attention_head_dim",
    "a width that 4 divides: sine and cosine of two axes",
  );
  return {
    in_channels: c.whole("in_channels", 1, MOST.width, 4),
    out_channels: c.whole("out_channels", 1, MOST.width, 8),
    num_layers: c.whole("num_layers", 1, MOST.layers, 28),
    attention_head_dim: dim,
    num_attention_heads: heads,
    caption_channels: c.whole("caption_channels", 1, MOST.width, 4096),
    attention_bias: c.bool("attention_bias", true),
    sample_size: size,
    patch_size: c.whole("patch_size", 1, MOST.patch, 2),
    interpolation_scale: c.range(
      "interpolation_scale",
      1 / 64,
      64,
      Math.max(1, Math.floor(size / 64)),
      { orNull: true },
    ),
    norm_eps: c.range("norm_eps", 1e-12, 0.1, 1e-6),
    use_additional_conditions: c.bool("use_additional_conditions", size === 128, { orNull: true }), // null: where it is α at 1024²
  };
}

/** What one call of the network needs. */
export interface PixartInput {
  /** Latents, [B, h, w, C]. */
  readonly latents: Tensor;
  /** T5 states, [B, T, caption_channels]. */
  readonly encoderHiddenStates: Tensor;
  /** 1 keeps a text token, 0 hides it, f32 [B, T]; none: all. */
  readonly encoderMask?: Tensor;
  /** Timestep of each sample, 0 … 999. */
  readonly timestep: readonly number[];
  /** With additional conditions: height and width of each sample in pixels. */
  readonly resolution?: readonly (readonly number[])[];
  /** With additional conditions: height / width of each sample. */
  readonly aspectRatio?: readonly number[];
}

/** PixArtTransformer2DModel. */
export class PixartTransformer {
  private readonly proj: LinearWeights;
  private readonly time: Mlp;
  private readonly size?: { resolution: Mlp; aspectRatio: Mlp };
  private readonly modulation: LinearWeights;
  private readonly caption: readonly [LinearWeights, LinearWeights];
  private readonly blocks: PixartBlock[];
  private readonly table: Tensor;
  private readonly projOut: LinearWeights;
  private readonly D: number;

  /** Declares the weights; load them before `forward`. */
  constructor(w: Weights, readonly config: PixartConfig) {
    const c = config;
    const D = this.D = c.num_attention_heads * c.attention_head_dim;
    const p = c.patch_size;
    this.proj = w.linear("pos_embed.proj", D, c.in_channels * p * p, { stored: [D, c.in_channels, p, p] });
    // Some files store the sin-cos table; it is computed here for every size.
    if (w.has("pos_embed.pos_embed")) w.ignore("pos_embed.pos_embed");
    const emb = w.at("adaln_single.emb");
    const mlp = (name: string, N: number): Mlp => [
      emb.linear(`${name}.linear_1`, N, SINUSOID),
      emb.linear(`${name}.linear_2`, N, N),
    ];
    this.time = mlp("timestep_embedder", D);
    if (c.use_additional_conditions) {
      // A third of the width each: height, width, aspect ratio.
      this.size = {
        resolution: mlp("resolution_embedder", D / 3),
        aspectRatio: mlp("aspect_ratio_embedder", D / 3),
      };
    }
    this.modulation = w.linear("adaln_single.linear", 6 * D, D);
    const caption = w.at("caption_projection");
    this.caption = [caption.linear("linear_1", D, c.caption_channels), caption.linear("linear_2", D, D)];
    this.blocks = Array.from(
      { length: c.num_layers },
      (_, i) => new PixartBlock(w.at("transformer_blocks").at(i), D, c),
    );
    this.table = w.table("scale_shift_table", [2, D]);
    this.projOut = w.linear("proj_out", p * p * c.out_channels, D);
  }

  /** Noise (and variance) predicted, [B, h, w, out_channels] f32. */
  forward(r: Recorder, input: PixartInput): Tensor {
    const { D, config } = this;
    const p = config.patch_size;
    const [B, H, W] = input.latents.shape;
    const [h, w] = [H / p, W / p];
    using scope = r.scope();
    const grid = sincos2d(D, h, w, config.sample_size / p, config.interpolation_scale);
    const positions = new Float32Array(B * grid.length);
    for (let b = 0; b < B; b++) positions.set(grid, b * grid.length);
    const patches = linear(r, packLatents(r, input.latents, p), this.proj, { dtype: "f32" });
    const stream = add(r, patches, r.upload([B, h * w, D], positions)); // [B, S, D]

    const t = this.condition(r, input); // [B, D]
    const m = linear(r, activation(r, t, "silu", "f32"), this.modulation, { dtype: "f32" }); // [B, 6D]
    const c1 = linear(r, input.encoderHiddenStates, this.caption[0], { act: "gelu_tanh" });
    const text = linear(r, c1, this.caption[1]); // [B, T, D]
    for (const block of this.blocks) block.forward(r, stream, m, text, input.encoderMask);

    // shift, scale: the table plus the embedding of the timestep in both rows
    const twice = r.tensor([B, 2, D], "f32");
    for (let b = 0; b < B; b++) {
      for (const row of [0, 1]) r.copy(t, b * D * 4, twice, (b * 2 + row) * D * 4, D * 4);
    }
    const out = { ...add(r, twice, stacked(r, this.table, B)), shape: [B, 2 * D] };
    const n = layerNorm(r, stream, { eps: 1e-6, modulation: out, shiftAt: 0, scaleAt: D });
    const y = linear(r, n, this.projOut, { dtype: "f32" });
    return scope.keep(unpackLatents(r, y, h, w, p, "channel_last"));
  }

  /** Timestep, and size and aspect ratio where the model has them, [B, D] f32. */
  private condition(r: Recorder, { timestep, resolution, aspectRatio }: PixartInput): Tensor {
    using scope = r.scope();
    const embed = (values: readonly number[], [first, second]: Mlp): Tensor => {
      const order = { flipSinToCos: true, downscaleFreqShift: 0 };
      const x = r.upload([values.length, SINUSOID], timestepProjection(values, SINUSOID, order));
      return linear(r, linear(r, x, first, { act: "silu", dtype: "f32" }), second, { dtype: "f32" });
    };
    const t = embed(timestep, this.time);
    if (!this.size) return scope.keep(t);
    if (!resolution || !aspectRatio) {
      throw new LssgenError("internal", "This PixArt needs the picture's size and aspect ratio");
    }
    const B = timestep.length;
    const sides = embed(resolution.flat(), this.size.resolution); // [2B, D/3]
    const both = { ...sides, shape: [B, 2 * sides.shape[1]] };
    return scope.keep(add(r, t, concatChannels(r, both, embed(aspectRatio, this.size.aspectRatio))));
  }
}

/** Two layers with silu between them, over sinusoids. */
type Mlp = readonly [LinearWeights, LinearWeights];

/** Channels of a sinusoid. */
const SINUSOID = 256;

/** x [..] B times over: [B, ..] f32. */
function stacked(r: Recorder, x: Tensor, B: number): Tensor {
  const bytes = elements(x.shape) * 4;
  const out = r.tensor([B, ...x.shape], "f32");
  for (let b = 0; b < B; b++) r.copy(x, 0, out, b * bytes, bytes);
  return out;
}

/** Self-attention, cross-attention, MLP; the shared modulation is shifted by the block's own table. */
class PixartBlock {
  private readonly table: Tensor;
  private readonly qkv: LinearWeights;
  private readonly out: LinearWeights;
  private readonly crossQ: LinearWeights;
  private readonly crossKv: LinearWeights;
  private readonly crossOut: LinearWeights;
  private readonly up: LinearWeights;
  private readonly down: LinearWeights;

  constructor(w: Weights, private readonly D: number, private readonly c: PixartConfig) {
    const bias = c.attention_bias;
    this.table = w.table("scale_shift_table", [6, D]);
    this.qkv = w.at("attn1").linearCat(["to_q", "to_k", "to_v"], [D, D, D], D, { bias });
    this.out = w.linear("attn1.to_out.0", D, D);
    this.crossQ = w.linear("attn2.to_q", D, D, { bias });
    this.crossKv = w.at("attn2").linearCat(["to_k", "to_v"], [D, D], D, { bias });
    this.crossOut = w.linear("attn2.to_out.0", D, D);
    this.up = w.linear("ff.net.0.proj", 4 * D, D);
    this.down = w.linear("ff.net.2", D, 4 * D);
  }

  /** stream [B, S, D] f32 is updated in place. */
  forward(r: Recorder, stream: Tensor, shared: Tensor, text: Tensor, keyMask: Tensor | undefined): void {
    const { D, c } = this;
    const B = stream.shape[0];
    const heads = { heads: c.num_attention_heads, headDim: c.attention_head_dim };
    using _ = r.scope();
    // shift, scale, gate of the attention; shift, scale, gate of the MLP
    const m = { ...add(r, { ...shared, shape: [B, 6, D] }, stacked(r, this.table, B)), shape: [B, 6 * D] };
    const n1 = layerNorm(r, stream, { eps: c.norm_eps, modulation: m, shiftAt: 0, scaleAt: D });
    const qkv = linear(r, n1, this.qkv);
    const a = attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: D }, { tensor: qkv, at: 2 * D }, heads);
    linear(r, a, this.out, { gate: m, gateAt: 2 * D, into: stream, accumulate: true });

    // No norm in front of the cross-attention.
    const q = linear(r, stream, this.crossQ);
    const kv = linear(r, text, this.crossKv); // [B, T, 2D]
    const x = attention(r, { tensor: q, at: 0 }, { tensor: kv, at: 0 }, { tensor: kv, at: D }, {
      ...heads,
      keyMask,
    });
    linear(r, x, this.crossOut, { into: stream, accumulate: true });

    const n2 = layerNorm(r, stream, { eps: c.norm_eps, modulation: m, shiftAt: 3 * D, scaleAt: 4 * D });
    const up = linear(r, n2, this.up, { act: "gelu_tanh" });
    linear(r, up, this.down, { gate: m, gateAt: 5 * D, into: stream, accumulate: true });
  }
}
