/**
 * Which pipelines there are, by `_class_name` of model_index.json: one line each. A family's code is imported when a model
 * of it is opened, so that a page loads the code of its own model only.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { isComponentFolder } from "../weights/checkpoint.ts";
import type { ModelIndex } from "../weights/model_folder.ts";
import { type Family, ownSettings } from "./family.ts";
import type { ModelInfo } from "./types.ts";

/** Classes of text encoders and of other components that are built here. */
const CLIP = ["CLIPTextModel", "CLIPTextModelWithProjection"];
const T5 = ["T5EncoderModel"];
const VAE = ["AutoencoderKL", "AutoencoderTiny"];
const UNET = ["UNet2DConditionModel"];

/** A family, and the classes that each of its components may have. */
interface Row {
  /** Imports its code. The specifier is spelled out, as bundlers need it. */
  readonly family: () => Promise<Family>;
  /** Classes by component. */
  readonly classes: Readonly<Record<string, readonly string[]>>;
}

const flux: Row = {
  family: async () => (await import("./flux.ts")).flux,
  classes: { vae: VAE, transformer: ["FluxTransformer2DModel"], text_encoder: CLIP, text_encoder_2: T5 },
};
const stableDiffusion: Row = {
  family: async () => (await import("./stable_diffusion.ts")).stableDiffusion,
  classes: { vae: VAE, unet: UNET, text_encoder: CLIP },
};
const stableDiffusionXl: Row = {
  family: async () => (await import("./stable_diffusion.ts")).stableDiffusionXl,
  classes: { vae: VAE, unet: UNET, text_encoder: CLIP, text_encoder_2: [CLIP[1]] },
};
const stableDiffusion3: Row = {
  family: async () => (await import("./stable_diffusion_3.ts")).stableDiffusion3,
  classes: {
    vae: VAE,
    transformer: ["SD3Transformer2DModel"],
    text_encoder: CLIP,
    text_encoder_2: CLIP,
    text_encoder_3: T5,
  },
};
const dit: Row = {
  family: async () => (await import("./dit.ts")).dit,
  classes: { vae: VAE, transformer: ["DiTTransformer2DModel", "Transformer2DModel"] },
};

const FAMILIES: Readonly<Record<string, Row>> = {
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
 * The family of a model, its code imported.
 *
 * @throws {LssgenError} `unsupported` for another pipeline, by name.
 */
export async function familyOf(index: ModelIndex): Promise<Family> {
  return await rowOf(index).family();
}

function rowOf(index: ModelIndex): Row {
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

/**
 * What a model's configs say: those of its family, then its own settings.
 *
 * A class that another network has is refused. The scheduler is the one of scheduler_config.json; where model_index.json names
 * another one, which diffusers would take, a warning says so.
 *
 * @throws {LssgenError} `unsupported` for another class, by component; as {@linkcode Family.read}.
 */
export async function readFamily(folder: FolderSource, index: ModelIndex): Promise<ModelInfo> {
  const row = rowOf(index);
  for (const [name, classes] of Object.entries(row.classes)) {
    const kind = index.components.get(name);
    if (kind === undefined || classes.includes(kind)) continue;
    throw new LssgenError(
      "unsupported",
      `"${index.config.name}": ${name} is a ${kind}, supported is ${
        classes.join(" or ")
      } in a ${index.pipeline}`,
    );
  }
  const info = await (await row.family()).read(folder, index);
  const named = index.components.get("scheduler");
  const { _class_name: own } = info.scheduler;
  if (isComponentFolder(folder) || named === undefined || typeof own !== "string" || own === named) {
    return await ownSettings(folder, info);
  }
  const warning =
    `scheduler/scheduler_config.json is of a ${own}, which is taken; model_index.json names a ${named}, which diffusers would take`;
  return await ownSettings(folder, { ...info, warnings: [...info.warnings ?? [], warning] });
}
