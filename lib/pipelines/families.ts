/**
 * Which pipelines there are, by `_class_name` of model_index.json: one line each.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ModelIndex } from "../weights/model_folder.ts";
import { dit } from "./dit.ts";
import type { Family } from "./family.ts";
import { flux } from "./flux.ts";
import { stableDiffusion, stableDiffusionXl } from "./stable_diffusion.ts";
import { stableDiffusion3 } from "./stable_diffusion_3.ts";

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
      `"${index.config.name}": pipeline ${index.pipeline} is not supported, expected one of ${
        Object.keys(FAMILIES).join(", ")
      }`,
    );
  }
  return FAMILIES[index.pipeline];
}
