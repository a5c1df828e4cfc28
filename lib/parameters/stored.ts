/**
 * Reads the parameters that our own pictures store.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type JsonBounds, parseJson } from "../json.ts";
import type { GenerateRequest } from "../pipelines/types.ts";
import type { EngineChoice, MachineField } from "./engine_choice.ts";
import { PARAMETERS_KEYWORD } from "./keyword.ts";

/** What a picture stores: the request, and what drew it. */
export interface StoredParameters {
  /** Fields of the request that this version knows. */
  readonly request: Partial<GenerateRequest>;
  /** Model, LoRAs and pictures to begin with, as they were named. */
  readonly engine: EngineChoice;
}

/** Types that stored fields have. */
type Stored = "string" | "number" | "boolean" | "numbers" | "strings";

/** Fields of a request that are restored, with their types. */
const REQUEST: Readonly<
  Record<Exclude<keyof GenerateRequest, "count" | "image" | "mask" | "preset">, Stored>
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
  skipLayers: "numbers",
  slgScale: "number",
  skipLayerStart: "number",
  skipLayerEnd: "number",
  sigmas: "numbers",
  stages: "string",
  refineSteps: "number",
  spectralDelta: "number",
  cacheMode: "string",
  cacheThreshold: "number",
  emphasis: "boolean",
  clipSkip: "number",
  strength: "number",
  rng: "string",
};

/** Fields of the engine that are restored, with their types. */
const ENGINE: Readonly<Record<Exclude<keyof EngineChoice, MachineField>, Stored>> = {
  model: "string",
  diffusionModel: "string",
  vae: "string",
  clipL: "string",
  clipG: "string",
  t5: "string",
  config: "string",
  prediction: "string",
  upsamplerWeights: "string",
  loras: "strings",
  loraModelDir: "string",
  dtype: "string",
  initImg: "string",
  mask: "string",
  taesd: "string",
  taesdPreviewOnly: "boolean",
  maxActivation: "number",
  type: "string",
  tensorTypeRules: "string",
  keepQuantised: "boolean",
  integerDot: "boolean",
  upscaleModel: "string",
  upscaleRepeats: "number",
  upscaleTileSize: "number",
  upscaleTileMargin: "number",
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
  const refused = (what: string, cause?: unknown): LssgenError =>
    new LssgenError("bad_file", `Cannot make "${file}" again: ${what}`, { cause });
  if (text === undefined) {
    throw refused(
      `it holds no "${PARAMETERS_KEYWORD}" text chunk. Only pictures of this program do, those enlarged twice do not, ` +
        "and many sites strip it",
    );
  }
  let stored: unknown;
  try {
    stored = parseJson(`${file}, ${PARAMETERS_KEYWORD}`, text, STORED_BOUNDS);
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
    throw refused(`its "${PARAMETERS_KEYWORD}" text is no JSON`, cause);
  }
  if (typeof stored !== "object" || stored === null || Array.isArray(stored)) {
    throw refused(`its "${PARAMETERS_KEYWORD}" text is no JSON object`);
  }
  const fields = stored as Record<string, unknown>;
  const taken = (types: Readonly<Record<string, Stored>>): Record<string, unknown> => {
    const found: Record<string, unknown> = {};
    for (const [key, type] of Object.entries(types)) {
      const value = fields[key];
      // No version wrote a list that is null.
      if (value === undefined || (value === null && type !== "strings")) continue;
      if (!fits(value, type)) throw refused(`its "${key}" is no ${NOUNS[type]}`);
      found[key] = value;
    }
    return found;
  };
  const request = taken(REQUEST);
  for (const [key, value] of Object.entries(request)) {
    if (typeof value === "number") checkRange(key, value, file);
  }
  return { request, engine: taken(ENGINE) };
}

/** What a field is expected to be, in messages. */
const NOUNS: Readonly<Record<Stored, string>> = {
  string: "string",
  number: "number",
  boolean: "boolean",
  numbers: "list of numbers",
  strings: "list of texts",
};

function fits(value: unknown, type: Stored): boolean {
  if (type === "numbers") return Array.isArray(value) && value.every((v) => typeof v === "number");
  if (type === "strings") return Array.isArray(value) && value.every((v) => typeof v === "string");
  // deno-lint-ignore valid-typeof -- the name of a type as `typeof` spells it
  return typeof value === type;
}
