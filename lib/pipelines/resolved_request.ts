/**
 * A request with the model's defaults filled in, its prompts read, and the stages that it comes to.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { CACHE_THRESHOLD } from "../models/block_run.ts";
import { firstSeed } from "../random.ts";
import { guidedWithin, planBy, skippingWithin } from "../scaling/plan.ts";
import type { MethodName, Plan } from "../scaling/types.ts";
import { checkFree, samplerConfig, scheduleConfig } from "../schedulers/choice.ts";
import type { LoraTag } from "../text/prompt_syntax.ts";
import { checkTypes } from "./checked_options.ts";
import type { PromptRequest } from "./family.ts";
import { noEsrgan, noLearnedUpsampler } from "./latents.ts";
import type { PlanRules } from "./plan_rules.ts";
import { withPreset } from "./presets.ts";
import { checkPicture, pictureWarnings, startingSize } from "./picture_request.ts";
import { skipLayersOf } from "./skip_layers.ts";
import { CACHE_MODES, type GenerateRequest, type ModelInfo, type Rng, RNGS } from "./types.ts";

/** stable-diffusion.cpp's. */
const DEFAULT_STRENGTH = 0.75;

/**
 * The stages of a picture by some rules, without a GPU or weights.
 *
 * @param compared `directSteps`: steps of the direct run that savings are counted against; the request's without it.
 * @throws {LssgenError} `bad_option`, naming the option.
 */
export function planWith(
  rules: PlanRules,
  info: ModelInfo,
  asked: Omit<GenerateRequest, "prompt">,
  { directSteps }: { readonly directSteps?: number } = {},
): Plan {
  checkTypes(asked);
  const request = withPreset(info, asked);
  const p = resolve(rules, info, { prompt: "", ...request }, info.learnedUpsampler);
  const free = p.image !== undefined && (request.width === undefined || request.height === undefined);
  const scheduler = rules.scheduler(schedulerConfig(info.scheduler, p));
  if (p.sigmas) checkLevels(p.sigmas, scheduler.kind === "flow");
  const plan = planBy(rules.method(p.method), {
    width: p.width,
    height: p.height,
    // A first stage larger than the picture is none: the default must not refuse small pictures.
    minResolution: request.minResolution === undefined
      ? Math.min(p.minResolution, p.width, p.height)
      : p.minResolution,
    baseResolution: info.defaults.baseResolution,
    steps: p.steps,
    initNoise: p.initNoise,
    shortenSteps: p.shortenSteps,
    upsampler: p.upsampler,
    entry: p.entry,
    levels: p.sigmas,
    stages: p.stages,
    refineSteps: p.refineSteps,
    spectralDelta: p.spectralDelta,
    spectrum: info.spectrum,
    strength: p.strength,
    inpaint: p.mask !== undefined && !info.maskInput,
    scheduler,
    // A size that nobody asked for is rounded to what the model takes, never refused.
    space: free ? { ...info.space, indivisible: "round" } : info.space,
    cost: info.cost(callsOf(info, p)),
    directSteps,
  });
  const grows = plan.stages.some((stage) => stage.grow?.upsampler === "learned");
  if (grows && !info.learnedUpsampler) throw noLearnedUpsampler();
  const enlarges = plan.stages.some((stage) => stage.grow?.upsampler === "esrgan");
  if (enlarges && !info.esrganUpsampler) throw noEsrgan();
  const unit = tokenSide(info) * 2 ** (plan.stages.length - 1);
  const more = pictureWarnings(request, plan.stages[plan.stages.length - 1], unit);
  const whole = { ...plan, warnings: [...info.warnings ?? [], ...plan.warnings, ...more] };
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
  if (from === 0 && to === 1) return skipping(whole);
  if (callsOf(info, p) === 1) {
    throw new LssgenError(
      "bad_option",
      "guidanceStart and guidanceEnd (--guidance-start, --guidance-end) have no effect without classifier-free guidance, " +
        (info.embeddedGuidance
          ? "which trueCfgScale (--cfg-scale) above 1 asks for"
          : "which guidance above 1 asks for"),
    );
  }
  return skipping(guidedWithin(whole, scheduler, from, to, info.cost(1)));
}

