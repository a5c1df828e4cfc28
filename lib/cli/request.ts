/**
 * From options, and from the parameters stored in a picture, to a request.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { GenerateRequest, ModelInfo, PipelineOptions } from "../pipelines/text_to_image.ts";
import type { Prediction } from "../model_files/model_files.ts";
import { randomSeed } from "../random.ts";
import { scheduleNamed } from "../schedulers/registry.ts";
import { samplerNamed } from "../schedulers/samplers.ts";
import { loraSpec } from "../parameters/lora_tags.ts";
import { promptWords } from "./commands.ts";
import type { EngineChoice } from "../parameters/engine_choice.ts";
import { PRESET_SETTINGS } from "../pipelines/presets.ts";
import { optionNamed, type Parsed } from "./options.ts";
import { readStored, type StoredParameters } from "../parameters/stored.ts";

/** What makes the model. */
export type ModelChoice = Pick<
  EngineChoice,
  "model" | "diffusionModel" | "vae" | "clipL" | "clipG" | "t5" | "config" | "prediction" | "taesd"
>;

/** The seed without `--seed`, stable-diffusion.cpp's. */
const DEFAULT_SEED = 42;

/** Options whose names are not those of the fields. */
const OPTION_OF: Readonly<Record<string, string>> = { trueCfgScale: "cfgScale" };

/** A stored number has to be one that could have been typed. */
function checkRange(key: string, value: number, file: string): void {
  const { min = -Infinity, max = Infinity, type } = optionNamed(OPTION_OF[key] ?? key) ?? {};
  if (value >= min && value <= max && (type !== "integer" || Number.isSafeInteger(value))) return;
  throw new LssgenError(
    "bad_file",
    `Cannot make "${file}" again: its "${key}" is ${value}, expected a ${
      type === "integer" ? "whole " : ""
    }number from ${min} to ${max}`,
  );
}

/** A request for one picture. `plan` needs no prompt, so none is required here. */
export function toRequest(options: Parsed, stored: Partial<GenerateRequest> = {}): GenerateRequest {
  const { text, number, flag, numbers } = options;
  const words = promptWords(options.words);
  if (text.prompt === "-") promptWords(["-"]);
  if (number.size !== undefined && (number.width !== undefined || number.height !== undefined)) {
    throw new LssgenError(
      "bad_option",
      "Option --size sets width and height: give either it or --width and --height",
    );
  }
  if (text.prompt !== undefined && words.length > 0) {
    throw new LssgenError(
      "bad_option",
      `The prompt is given twice, as --prompt and as "${words.join(" ")}": keep one`,
    );
  }
  const network = namesNetwork(text.upsamplerWeights) ? "esrgan" : undefined;
  if (network && text.upsampler !== undefined && text.upsampler !== network) {
    throw new LssgenError(
      "bad_option",
      `--upsampler-weights names a file, "${text.upsamplerWeights}", which is for --upsampler esrgan, not ${text.upsampler}; the ` +
        "learned upsampler is a folder",
    );
  }
  const given: Partial<GenerateRequest> = {
    prompt: text.prompt ?? (words.length > 0 ? words.join(" ") : undefined),
    prompt2: text.prompt2,
    prompt3: text.prompt3,
    negativePrompt: text.negativePrompt,
    negativePrompt2: text.negativePrompt2,
    negativePrompt3: text.negativePrompt3,
    width: number.width ?? number.size,
    height: number.height ?? number.size,
    steps: number.steps,
    guidance: number.guidance,
    trueCfgScale: number.cfgScale,
    seed: number.seed === -1 ? randomSeed() : number.seed,
    preset: text.preset as GenerateRequest["preset"],
    method: text.method as GenerateRequest["method"],
    minResolution: number.minResolution,
    initNoise: number.initNoise,
    upsampler: (text.upsampler ?? network) as GenerateRequest["upsampler"],
    shortenSteps: flag.shorten,
    // Spellings of other programs are resolved where the model is known.
    scheduler: text.scheduler as GenerateRequest["scheduler"],
    schedule: scheduleNamed(text.schedule ?? ""),
    sigmas: numbers.sigmas,
    guidanceStart: number.guidanceStart,
    guidanceEnd: number.guidanceEnd,
    skipLayers: numbers.skipLayers,
    slgScale: number.slgScale,
    skipLayerStart: number.skipLayerStart,
    skipLayerEnd: number.skipLayerEnd,
    cacheMode: text.cacheMode as GenerateRequest["cacheMode"],
    cacheThreshold: number.cacheThreshold,
    stages: text.stages,
    refineSteps: number.refineSteps,
    spectralDelta: number.spectralDelta,
    emphasis: flag.emphasis,
    // stable-diffusion.cpp says 0 and −1 for the model's own layer.
    clipSkip: (number.clipSkip ?? 0) > 0 ? number.clipSkip : undefined,
    strength: number.strength,
    rng: text.rng as GenerateRequest["rng"],
    entry: text.entry as GenerateRequest["entry"],
  };
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const kept = { ...stored };
  // What takes the place of something stored must not meet it.
  if (number.clipSkip !== undefined) delete kept.clipSkip;
  if (given.sigmas) delete kept.schedule, delete kept.steps;
  if (given.schedule) delete kept.sigmas;
  // "DPM++ 2M Karras" says its schedule itself.
  if (samplerNamed(text.scheduler ?? "")?.schedule && !given.schedule) {
    delete kept.schedule, delete kept.sigmas;
  }
  if (given.steps !== undefined && !given.sigmas) delete kept.sigmas;
  if (given.cacheMode || given.cacheThreshold !== undefined) {
    delete kept.cacheMode, delete kept.cacheThreshold;
  }
  // A preset takes the place of all that it may say.
  if (given.preset) { for (const key of PRESET_SETTINGS) delete kept[key]; }
  if (given.method || given.stages) {
    delete kept.stages, delete kept.refineSteps, delete kept.spectralDelta;
    if (given.stages) delete kept.method;
  }
  return { prompt: "", seed: DEFAULT_SEED, ...kept, ...set };
}

