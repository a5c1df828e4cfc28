/**
 * FLOPs of UNets by their configs: see flops.ts.
 *
 * @module
 */

import { attention, conv, embedder, linear } from "./flops.ts";

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
