/**
 * Named settings that trade time for quality: `quality`, `balanced` and `fast`, of a file, of a model, or of its family.
 *
 * To add a family: a row of {@linkcode FAMILY_PRESETS}.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { isRecord } from "../json.ts";
import type { GenerateRequest, ModelInfo, PresetName, Presets, PresetSettings } from "./types.ts";

/** Every {@linkcode PresetName}. */
export const PRESET_NAMES: readonly PresetName[] = ["quality", "balanced", "fast"];

/** What a preset may say, with the types that JSON has. */
const SETTINGS: Readonly<Record<keyof PresetSettings, "string" | "number" | "boolean">> = {
  method: "string",
  steps: "number",
  minResolution: "number",
  initNoise: "number",
  upsampler: "string",
  shortenSteps: "boolean",
  entry: "string",
  stages: "string",
  refineSteps: "number",
  spectralDelta: "number",
  cacheMode: "string",
  cacheThreshold: "number",
};

/** Names of {@linkcode PresetSettings}. */
export const PRESET_SETTINGS: readonly (keyof PresetSettings)[] = Object.keys(SETTINGS) as (
  keyof PresetSettings
)[];

/** A family's presets. */
interface Row {
  /** Classes of model_index.json. */
  readonly pipelines: readonly string[];
  /** Distilled to at most eight steps. */
  readonly fewSteps: boolean;
  readonly presets: Presets;
}

const UNETS = [
  "StableDiffusionPipeline",
  "StableDiffusionInpaintPipeline",
  "StableDiffusionXLPipeline",
  "StableDiffusionXLImg2ImgPipeline",
  "StableDiffusionXLInpaintPipeline",
  "LatentConsistencyModelPipeline",
];
const FLUX = ["FluxPipeline", "FluxFillPipeline"];

/** Settings of the papers, not measured here: the models are not. What `tune-plan` measures for a model replaces them. */
const FAMILY_PRESETS: readonly Row[] = [
  {
    // LSSGen at the paper's settings; 28 steps with diffusers' and ParaAttention's first-block cache at 0.08, their middle
    // threshold for FLUX.1-dev; MrFlow's "12+1" (arXiv 2607.01642).
    pipelines: FLUX,
    fewSteps: false,
    presets: {
      quality: { method: "lssgen" },
      balanced: { method: "lssgen", steps: 28, cacheThreshold: 0.08 },
      fast: { method: "refine", steps: 12, initNoise: 0.12, refineSteps: 1 },
    },
  },
  {
    // schnell: every step counts, so all of them are kept and only their size changes. MrFlow, then SelfLift (arXiv 2609.02036).
    pipelines: FLUX,
    fewSteps: true,
    presets: {
      quality: { method: "direct" },
      balanced: { method: "refine", initNoise: 0.12, refineSteps: 1 },
      fast: { method: "selflift" },
    },
  },
  {
    // As FLUX; 28 steps are diffusers' own for SD3, and its cache's default threshold is 0.05.
    pipelines: ["StableDiffusion3Pipeline"],
    fewSteps: false,
    presets: {
      quality: { method: "lssgen" },
      balanced: { method: "lssgen", steps: 28, cacheThreshold: 0.05 },
      fast: { method: "refine", steps: 16, initNoise: 0.12, refineSteps: 1 },
    },
  },
  {
    // LSSGen's own settings with fewer steps: `refine` needs a sampler that begins anywhere, which ddim and pndm are not, and a
    // UNet's blocks are not cached.
    pipelines: UNETS,
    fewSteps: false,
    presets: {
      quality: { method: "lssgen" },
      balanced: { method: "lssgen", steps: 30 },
      fast: { method: "lssgen", steps: 20 },
    },
  },
  {
    // Latent consistency: as schnell.
    pipelines: UNETS,
    fewSteps: true,
    presets: {
      quality: { method: "direct" },
      balanced: { method: "lssgen" },
      fast: { method: "selflift" },
    },
  },
  {
    // DiT: LSSGen with fewer steps, and diffusers' default threshold.
    pipelines: ["DiTPipeline"],
    fewSteps: false,
    presets: {
      quality: { method: "lssgen" },
      balanced: { method: "lssgen", steps: 30, cacheThreshold: 0.05 },
      fast: { method: "lssgen", steps: 20, cacheThreshold: 0.1 },
    },
  },
];

