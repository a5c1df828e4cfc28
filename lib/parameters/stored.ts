/**
 * Reads the parameters that our own pictures store.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type JsonBounds, parseJson } from "../json.ts";
import type { GenerateRequest } from "../pipelines/types.ts";
import type { EngineChoice } from "./engine_choice.ts";
import { PARAMETERS_KEYWORD } from "./keyword.ts";

/** What a picture stores: the request, and what drew it. */
export interface StoredParameters {
  /** Fields of the request that this version knows. */
  readonly request: Partial<GenerateRequest>;
  /** Model, LoRAs and pictures to begin with, as they were named. */
  readonly engine: EngineChoice;
}

/** Fields of {@linkcode EngineChoice} that make the model. */
export const MODEL_FIELDS: readonly [
  "model",
  "diffusionModel",
  "vae",
  "clipL",
  "clipG",
  "t5",
  "config",
  "prediction",
  "taesd",
] = [
  "model",
  "diffusionModel",
  "vae",
  "clipL",
  "clipG",
  "t5",
  "config",
  "prediction",
  "taesd",
];

/** Fields of a request that are restored, with their types. */
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

/**
 * Reads what {@linkcode storedText} wrote. Fields this version does not know are left out.
 *
 * @param text The chunk's text, undefined when the picture has none.
 * @param file Name for messages.
 * @param checkRange Throws when a field's number is out of its range.
 * @throws {LssgenError} `bad_file` when there is nothing to read or a field has the wrong type.
 */
export function readStored(
  text: string | undefined,
  file: string,
  checkRange: (key: string, value: number, file: string) => void = () => {},
): StoredParameters {
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
      type: take("type", "string") as string | undefined,
      tensorTypeRules: take("tensorTypeRules", "string") as string | undefined,
      keepQuantised: take("keepQuantised", "boolean") as boolean | undefined,
    },
  };
}
