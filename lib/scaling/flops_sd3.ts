/**
 * FLOPs of SD3 by their configs: see flops.ts.
 *
 * @module
 */

import { attention, embedder, linear, TIME_CHANNELS } from "./flops.ts";

/** What the cost of SD3 depends on. */
export interface Sd3Shape {
  /** Latents per token side. */
  readonly patch_size: number;
  /** Latent channels. */
  readonly in_channels: number;
  /** Channels predicted. */
  readonly out_channels: number;
  /** Joint blocks. */
  readonly num_layers: number;
  /** Channels a head. */
  readonly attention_head_dim: number;
  /** Heads. */
  readonly num_attention_heads: number;
  /** Width of the text states. */
  readonly joint_attention_dim: number;
  /** Width of the pooled text. */
  readonly pooled_projection_dim: number;
  /** Blocks with a second attention over the image alone (SD3.5 medium). */
  readonly dual_attention_layers: readonly number[];
}

/**
 * One call of SD3Transformer2DModel.
 *
 * @param tokens Image tokens, h·w/4.
 * @param textTokens CLIP and T5 tokens together: 77 + 256.
 */
export function sd3Flops(c: Sd3Shape, tokens: number, textTokens: number): number {
  const D = c.attention_head_dim * c.num_attention_heads;
  const all = tokens + textTokens;
  const block = 12 * linear(all, D, D) + attention(all, all, D);
  // The last block's text stream ends at its keys and values: no output projection, no MLP.
  const unused = 9 * linear(textTokens, D, D);
  const dual = c.dual_attention_layers.length * (4 * linear(tokens, D, D) + attention(tokens, tokens, D));
  const modulation = (12 * c.num_layers - 4 + 3 * c.dual_attention_layers.length + 2) * linear(1, D, D);
  const patch = c.patch_size ** 2;
  return linear(tokens, c.in_channels * patch, D) + linear(textTokens, c.joint_attention_dim, D) +
    c.num_layers * block - unused + dual + modulation + embedder(TIME_CHANNELS, D) +
    embedder(c.pooled_projection_dim, D) + linear(tokens, D, c.out_channels * patch);
}