/** Steps up to which a model counts as distilled. */
const FEW_STEPS = 8;

/** The presets that a model has: its own, else its family's. */
export function presetsOf({ pipeline, defaults, presets }: ModelInfo): Presets {
  const few = defaults.steps <= FEW_STEPS;
  const row = FAMILY_PRESETS.find((row) => row.pipelines.includes(pipeline) && row.fewSteps === few);
  return { ...row?.presets, ...presets };
}

/**
 * Presets as a JSON file holds them, `{ "fast": { "method": "refine", "steps": 12 } }`.
 *
 * @param name File and key, for messages.
 * @throws {LssgenError} `bad_file` for another name, an unknown setting, or a value of another type.
 */
export function readPresets(value: unknown, name: string): Presets {
  const refused = (what: string): LssgenError => new LssgenError("bad_file", `"${name}" ${what}`);
  if (!isRecord(value)) throw refused(`is no object of presets, expected ${PRESET_NAMES.join(", ")}`);
  for (const [preset, settings] of Object.entries(value)) {
    if (!PRESET_NAMES.includes(preset as PresetName)) {
      throw refused(`has a preset "${preset}", expected ${PRESET_NAMES.join(", ")}`);
    }
    if (!isRecord(settings)) throw refused(`: preset "${preset}" is no object of settings`);
    for (const [key, setting] of Object.entries(settings)) {
      if (!Object.hasOwn(SETTINGS, key)) {
        throw refused(
          `: preset "${preset}" has "${key}", expected some of ${PRESET_SETTINGS.join(", ")}`,
        );
      }
      const type = SETTINGS[key as keyof PresetSettings];
      const given = typeof setting;
      if (given !== type) {
        throw refused(`: "${key}" of preset "${preset}" is no ${type}`);
      }
    }
  }
  return value as Presets;
}

/** Settings that mean something to the method beside them only. */
const OF_METHOD = ["method", "stages", "minResolution", "initNoise", "refineSteps", "spectralDelta"] as const;

/**
 * A request with its preset written out. What the request says itself counts; where it names a method or stages, all that the
 * preset says of its own method is left out.
 *
 * @throws {LssgenError} `bad_option` for a preset that there is not.
 */
export function withPreset<R extends Partial<GenerateRequest>>(info: ModelInfo, request: R): R {
  if (request.preset === undefined) return request;
  const presets = presetsOf(info);
  const settings = presets[request.preset];
  if (!settings || !Object.hasOwn(presets, request.preset)) {
    const known = PRESET_NAMES.filter((name) => presets[name]);
    throw new LssgenError(
      "bad_option",
      `preset (--preset) is "${request.preset}", ${
        known.length === 0 ? `${info.pipeline} has none` : `expected one of ${known.join(", ")}`
      }`,
    );
  }
  return withSettings(settings, request);
}

/** {@linkcode withPreset} of settings that are known. */
export function withSettings<R extends Partial<GenerateRequest>>(settings: PresetSettings, request: R): R {
  const left: Partial<Record<keyof PresetSettings, unknown>> = { ...settings };
  if (request.method !== undefined || request.stages !== undefined) {
    for (const key of OF_METHOD) delete left[key];
  }
  if (request.sigmas !== undefined) delete left.steps;
  if (request.cacheMode !== undefined || request.cacheThreshold !== undefined) {
    delete left.cacheMode;
    delete left.cacheThreshold;
  }
  // A first stage larger than the picture is none.
  const { width = Infinity, height = Infinity } = request;
  if (left.minResolution !== undefined) {
    left.minResolution = Math.min(left.minResolution as number, width, height);
  }
  const own = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  return { ...left, ...own, preset: undefined } as R;
}
