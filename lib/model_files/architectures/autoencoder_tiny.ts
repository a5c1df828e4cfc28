/**
 * TAESD, TAESDXL, TAESD3 and TAEF1.
 *
 * @module
 */

import { type Architecture, hasAll, shapeOf } from "../architecture.ts";

/** AutoencoderTiny. */
export const AUTOENCODER_TINY: Architecture = {
  class: "AutoencoderTiny",
  kind: "taesd",
  noun: "a tiny autoencoder (TAESD)",
  is: (d) => hasAll(d, "decoder.layers.0.weight", "encoder.layers.0.weight"),
  derive(d) {
    const [width, latents] = shapeOf(d, "decoder.layers.0.weight", 4);
    const widths = Array(4).fill(width);
    return {
      certain: { latent_channels: latents },
      usual: {
        act_fn: "relu",
        in_channels: 3,
        out_channels: 3,
        encoder_block_out_channels: widths,
        decoder_block_out_channels: widths,
        // What pipelines ask an autoencoder for its factor by, as diffusers' configs have it too.
        block_out_channels: widths,
        num_encoder_blocks: [1, 3, 3, 3],
        num_decoder_blocks: [3, 3, 3, 1],
        scaling_factor: 1,
      },
    };
  },
};
