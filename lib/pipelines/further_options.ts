/**
 * Options that few requests have, checked: pictures, noise levels of one's own, an interval of guidance, skip-layer guidance, caches of
 * steps, layers of CLIP, prompts for single encoders, options of one method.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { guidedWithin, skippingWithin } from "../scaling/plan_guidance.ts";
import type { Method, MethodName, Plan, StageOption } from "../scaling/types.ts";
import { checkFree, samplerConfig, scheduleConfig } from "../schedulers/choice.ts";
import type { Scheduler } from "../schedulers/types.ts";
import { checkPicture } from "./picture_request.ts";
import { type SkipLayers, skipLayersOf } from "./skip_layers.ts";
import { cacheThreshold } from "./step_cache.ts";
import { CACHE_MODES, type GenerateRequest, type ModelInfo, type Rng, RNGS } from "./types.ts";

export { pictureWarnings, startingSize } from "./picture_request.ts";
export { skipLayersOf } from "./skip_layers.ts";

/** Options that one method has alone. */
const METHOD_OPTIONS = [
  ["stages", "stages"],
  ["refineSteps", "refine"],
  ["spectralDelta", "spectral"],
] as const;

/** Refuses options of another method. */
export function checkMethod(request: Partial<GenerateRequest>, method: MethodName): void {
  for (const [field, of] of METHOD_OPTIONS) {
    if (request[field] === undefined || method === of) continue;
    throw new LssgenError("bad_option", `${field} belongs to the method "${of}", not to "${method}"`);
  }
}

/** Options that say how stages follow each other, as the command line spells them. */
const STAGE_OPTIONS: Readonly<Record<StageOption, string>> = {
  minResolution: "--min-resolution",
  initNoise: "--init-noise",
  upsampler: "--upsampler",
  entry: "--entry",
  shortenSteps: "--shorten-steps",
};

/** What was said of stages that the method does not have, as sentences. What is usual anyway, as in a picture's settings, is no wish. */
export function unheeded(
  request: Partial<GenerateRequest>,
  { name, heeds }: Method,
  usual: Pick<GenerateRequest, StageOption>,
): string[] {
  if (!heeds) return [];
  return (Object.keys(STAGE_OPTIONS) as StageOption[])
    .filter((field) => ![undefined, usual[field]].includes(request[field]) && !heeds.includes(field))
    .map((field) => `${field} (${STAGE_OPTIONS[field]}) has no effect on the method "${name}"`);
}

/** Refuses methods that the model cannot be drawn with, and what does not go with one. */
export function checkTokens(
  info: ModelInfo,
  request: Partial<GenerateRequest>,
  method: MethodName,
  tokens: boolean,
): void {
  if (tokens && !info.tokenSets) {
    throw new LssgenError(
      "bad_option",
      `The method "${method}" hands a transformer some of its tokens (FLUX, SD3), ${info.pipeline} cannot take them: take lssgen ` +
        "or refine",
    );
  }
  if (method === "ralu" && request.schedule !== undefined) {
    throw new LssgenError(
      "bad_option",
      'The method "ralu" has its own noise levels: leave schedule (--schedule) out',
    );
  }
}

/** Refuses pictures that cannot be, and options that need one. */
export function checkPictures(request: GenerateRequest, p: GenerateRequest & { readonly rng: Rng }): void {
  if (request.strength !== undefined && !request.image) {
    throw new LssgenError(
      "bad_option",
      "strength says how far to go from a picture, but none was given (--init-img)",
    );
  }
  if (request.mask && !request.image) {
    throw new LssgenError(
      "bad_option",
      "mask says what to keep of a picture, but none was given (--init-img)",
    );
  }
  if (p.image) checkPicture("image", p.image);
  if (p.mask) checkPicture("mask", p.mask);
  if (!RNGS.includes(p.rng)) {
    throw new LssgenError("bad_option", `rng is "${p.rng}", expected one of ${RNGS.join(", ")}`);
  }
}

/**
 * Refuses what changes the calls of the network where the model has no such thing.
 *
 * @returns The skip-layer guidance, where there is one.
 */
