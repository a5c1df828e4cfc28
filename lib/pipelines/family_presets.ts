/**
 * Presets of families, under a model's own, and what they make of a request.
 *
 * To add a family: a row of {@linkcode FAMILY_PRESETS}.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { PRESET_NAMES } from "./presets.ts";
import type { GenerateRequest, ModelInfo, Presets, PresetSettings } from "./types.ts";

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
