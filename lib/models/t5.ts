/**
 * T5's encoder, as FLUX, SD3 and PixArt use it.
 *
 * Source: T5 (arXiv 1910.10683), version 1.1; names as in transformers T5EncoderModel.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { product } from "../ops/elementwise.ts";
import { embedTokens } from "../ops/embedding.ts";
import { type Activation, linear, type LinearWeights, type Matrix } from "../ops/linear.ts";
import { rmsNorm } from "../ops/norm.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import type { Weights } from "./weights.ts";

/** Config keys as transformers spells them. */
export interface T5Config {
  /** Tokens known. */
  readonly vocab_size: number;
  /** Width D. */
  readonly d_model: number;
  /** Channels a head; heads × d_kv need not be D. */
  readonly d_kv: number;
  /** Width of the MLP. */
  readonly d_ff: number;
  /** Layers. */
  readonly num_layers: number;
  /** Heads. */
  readonly num_heads: number;
  /** Buckets of relative distance. */
  readonly relative_attention_num_buckets: number;
  /** Distance from which on all share a bucket. */
  readonly relative_attention_max_distance: number;
  /** eps of the RMS norms. */
  readonly layer_norm_epsilon: number;
  /** Whether the MLP is gated (version 1.1). */
  readonly gated: boolean;
  /** The MLP's activation. */
  readonly act: Activation;
}

/** Reads and checks text_encoder_2/config.json; transformers takes the general names of sizes as well as T5's own. */
export function t5Config(c: ConfigReader): T5Config {
  const kind = c.oneOf("feed_forward_proj", Object.keys(FEED_FORWARDS), "relu");
  const either = (own: string, general: string, max: number, fallback: number): number =>
    c.whole(own, 1, max, c.whole(general, 1, max, fallback));
  const buckets = c.whole("relative_attention_num_buckets", 4, 4096, 32);
  c.require(buckets % 2 === 0, "relative_attention_num_buckets", "an even number: half for each direction");
  return {
    vocab_size: c.whole("vocab_size", 1, MOST.rows, 32128),
    d_model: either("d_model", "hidden_size", MOST.width, 512),
    d_kv: either("d_kv", "head_dim", MOST.width, 64),
    d_ff: c.whole("d_ff", 1, MOST.width, 2048),
    num_layers: either("num_layers", "num_hidden_layers", MOST.layers, 6),
    num_heads: either("num_heads", "num_attention_heads", MOST.heads, 8),
    relative_attention_num_buckets: buckets,
    // The exact buckets end at a quarter; logarithmic ones follow up to the distance.
    relative_attention_max_distance: c.whole(
      "relative_attention_max_distance",
      Math.floor(buckets / 4) + 1,
      MOST.positions,
      128,
    ),
    layer_norm_epsilon: c.range("layer_norm_epsilon", 1e-12, 0.1, 1e-6),
    gated: kind.startsWith("gated"),
    act: FEED_FORWARDS[kind],
  };
}

/** The MLP's activation by feed_forward_proj. "gated-gelu" means the approximation, for backwards compatibility. */
const FEED_FORWARDS: Readonly<Record<string, Activation>> = {
  "relu": "relu",
  "gelu": "gelu",
  "gelu_new": "gelu_tanh",
  "silu": "silu",
  "gated-relu": "relu",
  "gated-gelu": "gelu_tanh",
  "gated-gelu_new": "gelu_tanh",
  "gated-silu": "silu",
};

/** T5EncoderModel. */
export class T5Encoder {
  private readonly shared: Matrix;
  private readonly bias: { values: Float32Array };
  private readonly layers: T5Layer[];
  private readonly finalNorm: Tensor;

  /** Declares the weights; load them before `forward`. */
  constructor(w: Weights, readonly config: T5Config) {
    const c = config;
    // Files hold the table under one name, under the other, or under both.
    const tied = ["shared.weight", "encoder.embed_tokens.weight"].filter((name) => w.has(name));
    if (tied.length === 0) {
      throw new LssgenError("bad_tensor", `"${w.store.source.name}" has no tensor "shared.weight"`);
    }
    this.shared = w.matrix([tied[0]], [c.vocab_size], c.d_model);
    if (tied[1]) w.ignore(tied[1]);
    // A whole T5 is more than its encoder: transformers' T5EncoderModel leaves the rest out, too.
    w.ignore(/^(decoder\.|lm_head\.weight$)/);
    const blocks = w.at("encoder.block");
    this.layers = Array.from({ length: c.num_layers }, (_, i) => new T5Layer(blocks.at(i).at("layer"), c));
    this.bias = blocks.values("0.layer.0.SelfAttention.relative_attention_bias.weight", [
      c.relative_attention_num_buckets,
      c.num_heads,
    ]);
    this.finalNorm = w.vector("encoder.final_layer_norm.weight", c.d_model);
  }

  /**
   * @param ids Token ids, [B, N] row-major. @param mask 1 keeps a token as a key, 0 hides it, [B, N]; none: all.
   * @returns Last hidden state, [B, N, d_model] f32.
   */
  forward(
    r: Recorder,
    ids: Int32Array<ArrayBuffer>,
    B: number,
    N: number,
    mask?: Float32Array<ArrayBuffer>,
  ): Tensor {
    return this.together(r, [ids], B, N, mask)[0];
  }