export function checkCalls(info: ModelInfo, p: GenerateRequest): SkipLayers | undefined {
  const skip = skipLayersOf(info, p);
  checkCaching(info, p);
  if (skip && cacheThreshold(p) !== undefined) {
    throw new LssgenError(
      "bad_option",
      "skip-layer guidance (--skip-layers, --slg-scale) and a cache of steps (--cache-mode, --cache-threshold) do not go together: leave one of them out",
    );
  }
  checkClipSkip(info, p.clipSkip);
  return skip;
}

/** Refuses caching of steps where the model has none, and what contradicts itself. */
function checkCaching(
  info: ModelInfo,
  { cacheMode: mode, cacheThreshold: threshold }: GenerateRequest,
): void {
  if (mode === undefined && threshold === undefined) return;
  if (mode !== undefined && !CACHE_MODES.includes(mode)) {
    throw new LssgenError(
      "bad_option",
      `cacheMode (--cache-mode) is "${mode}", expected one of ${CACHE_MODES.join(", ")}`,
    );
  }
  if (threshold !== undefined && !(threshold >= 0 && threshold < Infinity)) {
    throw new LssgenError(
      "bad_option",
      `cacheThreshold (--cache-threshold) is ${threshold}, expected a number from 0`,
    );
  }
  if (mode === "none") {
    if (threshold === undefined) return;
    throw new LssgenError(
      "bad_option",
      'cacheThreshold (--cache-threshold) has no effect with cacheMode "none" (--cache-mode): leave one of them out',
    );
  }
  if (info.cachesBlocks) return;
  throw new LssgenError(
    "bad_option",
    `cacheMode "first-block" (--cache-mode, --cache-threshold) is not for ${info.pipeline}: the blocks of a UNet do not add to one ` +
      "stream, so none can be left out. Fewer --steps, --guidance-start and --guidance-end save work there",
  );
}

/** Refuses layers that the model's text encoder does not have, or that are not read. */
function checkClipSkip({ pipeline, clipLayers }: ModelInfo, layer?: number): void {
  if (layer === undefined) return;
  if (!clipLayers) {
    throw new LssgenError(
      "bad_option",
      `clipSkip (--clip-skip) has no effect on ${pipeline}, which reads no layer of CLIP's: leave it out`,
    );
  }
  const { own, most } = clipLayers;
  if (Number.isSafeInteger(layer) && layer >= own && layer <= most) return;
  throw new LssgenError(
    "bad_option",
    `clipSkip (--clip-skip) is ${layer}, ${pipeline} takes ${
      own === most ? `nothing but ${own}` : `a whole number from ${own} to ${most}`
    } (${own} is its own)`,
  );
}

/** The plan with guidance where the request wants it, and with skip-layer guidance. @param calls Calls of the network a step. */
export function guided(
  plan: Plan,
  info: ModelInfo,
  p: GenerateRequest,
  scheduler: Scheduler,
  calls: number,
): Plan {
  const skip = skipLayersOf(info, p);
  const skipping = (plan: Plan): Plan =>
    skip ? skippingWithin(plan, skip.start, skip.end, info.cost(1, skip.layers)) : plan;
  const { guidanceStart: from = 0, guidanceEnd: to = 1 } = p;
  if (!(from >= 0 && from < to && to <= 1)) {
    throw new LssgenError(
      "bad_option",
      `guidanceStart is ${from} and guidanceEnd ${to} (--guidance-start, --guidance-end), expected numbers from 0 to 1, the ` +
        "start below the end",
    );
  }
  if (from === 0 && to === 1) return skipping(plan);
  if (calls === 1) {
    throw new LssgenError(
      "bad_option",
      "guidanceStart and guidanceEnd (--guidance-start, --guidance-end) have no effect without classifier-free guidance, " +
        (info.embeddedGuidance
          ? "which trueCfgScale (--cfg-scale) above 1 asks for"
          : "which guidance above 1 asks for"),
    );
  }
  return skipping(guidedWithin(plan, scheduler, from, to, info.cost(1)));
}

