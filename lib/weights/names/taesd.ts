/**
 * TAESD's own names (taesd_encoder, taesd_decoder, and their siblings for SDXL, SD3 and FLUX) → AutoencoderTiny's.
 *
 * The decoder's list begins with a clamp that diffusers does not count: its layers move down by one.
 *
 * @module
 */

import { type NameFamily, type Origin, sameNames } from "./family.ts";

const ENCODER = /^(?:taesd_)?encoder\.(\d+)\./;
const DECODER = /^(?:taesd_)?decoder\.(\d+)\./;

/** Both halves in one file: `encoder.0.weight`, or `taesd_encoder.0.weight` as ComfyUI joins them. */
export const TAESD_NAMES: NameFamily = {
  kind: "vae",
  layout: "TAESD",
  markers: ["taesd_decoder.3.conv.0.weight", "decoder.3.conv.0.weight", "taesd_encoder.1.conv.0.weight"],
  *map(originals): Generator<readonly [string, Origin]> {
    for (const tensor of originals.keys()) {
      // ComfyUI notes the VAE's factor and shift; latents are normalised before they come here.
      if (tensor === "vae_scale" || tensor === "vae_shift") continue;
      const name = tensor
        .replace(ENCODER, "encoder.layers.$1.")
        .replace(DECODER, (_, n) => `decoder.layers.${n - 1}.`);
      yield [name, { tensor }];
    }
  },
};

/** taesd_decoder.safetensors: the layers alone, from 1. */
export const TAESD_DECODER_NAMES: NameFamily = half("TAESD's decoder", "1.weight", "decoder.layers", 1);

/** taesd_encoder.safetensors: the layers alone, from 0. */
export const TAESD_ENCODER_NAMES: NameFamily = half("TAESD's encoder", "0.weight", "encoder.layers", 0);

/** AutoencoderTiny under diffusers' names. */
export const TAESD_DIFFUSERS_NAMES: NameFamily = sameNames(
  "vae",
  "diffusers' AutoencoderTiny",
  "decoder.layers.0.weight",
  "encoder.layers.0.weight",
);

function half(layout: string, marker: string, place: string, first: number): NameFamily {
  return {
    kind: "vae",
    layout,
    markers: [marker],
    bare: true,
    *map(originals): Generator<readonly [string, Origin]> {
      for (const tensor of originals.keys()) {
        yield [tensor.replace(/^(\d+)\./, (_, n) => `${place}.${n - first}.`), { tensor }];
      }
    },
  };
}
