/**
 * Options of createPipeline as JavaScript hands them over.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { bad, check, IS, type Kind } from "../option_kinds.ts";
import type { Lora } from "../weights/lora.ts";
import type { PipelineOptions } from "./types.ts";

const PIPELINE: Readonly<Record<keyof PipelineOptions, Kind>> = {
  device: "an open device",
  dtype: "a text",
  onProgress: "a function",
  signal: "an AbortSignal",
  loras: "a list",
  findLora: "a function",
  upsamplerWeights: "a folder",
  upscaler: "a file",
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

// Its file is checked under its whole name.
const LORA: Readonly<Record<keyof Lora, Kind>> = { file: "anything", scale: "a number", config: "a text" };

/** Checks how a pipeline is opened. @throws {LssgenError} `bad_option`, naming what is of another type or not known. */
export async function checkAllPipelineOptions(options: unknown): Promise<void> {
  check("The options of createPipeline", options, PIPELINE);
  const { dtype, loras = [], maxActivationBytes: most, maxVramBytes, offload, maxOffloadBytes } =
    options as PipelineOptions;
  for (const [i, lora] of loras.entries()) {
    const name = `loras[${i}]`;
    check(name, lora, LORA);
    if (!IS["a file"](lora.file)) throw bad(`${name}.file`, lora.file, "a file");
  }
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