/** The model's scheduler_config.json as the request changes it. */
function schedulerConfig(
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

/** Refuses noise levels that do not fall, or that are none. */
function checkLevels(levels: readonly number[], flow: boolean): void {
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

/** A request with every default filled in. */
export interface Resolved extends GenerateRequest {
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly guidance: number;
  readonly trueCfgScale: number;
  readonly seed: number;
  readonly method: MethodName;
  readonly minResolution: number;
  readonly initNoise: number;
  readonly upsampler: NonNullable<GenerateRequest["upsampler"]>;
  readonly shortenSteps: boolean;
  readonly entry: NonNullable<GenerateRequest["entry"]>;
  readonly count: number;
  readonly emphasis: boolean;
  readonly rng: Rng;
}

/** Options that one method has alone. */
const METHOD_OPTIONS = [
  ["stages", "stages"],
  ["refineSteps", "refine"],
  ["spectralDelta", "spectral"],
] as const;

/** Fills in the model's defaults and checks what the plan does not. */
export function resolve(
  rules: PlanRules,
  info: ModelInfo,
  asked: GenerateRequest,
  learned: boolean,
): Resolved {
  checkTypes(asked);
  const request = withPreset(info, asked);
  if (typeof request.prompt !== "string") {
    throw new LssgenError("bad_option", "The request has no prompt, expected a text");
  }
  const d = info.defaults;
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const size = request.image && startingSize(request.image, request, tokenSide(info), d.baseResolution);
  // A final 0 is said by some and left out by others.
  const sigmas = request.sigmas?.filter((level, i, all) => level !== 0 || i < all.length - 1);
  if (sigmas && request.steps !== undefined && request.steps !== sigmas.length) {
    throw new LssgenError(
      "bad_option",
      `steps is ${request.steps}, but sigmas holds ${sigmas.length} noise levels; leave steps out`,
    );
  }
  const method = request.method ?? (request.stages === undefined ? "lssgen" : "stages");
  for (const [field, of] of METHOD_OPTIONS) {
    if (request[field] === undefined || method === of) continue;
    throw new LssgenError("bad_option", `${field} belongs to the method "${of}", not to "${method}"`);
  }
  const { tokens, initNoise = d.initNoise } = rules.method(method);
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
  const p: Resolved = {
    width: size?.width ?? d.width,
    height: size?.height ?? d.height,
    steps: d.steps,
    trueCfgScale: 1,
    seed: 0,
    method,
    minResolution: d.minResolution,
    initNoise,
    upsampler: d.upsampler === "learned" && !learned ? "bicubic" : d.upsampler,
    shortenSteps: d.shortenSteps,
    entry: d.entry,
    count: 1,
    emphasis: true,
    rng: "philox",
    // A denoiser that sees the picture begins with noise alone, as in diffusers.
    strength: request.image && !info.maskInput ? DEFAULT_STRENGTH : undefined,
    ...given as Partial<GenerateRequest> & { prompt: string },
    ...sigmas && { sigmas, steps: sigmas.length },
    // Where guidance is classifier-free anyway, its scale may be asked for under either name.
    guidance: request.guidance ?? (info.embeddedGuidance ? undefined : request.trueCfgScale) ?? d.guidance,
  };
  if (!Number.isSafeInteger(p.count) || p.count < 1 || p.count > 10_000) {
    throw new LssgenError("bad_option", `count is ${p.count}, expected a whole number from 1 to 10000`);
  }
  const seed = firstSeed(p.seed, p.count);
  for (const name of ["trueCfgScale", "guidance"] as const) {
    if (!(p[name] >= 0 && p[name] <= 1000)) {
      throw new LssgenError("bad_option", `${name} is ${p[name]}, expected a number from 0 to 1000`);
    }
  }
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
  readPrompts(rules, info, p);
  const skip = skipLayersOf(info, p);
  checkCaching(info, p);
  if (skip && cacheThreshold(p) !== undefined) {
    throw new LssgenError(
      "bad_option",
      "skip-layer guidance (--skip-layers, --slg-scale) and a cache of steps (--cache-mode, --cache-threshold) do not go together: leave one of them out",
    );
  }
  checkClipSkip(info, p.clipSkip);
  if (!skip) return { ...p, seed };
  const { layers: skipLayers, scale: slgScale, start: skipLayerStart, end: skipLayerEnd } = skip;
  return { ...p, skipLayers, slgScale, skipLayerStart, skipLayerEnd, seed };
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

/** The threshold of a request's cache of steps; undefined where nothing is cached. */
export function cacheThreshold({ cacheMode, cacheThreshold }: GenerateRequest): number | undefined {
  const threshold = cacheThreshold ?? (cacheMode === "first-block" ? CACHE_THRESHOLD : 0);
  return threshold > 0 ? threshold : undefined;
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

/** A request's prompts, read. */
export interface ReadRequest {
  /** For the encoders: words only. */
  readonly request: PromptRequest;
  /** LoRAs that the prompt names. */
  readonly loras: readonly LoraTag[];
  /** Sentences for the user. */
  readonly warnings: readonly string[];
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

/**
 * Reads the prompts of a request, and refuses those that the model does not read.
 *
 * @throws {LssgenError} `bad_option`, naming the field; as {@linkcode readPrompt}.
 */
export function readPrompts(rules: PlanRules, info: ModelInfo, p: GenerateRequest): ReadRequest {
  const { guidance = info.defaults.guidance, trueCfgScale = 1, emphasis = true } = p;
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
  const loras: LoraTag[] = [];
  const warnings = off ? [`${negative} has no effect at guidance ${guidance}: above 1 it has`] : [];
  const words = <F extends "prompt" | "negativePrompt" | typeof FURTHER_PROMPTS[number][0]>(field: F) => {
    const text = p[field];
    // Names of classes are no prompts.
    if (text === undefined || !emphasis || info.prompts === 0) return text;
    const read = rules.prompt(text, field);
    loras.push(...read.loras);
    warnings.push(...read.warnings);
    return read.text;
  };
  const request = {
    prompt: words("prompt") ?? "",
    prompt2: words("prompt2"),
    prompt3: words("prompt3"),
    negativePrompt: words("negativePrompt"),
    negativePrompt2: words("negativePrompt2"),
    negativePrompt3: words("negativePrompt3"),
    guidance,
    trueCfgScale,
    emphasis,
    clipSkip: p.clipSkip,
    wholeWords: info.wholeWords,
    skipLayers: skipLayersOf(info, p),
  };
  return { request, loras, warnings };
}

/** Pixels of a token's side: what sides of pictures are multiples of. */
function tokenSide({ space }: ModelInfo): number {
  return space.vaeFactor * space.patch;
}

/** Calls of the network a step. */
function callsOf(info: ModelInfo, p: Resolved): number {
  return (info.embeddedGuidance ? p.trueCfgScale : p.guidance) > 1 ? 2 : 1;
}
