/**
 * CLIP's text encoder, with and without the projection.
 *
 * Source: Learning Transferable Visual Models (arXiv 2103.00020), OpenCLIP; names as in transformers
 * CLIPTextModel and CLIPTextModelWithProjection.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { attention } from "../ops/attention.ts";
import { embedTokens } from "../ops/embedding.ts";
import { type Activation, linear, type LinearWeights, type Matrix } from "../ops/linear.ts";
import { layerNorm } from "../ops/norm.ts";
import type { Tensor } from "../tensor.ts";
import { type ConfigReader, MOST } from "../weights/model_folder.ts";
import type { Weights } from "./weights.ts";

/** Config keys as transformers spells them. */
export interface ClipTextConfig {
  /** Tokens known. */
  readonly vocab_size: number;
  /** Width D. */
  readonly hidden_size: number;
  /** Width of the MLP. */
  readonly intermediate_size: number;
  /** Layers. */
  readonly num_hidden_layers: number;
  /** Heads. */
  readonly num_attention_heads: number;
  /** Longest sequence, 77. */
  readonly max_position_embeddings: number;
  /** quick_gelu (OpenAI) or gelu (OpenCLIP). */
  readonly hidden_act: Activation;
  /** eps of the layer norms. */
  readonly layer_norm_eps: number;
  /** End of text; 2 marks the first generation of configs, see {@linkcode ClipTextModel}. */
  readonly eos_token_id: number;
  /** Width of the projected pooled output; undefined without projection. */
  readonly projection_dim?: number;
}

/** Reads and checks text_encoder/config.json; the class decides about the projection. */
export function clipTextConfig(config: ConfigReader, className: string): ClipTextConfig {
  // A whole CLIP's config has the text encoder's inside.
  const c = config.at("text_config") ?? config;
  const act = c.oneOf("hidden_act", ["quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh"], "quick_gelu");
  const vocab_size = c.whole("vocab_size", 1, MOST.rows, 49408);
  const hidden_size = c.whole("hidden_size", 1, MOST.width, 512);
  // 2 stands in configs of the first generation, whatever the vocabulary.
  const lastToken = Math.max(2, vocab_size - 1);
  const num_attention_heads = c.whole("num_attention_heads", 1, MOST.heads, 8);
  const eos_token_id = c.whole("eos_token_id", 1, MOST.rows, Math.min(49407, lastToken));
  c.require(
    eos_token_id <= lastToken,
    "eos_token_id",
    `a whole number from 1 to ${lastToken}, below vocab_size`,
  );
  c.require(
    hidden_size % num_attention_heads === 0,
    "num_attention_heads",
    `a divisor of hidden_size, ${hidden_size}`,
  );
  return {
    vocab_size,
    hidden_size,
    intermediate_size: c.whole("intermediate_size", 1, MOST.width, 2048),
    num_hidden_layers: c.whole("num_hidden_layers", 1, MOST.layers, 12),
    num_attention_heads,
    max_position_embeddings: c.whole("max_position_embeddings", 1, MOST.positions, 77),
    hidden_act: act === "quick_gelu" || act === "gelu" ? act : "gelu_tanh",
    layer_norm_eps: c.range("layer_norm_eps", 1e-12, 0.1, 1e-5),
    eos_token_id,
    projection_dim: className === "CLIPTextModelWithProjection"
      ? c.whole("projection_dim", 1, MOST.width, 512)
      : undefined,
  };
}

/** What the encoder makes of a prompt. */
export interface ClipOutput {
  /** After the final norm, [B, N, D] f32. */
  readonly lastHiddenState: Tensor;
  /** Input embedding and the output of every layer, before the final norm: index −2 is SDXL's choice. */
  readonly hiddenStates: readonly Tensor[];
  /** Final state of the end-of-text token, [B, D] f32. */
  readonly pooled: Tensor;
  /** Projected pooled state, [B, projection_dim] f32; with projection only. */
  readonly textEmbeds?: Tensor;
}

/** CLIPTextModel, CLIPTextModelWithProjection. */
export class ClipTextModel {
  private readonly tokens: Matrix;
  private readonly positions: Matrix;
  private readonly layers: ClipLayer[];
  private readonly finalNorm: { weight: Tensor; bias: Tensor };
  private readonly projection?: LinearWeights;

