/**
 * Stable Diffusion 3 and 3.5: MMDiT, a transformer whose blocks let picture and text tokens attend jointly.
 *
 * Source: Scaling Rectified Flow Transformers (arXiv 2403.03206); SD3.5-medium's MMDiT-X adds a second,
 * picture-only attention. Names as in diffusers SD3Transformer2DModel.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { activation, add, combine } from "../ops/elementwise.ts";
import { embedTokens, timestepProjection } from "../ops/embedding.ts";
import { linear, type LinearWeights, type Matrix } from "../ops/linear.ts";
import { layerNorm } from "../ops/norm.ts";
import { packLatents, unpackLatents } from "../ops/pack.ts";
import { qkNormRope, type QkNorms } from "../ops/qk_norm_rope.ts";
import { gridPlaces, spreadTokens, takeTokens } from "../ops/token_sets.ts";
import type { TokenSet } from "../token_set.ts";
import { type Rows, rows, type Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import { type BlockRun, EVERY_BLOCK } from "./block_run.ts";
import type { Weights } from "./weights.ts";

/** Config keys as diffusers spells them. */
export interface Sd3Config {
  /** Latent pixels a token's side. */
  readonly patch_size: number;
  /** Latent channels. */
  readonly in_channels: number;
  /** Channels predicted, the latents' own. */
  readonly out_channels: number;
  /** Blocks. */
  readonly num_layers: number;
  /** Channels a head. */
  readonly attention_head_dim: number;
  /** Heads; the width D is heads × head dim. */
  readonly num_attention_heads: number;
  /** Width of the joined text states. */
  readonly joint_attention_dim: number;
  /** Width of the text stream, equal to D. */
  readonly caption_projection_dim: number;
  /** Width of the joined pooled text. */
  readonly pooled_projection_dim: number;
  /** Side of the stored position table, in tokens. */
  readonly pos_embed_max_size: number;
  /** Blocks with a second, picture-only attention (SD3.5-medium). */
  readonly dual_attention_layers: readonly number[];
  /** "rms_norm" (SD3.5) or none (SD3). */
  readonly qk_norm: string | null;
}

/** Reads and checks transformer/config.json. */
export function sd3Config(c: ConfigReader): Sd3Config {
  const in_channels = c.whole("in_channels", 1, MOST.width, 16);
  const num_layers = c.whole("num_layers", 1, MOST.layers, 18);
  const attention_head_dim = c.whole("attention_head_dim", 1, MOST.width, 64);
  const num_attention_heads = c.whole("num_attention_heads", 1, MOST.heads, 18);
  const caption_projection_dim = c.whole("caption_projection_dim", 1, MOST.width, 1152);
  c.require(
    caption_projection_dim === num_attention_heads * attention_head_dim,
    "caption_projection_dim",
    `num_attention_heads · attention_head_dim, ${num_attention_heads * attention_head_dim}`,
  );
  const layers = { min: 0, max: num_layers - 1, least: 0, most: num_layers };
  return {
    patch_size: c.whole("patch_size", 1, MOST.patch, 2),
    in_channels,
    out_channels: c.whole("out_channels", 1, MOST.width, in_channels, { orNull: true }),
    num_layers,
    attention_head_dim,
    num_attention_heads,
    joint_attention_dim: c.whole("joint_attention_dim", 1, MOST.width, 4096),
    caption_projection_dim,
    pooled_projection_dim: c.whole("pooled_projection_dim", 1, MOST.width, 2048),
    pos_embed_max_size: c.whole("pos_embed_max_size", 1, 4096, 96),
    dual_attention_layers: c.wholes("dual_attention_layers", layers, []),
    qk_norm: c.oneOf("qk_norm", ["none", "rms_norm"], "none", { orNull: true }) === "rms_norm"
      ? "rms_norm"
      : null,
  };
}

/** A model without some of its blocks, for counting its FLOPs. */
export function withoutLayers(c: Sd3Config, skipped: readonly number[] = []): Sd3Config {
  return {
    ...c,
    num_layers: c.num_layers - skipped.length,
    dual_attention_layers: c.dual_attention_layers.filter((layer) => !skipped.includes(layer)),
  };
}

