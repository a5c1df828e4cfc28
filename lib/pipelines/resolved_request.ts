/**
 * A request with the model's defaults filled in, its prompts read, and the stages that it comes to.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { firstSeed } from "../random.ts";
import { planBy } from "../scaling/plan.ts";
import type { Method, MethodName, Plan, StageOption } from "../scaling/types.ts";
import type { LoraTag } from "../text/prompt_syntax.ts";
import { checkTypes } from "./checked_options.ts";
import type { PromptRequest } from "./family.ts";
import { noEsrgan, noLearnedUpsampler } from "./denoising.ts";
import type { PlanRules } from "./plan_rules.ts";
import type { GenerateRequest, ModelInfo, Rng } from "./types.ts";

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
  const request = asked.preset === undefined ? asked : rules.preset(info, asked);
  const p = resolve(rules, info, { prompt: "", ...request }, info.learnedUpsampler);
  const free = p.image !== undefined && (request.width === undefined || request.height === undefined);
  const scheduler = rules.scheduler(rules.config(info.scheduler, p));
  if (p.sigmas) rules.further!.checkLevels(p.sigmas, scheduler.kind === "flow");
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
    upsamplerIsDefault: request.upsampler === undefined,
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
  const more = rules.further
    ? [
      ...rules.further.unheeded(
        request,
        rules.method(p.method),
        stageDefaults(info, rules.method(p.method), info.learnedUpsampler),
      ),
      ...rules.further.pictureWarnings(request, plan.stages[plan.stages.length - 1], unit),
    ]
    : [];
  const whole = { ...plan, warnings: [...info.warnings ?? [], ...plan.warnings, ...more] };
  return rules.further?.guided(whole, info, p, scheduler, callsOf(info, p)) ?? whole;
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

/** How stages follow each other where nobody says otherwise. */
function stageDefaults(
  { defaults: d }: ModelInfo,
  { initNoise = d.initNoise, beginsAtBase }: Method,
  learned: boolean,
): Pick<Resolved, StageOption> {
  return {
    minResolution: beginsAtBase ? d.baseResolution : d.minResolution,
    initNoise,
    upsampler: d.upsampler === "learned" && !learned ? "bicubic" : d.upsampler,
    shortenSteps: d.shortenSteps,
    entry: d.entry,
  };
}

/** Fills in the model's defaults and checks what the plan does not. */
export function resolve(
  rules: PlanRules,
  info: ModelInfo,
  asked: GenerateRequest,
  learned: boolean,
): Resolved {
  checkTypes(asked);
  const request = asked.preset === undefined ? asked : rules.preset(info, asked);
  if (typeof request.prompt !== "string") {
    throw new LssgenError("bad_option", "The request has no prompt, expected a text");
  }
  const d = info.defaults;
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const { further } = rules;
  const size = request.image &&
    further!.startingSize(request.image, request, tokenSide(info), d.baseResolution);
  // A final 0 is said by some and left out by others.
  const sigmas = request.sigmas?.filter((level, i, all) => level !== 0 || i < all.length - 1);
  const method = request.method ?? (request.stages === undefined ? "lssgen" : "stages");
  further?.checkMethod(request, method);
  further?.checkStepsOf(request, sigmas);
  further?.checkTokens(info, request, method, rules.method(method).tokens ?? false);
  const p: Resolved = {
    width: size?.width ?? d.width,
    height: size?.height ?? d.height,
    steps: d.steps,
    trueCfgScale: 1,
    seed: 0,
    method,
    ...stageDefaults(info, rules.method(method), learned),
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
  further?.checkPictures(request, p);
  readPrompts(rules, info, p);
  const skip = further?.checkCalls(info, p);
  if (!skip) return { ...p, seed };
  const { layers: skipLayers, scale: slgScale, start: skipLayerStart, end: skipLayerEnd } = skip;
  return { ...p, skipLayers, slgScale, skipLayerStart, skipLayerEnd, seed };
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

/**
 * Reads the prompts of a request, and refuses those that the model does not read.
 *
 * @throws {LssgenError} `bad_option`, naming the field; as {@linkcode readPrompt}.
 */
export function readPrompts(rules: PlanRules, info: ModelInfo, p: GenerateRequest): ReadRequest {
  const { guidance = info.defaults.guidance, trueCfgScale = 1, emphasis = true } = p;
  rules.further?.checkPrompts(info, p);
  const loras: LoraTag[] = [];
  const warnings = [...rules.further?.checkNegative(info, p, guidance, trueCfgScale) ?? []];
  const words = <F extends keyof PromptRequest & `${"prompt" | "negativePrompt"}${"" | "2" | "3"}`>(
    field: F,
  ) => {
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
    skipLayers: rules.further?.skipLayersOf(info, p),
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