  /** Declares the weights; load them before `forward`. */
  constructor(root: Weights, readonly config: ClipTextConfig) {
    const c = config;
    const D = c.hidden_size;
    const w = root.has("text_model.final_layer_norm.weight") ? root.at("text_model") : root;
    this.tokens = w.matrix(["embeddings.token_embedding.weight"], [c.vocab_size], D);
    this.positions = w.matrix(["embeddings.position_embedding.weight"], [c.max_position_embeddings], D, {
      plain: true,
    });
    this.layers = Array.from(
      { length: c.num_hidden_layers },
      (_, i) => new ClipLayer(w.at("encoder.layers").at(i), c),
    );
    this.finalNorm = {
      weight: w.vector("final_layer_norm.weight", D),
      bias: w.vector("final_layer_norm.bias", D),
    };
    if (c.projection_dim !== undefined) {
      this.projection = root.linear("text_projection", c.projection_dim, D, { bias: false });
    } else {
      root.ignore("text_projection.weight");
    }
    // A whole CLIP is more than its text encoder: transformers' text models leave the rest out, too.
    root.ignore(/^(logit_scale$|logit_bias$|attn_mask$|visual|vision_model\.)/);
    // A config with fewer layers than the file asks for the first ones: SD2's text encoder ends before the last.
    for (let i = c.num_hidden_layers; w.has(`encoder.layers.${i}.layer_norm1.weight`); i++) {
      w.ignore(new RegExp(`^${w.at("encoder.layers").at(i).path.replaceAll(".", "\\.")}\\.`));
    }
  }

  /**
   * @param ids Token ids, [B, N] row-major.
   * @param mask 1 keeps a token, 0 hides it, [B, N]; Stable Diffusion gives none.
   */
  forward(
    r: Recorder,
    ids: Int32Array<ArrayBuffer>,
    B: number,
    N: number,
    mask?: Float32Array<ArrayBuffer>,
  ): ClipOutput {
    const D = this.config.hidden_size;
    using scope = r.scope();
    const hiddenStates = [scope.keep(embedTokens(r, ids, [B, N], this.tokens, this.positions))];
    const keyMask = mask && r.upload([B, N], mask);
    for (const layer of this.layers) {
      hiddenStates.push(scope.keep(layer.forward(r, hiddenStates[hiddenStates.length - 1], keyMask)));
    }
    const last = hiddenStates[hiddenStates.length - 1];
    const lastHiddenState = this.normed(r, last);
    const pooled = r.tensor([B, D], "f32");
    for (let b = 0; b < B; b++) {
      const end = this.endOfText(ids.subarray(b * N, (b + 1) * N));
      r.copy(lastHiddenState, (b * N + end) * D * 4, pooled, b * D * 4, D * 4);
    }
    const textEmbeds = this.projection && linear(r, pooled, this.projection, { dtype: "f32" });
    return {
      lastHiddenState: scope.keep(lastHiddenState),
      hiddenStates,
      pooled: scope.keep(pooled),
      textEmbeds: textEmbeds && scope.keep(textEmbeds),
    };
  }

  /** A layer's output, [B, N, D], after the final norm, f32: what `clip_skip` of diffusers conditions on. */
  normed(r: Recorder, state: Tensor): Tensor {
    return layerNorm(r, state, { eps: this.config.layer_norm_eps, ...this.finalNorm, dtype: "f32" });
  }

  /** The first end-of-text token; configs of the first generation say 2 and mean the largest id. */
  private endOfText(ids: Int32Array): number {
    if (this.config.eos_token_id === 2) return ids.indexOf(Math.max(...ids));
    return Math.max(0, ids.indexOf(this.config.eos_token_id));
  }
}

/** Pre-norm transformer layer with causal attention. */
class ClipLayer {
  private readonly norm1: { weight: Tensor; bias: Tensor };
  private readonly qkv: LinearWeights;
  private readonly out: LinearWeights;
  private readonly norm2: { weight: Tensor; bias: Tensor };
  private readonly fc1: LinearWeights;
  private readonly fc2: LinearWeights;

  constructor(w: Weights, private readonly c: ClipTextConfig) {
    const D = c.hidden_size;
    this.norm1 = { weight: w.vector("layer_norm1.weight", D), bias: w.vector("layer_norm1.bias", D) };
    this.qkv = w.at("self_attn").linearCat(["q_proj", "k_proj", "v_proj"], [D, D, D], D);
    this.out = w.linear("self_attn.out_proj", D, D);
    this.norm2 = { weight: w.vector("layer_norm2.weight", D), bias: w.vector("layer_norm2.bias", D) };
    this.fc1 = w.linear("mlp.fc1", c.intermediate_size, D);
    this.fc2 = w.linear("mlp.fc2", D, c.intermediate_size);
  }

  /** x [B, N, D] f32 → [B, N, D] f32. */
  forward(r: Recorder, x: Tensor, keyMask?: Tensor): Tensor {
    const { c } = this;
    const D = c.hidden_size;
    const heads = c.num_attention_heads;
    using scope = r.scope();
    const qkv = linear(r, layerNorm(r, x, { eps: c.layer_norm_eps, ...this.norm1 }), this.qkv);
    const a = attention(r, { tensor: qkv, at: 0 }, { tensor: qkv, at: D }, { tensor: qkv, at: 2 * D }, {
      heads,
      headDim: D / heads,
      causal: true,
      keyMask,
    });
    const h = linear(r, a, this.out, { residual: x, dtype: "f32" });
    const up = linear(r, layerNorm(r, h, { eps: c.layer_norm_eps, ...this.norm2 }), this.fc1, {
      act: c.hidden_act,
    });
    return scope.keep(linear(r, up, this.fc2, { into: h, accumulate: true }));
  }
}