/** What one call of the network needs. */
export interface Sd3Input {
  /** Latents, [B, h, w, C]. */
  readonly latents: Tensor;
  /** Joined text states, [B, T, joint_attention_dim]. */
  readonly encoderHiddenStates: Tensor;
  /** Joined pooled text, [B, pooled_projection_dim]. */
  readonly pooledProjections: Tensor;
  /** Timestep of each sample, 0 … 1000. */
  readonly timestep: readonly number[];
  /** Blocks to leave out (skip-layer guidance). */
  readonly skipLayers?: readonly number[];
  /** How the blocks run; by default all of them do. */
  readonly blocks?: BlockRun;
  /** Tokens that the network sees, where those are not all. */
  readonly tokens?: TokenSet;
}

/** SD3Transformer2DModel. */
export class Sd3Transformer {
  private readonly proj: LinearWeights;
  private readonly positions: Matrix;
  private readonly timestepEmbedder: readonly [LinearWeights, LinearWeights];
  private readonly textEmbedder: readonly [LinearWeights, LinearWeights];
  private readonly contextEmbedder: LinearWeights;
  private readonly blocks: JointBlock[] = [];
  private readonly normOut: LinearWeights;
  private readonly projOut: LinearWeights;
  private readonly D: number;

  /** Declares the weights; load them before `forward`. */
  constructor(w: Weights, readonly config: Sd3Config) {
    const c = config;
    const D = this.D = c.num_attention_heads * c.attention_head_dim;
    const p = c.patch_size;
    this.proj = w.linear("pos_embed.proj", D, c.in_channels * p * p, { stored: [D, c.in_channels, p, p] });
    const places = c.pos_embed_max_size ** 2;
    // As stored: in f32 the table of SD3.5 medium would take a gigabyte. A step reads a crop of it only.
    this.positions = w.matrix(["pos_embed.pos_embed"], [places], D, {
      ...{ stored: [1, places, D], exact: true, stays: true },
    });
    const embed = w.at("time_text_embed");
    const mlp = (name: string, K: number) =>
      [embed.linear(`${name}.linear_1`, D, K), embed.linear(`${name}.linear_2`, D, D)] as const;
    this.timestepEmbedder = mlp("timestep_embedder", 256);
    this.textEmbedder = mlp("text_embedder", c.pooled_projection_dim);
    this.contextEmbedder = w.linear("context_embedder", c.caption_projection_dim, c.joint_attention_dim);
    for (let i = 0; i < c.num_layers; i++) {
      this.blocks.push(
        new JointBlock(w.at("transformer_blocks").at(i), D, c, {
          last: i === c.num_layers - 1,
          dual: c.dual_attention_layers.includes(i),
        }),
      );
    }
    this.normOut = w.linear("norm_out.linear", 2 * D, D);
    this.projOut = w.linear("proj_out", p * p * c.out_channels, D);
  }

  /** Velocity of the latents, [B, h, w, C] f32. */
  forward(r: Recorder, input: Sd3Input): Tensor {
    const { D, config } = this;
    const p = config.patch_size;
    const [B, H, W] = input.latents.shape;
    const [h, w] = [H / p, W / p];
    const { tokens } = input;
    const S = tokens?.count ?? h * w;
    const T = input.encoderHiddenStates.shape[1];
    using scope = r.scope();

    const sinusoid = timestepProjection([...input.timestep], 256, {
      flipSinToCos: true,
      downscaleFreqShift: 0,
    });
    const [t1, t2] = this.timestepEmbedder;
    const [p1, p2] = this.textEmbedder;
    const sum = linear(r, linear(r, r.upload([B, 256], sinusoid), t1, { act: "silu", dtype: "f32" }), t2, {
      dtype: "f32",
    });
    linear(r, linear(r, input.pooledProjections, p1, { act: "silu", dtype: "f32" }), p2, {
      into: sum,
      accumulate: true,
    });
    const temb = activation(r, sum, "silu", "f32"); // every use applies silu first, [B, D]

    // One residual stream: text tokens, then picture tokens. Without rotary positions the order is free.
    const stream = r.tensor([B, T + S, D], "f32");
    const txt = rows(stream, 0, T);
    const img = rows(stream, T, S);
    linear(r, input.encoderHiddenStates, this.contextEmbedder, { into: txt });
    const packed = tokens ? takeTokens(r, input.latents, tokens, p) : packLatents(r, input.latents, p);
    const patches = linear(r, packed, this.proj, { dtype: "f32" });
    add(r, patches, tokens ? this.positionsOf(r, B, tokens) : this.cropPositions(r, B, h, w), { into: img });

    const { skipLayers, blocks = EVERY_BLOCK } = input;
    const run = (block: JointBlock, i: number): void => {
      if (!skipLayers?.includes(i)) block.forward(r, stream, txt, img, temb);
    };
    blocks.run(r, img, () => run(this.blocks[0], 0), () => {
      this.blocks.forEach((block, i) => i > 0 && run(block, i));
    });

    const m = linear(r, temb, this.normOut, { dtype: "f32" }); // scale, then shift
    const n = layerNorm(r, img, { eps: 1e-6, modulation: m, scaleAt: 0, shiftAt: D });
    const y = linear(r, n, this.projOut, { dtype: "f32" }); // [B, S, p·p·C], channel last
    return scope.keep(
      tokens
        ? spreadTokens(r, y, tokens, h, w, p, "channel_last")
        : unpackLatents(r, y, h, w, p, "channel_last"),
    );
  }

