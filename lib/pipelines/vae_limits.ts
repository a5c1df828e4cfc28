/**
 * How large a picture an autoencoder handles whole.
 *
 * @module
 */

import type { AutoencoderKl } from "../models/autoencoder_kl.ts";
import { type Dtype, DTYPE_BYTES } from "../tensor.ts";

/** Largest activation of an untiled pass. */
export const MAX_ACTIVATION_BYTES: number = 2 ** 30;

/** What a picture is cut by. */
export interface CutLimits {
  /** The network. */
  readonly model: AutoencoderKl;
  /** Type of its activations. */
  readonly dtype: Dtype;
  /** Largest activation of a pass. */
  readonly maxActivationBytes: number;
  /** The adapter's largest buffer. */
  readonly maxBufferBytes: number;
}

/** Bytes of the widest map at full size, the input of the last level's first block, for latents of a size. */
export function widestBytes({ factor, config }: AutoencoderKl, dtype: Dtype, h: number, w: number): number {
  const widths = config.block_out_channels;
  return h * w * factor ** 2 * widths[Math.min(1, widths.length - 1)] * DTYPE_BYTES[dtype];
}
