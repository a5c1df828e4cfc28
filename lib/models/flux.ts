/**
 * FLUX.1: a rectified-flow transformer with double-stream and single-stream blocks.
 *
 * Source: FLUX.1 (Black Forest Labs); names as in diffusers FluxTransformer2DModel.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { activation } from "../ops/elementwise.ts";
import { ropeTable, timestepProjection } from "../ops/embedding.ts";
import { linear, type LinearWeights } from "../ops/linear.ts";
import { layerNorm } from "../ops/norm.ts";
import { qkNormRope, type QkNorms } from "../ops/qk_norm_rope.ts";
import { type Rows, rows, type Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import { type BlockRun, EVERY_BLOCK } from "./block_run.ts";
import type { Weights } from "./weights.ts";

/** Config keys as diffusers spells them. */
export interface FluxConfig {
  /** Channels of a packed token (4 × the VAE's latent channels). */
  readonly in_channels: number;
  /** Channels predicted; fewer than in_channels where a picture or mask is an input too. */
  readonly out_channels: number;
  /** Double-stream blocks. */
  readonly num_layers: number;
  /** Single-stream blocks. */
  readonly num_single_layers: number;
  /** Channels a head. */
  readonly attention_head_dim: number;
  /** Heads; the width D is heads × head dim. */
  readonly num_attention_heads: number;
  /** Width of the T5 hidden states. */
  readonly joint_attention_dim: number;
  /** Width of CLIP's pooled output. */
  readonly pooled_projection_dim: number;
  /** Whether the guidance scale is an input (dev) or not (schnell). */
  readonly guidance_embeds: boolean;
  /** Rotary channels for each of the axes (index, y, x); they sum to the head dim. */
  readonly axes_dims_rope: readonly number[];
}

/** Reads and checks transformer/config.json. */
export function fluxConfig(c: ConfigReader): FluxConfig {
  c.expect("patch_size", 1);
  const in_channels = c.whole("in_channels", 1, MOST.width, 64);
  const attention_head_dim = c.whole("attention_head_dim", 1, MOST.width, 128);
  const rope = { min: 2, max: MOST.width, least: 3, most: 3 };
  const axes_dims_rope = c.wholes("axes_dims_rope", rope, [16, 56, 56]);
  c.require(
    axes_dims_rope.every((n) => n % 2 === 0) && axes_dims_rope.reduce((a, b) => a + b) === attention_head_dim,
    "axes_dims_rope",
    `even numbers whose sum is attention_head_dim, ${attention_head_dim}`,
  );
  return {
    in_channels,
    out_channels: c.whole("out_channels", 1, MOST.width, in_channels, { orNull: true }),
    num_layers: c.whole("num_layers", 1, MOST.layers, 19),
    num_single_layers: c.whole("num_single_layers", 1, MOST.layers, 38),
    attention_head_dim,
    num_attention_heads: c.whole("num_attention_heads", 1, MOST.heads, 24),
    joint_attention_dim: c.whole("joint_attention_dim", 1, MOST.width, 4096),
    pooled_projection_dim: c.whole("pooled_projection_dim", 1, MOST.width, 768),
    guidance_embeds: c.bool("guidance_embeds", false),
    axes_dims_rope,
  };
}

/** What one call of the network needs beside the latents. */
export interface FluxInput {
  /** Packed latents, [B, S, in_channels]. */
  readonly hiddenStates: Tensor;
  /** T5 hidden states, [B, T, joint_attention_dim]. */
  readonly encoderHiddenStates: Tensor;
  /** What {@linkcode FluxTransformer.modulation} made of time step, guidance and pooled text, B rows of it. */
  readonly modulation: FluxModulation;
  /** Table of {@linkcode FluxTransformer.rope} over T + S positions. */
  readonly rope: Tensor;
  /** How the blocks run; by default all of them do. */
  readonly blocks?: BlockRun;
}

/** What scales, shifts and gates the tokens; every tensor f32, a row for each sample. */
export interface FluxModulation {
  /** Of each double-stream block, [B, 12D]. */
  readonly double: readonly Tensor[];
  /** Of each single-stream block, [B, 3D]. */
  readonly single: readonly Tensor[];
  /** Of the last norm, [B, 2D]. */
  readonly out: Tensor;
}

/** What modulation is made of. */
export interface FluxCondition {
  /** Noise level of each sample, 0 … 1 (sigma). */
  readonly timestep: readonly number[];
  /** Guidance scale of each sample; only where `guidance_embeds`. */
  readonly guidance?: readonly number[];
  /** CLIP's pooled output of each sample, [B, pooled_projection_dim]. */
  readonly pooledProjections: Tensor;
}