/**
 * The request with one guidance scale where the model has one: there `--cfg-scale` and `--guidance` mean the same. What was
 * typed takes the place of what a picture stores under either name. Of both, `--cfg-scale` counts: users of
 * stable-diffusion.cpp give `--guidance` beside it for FLUX, and it changes nothing elsewhere.
 *
 * @param note Hears what changes nothing.
 */
export function withOneGuidance(
  request: GenerateRequest,
  { number: { cfgScale, guidance } }: Parsed,
  { embeddedGuidance, pipeline }: Pick<ModelInfo, "embeddedGuidance" | "pipeline">,
  note: (text: string) => void,
): GenerateRequest {
  if (embeddedGuidance || cfgScale === undefined) return request;
  if (guidance !== undefined && guidance !== cfgScale) {
    note(`Note: --guidance changes nothing: ${pipeline} has one guidance scale, and --cfg-scale gives it\n`);
  }
  return { ...request, guidance: cfgScale };
}

/** Whether `--upsampler-weights` names an ESRGAN network: a file, where the learned upsampler is a folder. */
export function namesNetwork(path: string | undefined): boolean {
  return path !== undefined && /\.(safetensors|sft|gguf|pth?|ckpt|bin)$/i.test(path);
}

/** The engine that the options ask for. */
export function toEngineChoice(options: Parsed, stored: EngineChoice = {}): EngineChoice {
  return {
    ...modelChoice(options, stored),
    upsamplerWeights: options.text.upsamplerWeights ?? stored.upsamplerWeights,
    loras: options.texts.lora ?? stored.loras,
    loraModelDir: options.text.loraModelDir ?? stored.loraModelDir,
    dtype: (options.text.dtype ?? stored.dtype) as EngineChoice["dtype"],
    initImg: options.text.initImg ?? stored.initImg,
    mask: options.text.mask ?? stored.mask,
    taesdPreviewOnly: options.flag.taesdPreviewOnly ?? stored.taesdPreviewOnly,
    maxActivation: options.number.maxActivation ?? stored.maxActivation,
    maxVram: options.number.maxVram,
    offload: options.text.offload as EngineChoice["offload"],
    maxOffload: options.number.maxOffload,
    type: options.text.type ?? stored.type,
    tensorTypeRules: options.text.tensorTypeRules ?? stored.tensorTypeRules,
    keepQuantised: options.flag.keepQuantised ?? stored.keepQuantised,
    integerDot: options.flag.integerDot ?? stored.integerDot,
    upscaleModel: options.text.upscaleModel ?? stored.upscaleModel,
    upscaleRepeats: options.number.upscaleRepeats ?? stored.upscaleRepeats,
    upscaleTileSize: options.number.upscaleTileSize ?? stored.upscaleTileSize,
    upscaleTileMargin: options.number.upscaleTileMargin ?? stored.upscaleTileMargin,
  };
}

