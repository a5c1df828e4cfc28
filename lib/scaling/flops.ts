/**
 * FLOPs of the models by their configs: matrix products, convolutions and attention, a multiply and an add being
 * two. Norms, activations and the like are left out, as the usual counters do.
 *
 * Configs are diffusers' keys; the models' own config types fit.
 *
 * @module
 */

import type { CostModel } from "./types.ts";

/** Width of the sinusoid that a transformer's timestep begins as. */
const TIME_CHANNELS = 256;

/** A linear layer over `rows` rows. */
function linear(rows: number, from: number, to: number): number {
  return 2 * rows * from * to;
}

/** Scores and weighted sum, all heads together `width` wide. */
function attention(queries: number, keys: number, width: number): number {
  return 4 * queries * keys * width;
}

/** A convolution with a square kernel and `pixels` outputs. */
function conv(pixels: number, from: number, to: number, side: number): number {
  return 2 * pixels * from * to * side * side;
}

/** Two linear layers, `from` → `width` → `width`. */
function embedder(from: number, width: number): number {
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

/** What the cost of a UNet depends on. */
export interface UnetShape {
  /** Latent channels in. */
  readonly in_channels: number;
  /** Latent channels out. */
  readonly out_channels: number;
  /** Width of each level. */
  readonly block_out_channels: readonly number[];
  /** ResNets a level on the way down; one more on the way up. */
  readonly layers_per_block: readonly number[];
  /** Attention on the way down, by level. */
  readonly down_attention: readonly boolean[];
  /** Attention on the way up, deepest level first. */
  readonly up_attention: readonly boolean[];
  /** Transformer blocks of each attention on the way down, by level and ResNet. */
  readonly down_transformers: readonly (readonly number[])[];
  /** Transformer blocks of the attention in the middle. */
  readonly mid_transformers: number;
  /** Transformer blocks of each attention on the way up, deepest level first. */
  readonly up_transformers: readonly (readonly number[])[];
  /** What lies in the middle; null for nothing. */
  readonly mid_block_type: string | null;
  /** Width of the text states. */
  readonly cross_attention_dim: number;
  /** Input width of SDXL's additional embedding; 0 without. */
  readonly projection_class_embeddings_input_dim: number;
}

/**
 * One call of UNet2DConditionModel.
 *
 * @param h Latent height.
 * @param w Latent width.
 * @param textTokens Text tokens, 77.
 */
export function unetFlops(c: UnetShape, h: number, w: number, textTokens: number): number {
  const widths = c.block_out_channels;
  const levels = widths.length;
  const temb = 4 * widths[0];
  // Odd sizes round up on the way down.
  const pixels = widths.map((_, level) => Math.ceil(h / 2 ** level) * Math.ceil(w / 2 ** level));
  const resnet = (n: number, from: number, to: number): number =>
    conv(n, from, to, 3) + conv(n, to, to, 3) + linear(1, temb, to) +
    (from === to ? 0 : conv(n, from, to, 1));
  const transformer = (n: number, D: number, depth: number): number => {
    const self = 4 * linear(n, D, D) + attention(n, n, D);
    const cross = 2 * linear(n, D, D) + 2 * linear(textTokens, c.cross_attention_dim, D) +
      attention(n, textTokens, D);
    const gated = linear(n, D, 8 * D) + linear(n, 4 * D, D);
    return 2 * linear(n, D, D) + depth * (self + cross + gated);
  };

  let total = embedder(widths[0], temb);
  const added = c.projection_class_embeddings_input_dim;
  if (added > 0) total += embedder(added, temb);
  total += conv(pixels[0], c.in_channels, widths[0], 3);

  const skips = [widths[0]];
  let channels = widths[0];
  for (let level = 0; level < levels; level++) {
    const n = pixels[level];
    for (let layer = 0; layer < c.layers_per_block[level]; layer++) {
      total += resnet(n, channels, widths[level]);
      channels = widths[level];
      if (c.down_attention[level]) total += transformer(n, channels, c.down_transformers[level][layer]);
      skips.push(channels);
    }
    if (level < levels - 1) {
      total += conv(pixels[level + 1], channels, channels, 3);
      skips.push(channels);
    }
  }
  const bottom = pixels[levels - 1];
  if (c.mid_block_type === "UNetMidBlock2DCrossAttn") {
    total += 2 * resnet(bottom, channels, channels) + transformer(bottom, channels, c.mid_transformers);
  } else if (c.mid_block_type !== null) total += resnet(bottom, channels, channels);
  for (let level = levels - 1; level >= 0; level--) {
    const n = pixels[level];
    for (let layer = 0; layer <= c.layers_per_block[level]; layer++) {
      total += resnet(n, channels + skips.pop()!, widths[level]);
      channels = widths[level];
      if (c.up_attention[levels - 1 - level]) {
        total += transformer(n, channels, c.up_transformers[levels - 1 - level][layer]);
      }
    }
    if (level > 0) total += conv(pixels[level - 1], channels, channels, 3);
  }
  return total + conv(pixels[0], channels, c.out_channels, 3);
}

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
