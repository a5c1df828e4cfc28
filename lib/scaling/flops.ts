/**
 * FLOPs of FLUX and of autoencoders by their configs, and of layers; other networks have files of their own: matrix products, convolutions and attention, a multiply and an add being
 * two. Norms, activations and the like are left out, as the usual counters do.
 *
 * Configs are diffusers' keys; the models' own config types fit.
 *
 * @module
 */

import type { CostModel } from "./types.ts";

/** Width of the sinusoid that a transformer's timestep begins as. */
export const TIME_CHANNELS = 256;

/** A linear layer over `rows` rows. */
export function linear(rows: number, from: number, to: number): number {
  return 2 * rows * from * to;
}

/** Scores and weighted sum, all heads together `width` wide. */
export function attention(queries: number, keys: number, width: number): number {
  return 4 * queries * keys * width;
}

/** A convolution with a square kernel and `pixels` outputs. */
export function conv(pixels: number, from: number, to: number, side: number): number {
  return 2 * pixels * from * to * side * side;
}

/** Two linear layers, `from` → `width` → `width`. */
export function embedder(from: number, width: number): number {
  return linear(1, from, width) + linear(1, width, width);
}

/** What the cost of FLUX depends on. */
export interface FluxShape {
  /** Channels of a packed token. */
  readonly in_channels: number;
  /** Double-stream blocks. */
  readonly num_layers: number;
  /** Single-stream blocks. */
  readonly num_single_layers: number;
  /** Channels a head. */
  readonly attention_head_dim: number;
  /** Heads. */
  readonly num_attention_heads: number;
  /** Width of the T5 states. */
  readonly joint_attention_dim: number;
  /** Width of CLIP's pooled output. */
  readonly pooled_projection_dim: number;
  /** Whether guidance is embedded. */
  readonly guidance_embeds: boolean;
}

/**
 * One call of FluxTransformer2DModel.
 *
 * @param tokens Image tokens, h·w/4.
 * @param textTokens T5 tokens: 512 for dev, 256 for schnell.
 */
export function fluxFlops(c: FluxShape, tokens: number, textTokens: number): number {
  const D = c.attention_head_dim * c.num_attention_heads;
  const all = tokens + textTokens;
  // q, k, v, out and the MLP of 4·D, in either kind of block: 12·D² weights a token.
  const block = 12 * linear(all, D, D) + attention(all, all, D);
  const modulation = c.num_layers * linear(1, D, 12 * D) + c.num_single_layers * linear(1, D, 3 * D) +
    linear(1, D, 2 * D);
  const embedders = (c.guidance_embeds ? 2 : 1) * embedder(TIME_CHANNELS, D) +
    embedder(c.pooled_projection_dim, D);
  return linear(tokens, c.in_channels, D) + linear(textTokens, c.joint_attention_dim, D) +
    (c.num_layers + c.num_single_layers) * block + modulation + embedders + linear(tokens, D, c.in_channels);
}

/** What the cost of an autoencoder depends on. */
export interface VaeShape {
  /** Colour channels. */
  readonly out_channels: number;
  /** Latent channels. */
  readonly latent_channels: number;
  /** Width at each resolution. */
  readonly block_out_channels: readonly number[];
  /** ResNets a level; the decoder has one more. */
  readonly layers_per_block: number;
  /** Attention in the middle. */
  readonly mid_block_add_attention: boolean;
  /** 1×1 convolution before the decoder. */
  readonly use_post_quant_conv: boolean;
}

/**
 * One decode of AutoencoderKL, not tiled.
 *
 * @param h Latent height.
 * @param w Latent width.
 */
export function vaeDecodeFlops(c: VaeShape, h: number, w: number): number {
  const widths = [...c.block_out_channels].reverse();
  const resnet = (n: number, from: number, to: number): number =>
    conv(n, from, to, 3) + conv(n, to, to, 3) + (from === to ? 0 : conv(n, from, to, 1));
  const z = c.latent_channels;
  let n = h * w;
  let channels = widths[0];
  let total = (c.use_post_quant_conv ? conv(n, z, z, 1) : 0) + conv(n, z, channels, 3) +
    2 * resnet(n, channels, channels);
  if (c.mid_block_add_attention) total += 4 * linear(n, channels, channels) + attention(n, n, channels);
  for (const [level, width] of widths.entries()) {
    for (let layer = 0; layer <= c.layers_per_block; layer++) {
      total += resnet(n, channels, width);
      channels = width;
    }
    if (level === widths.length - 1) break;
    n *= 4;
    total += conv(n, channels, channels, 3);
  }
  return total + conv(n, channels, c.out_channels, 3);
}

/**
 * A cost model from one call's FLOPs.
 *
 * @param call FLOPs of one call of the network on latents of a size.
 * @param calls Calls a step: 2 with classifier-free guidance, else 1.
 * @param vae The autoencoder, where decoding shall be counted too.
 */
export function costOf(
  call: (latentHeight: number, latentWidth: number) => number,
  calls: number,
  vae?: VaeShape,
): CostModel {
  return {
    denoiserStep: (h, w) => calls * call(h, w),
    ...vae && { decode: (h: number, w: number) => vaeDecodeFlops(vae, h, w) },
  };
}
