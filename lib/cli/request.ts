/**
 * From options, and from the parameters stored in a picture, to a request.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type JsonBounds, parseJson } from "../json.ts";
import type { GenerateRequest } from "../pipelines/text_to_image.ts";
import type { Prediction } from "../model_files/model_files.ts";
import { randomSeed } from "../random.ts";
import { scheduleNamed } from "../schedulers/registry.ts";
import { promptWords } from "./commands.ts";
import type { EngineChoice } from "./engine_choice.ts";
import { optionNamed, type Parsed } from "./options.ts";
import { PARAMETERS_KEYWORD } from "./picture.ts";

/** What makes the model. */
export type ModelChoice = Pick<EngineChoice, (typeof MODEL_FIELDS)[number]>;

const MODEL_FIELDS = [
  "model",
  "diffusionModel",
  "vae",
  "clipL",
  "clipG",
  "t5",
  "config",
  "prediction",
  "taesd",
] as const;

/** The seed without `--seed`, stable-diffusion.cpp's. */
const DEFAULT_SEED = 42;

/** Fields of a request that `--from` restores, with their types. */
const STORED: Readonly<
  Record<
    Exclude<keyof GenerateRequest, "count" | "image" | "mask">,
    "string" | "number" | "boolean" | "numbers"
  >
> = {
  prompt: "string",
  prompt2: "string",
  prompt3: "string",
  negativePrompt: "string",
  negativePrompt2: "string",
  negativePrompt3: "string",
  width: "number",
  height: "number",
  steps: "number",
  guidance: "number",
  trueCfgScale: "number",
  seed: "number",
  method: "string",
  minResolution: "number",
  initNoise: "number",
  upsampler: "string",
  shortenSteps: "boolean",
  entry: "string",
  scheduler: "string",
  schedule: "string",
  guidanceStart: "number",
  guidanceEnd: "number",
  sigmas: "numbers",
  stages: "string",
  refineSteps: "number",
  spectralDelta: "number",
  emphasis: "boolean",
  clipSkip: "number",
  strength: "number",
  rng: "string",
};

/** Characters of stored parameters: the longest prompts and many sigmas fit. */
const STORED_BOUNDS: JsonBounds = { characters: 1 << 20, depth: 8 };

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
    method: text.method,
    minResolution: number.minResolution,
    initNoise: number.initNoise,
    upsampler: text.upsampler as GenerateRequest["upsampler"],
    shortenSteps: flag.shorten,
    // stable-diffusion.cpp calls the schedule --scheduler and the sampler --sampling-method; here --scheduler is either.
    scheduler: scheduleNamed(text.scheduler ?? "") ? undefined : text.scheduler,
    schedule: text.schedule ?? scheduleNamed(text.scheduler ?? ""),
    sigmas: numbers.sigmas,
    guidanceStart: number.guidanceStart,
    guidanceEnd: number.guidanceEnd,
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
  if (given.steps !== undefined && !given.sigmas) delete kept.sigmas;
  if (given.method || given.stages) {
    delete kept.stages, delete kept.refineSteps, delete kept.spectralDelta;
    if (given.stages) delete kept.method;
  }
  return { prompt: "", seed: DEFAULT_SEED, ...kept, ...set };
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
  };
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
 * Reads what {@linkcode storedText} wrote. Fields this version does not know are left out.
 *
 * @param text The chunk's text, undefined when the picture has none.
 * @param file Name for messages.
 * @throws {LssgenError} `bad_file` when there is nothing to read or a field has the wrong type.
 */
export function fromStored(
  text: string | undefined,
  file: string,
): { request: Partial<GenerateRequest>; engine: EngineChoice } {
  if (text === undefined) {
    throw new LssgenError(
      "bad_file",
      `Cannot make "${file}" again: it holds no "${PARAMETERS_KEYWORD}" text chunk. Only pictures of this program ` +
        `do, and many sites strip it`,
    );
  }
  let stored: unknown;
  try {
    stored = parseJson(`${file}, ${PARAMETERS_KEYWORD}`, text, STORED_BOUNDS);
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
    throw new LssgenError(
      "bad_file",
      `Cannot make "${file}" again: its "${PARAMETERS_KEYWORD}" text is no JSON`,
      {
        cause,
      },
    );
  }
  if (typeof stored !== "object" || stored === null || Array.isArray(stored)) {
    throw new LssgenError(
      "bad_file",
      `Cannot make "${file}" again: its "${PARAMETERS_KEYWORD}" text is no JSON object`,
    );
  }
  const fields = stored as Record<string, unknown>;
  const take = (key: string, type: string): unknown => {
    const value = fields[key];
    if (value === undefined || value === null) return undefined;
    const found: string = typeof value;
    const fits = type === "numbers"
      ? Array.isArray(value) && value.every((v) => typeof v === "number")
      : found === type;
    if (!fits) {
      const wanted = type === "numbers" ? "list of numbers" : type;
      throw new LssgenError("bad_file", `Cannot make "${file}" again: its "${key}" is no ${wanted}`);
    }
    return value;
  };
  const { loras } = fields;
  if (loras !== undefined && !(Array.isArray(loras) && loras.every((lora) => typeof lora === "string"))) {
    throw new LssgenError("bad_file", `Cannot make "${file}" again: its "loras" are no list of texts`);
  }
  const request: Record<string, unknown> = {};
  for (const [key, type] of Object.entries(STORED)) {
    const value = take(key, type);
    if (value === undefined) continue;
    if (type === "number") checkRange(key, value as number, file);
    request[key] = value;
  }
  return {
    request: request as Partial<GenerateRequest>,
    engine: {
      ...Object.fromEntries(
        MODEL_FIELDS.map((key) => [key, take(key, "string")] as const).filter(([, value]) =>
          value !== undefined
        ),
      ),
      upsamplerWeights: take("upsamplerWeights", "string") as string | undefined,
      loras,
      loraModelDir: take("loraModelDir", "string") as string | undefined,
      dtype: take("dtype", "string") as EngineChoice["dtype"],
      initImg: take("initImg", "string") as string | undefined,
      mask: take("mask", "string") as string | undefined,
      taesdPreviewOnly: take("taesdPreviewOnly", "boolean") as boolean | undefined,
      maxActivation: take("maxActivation", "number") as number | undefined,
    },
  };
}

/** Options of the files that a picture may name, those that are followed and those that are not. */
const FOLLOWED = {
  model: "--model",
  upsamplerWeights: "--upsampler-weights",
  taesd: "--taesd",
  loras: "--lora",
  loraModelDir: "--lora-model-dir",
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

/** `style.safetensors:0.8` → file and scale. Only a number behind the last colon is a scale, so that paths may have colons. */
export function loraSpec(text: string): { path: string; scale: number } {
  const [, path, scale] = /^(.+):([+-]?(?:\d+\.?\d*|\.\d+))$/.exec(text) ?? [];
  return path === undefined ? { path: text, scale: 1 } : { path, scale: Number(scale) };
}
