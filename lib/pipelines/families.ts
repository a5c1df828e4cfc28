/**
 * Which pipelines there are, by `_class_name` of model_index.json: one line each.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { isComponentFolder } from "../weights/checkpoint.ts";
import type { ModelIndex } from "../weights/model_folder.ts";
import { dit } from "./dit.ts";
import { type Family, ownSettings } from "./family.ts";
import { flux } from "./flux.ts";
import { stableDiffusion, stableDiffusionXl } from "./stable_diffusion.ts";
import { stableDiffusion3 } from "./stable_diffusion_3.ts";
import type { ModelInfo } from "./types.ts";

const FAMILIES: Readonly<Record<string, Family>> = {
  FluxPipeline: flux,
  StableDiffusion3Pipeline: stableDiffusion3,
  StableDiffusionXLPipeline: stableDiffusionXl,
  // The refiner's: whatever the class, a picture begins one where the request has it.
  StableDiffusionXLImg2ImgPipeline: stableDiffusionXl,
  // Denoisers made for inpainting are known by their channels.
  FluxFillPipeline: flux,
  StableDiffusionInpaintPipeline: stableDiffusion,
  StableDiffusionXLInpaintPipeline: stableDiffusionXl,
  StableDiffusionPipeline: stableDiffusion,
  LatentConsistencyModelPipeline: stableDiffusion,
  DiTPipeline: dit,
};

/**
 * The family of a model.
 *
 * @throws {LssgenError} `unsupported` for another pipeline, by name.
 */
export function familyOf(index: ModelIndex): Family {
  if (!Object.hasOwn(FAMILIES, index.pipeline)) {
    throw new LssgenError(
      "unsupported",
      `"${index.config.name}": pipeline ${index.pipeline} is not supported, expected as _class_name one of ${
        Object.keys(FAMILIES).join(", ")
      }`,
    );
  }
  return FAMILIES[index.pipeline];
}

/** Classes of text encoders that are built here. */
const CLIP = ["CLIPTextModel", "CLIPTextModelWithProjection"];
const T5 = ["T5EncoderModel"];
const VAE = ["AutoencoderKL", "AutoencoderTiny"];
const UNET = ["UNet2DConditionModel"];

/** Classes that each component may have, by family. */
type Classes = Readonly<Record<string, readonly string[]>>;
const CLASSES: ReadonlyMap<Family, Classes> = new Map<Family, Classes>([
  [stableDiffusion, { vae: VAE, unet: UNET, text_encoder: CLIP }],
  [stableDiffusionXl, { vae: VAE, unet: UNET, text_encoder: CLIP, text_encoder_2: [CLIP[1]] }],
  [stableDiffusion3, {
    vae: VAE,
    transformer: ["SD3Transformer2DModel"],
    text_encoder: CLIP,
    text_encoder_2: CLIP,
    text_encoder_3: T5,
  }],
  [flux, { vae: VAE, transformer: ["FluxTransformer2DModel"], text_encoder: CLIP, text_encoder_2: T5 }],
  [dit, { vae: VAE, transformer: ["DiTTransformer2DModel", "Transformer2DModel"] }],
]);

/**
 * What a model's configs say: those of its family, then its own settings.
 *
 * A class that another network has is refused. The scheduler is the one of scheduler_config.json; where model_index.json names
 * another one, which diffusers would take, a warning says so.
 *
 * @throws {LssgenError} `unsupported` for another class, by component; as {@linkcode Family.read}.
 */
export async function readFamily(folder: FolderSource, index: ModelIndex): Promise<ModelInfo> {
  const family = familyOf(index);
  for (const [name, classes] of Object.entries(CLASSES.get(family) ?? {})) {
    const kind = index.components.get(name);
    if (kind === undefined || classes.includes(kind)) continue;
    throw new LssgenError(
      "unsupported",
      `"${index.config.name}": ${name} is a ${kind}, supported is ${
        classes.join(" or ")
      } in a ${index.pipeline}`,
    );
  }
  const info = await family.read(folder, index);
  const named = index.components.get("scheduler");
  const { _class_name: own } = info.scheduler;
  if (isComponentFolder(folder) || named === undefined || typeof own !== "string" || own === named) {
    return await ownSettings(folder, info);
  }
  const warning =
    `scheduler/scheduler_config.json is of a ${own}, which is taken; model_index.json names a ${named}, which diffusers would take`;
  return await ownSettings(folder, { ...info, warnings: [...info.warnings ?? [], warning] });
}
