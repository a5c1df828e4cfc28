/**
 * Options of the library as JavaScript hands them over: each has the type that it is declared with, and none is misspelt.
 *
 * @module
 */

import { isRecord } from "../json.ts";
import { check, IS, type Kind } from "../option_kinds.ts";
import type { GenerateOptions, GenerateRequest, PipelineOptions } from "./types.ts";

// Named, since a script says each many times.
const [TEXT, NUMBER, FLAG] = ["a text", "a number", "true or false"] as const;

const REQUEST: Readonly<Record<keyof GenerateRequest, Kind>> = {
  prompt: TEXT,
  prompt2: TEXT,
  prompt3: TEXT,
  negativePrompt: TEXT,
  negativePrompt2: TEXT,
  negativePrompt3: TEXT,
  width: NUMBER,
  height: NUMBER,
  steps: NUMBER,
  guidance: NUMBER,
  trueCfgScale: NUMBER,
  seed: NUMBER,
  preset: TEXT,
  method: TEXT,
  minResolution: NUMBER,
  initNoise: NUMBER,
  upsampler: TEXT,
  shortenSteps: FLAG,
  entry: TEXT,
  count: NUMBER,
  emphasis: FLAG,
  clipSkip: NUMBER,
  image: "a picture",
  strength: NUMBER,
  mask: "a picture",
  rng: TEXT,
  scheduler: TEXT,
  schedule: TEXT,
  guidanceStart: NUMBER,
  guidanceEnd: NUMBER,
  skipLayers: "a list",
  slgScale: NUMBER,
  skipLayerStart: NUMBER,
  skipLayerEnd: NUMBER,
  sigmas: "a list",
  stages: TEXT,
  refineSteps: NUMBER,
  spectralDelta: NUMBER,
  cacheMode: TEXT,
  cacheThreshold: NUMBER,
};

const RUN: Readonly<Record<keyof GenerateOptions, Kind>> = {
  signal: "an AbortSignal",
  onProgress: "a function",
  previewEvery: "a number",
  preview: "a text",
  stopAfter: "a number",
  resume: "an object",
};

/** Checks a request. @throws {LssgenError} `bad_option`, naming what is of another type or not known. */
export function checkTypes(request: unknown): void {
  check("The request", request, REQUEST);
}

/** Checks how a run is watched. @throws {LssgenError} `bad_option`, naming what is of another type or not known. */
export function checkRunOptions(options: unknown): void {
  check("The options of generate", options, RUN);
}

/** Options of the pipeline that say nothing but where and for what. */
const FEW_PIPELINE: Readonly<Partial<Record<keyof PipelineOptions, Kind>>> = {
  device: "an open device",
  onProgress: "a function",
  signal: "an AbortSignal",
  findLora: "a function",
  kernels: "an object",
  firstPicture: "an object",
};

/**
 * Refuses options of createPipeline, and of its first picture. The checks of others come with the first of them.
 *
 * @throws {LssgenError} `bad_option` naming the option.
 */
export async function checkPipelineOptions(options: unknown): Promise<void> {
  const few = isRecord(options) && Object.entries(options).every(([name, value]) => {
    const kind = Object.hasOwn(FEW_PIPELINE, name) && FEW_PIPELINE[name as keyof PipelineOptions];
    return value === undefined || kind && IS[kind](value);
  });
  if (!few) await (await import("./checked_pipeline_options.ts")).checkAllPipelineOptions(options);
  const { firstPicture } = options as PipelineOptions;
  if (firstPicture !== undefined) checkTypes(firstPicture);
}
