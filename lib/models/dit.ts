/**
 * DiT: a class-conditional diffusion transformer.
 *
 * Source: Scalable Diffusion Models with Transformers (arXiv 2212.09748); names as in diffusers
 * DiTTransformer2DModel.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { activation, add } from "../ops/elementwise.ts";
import { embedTokens, timestepProjection } from "../ops/embedding.ts";
import { sincos2d } from "../ops/sincos2d.ts";
import { linear, type LinearWeights, type Matrix } from "../ops/linear.ts";
import { layerNorm } from "../ops/norm.ts";
import { packLatents, unpackLatents } from "../ops/pack.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import { type BlockRun, EVERY_BLOCK } from "./block_run.ts";
import type { Weights } from "./weights.ts";

/** Config keys as diffusers spells them. */
export interface DitConfig {
  /** Heads; the width D is heads × head dim. */
  readonly num_attention_heads: number;
  /** Channels a head. */
  readonly attention_head_dim: number;
  /** Latent channels. */
  readonly in_channels: number;
  /** Channels predicted; twice the latents' where the variance is learned. */
  readonly out_channels: number;
  /** Blocks. */
  readonly num_layers: number;
  /** Whether the attention's projections have a bias. */
  readonly attention_bias: boolean;
  /** Side of the training latents: the position table's base. */
  readonly sample_size: number;
  /** Latent pixels a token's side. */
  readonly patch_size: number;
  /** Rows of the class table less one, the null class. */
  readonly num_embeds_ada_norm: number;
  /** eps of the MLP's norm. */
  readonly norm_eps: number;
}

/** Reads and checks transformer/config.json. */
export function ditConfig(c: ConfigReader): DitConfig {
  c.expect("norm_type", "ada_norm_zero");
  c.expect("activation_fn", "gelu-approximate");
  c.expect("norm_elementwise_affine", false);
  const in_channels = c.whole("in_channels", 1, MOST.width, 4);
  const num_attention_heads = c.whole("num_attention_heads", 1, MOST.heads, 16);
  const attention_head_dim = c.whole("attention_head_dim", 1, MOST.width, 72);
  c.require(
    num_attention_heads * attention_head_dim % 4 === 0,
    "attention_head_dim",
    "a width that 4 divides: sine and cosine of two axes",
  );
  return {
    num_attention_heads,
    attention_head_dim,
    in_channels,
    out_channels: c.whole("out_channels", 1, MOST.width, in_channels, { orNull: true }),
    num_layers: c.whole("num_layers", 1, MOST.layers, 28),
    attention_bias: c.bool("attention_bias", true),
    sample_size: c.whole("sample_size", 1, MOST.positions, 32),
    patch_size: c.whole("patch_size", 1, MOST.patch, 2),
    num_embeds_ada_norm: c.whole("num_embeds_ada_norm", 1, MOST.rows, 1000),
    norm_eps: c.range("norm_eps", 1e-12, 0.1, 1e-5),
  };
}

/** What one call of the network needs. */
export interface DitInput {
  /** Latents, [B, h, w, C]. */
  readonly latents: Tensor;
  /** Timestep of each sample, 0 … 999. */
  readonly timestep: readonly number[];
  /** Class of each sample; `num_embeds_ada_norm` is the null class. */
  readonly classLabels: readonly number[];
  /** How the blocks run; by default all of them do. */
  readonly blocks?: BlockRun;
}

/** DiTTransformer2DModel. */
export class DitTransformer {
  private readonly proj: LinearWeights;
  private readonly blocks: DitBlock[];
  private readonly projOut1: LinearWeights;
  private readonly projOut2: LinearWeights;
  private readonly D: number;

  /** Declares the weights; load them before `forward`. */
  constructor(w: Weights, readonly config: DitConfig) {
    const c = config;
    const D = this.D = c.num_attention_heads * c.attention_head_dim;
    const p = c.patch_size;
    this.proj = w.linear("pos_embed.proj", D, c.in_channels * p * p, { stored: [D, c.in_channels, p, p] });
    // Some files store the sin-cos table; it is computed here for every size.
    if (w.has("pos_embed.pos_embed")) w.ignore("pos_embed.pos_embed");
    this.blocks = Array.from(
      { length: c.num_layers },
      (_, i) => new DitBlock(w.at("transformer_blocks").at(i), D, c),
    );
    this.projOut1 = w.linear("proj_out_1", 2 * D, D);
    this.projOut2 = w.linear("proj_out_2", p * p * c.out_channels, D);
  }