  /**
   * What {@linkcode forward} makes of each of several arrays of ids, to the bit, weight by weight: one that streams is read once for
   * all of them.
   */
  together(
    r: Recorder,
    texts: readonly Int32Array<ArrayBuffer>[],
    B: number,
    N: number,
    mask?: Float32Array<ArrayBuffer>,
  ): Tensor[] {
    const c = this.config;
    using scope = r.scope();
    const bias = r.upload([1, c.num_heads, N, N], () => this.positionBias(N));
    const keyMask = mask && r.upload([B, N], mask);
    const streams = texts.map((ids) => embedTokens(r, ids, [B, N], this.shared)); // f32: T5-XXL leaves the range of f16
    for (const layer of this.layers) layer.forward(r, streams, bias, keyMask);
    return streams.map((stream) =>
      scope.keep(rmsNorm(r, stream, { eps: c.layer_norm_epsilon, weight: this.finalNorm, dtype: "f32" }))
    );
  }

  /** Learned bias of each (query, key) distance, shared by all layers: [heads, N, N]. */
  private positionBias(N: number): Float32Array<ArrayBuffer> {
    const H = this.config.num_heads;
    const out = new Float32Array(H * N * N);
    const buckets = Array.from({ length: 2 * N - 1 }, (_, i) => this.bucket(i - (N - 1)));
    for (let h = 0; h < H; h++) {
      // A bias of −∞ would hide a key as a mask does, and no trained one is: NaN reaches what is looked at.
      const ofDistance = Float32Array.from(buckets, (bucket) => {
        const value = this.bias.values[bucket * H + h];
        return Number.isFinite(value) ? value : NaN;
      });
      for (let q = 0; q < N; q++) out.set(ofDistance.subarray(N - 1 - q, 2 * N - 1 - q), (h * N + q) * N);
    }
    return out;
  }

  /** Half of the buckets for each direction; of these, half exact and half logarithmic up to the maximum. */
  private bucket(distance: number): number {
    const half = this.config.relative_attention_num_buckets / 2;
    const exact = Math.floor(half / 2);
    const n = Math.abs(distance);
    const side = distance > 0 ? half : 0;
    if (n < exact) return side + n;
    const log = Math.fround(Math.log(n / exact)) /
      Math.log(this.config.relative_attention_max_distance / exact);
    return side + Math.min(half - 1, exact + Math.trunc(Math.fround(log * (half - exact))));
  }
}

/** Pre-norm transformer layer: attention without scaling, gated MLP. */
class T5Layer {
  private readonly norm1: Tensor;
  private readonly qkv: LinearWeights;
  private readonly out: LinearWeights;
  private readonly norm2: Tensor;
  private readonly up: LinearWeights;
  private readonly gate?: LinearWeights;
  private readonly down: LinearWeights;

  constructor(w: Weights, private readonly c: T5Config) {
    const D = c.d_model;
    const inner = c.num_heads * c.d_kv;
    const none = { bias: false };
    const attn = w.at("0.SelfAttention");
    this.norm1 = w.vector("0.layer_norm.weight", D);
    this.qkv = attn.linearCat(["q", "k", "v"], [inner, inner, inner], D, none);
    this.out = attn.linear("o", D, inner, none);
    this.norm2 = w.vector("1.layer_norm.weight", D);
    const mlp = w.at("1.DenseReluDense");
    if (c.gated) {
      this.gate = mlp.linear("wi_0", c.d_ff, D, none);
      this.up = mlp.linear("wi_1", c.d_ff, D, none);
    } else {
      this.up = mlp.linear("wi", c.d_ff, D, none);
    }
    this.down = mlp.linear("wo", D, c.d_ff, { bias: false, exact: true }); // overflows in f16 (diffusers #8604)
  }

  /** Streams [B, N, D] f32 are updated in place. */
  forward(r: Recorder, streams: readonly Tensor[], bias: Tensor, keyMask?: Tensor): void {
    const { c } = this;
    const inner = c.num_heads * c.d_kv;
    const eps = c.layer_norm_epsilon;
    using _ = r.scope();
    const qkv = streams.map((stream) => linear(r, rmsNorm(r, stream, { eps, weight: this.norm1 }), this.qkv));
    const a = qkv.map((tensor) =>
      attention(r, { tensor, at: 0 }, { tensor, at: inner }, { tensor, at: 2 * inner }, {
        heads: c.num_heads,
        headDim: c.d_kv,
        scale: 1,
        bias,
        keyMask,
      })
    );
    for (const [i, stream] of streams.entries()) {
      linear(r, a[i], this.out, { into: stream, accumulate: true });
    }

    const h = streams.map((stream) => rmsNorm(r, stream, { eps, weight: this.norm2 }));
    // The product of gate and value can leave the range of f16: it stays f32 on its way into wo.
    const up = h.map((h) => linear(r, h, this.up, { act: c.gated ? "none" : c.act, dtype: "f32" }));
    const { gate } = this;
    const hidden = gate
      ? h.map((h) => linear(r, h, gate, { act: c.act, dtype: "f32" })).map((g, i) => product(r, g, up[i]))
      : up;
    for (const [i, stream] of streams.entries()) {
      linear(r, hidden[i], this.down, { into: stream, accumulate: true });
    }
  }
}
