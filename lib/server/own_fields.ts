/**
 * Fields of both APIs that are ours: what neither A1111 nor OpenAI has a word for. One row a setting.
 *
 * @module
 */

import type { GenerateRequest } from "../pipelines/types.ts";
import type { Fields } from "./fields.ts";
import { done, type FieldTable } from "./known_fields.ts";
import { FLAG, number, text, whole } from "./shapes.ts";

/** The fields that {@linkcode ownSettings} reads. What a name may be is the model's to say, when the request is planned. */
export const OWN_FIELDS: FieldTable = {
  method: done(text(), "How resolution grows: a name of GET /lssgen/v1/model's methods."),
  preset: done(text(), "Settings of the model's that go together: quality, balanced or fast."),
  min_resolution: done(whole(16, 16_384), "Shorter side of the first stage in pixels."),
  init_noise: done(number(0.01, 1), "Noise level at which a later stage begins."),
  upsampler: done(text(), "How latents grow: a name of GET /lssgen/v1/model's upsamplers."),
  shorten_steps: done(FLAG, "Whether later stages take fewer steps."),
  cache_mode: done(text(), "first-block skips blocks whose input hardly changed (FLUX, SD3, DiT); none."),
  cache_threshold: done(number(0, 1), "Relative change up to which blocks are skipped; 0 skips nothing."),
  slg_scale: done(number(0, 100), "Scale of skip-layer guidance (SD3); 0 is off."),
  prompt_2: done(text(), "The prompt of the second text encoder (FLUX: T5; SDXL: CLIP bigG)."),
  prompt_3: done(text(), "The prompt of SD3's third text encoder, T5."),
  negative_prompt_2: done(text(), "What to keep away from, for the encoder of prompt_2."),
  negative_prompt_3: done(text(), "What to keep away from, for the encoder of prompt_3."),
};

/** What a request says in our own words. */
export function ownSettings(f: Fields): Partial<GenerateRequest> {
  const given: Partial<GenerateRequest> = {
    method: f.text("method") as GenerateRequest["method"],
    preset: f.text("preset") as GenerateRequest["preset"],
    minResolution: f.whole("min_resolution"),
    initNoise: f.number("init_noise"),
    upsampler: f.text("upsampler") as GenerateRequest["upsampler"],
    shortenSteps: f.flag("shorten_steps"),
    cacheMode: f.text("cache_mode") as GenerateRequest["cacheMode"],
    cacheThreshold: f.number("cache_threshold"),
    slgScale: f.number("slg_scale"),
    prompt2: f.text("prompt_2"),
    prompt3: f.text("prompt_3"),
    negativePrompt2: f.text("negative_prompt_2"),
    negativePrompt3: f.text("negative_prompt_3"),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
