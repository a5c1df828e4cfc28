/**
 * Nodes of latents: empty ones, encoded pictures, masks of noise, and enlarged ones.
 *
 * @module
 */

import type { PictureFile } from "../../image/picture_file.ts";
import { nameOf } from "../models.ts";
import type { GenerateRequest } from "../../pipelines/types.ts";
import {
  type Inputs,
  type InputSpec,
  type NodeClass,
  type NodeClasses,
  refused,
  type World,
} from "./node_class.ts";
import { inColours, scaledMask } from "./pixels.ts";
import type { GrownLatent, Images, Latent, Mask, RawLatent, SampledLatent, Vae } from "./values.ts";

const SIDE: InputSpec = { type: "INT", default: 512, min: 16, max: 16_384 };
const LATENT: InputSpec = { type: "LATENT" };
const VAE: InputSpec = { type: "VAE" };
const IMAGE: InputSpec = { type: "IMAGE" };
const MASK: InputSpec = { type: "MASK" };
const GIVES_LATENT: readonly (readonly [string, string])[] = [["LATENT", "LATENT"]];

/** How ComfyUI enlarges latents, as our upsamplers. */
const UPSAMPLERS: Readonly<Record<string, NonNullable<GenerateRequest["upsampler"]>>> = {
  "nearest-exact": "nearest",
  "bilinear": "bilinear",
  "bicubic": "bicubic",
};
const UPSCALE_METHOD: InputSpec = { type: Object.keys(UPSAMPLERS) };

const EMPTY: NodeClass = {
  category: "latent",
  says: "The size and the number of pictures.",
  inputs: {
    width: SIDE,
    height: SIDE,
    batch_size: { type: "INT", default: 1, min: 1, max: 4096 },
  },
  outputs: GIVES_LATENT,
  give(inputs) {
    const [width, height, count] = ["width", "height", "batch_size"].map((name) => inputs.number(name));
    return [{ is: "raw", width, height, count } satisfies RawLatent];
  },
};

/** Latents of pictures, all of them drawn anew where there is no mask. */
function encoded(inputs: Inputs, { spend }: World, images: Images, mask?: Mask): RawLatent {
  const { width, height, count } = images;
  // A mask is made to fit and to grow.
  spend("pixels", count * (images.work + (mask ? 4 * width * height : 0)));
  return { is: "raw", width, height, count, from: { images, vae: inputs.value<Vae>("vae"), mask } };
}

/** The pictures grey where the mask is light, as ComfyUI hands them to the autoencoder. */
function greyWithin(images: Images, mask: PictureFile): Images {
  const { width, height } = images;
  return {
    ...images,
    work: images.work + 2 * width * height,
    file: (index) => ({
      ...images.file(index),
      async decode() {
        const { data } = inColours(await images.file(index).decode());
        const light = scaledMask(await mask.decode(), width, height);
        const out = data.map((value, i) => light[Math.floor(i / 3)] >= 128 ? 128 : value);
        return { width, height, channels: 3, data: out };
      },
    }),
  };
}

/** A mask that reaches some pixels further, with hard edges. */
function grown(mask: PictureFile, by: number, { width, height }: Images): PictureFile {
  return {
    ...mask,
    width,
    height,
    async decode() {
      const light = scaledMask(await mask.decode(), width, height);
      const hard = Uint8Array.from(light, (value) => value >= 128 ? 255 : 0);
      return {
        width,
        height,
        channels: 1,
        data: spread(spread(hard, width, height, by, 1), height, width, by, width),
      };
    },
  };
}

/** Each value is the largest of `by` neighbours along lines, whose values lie `step` apart. */
function spread(
  from: Uint8Array<ArrayBuffer>,
  along: number,
  lines: number,
  by: number,
  step: number,
): Uint8Array<ArrayBuffer> {
  const before = Math.ceil((by - 1) / 2);
  const to = new Uint8Array(from.length);
  for (let line = 0; line < lines; line++) {
    const start = line * (step === 1 ? along : 1);
    for (let i = 0; i < along; i++) {
      const end = Math.min(along, i - before + by);
      for (let k = Math.max(0, i - before); k < end; k++) to[start + i * step] |= from[start + k * step];
    }
  }
  return to;
}

/** What VAEDecode and VAEDecodeTiled give. */
function decoded(inputs: Inputs, world: World): readonly unknown[] {
  const latent = inputs.value<Latent>("samples");
  if (latent.is !== "sampled") {
    throw refused("samples", "no sampler has made these latents; there is nothing to decode");
  }
  const step = world.drawing(latent.pass);
  const { engine } = step;
  if (inputs.value<Vae>("vae").engine !== engine) {
    throw refused(
      "vae",
      `the autoencoder is another model's than ${nameOf(engine.info)}, which draws; take its own`,
    );
  }
  const { width, height, count } = latent;
  const drawn = (index: number) => ({ image: step.results[index], engine });
  const images: Images = {
    width,
    height,
    count,
    notes: {},
    work: 0,
    drawn,
    file: (index) => ({
      name: `picture ${index + 1} of node ${step.node}`,
      format: "PNG",
      width,
      height,
      decode() {
        const { image } = drawn(index);
        return Promise.resolve({ width: image.width, height: image.height, channels: 3, data: image.rgb });
      },
    }),
  };
  return [images];
}

