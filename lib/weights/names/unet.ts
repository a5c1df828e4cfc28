/**
 * The latent-diffusion UNet's original names (SD1.5, SDXL and their finetunes) → UNet2DConditionModel's.
 * The original numbers its blocks in one row; where a level ends shows in the file: at a resampler.
 *
 * @module
 */

import { type NameFamily, type Origin, type Originals, sameNames } from "./family.ts";

const OUTSIDE: Readonly<Record<string, string>> = {
  "time_embed.0": "time_embedding.linear_1",
  "time_embed.2": "time_embedding.linear_2",
  "label_emb.0.0": "add_embedding.linear_1",
  "label_emb.0.2": "add_embedding.linear_2",
  "input_blocks.0.0": "conv_in",
  "middle_block.0": "mid_block.resnets.0",
  "middle_block.1": "mid_block.attentions.0",
  "middle_block.2": "mid_block.resnets.1",
  "out.0": "conv_norm_out",
  "out.2": "conv_out",
};

const RESNET: Readonly<Record<string, string>> = {
  "in_layers.0": "norm1",
  "in_layers.2": "conv1",
  "emb_layers.1": "time_emb_proj",
  "out_layers.0": "norm2",
  "out_layers.3": "conv2",
  "skip_connection": "conv_shortcut",
};

/** SD1.5's and SDXL's UNet. */
export const UNET_NAMES: NameFamily = {
  kind: "denoiser",
  layout: "latent diffusion's UNet",
  markers: ["input_blocks.0.0.weight"],
  *map(originals): Generator<readonly [string, Origin]> {
    const places = new Map([...Object.entries(OUTSIDE), ...levels(originals)]);
    for (const tensor of originals.keys()) yield [renamed(tensor, places), { tensor }];
  },
  skeleton(names): Originals {
    const has = (prefix: string): boolean => names.some((name) => name.startsWith(prefix));
    const out = new Map<string, readonly number[]>();
    let n = 1;
    for (let level = 0; has(`down_blocks.${level}.`); level++) {
      for (let i = 0; has(`down_blocks.${level}.resnets.${i}.`); i++) {
        out.set(`input_blocks.${n++}.0.in_layers.0.weight`, []);
      }
      if (has(`down_blocks.${level}.downsamplers.`)) out.set(`input_blocks.${n++}.0.op.weight`, []);
    }
    n = 0;
    for (let level = 0; has(`up_blocks.${level}.`); level++) {
      for (let i = 0; has(`up_blocks.${level}.resnets.${i}.`); i++) {
        out.set(`output_blocks.${n++}.0.in_layers.0.weight`, []);
      }
      const place = has(`up_blocks.${level}.attentions.`) ? 2 : 1;
      if (has(`up_blocks.${level}.upsamplers.`)) out.set(`output_blocks.${n - 1}.${place}.conv.weight`, []);
    }
    return out;
  },
  original(names) {
    const places = [...Object.entries(OUTSIDE), ...levels(UNET_NAMES.skeleton!(names))];
    const origins = new Map(places.map(([original, place]) => [place, original]));
    const layers = new Map(Object.entries(RESNET).map(([original, layer]) => [layer, original]));
    return (name) => {
      for (let dot = name.lastIndexOf("."); dot > 0; dot = name.lastIndexOf(".", dot - 1)) {
        const place = name.slice(0, dot);
        const origin = origins.get(place);
        if (origin === undefined) continue;
        const rest = name.slice(dot + 1);
        const leaf = rest.lastIndexOf(".");
        const layer = /\.resnets\.\d+$/.test(place)
          ? layers.get(rest.slice(0, Math.max(leaf, 0)))
          : undefined;
        return `${origin}.${layer === undefined ? rest : layer + rest.slice(leaf)}`;
      }
      return name;
    };
  },
};

/** The UNet under diffusers' names. */
export const UNET_DIFFUSERS_NAMES: NameFamily = sameNames(
  "denoiser",
  "diffusers' UNet2DConditionModel",
  "down_blocks.0.resnets.0.time_emb_proj.weight",
);

/** Module of the original, for example `input_blocks.4.1` → diffusers' module. */
function* levels(originals: Originals): Generator<[string, string]> {
  let level = 0;
  let index = 0;
  for (let n = 1; originals.has(`input_blocks.${n}.0.in_layers.0.weight`) || isDown(originals, n); n++) {
    if (isDown(originals, n)) {
      yield [`input_blocks.${n}.0.op`, `down_blocks.${level++}.downsamplers.0.conv`];
      index = 0;
    } else {
      yield [`input_blocks.${n}.0`, `down_blocks.${level}.resnets.${index}`];
      yield [`input_blocks.${n}.1`, `down_blocks.${level}.attentions.${index++}`];
    }
  }
  level = index = 0;
  for (let n = 0; originals.has(`output_blocks.${n}.0.in_layers.0.weight`); n++) {
    yield [`output_blocks.${n}.0`, `up_blocks.${level}.resnets.${index}`];
    yield [`output_blocks.${n}.1`, `up_blocks.${level}.attentions.${index++}`];
    // The upsampler follows the attention, or the resnet where there is none.
    const up = [1, 2].find((i) => originals.has(`output_blocks.${n}.${i}.conv.weight`));
    if (up === undefined) continue;
    yield [`output_blocks.${n}.${up}.conv`, `up_blocks.${level++}.upsamplers.0.conv`];
    index = 0;
  }
}

function isDown(originals: Originals, n: number): boolean {
  return originals.has(`input_blocks.${n}.0.op.weight`);
}

/** By the longest known beginning, then by the resnet's own table. */
function renamed(tensor: string, places: ReadonlyMap<string, string>): string {
  for (let dot = tensor.lastIndexOf("."); dot > 0; dot = tensor.lastIndexOf(".", dot - 1)) {
    const place = places.get(tensor.slice(0, dot));
    if (place === undefined) continue;
    const rest = tensor.slice(dot + 1);
    const leaf = rest.lastIndexOf(".");
    const layer = /\.resnets\.\d+$/.test(place) ? RESNET[rest.slice(0, Math.max(leaf, 0))] : undefined;
    return `${place}.${layer === undefined ? rest : layer + rest.slice(leaf)}`;
  }
  return tensor;
}