  /** Rows of the stored table for some tokens; between two or four of them their mean. [B, count, D] */
  private positionsOf(r: Recorder, B: number, { places, grid: [h, w] }: TokenSet): Tensor {
    const corners = [Math.floor, Math.ceil].flatMap((y) => [Math.floor, Math.ceil].map((x) => ({ y, x })));
    using scope = r.scope();
    const parts = corners.map(({ y, x }) => {
      const some = places.map(([row, column]): [number, number] => [
        Math.min(h - 1, y(row)),
        Math.min(w - 1, x(column)),
      ]);
      return { coef: 1 / 4, tensor: this.tableRows(r, B, h, w, some) };
    });
    return scope.keep(combine(r, parts));
  }

  /** The h × w window at the centre of the stored table, for each sample: [B, h·w, D]. */
  private cropPositions(r: Recorder, B: number, h: number, w: number): Tensor {
    return this.tableRows(r, B, h, w, gridPlaces(h, w));
  }

  /** Places of that window, for each sample: [B, places, D]. */
  private tableRows(
    r: Recorder,
    B: number,
    h: number,
    w: number,
    some: readonly (readonly [y: number, x: number])[],
  ): Tensor {
    const side = this.config.pos_embed_max_size;
    if (h > side || w > side) {
      throw new LssgenError(
        "bad_option",
        `Size not supported: ${h} × ${w} tokens, the model's position table holds ${side} × ${side}; choose at most ${
          side * 8 * this.config.patch_size
        } pixels a side`,
      );
    }
    const top = Math.floor((side - h) / 2);
    const left = Math.floor((side - w) / 2);
    const ids = Int32Array.from({ length: B * some.length }, (_, i) => {
      const [y, x] = some[i % some.length];
      return (top + y) * side + left + x;
    });
    return embedTokens(r, ids, [B, some.length], this.positions);
  }
}

/** Query, key and value in one, and their norms where the model has them. */
interface Attention {
  readonly qkv: LinearWeights;
  readonly norms?: QkNorms;
}

/** Weights of one kind of tokens in a joint block. */
class Stream implements Attention {
  readonly qkv: LinearWeights;
  readonly norms?: QkNorms;
  readonly out?: LinearWeights;
  readonly up?: LinearWeights;
  readonly down?: LinearWeights;

  constructor(
    w: Weights,
    D: number,
    headDim: number,
    o: { suffix: "" | "_context"; qkNorm: boolean; readOnly: boolean },
  ) {
    const attn = w.at("attn");
    const text = o.suffix !== "";
    const qkv = text ? ["add_q_proj", "add_k_proj", "add_v_proj"] : ["to_q", "to_k", "to_v"];
    this.qkv = attn.linearCat(qkv, [D, D, D], D);
    if (o.qkNorm) this.norms = qkNorms(attn, text ? "norm_added" : "norm", headDim);
    if (!o.readOnly) {
      this.out = attn.linear(text ? "to_add_out" : "to_out.0", D, D);
      this.up = w.linear(`ff${o.suffix}.net.0.proj`, 4 * D, D);
      this.down = w.linear(`ff${o.suffix}.net.2`, D, 4 * D);
    }
  }
}

function qkNorms(attn: Weights, name: string, headDim: number): QkNorms {
  return { q: attn.vector(`${name}_q.weight`, headDim), k: attn.vector(`${name}_k.weight`, headDim) };
}

/** JointTransformerBlock: in the last one the text is read but no longer updated. */
class JointBlock {
  private readonly modulation: LinearWeights;
  private readonly img: Stream;
  private readonly txt: Stream;
  private readonly dual?: Attention & { readonly out: LinearWeights };
  private readonly heads: number;
  private readonly last: boolean;
  /** Column of the modulation where the text's begins. */
  private readonly text: number;

