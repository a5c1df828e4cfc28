/**
 * The autoencoder of Stable Diffusion, SDXL, SD3 and FLUX.1. Its scaling and shift belong to the family.
 *
 * @module
 */

import { type Architecture, countOf, hasAll, shapeOf } from "../architecture.ts";

/** Groups of every group norm in every released autoencoder. */
const GROUPS = 32;

/** AutoencoderKL. */
export const AUTOENCODER_KL: Architecture = {
  class: "AutoencoderKL",
  kind: "vae",
  noun: "an autoencoder (VAE)",
  is: (d) => hasAll(d, "decoder.conv_in.weight", "decoder.mid_block.resnets.0.conv1.weight"),
  derive(d) {
    const L = countOf(d, "encoder.down_blocks.");
    const widths = Array.from(
      { length: L },
      (_, i) => shapeOf(d, `encoder.down_blocks.${i}.resnets.0.conv1.weight`, 4)[0],
    );
    return {
      certain: {
        in_channels: shapeOf(d, "encoder.conv_in.weight", 4)[1],
        out_channels: shapeOf(d, "decoder.conv_out.weight", 4)[0],
        latent_channels: shapeOf(d, "decoder.conv_in.weight", 4)[1],
        block_out_channels: widths,
        layers_per_block: countOf(d, "encoder.down_blocks.0.resnets."),
        mid_block_add_attention: countOf(d, "decoder.mid_block.attentions.") > 0,
        use_quant_conv: d.info("quant_conv.weight") !== undefined,
        use_post_quant_conv: d.info("post_quant_conv.weight") !== undefined,
      },
      usual: {
        act_fn: "silu",
        norm_num_groups: GROUPS,
        down_block_types: widths.map(() => "DownEncoderBlock2D"),
        up_block_types: widths.map(() => "UpDecoderBlock2D"),
      },
      unknown: widths.every((width) => width % GROUPS === 0)
        ? undefined
        : `block_out_channels are ${
          widths.join(", ")
        }, no multiples of ${GROUPS}, so norm_num_groups is not known`,
    };
  },
};
