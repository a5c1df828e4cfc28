/**
 * FLOPs of DiT by their configs: see flops.ts.
 *
 * @module
 */

import { attention, embedder, linear, TIME_CHANNELS } from "./flops.ts";

/** What the cost of a DiT depends on. */
export interface DitShape {
  /** Latent channels. */
  readonly in_channels: number;
  /** Channels of the output, learned variance included. */
  readonly out_channels: number;
  /** Blocks. */
  readonly num_layers: number;
  /** Channels a head. */
  readonly attention_head_dim: number;
  /** Heads. */
  readonly num_attention_heads: number;
  /** Latents a token side. */
  readonly patch_size: number;
}

/**
 * One call of DiTTransformer2DModel.
 *
 * @param tokens Image tokens.
 */
export function ditFlops(c: DitShape, tokens: number): number {
  const D = c.attention_head_dim * c.num_attention_heads;
  const p = c.patch_size ** 2;
  const block = 12 * linear(tokens, D, D) + attention(tokens, tokens, D) + embedder(TIME_CHANNELS, D) +
    linear(1, D, 6 * D);
  return linear(tokens, c.in_channels * p, D) + c.num_layers * block + linear(1, D, 2 * D) +
    linear(tokens, D, c.out_channels * p);
}