  /** Noise (and, in the second half of the channels, variance) predicted, [B, h, w, out_channels] f32. */
  forward(r: Recorder, input: DitInput): Tensor {
    const { D, config } = this;
    const p = config.patch_size;
    const [B, H, W] = input.latents.shape;
    const [h, w] = [H / p, W / p];
    for (const label of input.classLabels) {
      if (!(Number.isInteger(label) && label >= 0 && label <= config.num_embeds_ada_norm)) {
        throw new LssgenError(
          "bad_option",
          `Class ${label} does not exist: expected 0 … ${config.num_embeds_ada_norm}`,
        );
      }
    }
    using scope = r.scope();
    const table = sincos2d(D, h, w, config.sample_size / p, 1);
    const positions = new Float32Array(B * table.length);
    for (let b = 0; b < B; b++) positions.set(table, b * table.length);
    const patches = linear(r, packLatents(r, input.latents, p), this.proj, { dtype: "f32" });
    const stream = add(r, patches, r.upload([B, h * w, D], positions)); // [B, S, D]

    const t = r.upload(
      [B, 256],
      timestepProjection([...input.timestep], 256, { flipSinToCos: true, downscaleFreqShift: 1 }),
    );
    const labels = Int32Array.from(input.classLabels);
    const run = (block: DitBlock): void => block.forward(r, stream, t, labels);
    const [first, ...others] = this.blocks;
    const { blocks = EVERY_BLOCK } = input;
    blocks.run(r, stream, () => run(first), () => others.forEach(run));

    // The first block's own conditioning drives the output, as the original does.
    const m = linear(r, this.blocks[0].condition(r, t, labels), this.projOut1, { dtype: "f32" }); // shift, scale
    const n = layerNorm(r, stream, { eps: 1e-6, modulation: m, shiftAt: 0, scaleAt: D });
    const y = linear(r, n, this.projOut2, { dtype: "f32" });
    return scope.keep(unpackLatents(r, y, h, w, p, "channel_last"));
  }
}

/** BasicTransformerBlock with adaLN-Zero: each block embeds timestep and class by itself. */
class DitBlock {
  private readonly time1: LinearWeights;
  private readonly time2: LinearWeights;
  private readonly classes: Matrix;
  private readonly modulation: LinearWeights;
  private readonly qkv: LinearWeights;
  private readonly out: LinearWeights;
  private readonly up: LinearWeights;
  private readonly down: LinearWeights;

  constructor(w: Weights, private readonly D: number, private readonly c: DitConfig) {
    const emb = w.at("norm1.emb");
    this.time1 = emb.linear("timestep_embedder.linear_1", D, 256);
    this.time2 = emb.linear("timestep_embedder.linear_2", D, D);
    this.classes = emb.matrix(["class_embedder.embedding_table.weight"], [c.num_embeds_ada_norm + 1], D);
    this.modulation = w.linear("norm1.linear", 6 * D, D);
    this.qkv = w.at("attn1").linearCat(["to_q", "to_k", "to_v"], [D, D, D], D, { bias: c.attention_bias });
    this.out = w.linear("attn1.to_out.0", D, D);
    this.up = w.linear("ff.net.0.proj", 4 * D, D);
    this.down = w.linear("ff.net.2", D, 4 * D);
  }

  /** silu(timestep + class), [B, D]. */
  condition(r: Recorder, t: Tensor, labels: Int32Array<ArrayBuffer>): Tensor {
    using scope = r.scope();
    const B = labels.length;
    const label = embedTokens(r, labels, [B, 1], this.classes);
    const h = linear(r, t, this.time1, { act: "silu", dtype: "f32" });
    const sum = linear(r, h, this.time2, { residual: { ...label, shape: [B, this.D] }, dtype: "f32" });
    return scope.keep(activation(r, sum, "silu", "f32"));
  }

  /** stream [B, S, D] f32 is updated in place. */
  forward(r: Recorder, stream: Tensor, t: Tensor, labels: Int32Array<ArrayBuffer>): void {
    const { D, c } = this;
    using _ = r.scope();
    // shift, scale, gate of the attention; shift, scale, gate of the MLP
    const m = linear(r, this.condition(r, t, labels), this.modulation, { dtype: "f32" });
    const n1 = layerNorm(r, stream, { eps: 1e-6, modulation: m, shiftAt: 0, scaleAt: D });
    const qkv = linear(r, n1, this.qkv);
    const a = attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: D }, { tensor: qkv, at: 2 * D }, {
      heads: c.num_attention_heads,
      headDim: c.attention_head_dim,
    });
    linear(r, a, this.out, { gate: m, gateAt: 2 * D, into: stream, accumulate: true });
    const n2 = layerNorm(r, stream, { eps: c.norm_eps, modulation: m, shiftAt: 3 * D, scaleAt: 4 * D });
    const up = linear(r, n2, this.up, { act: "gelu_tanh" });
    linear(r, up, this.down, { gate: m, gateAt: 5 * D, into: stream, accumulate: true });
  }
}