/** Some rows of a modulation: in place where a binding may begin there, as it may in models of usual width, else copies. */
export function modulationRows(
  r: Recorder,
  m: FluxModulation,
  first: number,
  count: number,
): FluxModulation {
  const part = (t: Tensor): Tensor => {
    const shape = [count, t.shape[1]];
    const [at, byteLength] = [first * t.shape[1] * 4, count * t.shape[1] * 4];
    if (at % 256 === 0) return { ...t, shape, offset: t.offset + at, byteLength };
    const copy = r.tensor(shape, "f32");
    r.copy(t, at, copy, 0, byteLength);
    return copy;
  };
  return { double: m.double.map(part), single: m.single.map(part), out: part(m.out) };
}

/** FluxTransformer2DModel. */
export class FluxTransformer {
  private readonly xEmbedder: LinearWeights;
  private readonly contextEmbedder: LinearWeights;
  private readonly timestepEmbedder: Mlp;
  private readonly guidanceEmbedder?: Mlp;
  private readonly textEmbedder: Mlp;
  private readonly double: FluxDoubleBlock[] = [];
  private readonly single: FluxSingleBlock[] = [];
  private readonly normOut: LinearWeights;
  private readonly projOut: LinearWeights;
  private readonly D: number;

  /** Declares the weights; load them before `forward`. */
  constructor(w: Weights, readonly config: FluxConfig) {
    const c = config;
    const D = this.D = c.num_attention_heads * c.attention_head_dim;
    this.xEmbedder = w.linear("x_embedder", D, c.in_channels);
    this.contextEmbedder = w.linear("context_embedder", D, c.joint_attention_dim);
    const embed = w.at("time_text_embed");
    this.timestepEmbedder = new Mlp(embed.at("timestep_embedder"), 256, D);
    if (c.guidance_embeds) this.guidanceEmbedder = new Mlp(embed.at("guidance_embedder"), 256, D);
    this.textEmbedder = new Mlp(embed.at("text_embedder"), c.pooled_projection_dim, D);
    for (let i = 0; i < c.num_layers; i++) {
      this.double.push(new FluxDoubleBlock(w.at("transformer_blocks").at(i), c.num_attention_heads, D));
    }
    for (let i = 0; i < c.num_single_layers; i++) {
      this.single.push(
        new FluxSingleBlock(w.at("single_transformer_blocks").at(i), c.num_attention_heads, D),
      );
    }
    this.normOut = w.linear("norm_out.linear", 2 * D, D);
    this.projOut = w.linear("proj_out", c.out_channels, D);
  }

  /** Velocity of the packed latents, [B, S, out_channels] f32. */
  forward(r: Recorder, input: FluxInput): Tensor {
    const { D } = this;
    const [B, S] = input.hiddenStates.shape;
    const T = input.encoderHiddenStates.shape[1];
    const { modulation, rope, blocks = EVERY_BLOCK } = input;
    using scope = r.scope();

    // One residual stream for both kinds of tokens, f32. Text comes first: every checkpoint assumes it.
    const stream = r.tensor([B, T + S, D], "f32");
    const txt = rows(stream, 0, T);
    const img = rows(stream, T, S);
    linear(r, input.encoderHiddenStates, this.contextEmbedder, { into: txt });
    linear(r, input.hiddenStates, this.xEmbedder, { into: img });

    const double = (block: FluxDoubleBlock, i: number): void =>
      block.forward(r, stream, txt, img, modulation.double[i], rope);
    blocks.run(r, img, () => double(this.double[0], 0), () => {
      this.double.forEach((block, i) => i > 0 && double(block, i));
      this.single.forEach((block, i) => block.forward(r, stream, modulation.single[i], rope));
    });

    // Scale, then shift: the other way round than in blocks.
    const h = layerNorm(r, img, { eps: 1e-6, modulation: modulation.out, scaleAt: 0, shiftAt: D });
    return scope.keep(linear(r, h, this.projOut, { dtype: "f32" }));
  }

  /**
   * Modulation of every block by time step, guidance and pooled text. It does not depend on the latents: several steps' are made
   * at once, and each weight is read once for all.
   *
   * @param into Tensors of an earlier call with as many rows, to fill again.
   */
  modulation(r: Recorder, condition: FluxCondition, into?: FluxModulation): FluxModulation {
    using scope = r.scope();
    const temb = this.timeTextEmbed(r, condition); // silu of the sum, [B, D]
    const of = (w: LinearWeights, into?: Tensor): Tensor => {
      const m = linear(r, temb, w, into ? { into } : { dtype: "f32" });
      return into ? m : scope.keep(m);
    };
    return {
      double: this.double.map(({ modulation }, i) => of(modulation, into?.double[i])),
      single: this.single.map(({ modulation }, i) => of(modulation, into?.single[i])),
      out: of(this.normOut, into?.out),
    };
  }