  constructor(w: Weights, private readonly D: number, c: Sd3Config, o: { last: boolean; dual: boolean }) {
    this.heads = c.num_attention_heads;
    this.last = o.last;
    const d = c.attention_head_dim;
    const qkNorm = c.qk_norm === "rms_norm";
    this.text = (o.dual ? 9 : 6) * D;
    const widths = [this.text, (o.last ? 2 : 6) * D];
    this.modulation = w.linearCat(["norm1.linear", "norm1_context.linear"], widths, D);
    this.img = new Stream(w, D, d, { suffix: "", qkNorm, readOnly: false });
    this.txt = new Stream(w, D, d, { suffix: "_context", qkNorm, readOnly: o.last });
    if (o.dual) {
      const attn2 = w.at("attn2");
      this.dual = {
        qkv: attn2.linearCat(["to_q", "to_k", "to_v"], [D, D, D], D),
        norms: qkNorm ? qkNorms(attn2, "norm", d) : undefined,
        out: attn2.linear("to_out.0", D, D),
      };
    }
  }

  /** stream [B, T+S, D] is updated in place; txt and img are its two parts. */
  forward(r: Recorder, stream: Tensor, txt: Rows, img: Rows, temb: Tensor): void {
    const { D, dual, text, last, heads } = this;
    const [B, N] = stream.shape;
    const streams = last ? [{ s: this.img, x: img, m0: 0 }] : [
      { s: this.img, x: img, m0: 0 },
      { s: this.txt, x: txt, m0: text },
    ];
    using _ = r.scope();
    // Picture: shift, scale, gate of attention; shift, scale, gate of the MLP; the same of the second attention.
    // Then the text's, without a second attention.
    const m = linear(r, temb, this.modulation, { dtype: "f32" });

    // Picture and text in one kernel. The last block's text norm is the continuous kind: scale first.
    const h = layerNorm(r, stream, {
      eps: 1e-6,
      modulation: m,
      shiftAt: 0,
      scaleAt: D,
      head: { count: txt.count, shiftAt: text + (last ? D : 0), scaleAt: text + (last ? 0 : D) },
    });
    const second = dual
      ? layerNorm(r, img, { eps: 1e-6, modulation: m, shiftAt: 6 * D, scaleAt: 7 * D })
      : undefined;

    const qkv = r.tensor([B, N, 3 * D]);
    linear(r, rows(h, txt.at, txt.count), this.txt.qkv, { into: rows(qkv, txt.at, txt.count) });
    linear(r, rows(h, img.at, img.count), this.img.qkv, { into: rows(qkv, img.at, img.count) });
    const head = this.txt.norms && { count: txt.count, norms: this.txt.norms };
    qkNormRope(r, qkv, { heads, norms: this.img.norms, head, eps: 1e-6 });
    const joint = this.selfAttention(r, qkv); // [B, T+S, D]

    for (const { s, x, m0 } of streams) {
      const attn = rows(joint, x.at, x.count);
      linear(r, attn, s.out!, { gate: m, gateAt: m0 + 2 * D, into: x, accumulate: true });
    }
    if (dual && second) {
      const qkv2 = linear(r, second, dual.qkv);
      qkNormRope(r, qkv2, { heads, norms: dual.norms, eps: 1e-6 });
      const attn = this.selfAttention(r, qkv2);
      linear(r, attn, dual.out, { gate: m, gateAt: 8 * D, into: img, accumulate: true });
    }

    // x += gate · W₂ gelu(W₁ modulate(norm x))
    const h2 = layerNorm(r, last ? img : stream, {
      eps: 1e-6,
      modulation: m,
      shiftAt: 3 * D,
      scaleAt: 4 * D,
      head: last ? undefined : { count: txt.count, shiftAt: text + 3 * D, scaleAt: text + 4 * D },
    });
    for (const { s, x, m0 } of streams) {
      using _up = r.scope();
      const up = linear(r, last ? h2 : rows(h2, x.at, x.count), s.up!, { act: "gelu_tanh" });
      linear(r, up, s.down!, { gate: m, gateAt: m0 + 5 * D, into: x, accumulate: true });
    }
  }

  private selfAttention(r: Recorder, qkv: Tensor): Tensor {
    const { D, heads } = this;
    return attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: D }, { tensor: qkv, at: 2 * D }, {
      heads,
      headDim: D / heads,
    });
  }
}