/** MiB of an option as bytes. */
export function bytesOfMib(mib: number | undefined): number | undefined {
  return mib === undefined ? undefined : mib * 2 ** 20;
}

/** What the options say of the weights' types. */
export function weightOptions(
  { type: weightType, tensorTypeRules: weightTypeRules, keepQuantised, integerDot }: EngineChoice,
): Pick<PipelineOptions, "weightType" | "weightTypeRules" | "keepQuantised" | "integerDot"> {
  return { weightType, weightTypeRules, keepQuantised, integerDot };
}

/** Files that the options name, over those stored: a picture's own parts go with its own model only. */
export function modelChoice({ text }: Parsed, stored: EngineChoice = {}): ModelChoice {
  const own = text.model === undefined && text.diffusionModel === undefined ? stored : {};
  return {
    model: text.model ?? own.model,
    diffusionModel: text.diffusionModel ?? own.diffusionModel,
    vae: text.vae ?? own.vae,
    clipL: text.clipL ?? own.clipL,
    clipG: text.clipG ?? own.clipG,
    t5: text.t5xxl ?? own.t5,
    config: text.config ?? own.config,
    prediction: (text.prediction ?? own.prediction) as Prediction | undefined,
    taesd: text.taesd ?? stored.taesd,
  };
}

/**
 * What a picture stores, its numbers held to the options' ranges.
 *
 * @throws {LssgenError} As {@linkcode readStored}.
 */
export function fromStored(text: string | undefined, file: string): StoredParameters {
  return readStored(text, file, checkRange);
}

/** Options of the files that a picture may name, those that are followed and those that are not. */
const FOLLOWED = {
  model: "--model",
  upsamplerWeights: "--upsampler-weights",
  taesd: "--taesd",
  loras: "--lora",
  loraModelDir: "--lora-model-dir",
  upscaleModel: "--upscale-model",
} as const;
const NOT_FOLLOWED = { initImg: "--init-img", mask: "--mask" } as const;

/**
 * The paths that a picture names and nobody has typed: whoever made the picture chose them. Pictures to begin with would
 * be drawn into the result, so those are left to the user; models of this machine are opened, and said; nothing is asked
 * of another machine.
 *
 * @param stored What the picture says.
 * @param options What was typed, which counts first.
 * @param file The picture's name, for messages.
 * @param exists Whether there is such a file or folder on this machine's disks.
 * @returns Sentences about the paths that will be opened.
 * @throws {LssgenError} `bad_file` for a path that is not followed: a picture, or a place on another machine.
 */
export async function followedPaths(
  stored: EngineChoice,
  options: Parsed,
  file: string,
  exists: (path: string) => Promise<boolean>,
): Promise<string[]> {
  for (const [key, option] of Object.entries(NOT_FOLLOWED)) {
    const path = stored[key as keyof typeof NOT_FOLLOWED];
    if (path === undefined || options.text[key] !== undefined) continue;
    throw new LssgenError(
      "bad_file",
      `"${file}" was drawn from another picture, "${path}", which is not opened because a file says so: ` +
        `give it with ${option} (${option} "${path}" if it is yours)`,
    );
  }
  const notes: string[] = [];
  for (const [key, option] of Object.entries(FOLLOWED)) {
    const value = stored[key as keyof typeof FOLLOWED];
    const typed = key === "loras" ? options.texts.lora !== undefined : options.text[key] !== undefined;
    if (value === undefined || typed) continue;
    for (const path of typeof value === "string" ? [value] : value) {
      const elsewhere = /^([\\/]{2}|[a-z][a-z0-9+.-]*:\/\/)/i.test(path);
      if (elsewhere || !await exists(key === "loras" ? loraSpec(path).path : path)) {
        throw new LssgenError(
          "bad_file",
          `"${file}" names "${path}", which is not on this machine's disks, and nothing is fetched because a file ` +
            `says so: give it, or what stands for it here, with ${option}`,
        );
      }
      notes.push(`"${file}" names "${path}", which is opened; ${option} takes another`);
    }
  }
  return notes;
}