  /**
   * Rotary table over text positions (all 0) and the picture's places (0, y, x).
   *
   * @param T Text tokens. @param places Row and column of each of the picture's tokens: those of a whole grid, or some.
   * @returns cos, sin pairs, [T + places, head dim / 2, 2], row-major.
   */
  rope(T: number, places: readonly (readonly [y: number, x: number])[]): Float32Array<ArrayBuffer> {
    const ids: number[][] = Array.from({ length: T }, () => [0, 0, 0]);
    for (const [y, x] of places) ids.push([0, y, x]);
    return ropeTable(ids, this.config.axes_dims_rope, 10000);
  }

  /** silu(timestep + guidance + pooled text): every use of the embedding applies silu first. [B, D] */
  private timeTextEmbed(r: Recorder, { timestep, guidance, pooledProjections }: FluxCondition): Tensor {
    using scope = r.scope();
    const sum = this.timestepEmbedder.forward(r, sinusoid(r, timestep));
    if (this.guidanceEmbedder && guidance) {
      this.guidanceEmbedder.forward(r, sinusoid(r, guidance), sum);
    }
    this.textEmbedder.forward(r, pooledProjections, sum);
    return scope.keep(activation(r, sum, "silu", "f32"));
  }
}

/** linear_2(silu(linear_1 x)), optionally added to `into`. */
class Mlp {
  private readonly linear1: LinearWeights;
  private readonly linear2: LinearWeights;

  constructor(w: Weights, K: number, D: number) {
    this.linear1 = w.linear("linear_1", D, K);
    this.linear2 = w.linear("linear_2", D, D);
  }

  forward(r: Recorder, x: Tensor, into?: Tensor): Tensor {
    const h = linear(r, x, this.linear1, { act: "silu", dtype: "f32" });
    return linear(r, h, this.linear2, into ? { into, accumulate: true } : { dtype: "f32" });
  }
}

/** Sinusoidal embedding of 1000·t, [B, 256]. */
function sinusoid(r: Recorder, t: readonly number[]): Tensor {
  // diffusers multiplies in f32 before the sinusoid; so do we, or the phase differs at high frequencies.
  const scaled = t.map((v) => Math.fround(Math.fround(v) * 1000));
  return r.upload(
    [t.length, 256],
    timestepProjection(scaled, 256, { flipSinToCos: true, downscaleFreqShift: 0 }),
  );
}

/**
 * One double-stream block: image and text tokens keep their own weights and meet in one joint attention.
 * Kernels that need no weights, or only vectors of them, run over both kinds of tokens at once.
 */
export class FluxDoubleBlock {
  /** Of the picture, then of the text: shift, scale, gate of the attention, then of the MLP. [12D, D] */
  readonly modulation: LinearWeights;
  private readonly img: Stream;
  private readonly txt: Stream;

  constructor(w: Weights, private readonly heads: number, private readonly D: number) {
    const attn = w.at("attn");
    this.modulation = w.linearCat(["norm1.linear", "norm1_context.linear"], [6 * D, 6 * D], D);
    this.img = new Stream(w, attn, D, heads, {
      qkv: ["to_q", "to_k", "to_v"],
      norms: ["norm_q", "norm_k"],
      out: "to_out.0",
      ff: "ff",
    });
    this.txt = new Stream(w, attn, D, heads, {
      qkv: ["add_q_proj", "add_k_proj", "add_v_proj"],
      norms: ["norm_added_q", "norm_added_k"],
      out: "to_add_out",
      ff: "ff_context",
    });
  }

