/**
 * What can be set on a model: the controls that a page or a form has for it. From its configs alone, as data.
 *
 * @module
 */

import { METHOD_NAMES } from "../scaling/methods/names.ts";
import { type Plan, UPSAMPLERS } from "../scaling/types.ts";
import type { PlanRules } from "./plan_rules.ts";
import { PRESET_NAMES } from "./presets.ts";
import type { Defaults, ModelInfo, PresetName, Presets } from "./types.ts";

/** What can be set. What a model does not have is absent. */
export interface ModelOffer {
  /** Its name. */
  readonly name: string;
  /** Class of the pipeline. */
  readonly pipeline: string;
  /** Settings of its own. */
  readonly defaults: Defaults;
  /** Methods it can be drawn with, the default first. */
  readonly methods: readonly string[];
  /** Samplers besides its own. */
  readonly samplers: readonly string[];
  /** Schedules besides its own. */
  readonly schedules: readonly string[];
  /** Ways in which latents grow. */
  readonly upsamplers: readonly string[];
  /** Presets that it has, from the best to the fastest. */
  readonly presets: readonly PresetName[];
  /** Whether steps can skip blocks (`cacheThreshold`). */
  readonly cache: boolean;
  /** Whether it takes a guidance scale. */
  readonly guidance: boolean;
  /** Whether it takes a scale of classifier-free guidance beside that. */
  readonly trueCfg: boolean;
  /** Whether it reads what to keep out; with `trueCfg` only while that is above 1. */
  readonly negative: boolean;
  /** Whether its prompts are names or numbers of classes. */
  readonly classes: boolean;
}

/**
 * What can be set on a model.
 *
 * @param rules The model's, or all of them.
 * @param presets The model's and its family's.
 */
export function offerOf(
  info: ModelInfo,
  { offered }: Pick<PlanRules, "offered">,
  presets: Presets,
): ModelOffer {
  const { name, pipeline, defaults, scheduler, embeddedGuidance } = info;
  const classes = info.prompts === 0;
  const trueCfg = /^Flux/.test(pipeline);
  return {
    name,
    pipeline,
    defaults,
    methods: METHOD_NAMES,
    ...offered(scheduler),
    upsamplers: UPSAMPLERS.filter((upsampler) =>
      upsampler === "learned" ? info.learnedUpsampler : upsampler !== "esrgan" || info.esrganUpsampler
    ),
    presets: PRESET_NAMES.filter((name) => presets[name]),
    cache: info.cachesBlocks ?? false,
    guidance: embeddedGuidance || !trueCfg,
    trueCfg,
    negative: !classes,
    classes,
  };
}

/** A stage of a plan, in short. */
export interface StageSummary {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Steps run. */
  readonly steps: number;
  /** Work of all its steps; without a cost model in tokens, which tell stages apart well enough. */
  readonly flops: number;
}

/** What a request amounts to, in short. */
export interface PlanSummary {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** In order. */
  readonly stages: readonly StageSummary[];
  /** Work of direct generation over that of this plan. */
  readonly speedup?: number;
  /** Sentences. */
  readonly warnings: readonly string[];
}

/** A plan in short. */
export function summaryOf({ width, height, stages, speedup, warnings }: Plan): PlanSummary {
  return {
    width,
    height,
    speedup,
    warnings: warnings ?? [],
    stages: stages.map((stage) => ({
      width: stage.width,
      height: stage.height,
      steps: stage.steps.length,
      flops: stage.flops ?? stage.steps.length * stage.tokens,
    })),
  };
}