/** Refuses noise levels that do not fall, or that are none. */
export function checkLevels(levels: readonly number[], flow: boolean): void {
  const top = flow ? 1 : 1000;
  const wrong = levels.findIndex((level, i) =>
    !(level > 0 && level <= top) || (i > 0 && level >= levels[i - 1])
  );
  if (levels.length > 0 && wrong < 0) return;
  throw new LssgenError(
    "bad_option",
    levels.length === 0
      ? "sigmas is empty, expected noise levels, for example 1, 0.75, 0.5, 0.25"
      : `sigmas: value ${wrong + 1} is ${levels[wrong]}, expected falling numbers above 0, at most ${top}` +
        (flow ? ", since this is a flow model" : ""),
  );
}

/** Prompts beside the first, and by which encoder they are read. */
const FURTHER_PROMPTS: readonly (readonly [
  field: "prompt2" | "prompt3" | "negativePrompt2" | "negativePrompt3",
  option: string,
  encoder: 2 | 3,
])[] = [
  ["prompt2", "--prompt-2", 2],
  ["prompt3", "--prompt-3", 3],
  ["negativePrompt2", "--negative-prompt-2", 2],
  ["negativePrompt3", "--negative-prompt-3", 3],
];

/** Refuses prompts for encoders that the model does not have. */
export function checkPrompts(info: ModelInfo, p: Partial<GenerateRequest>): void {
  const given = (field: keyof GenerateRequest): boolean => p[field] !== undefined && p[field] !== "";
  for (const [field, option, encoder] of FURTHER_PROMPTS) {
    if (!given(field) || encoder <= info.prompts) continue;
    const why = info.prompts < 2
      ? `${info.pipeline} has one at most`
      : encoder === 3 && info.pipeline === "StableDiffusion3Pipeline"
      ? `"${info.name}" has no text_encoder_3 (T5)`
      : `${info.pipeline} has two`;
    throw new LssgenError("bad_option", `${field} (${option}) is for text encoder ${encoder}, ${why}`);
  }
}

/** The model's scheduler_config.json as the request changes it. */
export function schedulerConfig(
  stored: Readonly<Record<string, unknown>>,
  { scheduler, schedule, sigmas }: GenerateRequest,
): Readonly<Record<string, unknown>> {
  if (schedule !== undefined && sigmas !== undefined) {
    throw new LssgenError(
      "bad_option",
      "schedule and sigmas (--schedule, --sigmas) both say which noise levels to take: give one",
    );
  }
  const config = scheduler ? samplerConfig(stored, scheduler) : stored;
  if (sigmas) checkFree(config, "sigmas (--sigmas)");
  return schedule === undefined ? config : scheduleConfig(config, schedule);
}

/**
 * Refuses texts of what to keep out where nothing reads them.
 *
 * @returns Warnings: that they have no effect at this guidance.
 */
export function checkNegative(
  info: ModelInfo,
  p: GenerateRequest,
  guidance: number,
  trueCfgScale: number,
): string[] {
  const given = (field: keyof GenerateRequest): boolean => p[field] !== undefined && p[field] !== "";
  const negative = (["negativePrompt", "negativePrompt2", "negativePrompt3"] as const).find(given);
  if (negative !== undefined && info.prompts === 0) {
    throw new LssgenError(
      "bad_option",
      `${negative} has no effect on ${info.pipeline}, which draws classes: leave it out`,
    );
  }
  const off = negative !== undefined && (info.embeddedGuidance ? trueCfgScale : guidance) <= 1;
  if (off && info.embeddedGuidance) {
    throw new LssgenError(
      "bad_option",
      `${negative} has no effect on ${info.pipeline} unless trueCfgScale (--cfg-scale) is above 1, for example 4: the network ` +
        `takes the guidance scale as an input (${
          info.pipeline.startsWith("Flux") ? "guidance_embeds" : "time_cond_proj_dim"
        })`,
    );
  }
  return off ? [`${negative} has no effect at guidance ${guidance}: above 1 it has`] : [];
}

/** Refuses another number of steps than there are noise levels. */
export function checkStepsOf({ steps }: Partial<GenerateRequest>, sigmas?: readonly number[]): void {
  if (sigmas && steps !== undefined && steps !== sigmas.length) {
    throw new LssgenError(
      "bad_option",
      `steps is ${steps}, but sigmas holds ${sigmas.length} noise levels; leave steps out`,
    );
  }
}