/** See the module. */
export const LATENT_NODES: NodeClasses = {
  EmptyLatentImage: EMPTY,
  EmptySD3LatentImage: EMPTY,
  RepeatLatentBatch: {
    category: "latent/batch",
    says: "More pictures of the same beginning.",
    inputs: { samples: LATENT, amount: { type: "INT", default: 1, min: 1, max: 64 } },
    outputs: GIVES_LATENT,
    give(inputs, { spend }) {
      const latent = inputs.value<Latent>("samples");
      if (latent.is !== "raw") {
        throw refused("samples", "latents of a sampler are not repeated; take VAEDecode first");
      }
      const count = latent.count * inputs.number("amount");
      if (latent.from) spend("samples", count * latent.from.images.work);
      return [{ ...latent, count }];
    },
  },
  VAEEncode: {
    category: "latent",
    says: "Pictures to begin with.",
    inputs: { pixels: IMAGE, vae: VAE },
    outputs: GIVES_LATENT,
    give: (inputs, world) => [encoded(inputs, world, inputs.value<Images>("pixels"))],
  },
  VAEEncodeTiled: {
    category: "latent",
    says: "Pictures to begin with. Tiles are the server's to choose (--max-vram, --max-activation).",
    inputs: { pixels: IMAGE, vae: VAE },
    neutral: ["tile_size", "overlap", "temporal_size", "temporal_overlap"],
    outputs: GIVES_LATENT,
    give: (inputs, world) => [encoded(inputs, world, inputs.value<Images>("pixels"))],
  },
  VAEEncodeForInpaint: {
    category: "latent/inpaint",
    says: "Pictures to begin with, grey where the mask is light, which is drawn anew.",
    inputs: {
      pixels: IMAGE,
      vae: VAE,
      mask: MASK,
      grow_mask_by: { type: "INT", default: 6, min: 0, max: 64 },
    },
    outputs: GIVES_LATENT,
    give(inputs, world) {
      const images = inputs.value<Images>("pixels");
      const { file } = inputs.value<Mask>("mask");
      const wider = grown(file, Math.max(1, inputs.number("grow_mask_by")), images);
      return [encoded(inputs, world, greyWithin(images, file), { file: wider })];
    },
  },
  SetLatentNoiseMask: {
    category: "latent/inpaint",
    says: "What of the pictures is drawn anew: where the mask is light.",
    inputs: { samples: LATENT, mask: MASK },
    outputs: GIVES_LATENT,
    give(inputs) {
      const latent = inputs.value<Latent>("samples");
      if (latent.is !== "raw" || !latent.from) {
        throw refused("samples", "a mask keeps part of an encoded picture (VAEEncode), and there is none");
      }
      const mask = inputs.value<Mask>("mask");
      return [{ ...latent, from: { ...latent.from, mask } }];
    },
  },
  LatentUpscale: {
    category: "latent",
    says: "Latents of a sampler at a larger size, for a second sampler.",
    inputs: {
      samples: LATENT,
      upscale_method: UPSCALE_METHOD,
      width: { ...SIDE, min: 0 },
      height: { ...SIDE, min: 0 },
      crop: { type: ["disabled"] },
    },
    outputs: GIVES_LATENT,
    give(inputs) {
      const latent = sampled(inputs);
      let [width, height] = [inputs.number("width"), inputs.number("height")];
      if (width === 0 && height === 0) return [latent];
      // 0: whatever keeps the shape.
      width ||= Math.round(latent.width * height / latent.height);
      height ||= Math.round(latent.height * width / latent.width);
      return [larger(inputs, latent, width, height)];
    },
  },
  LatentUpscaleBy: {
    category: "latent",
    says: "Latents of a sampler at a larger size, for a second sampler.",
    inputs: {
      samples: LATENT,
      upscale_method: UPSCALE_METHOD,
      scale_by: { type: "FLOAT", default: 1.5, min: 0.01, max: 8 },
    },
    outputs: GIVES_LATENT,
    give(inputs) {
      const latent = sampled(inputs);
      const by = inputs.number("scale_by");
      return [larger(inputs, latent, Math.round(latent.width * by), Math.round(latent.height * by))];
    },
  },
  VAEDecode: {
    category: "latent",
    says: "The pictures that a sampler has drawn.",
    inputs: { samples: LATENT, vae: VAE },
    outputs: [["IMAGE", "IMAGE"]],
    give: decoded,
  },
  VAEDecodeTiled: {
    category: "latent",
    says:
      "The pictures that a sampler has drawn. Tiles are the server's to choose (--max-vram, --max-activation).",
    inputs: { samples: LATENT, vae: VAE },
    neutral: ["tile_size", "overlap", "temporal_size", "temporal_overlap"],
    outputs: [["IMAGE", "IMAGE"]],
    give: decoded,
  },
};

function sampled(inputs: Inputs): SampledLatent {
  const latent = inputs.value<Latent>("samples");
  if (latent.is === "sampled") return latent;
  throw refused(
    "samples",
    latent.is === "grown"
      ? "latents are enlarged once between two samplers"
      : "only latents of a sampler are enlarged; give the first size there",
  );
}

function larger(inputs: Inputs, { pass, count }: SampledLatent, width: number, height: number): GrownLatent {
  return { is: "grown", width, height, count, pass, upsampler: UPSAMPLERS[inputs.text("upscale_method")] };
}
