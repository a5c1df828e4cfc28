/**
 * Options of the library as JavaScript hands them over: each has the type that it is declared with, and none is misspelt.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import { isRecord } from "../json.ts";
import type { GenerateOptions, GenerateRequest, PipelineOptions } from "./types.ts";

/** What an option takes, as a sentence goes on after "expected". */
type Kind =
  | "a text"
  | "a number"
  | "true or false"
  | "a function"
  | "a list"
  | "an object"
  | "a folder"
  | "an AbortSignal"
  | "a picture";

const IS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  "a text": (v) => typeof v === "string",
  "a number": (v) => typeof v === "number",
  "true or false": (v) => typeof v === "boolean",
  "a function": (v) => typeof v === "function",
  "a list": Array.isArray,
  "an object": isRecord,
  "a folder": isFolder,
  "an AbortSignal": (v) => v instanceof AbortSignal,
  "a picture": (v) => {
    const { data, decode } = isRecord(v) ? v : {};
    return ArrayBuffer.isView(data) || typeof decode === "function"; // pixels, or a file
  },
};

const REQUEST: Readonly<Record<keyof GenerateRequest, Kind>> = {
  prompt: "a text",
  prompt2: "a text",
  prompt3: "a text",
  negativePrompt: "a text",
  negativePrompt2: "a text",
  negativePrompt3: "a text",
  width: "a number",
  height: "a number",
  steps: "a number",
  guidance: "a number",
  trueCfgScale: "a number",
  seed: "a number",
  preset: "a text",
  method: "a text",
  minResolution: "a number",
  initNoise: "a number",
  upsampler: "a text",
  shortenSteps: "true or false",
  entry: "a text",
  count: "a number",
  emphasis: "true or false",
  clipSkip: "a number",
  image: "a picture",
  strength: "a number",
  mask: "a picture",
  rng: "a text",
  scheduler: "a text",
  schedule: "a text",
  guidanceStart: "a number",
  guidanceEnd: "a number",
  skipLayers: "a list",
  slgScale: "a number",
  skipLayerStart: "a number",
  skipLayerEnd: "a number",
  sigmas: "a list",
  stages: "a text",
  refineSteps: "a number",
  spectralDelta: "a number",
  cacheMode: "a text",
  cacheThreshold: "a number",
};

const RUN: Readonly<Record<keyof GenerateOptions, Kind>> = {
  signal: "an AbortSignal",
  onProgress: "a function",
  previewEvery: "a number",
  preview: "a text",
  stopAfter: "a number",
  resume: "an object",
};

const PIPELINE: Readonly<Record<keyof PipelineOptions, Kind>> = {
  device: "an object",
  dtype: "a text",
  onProgress: "a function",
  signal: "an AbortSignal",
  loras: "a list",
  findLora: "a function",
  upsamplerWeights: "a folder",
  upscaler: "an object",
  maxActivationBytes: "a number",
  maxVramBytes: "a number",
  offload: "a text",
  maxOffloadBytes: "a number",
  keepQuantised: "true or false",
  integerDot: "true or false",
  weightType: "a text",
  weightTypeRules: "a text",
  quantise: "a function",
  quantiseLanes: "a number",
  tinyVae: "a folder",
  tinyDecode: "true or false",
  kernels: "an object",
  firstPicture: "an object",
};

/** Checks a request. @throws {LssgenError} `bad_option`, naming what is of another type or not known. */
export function checkTypes(request: unknown): void {
  check("The request", request, REQUEST);
}

/** Checks how a run is watched. @throws {LssgenError} `bad_option`, naming what is of another type or not known. */
export function checkRunOptions(options: unknown): void {
  check("The options of generate", options, RUN);
}

/** Checks how a pipeline is opened. @throws {LssgenError} `bad_option`, naming what is of another type or not known. */
export async function checkPipelineOptions(options: unknown): Promise<void> {
  check("The options of createPipeline", options, PIPELINE);
  const { dtype, maxActivationBytes: most, maxVramBytes, offload, maxOffloadBytes, firstPicture } =
    options as PipelineOptions;
  if (dtype !== undefined && dtype !== "f16" && dtype !== "f32") throw bad("dtype", dtype, "f16 or f32");
  if (most !== undefined && !(most > 0)) throw bad("maxActivationBytes", most, "a number of bytes above 0");
  if (maxVramBytes !== undefined && !(maxVramBytes > 0)) {
    throw bad("maxVramBytes", maxVramBytes, "a number of bytes above 0");
  }
  if (offload !== undefined && offload !== "cpu" && offload !== "disk") {
    throw bad("offload", offload, "cpu or disk");
  }
  if (maxOffloadBytes !== undefined && !(maxOffloadBytes >= 0)) {
    throw bad("maxOffloadBytes", maxOffloadBytes, "a number of bytes");
  }
  if (maxOffloadBytes !== undefined && offload !== "cpu") {
    throw new LssgenError(
      "bad_option",
      'maxOffloadBytes (--max-offload) bounds what offload "cpu" (--offload cpu) keeps: give both or neither',
    );
  }
  if (firstPicture !== undefined) checkTypes(firstPicture);
  await checkWeightType(options as PipelineOptions);
}

/** Refuses types that are not written, and what says something of them where there is none. */
async function checkWeightType(options: PipelineOptions): Promise<void> {
  const { weightType, weightTypeRules, quantiseLanes: lanes } = options;
  if (weightType !== undefined || weightTypeRules !== undefined) {
    const { typeRules, writableType } = await import("../weights/convert.ts");
    if (weightType !== undefined) writableType(weightType);
    if (weightTypeRules !== undefined) typeRules(weightTypeRules);
  }
  if (weightTypeRules && weightType === undefined) {
    throw new LssgenError(
      "bad_option",
      "weightTypeRules (--tensor-type-rules) needs weightType (--type), the type of all other tensors",
    );
  }
  if (lanes !== undefined && !(Number.isSafeInteger(lanes) && lanes >= 1 && lanes <= 256)) {
    throw bad("quantiseLanes", lanes, "a whole number from 1 to 256");
  }
}

/** Whether something can be asked for files by their paths. */
export function isFolder(value: unknown): boolean {
  const { name, open, text } = isRecord(value) ? value : {};
  return typeof name === "string" && typeof open === "function" && typeof text === "function";
}

function check(what: string, given: unknown, kinds: Readonly<Record<string, Kind>>): void {
  if (!isRecord(given)) {
    throw new LssgenError("bad_option", `${what} is ${shown(given)}, expected an object`);
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(kinds, name)) {
      throw new LssgenError(
        "bad_option",
        `${what} has "${name}", which is no option; expected are ${Object.keys(kinds).join(", ")}`,
      );
    }
    if (!IS[kinds[name]](value)) throw bad(name, value, kinds[name]);
  }
}

function bad(name: string, value: unknown, expected: string): LssgenError {
  return new LssgenError("bad_option", `${name} is ${shown(value)}, expected ${expected}`);
}

/** A value of any type for a message; not all of them have JSON. */
function shown(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return String(value);
  try {
    return value === undefined || typeof value === "function" || typeof value === "symbol"
      ? typeof value
      : shortJson(value);
  } catch {
    return "an object";
  }
}
