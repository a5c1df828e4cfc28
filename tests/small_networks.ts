/** Networks small enough for llvmpipe whose shapes a test chooses, and what they make of the same numbers each time. */

import type { Recorder } from "../lib/gpu/recorder.ts";
import { type AutoencoderKl, autoencoderKlConfig } from "../lib/models/autoencoder_kl.ts";
import { type Unet, unetConfig } from "../lib/models/unet.ts";
import type { Tensor } from "../lib/tensor.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { numbers } from "./devices.ts";

/** An autoencoder of two levels. @param channels Of each level. @param groups Of its norms. */
export function smallAutoencoder(
  channels: readonly [number, number],
  groups: number,
): ReturnType<typeof autoencoderKlConfig> {
  return autoencoderKlConfig(
    new ConfigReader("vae/config.json", {
      block_out_channels: channels,
      down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
      up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
      latent_channels: 4,
      layers_per_block: 1,
      norm_num_groups: groups,
    }),
  );
}

/** A UNet of two levels. @param channels Of each level. @param heads Of its attention. @param groups Of its norms. */
export function smallUnet(
  channels: readonly [number, number],
  heads: readonly [number, number],
  groups: number,
): ReturnType<typeof unetConfig> {
  return unetConfig(
    new ConfigReader("unet/config.json", {
      block_out_channels: channels,
      down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
      layers_per_block: 1,
      attention_head_dim: heads,
      cross_attention_dim: 16,
      norm_num_groups: groups,
    }),
  );
}

/** Two pictures of 10 × 14. */
export function decoded(vae: AutoencoderKl, r: Recorder): Tensor {
  return vae.decode(r, r.upload([2, 5, 7, 4], numbers(2 * 5 * 7 * 4, 3)));
}

/** A prediction for two samples at two timesteps, 9 × 14. */
export function predicted(unet: Unet, r: Recorder): Tensor {
  return unet.forward(r, {
    sample: r.upload([2, 9, 14, 4], numbers(2 * 9 * 14 * 4, 3)),
    timestep: [500, 20],
    encoderHiddenStates: r.upload([2, 3, 16], numbers(2 * 3 * 16, 4)),
  });
}