  /** stream [B, T+S, D] is updated in place; txt and img are its two parts. m is the block's modulation, [B, 12D]. */
  forward(r: Recorder, stream: Tensor, txt: Rows, img: Rows, m: Tensor, rope: Tensor): void {
    const { D, heads } = this;
    const [B, N] = stream.shape;
    const parts = [{ s: this.txt, x: txt, m0: 6 * D }, { s: this.img, x: img, m0: 0 }];
    using _ = r.scope();
    const norm = (shift: number): Tensor =>
      // both kinds of tokens, each with its own modulation
      layerNorm(r, stream, {
        eps: 1e-6,
        modulation: m,
        shiftAt: shift * D,
        scaleAt: (shift + 1) * D,
        head: { count: txt.count, shiftAt: (6 + shift) * D, scaleAt: (7 + shift) * D },
      });

    const h = norm(0);
    const qkv = r.tensor([B, N, 3 * D]);
    for (const { s, x } of parts) {
      linear(r, rows(h, x.at, x.count), s.qkv, { into: rows(qkv, x.at, x.count) });
    }
    qkNormRope(r, qkv, {
      heads,
      norms: this.img.norms,
      head: { count: txt.count, norms: this.txt.norms },
      eps: 1e-6,
      rope,
    });
    const joint = attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: D }, { tensor: qkv, at: 2 * D }, {
      heads,
      headDim: D / heads,
    }); // [B, T+S, D]

    // x += gate · proj(attn), then x += gate · mlp(modulate(norm(x))).
    for (const { s, x, m0 } of parts) {
      const attn = rows(joint, x.at, x.count);
      linear(r, attn, s.out, { gate: m, gateAt: m0 + 2 * D, into: x, accumulate: true });
    }
    const h2 = norm(3);
    for (const { s, x, m0 } of parts) {
      using _up = r.scope();
      const up = linear(r, rows(h2, x.at, x.count), s.up, { act: "gelu_tanh" }); // [B, n, 4D]
      linear(r, up, s.down, { gate: m, gateAt: m0 + 5 * D, into: x, accumulate: true });
    }
  }
}

/** Weights of one kind of tokens in a double-stream block. */
class Stream {
  readonly qkv: LinearWeights;
  readonly norms: QkNorms;
  readonly out: LinearWeights;
  readonly up: LinearWeights;
  readonly down: LinearWeights;

  constructor(
    w: Weights,
    attn: Weights,
    D: number,
    heads: number,
    names: { qkv: string[]; norms: [string, string]; out: string; ff: string },
  ) {
    this.qkv = attn.linearCat(names.qkv, [D, D, D], D);
    this.norms = qkNorms(attn, names.norms, D / heads);
    this.out = attn.linear(names.out, D, D);
    this.up = w.linear(`${names.ff}.net.0.proj`, 4 * D, D);
    this.down = w.linear(`${names.ff}.net.2`, D, 4 * D);
  }
}

function qkNorms(attn: Weights, [q, k]: [string, string], headDim: number): QkNorms {
  return { q: attn.vector(`${q}.weight`, headDim), k: attn.vector(`${k}.weight`, headDim) };
}

/** One single-stream block: attention and MLP side by side over all tokens, x += gate · proj([attn, mlp]). */
export class FluxSingleBlock {
  /** Shift, scale, gate. [3D, D] */
  readonly modulation: LinearWeights;
  private readonly qkv: LinearWeights;
  private readonly norms: QkNorms;
  private readonly projMlp: LinearWeights;
  private readonly projAttn: LinearWeights;
  private readonly projUp: LinearWeights;

  constructor(w: Weights, private readonly heads: number, private readonly D: number) {
    const attn = w.at("attn");
    this.modulation = w.linear("norm.linear", 3 * D, D);
    this.qkv = attn.linearCat(["to_q", "to_k", "to_v"], [D, D, D], D);
    this.norms = qkNorms(attn, ["norm_q", "norm_k"], D / heads);
    this.projMlp = w.linear("proj_mlp", 4 * D, D);
    // proj_out takes [attn, mlp] side by side: two column ranges of one matrix, so nothing is concatenated.
    [this.projAttn, this.projUp] = w.linearColumns("proj_out", D, [D, 4 * D]);
  }

  /** stream [B, T+S, D] is updated in place. m is the block's modulation, [B, 3D]. */
  forward(r: Recorder, stream: Tensor, m: Tensor, rope: Tensor): void {
    const { D, heads, norms } = this;
    using _ = r.scope();
    const h = layerNorm(r, stream, { eps: 1e-6, modulation: m, shiftAt: 0, scaleAt: D });

    const qkv = linear(r, h, this.qkv); // [B, T+S, 3D]
    qkNormRope(r, qkv, { heads, norms, eps: 1e-6, rope });
    const attn = attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: D }, { tensor: qkv, at: 2 * D }, {
      heads,
      headDim: D / heads,
    });
    const up = linear(r, h, this.projMlp, { act: "gelu_tanh" });

    linear(r, attn, this.projAttn, { gate: m, gateAt: 2 * D, into: stream, accumulate: true });
    linear(r, up, this.projUp, { gate: m, gateAt: 2 * D, into: stream, accumulate: true });
  }
}
