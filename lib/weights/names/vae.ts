/**
 * The latent-diffusion autoencoder's original names (ae.safetensors, first_stage_model) → AutoencoderKL's.
 *
 * @module
 */

import { type NameFamily, type Origin, type Originals, sameNames } from "./family.ts";

/** Attention of the middle block: 1×1 convolutions in the original, linear layers in diffusers. */
const ATTENTION: Readonly<Record<string, string>> = {
  norm: "group_norm",
  q: "to_q",
  k: "to_k",
  v: "to_v",
  proj_out: "to_out.0",
};

/** AutoencoderKL under the original names, with 4 or 16 channels. */
export const VAE_NAMES: NameFamily = {
  kind: "vae",
  layout: "latent diffusion's VAE",
  markers: ["decoder.mid.block_1.conv1.weight", "encoder.mid.block_1.conv1.weight"],
  *map(originals): Generator<readonly [string, Origin]> {
    // The original numbers the decoder's levels from the picture, diffusers from the latents.
    let levels = 0;
    while (hasLevel(originals, levels)) levels++;
    for (const tensor of originals.keys()) {
      const dot = tensor.lastIndexOf(".");
      const leaf = tensor.slice(dot);
      const attention = /^((?:en|de)coder)\.mid\.attn_1\.(\w+)$/.exec(tensor.slice(0, Math.max(dot, 0)));
      const layer = attention && ATTENTION[attention[2]];
      if (layer) {
        yield [`${attention[1]}.mid_block.attentions.0.${layer}${leaf}`, { tensor, squeezed: true }];
      } else {
        yield [renamed(tensor, levels), { tensor }];
      }
    }
  },
  original(names) {
    let levels = 0;
    while (names.includes(`decoder.up_blocks.${levels}.resnets.0.conv1.weight`)) levels++;
    const layers = new Map(Object.entries(ATTENTION).map(([original, layer]) => [layer, original]));
    return (name) =>
      name
        .replace(
          /\.mid_block\.attentions\.0\.(.+)\.(\w+)$/,
          (_, layer, leaf) => `.mid.attn_1.${layers.get(layer) ?? layer}.${leaf}`,
        )
        .replace(/\.mid_block\.resnets\.([01])\./, (_, n) => `.mid.block_${Number(n) + 1}.`)
        .replace(/\.conv_norm_out\./, ".norm_out.")
        .replace(/\.down_blocks\.(\d+)\.resnets\./, ".down.$1.block.")
        .replace(/\.down_blocks\.(\d+)\.downsamplers\.0\./, ".down.$1.downsample.")
        .replace(/\.up_blocks\.(\d+)\.resnets\./, (_, n) => `.up.${levels - 1 - n}.block.`)
        .replace(/\.up_blocks\.(\d+)\.upsamplers\.0\./, (_, n) => `.up.${levels - 1 - n}.upsample.`)
        .replace(/\.conv_shortcut\./, ".nin_shortcut.");
  },
};

/** AutoencoderKL under diffusers' names, those of 2022 (query, proj_attn) included. */
export const VAE_DIFFUSERS_NAMES: NameFamily = sameNames(
  "vae",
  "diffusers' AutoencoderKL",
  "decoder.mid_block.resnets.0.conv1.weight",
  "encoder.mid_block.resnets.0.conv1.weight",
);

function hasLevel(originals: Originals, level: number): boolean {
  return originals.has(`decoder.up.${level}.block.0.conv1.weight`);
}

function renamed(tensor: string, levels: number): string {
  return tensor
    // Some files put the two convolutions around the latents into the halves that they belong to.
    .replace(/^encoder\.quant_conv\./, "quant_conv.")
    .replace(/^decoder\.post_quant_conv\./, "post_quant_conv.")
    .replace(/^((?:en|de)coder)\.norm_out\./, "$1.conv_norm_out.")
    .replace(/^((?:en|de)coder)\.mid\.block_([12])\./, (_, half, n) => `${half}.mid_block.resnets.${n - 1}.`)
    .replace(/^encoder\.down\.(\d+)\.block\./, "encoder.down_blocks.$1.resnets.")
    .replace(/^encoder\.down\.(\d+)\.downsample\./, "encoder.down_blocks.$1.downsamplers.0.")
    .replace(/^decoder\.up\.(\d+)\.block\./, (_, n) => `decoder.up_blocks.${levels - 1 - n}.resnets.`)
    .replace(
      /^decoder\.up\.(\d+)\.upsample\./,
      (_, n) => `decoder.up_blocks.${levels - 1 - n}.upsamplers.0.`,
    )
    .replace(/(\.resnets\.\d+)\.nin_shortcut\./, "$1.conv_shortcut.");
}
