/**
 * The search for the fastest way to a picture: what is tried, which trials nothing beats, and which become presets.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { planPicture } from "./plan_picture.ts";
import type { GenerateRequest, ModelInfo, PresetName, Presets, PresetSettings } from "./types.ts";

/** Settings to try. */
export interface Trial {
  /** Tells it from others. */
  readonly name: string;
  readonly settings: PresetSettings;
  /** FLOPs of the denoiser, nothing skipped. */
  readonly flops: number;
}

/** Shares of the steps that a direct picture, and the cheaper methods, are drawn with. */
const STEP_SHARES = [1, 0.7, 0.5, 0.35, 0.25];
/** Thresholds of cached steps: diffusers' own and what ParaAttention shows, and twice that. */
const THRESHOLDS = [0.05, 0.1, 0.2];
/** LSSGen's noise levels beside the model's own: the paper's range. */
const NOISES = [0.75, 0.6];
/** `refine`: MrFlow's noise level, and twice that. */
const REFINE_NOISES = [0.12, 0.25];

/**
 * What is tried for a picture: methods, noise levels, steps of stages and thresholds that the model takes, nothing that costs
 * more than a direct picture with all steps. The first is that one.
 *
 * @param picture Size, guidance and sampler; its steps are the most.
 * @param methods Only these; `direct` always is among them.
 * @param quick Fewer noise levels, steps and thresholds; direct pictures all the same.
 * @throws {LssgenError} As a direct picture will.
 */
export function trialsFor(
  info: ModelInfo,
  picture: Omit<GenerateRequest, "prompt">,
  methods?: readonly string[],
  quick: boolean = false,
): Trial[] {
  const steps = picture.steps ?? info.defaults.steps;
  const some = [...new Set(STEP_SHARES.map((share) => Math.max(1, Math.round(share * steps))))];
  const few = quick ? [some[0], some[Math.min(2, some.length - 1)]] : some.slice(0, 3);
  const thresholds = quick ? THRESHOLDS.slice(1) : THRESHOLDS;
  const shorter = Math.min(picture.width ?? info.defaults.width, picture.height ?? info.defaults.height);
  const noises = [...new Set([info.defaults.initNoise, ...quick ? NOISES.slice(0, 1) : NOISES])];
  const half = Math.floor(shorter / 2);
  // Smaller where the model itself begins so: it may draw badly at the half size too.
  const smallest = Math.min(half, info.defaults.minResolution);
  const lows = [...new Set(quick ? [smallest] : [smallest, half])];
  const settings: PresetSettings[] = [
    ...some.map((steps) => ({ method: "direct", steps }) as const),
    ...thresholds.map((cacheThreshold) => ({ method: "direct", steps, cacheThreshold }) as const),
    ...noises.flatMap((initNoise) => few.map((steps) => ({ method: "lssgen", steps, initNoise }) as const)),
    ...thresholds.slice(1).map((cacheThreshold) => ({ method: "lssgen", steps, cacheThreshold }) as const),
    ...[0.05, ...quick ? [] : [0.01]].flatMap((spectralDelta) =>
      few.map((steps) => ({ method: "spectral", steps, spectralDelta }) as const)
    ),
    ...lows.flatMap((minResolution) =>
      few.map((steps) => ({ method: "selflift", steps, minResolution }) as const)
    ),
    ...lows.flatMap((minResolution) =>
      REFINE_NOISES.flatMap((initNoise) =>
        few.flatMap((steps) =>
          [1, ...quick ? [] : [2]].map((refineSteps) =>
            ({ method: "refine", steps, minResolution, initNoise, refineSteps }) as const
          )
        )
      )
    ),
    // Steps of each stage by themselves: all small, some large.
    ...[0.6, ...quick ? [] : [0.4, 0.75]].map((level) =>
      ({
        method: "stages",
        stages: `${half}:${steps},${shorter}@${level}:${Math.max(2, Math.round(steps / 2))}`,
      }) as const
    ),
  ];
  // Stages by hand are LSSGen's with steps of their own.
  const wanted = (method: string): boolean =>
    !methods || methods.includes("all") || method === "direct" ||
    methods.includes(method === "stages" ? "lssgen" : method);
  const trials = new Map<string, Trial>();
  for (const one of settings) {
    const { method = "lssgen" } = one;
    if (!wanted(method)) continue;
    try {
      const plan = planPicture(info, withoutOwn(picture, one));
      const name = nameOf(one);
      // One stage only: the direct picture once more.
      const other = method === "direct" || plan.stages.length > 1;
      if (trials.size === 0 || (other && (plan.speedup ?? 1) >= 1)) {
        trials.set(name, { name, settings: one, flops: plan.flops ?? NaN });
      }
    } catch (error) {
      // Not for this model, its sampler or this size.
      if (!(error instanceof LssgenError && error.code === "bad_option") || trials.size === 0) throw error;
    }
  }
  return [...trials.values()];
}

/** The picture with a trial's settings in place of its own. */
export function withoutOwn<R extends Omit<GenerateRequest, "prompt">>(
  picture: R,
  settings: PresetSettings,
): R {
  return { ...picture, steps: undefined, ...settings };
}

/** `refine 12 steps, σ 0.12, +1`: settings for people. */
export function nameOf(settings: PresetSettings): string {
  const {
    method = "lssgen",
    stages,
    steps,
    initNoise,
    refineSteps,
    spectralDelta,
    cacheThreshold,
    minResolution,
  } = settings;
  return [
    stages === undefined ? `${method}${steps === undefined ? "" : ` ${steps}`}` : `stages ${stages}`,
    refineSteps === undefined ? "" : `+${refineSteps}`,
    initNoise === undefined ? "" : `σ ${initNoise}`,
    spectralDelta === undefined ? "" : `δ ${spectralDelta}`,
    cacheThreshold === undefined ? "" : `cache ${cacheThreshold}`,
    minResolution === undefined ? "" : `from ${minResolution}`,
  ].filter((part) => part !== "").join(" ");
}

/** A trial as it was measured: means over the prompts, with the least and the most. */
export interface Point extends Trial {
  readonly seconds: Spread;
  /**
   * The more the better: structural similarity to the reference, or the share of pictures that show what was asked for, with its
   * 95 % interval.
   */
  readonly quality: Spread;
  /** Whether it is too blurred for its quality to count. */
  readonly blurred: boolean;
  /** Further columns of a table, by their headings. */
  readonly figures: Readonly<Record<string, string>>;
}

/** Mean, least and most. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** The spread of some numbers, at least one. */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { mean, least: Math.min(...values), most: Math.max(...values) };
}

/** Points that no other beats in both time and quality, from the fastest on. Blurred ones are none. */
export function paretoFront(points: readonly Point[]): Point[] {
  const sharp = points.filter(({ blurred }) => !blurred);
  return sharp
    .filter((a) =>
      !sharp.some((b) =>
        b !== a && b.seconds.mean <= a.seconds.mean && b.quality.mean >= a.quality.mean &&
        (b.seconds.mean < a.seconds.mean || b.quality.mean > a.quality.mean)
      )
    )
    .sort((a, b) => a.seconds.mean - b.seconds.mean);
}

/**
 * The presets of a front: of the trials that are fast enough, the best. `fast` is `budget` times as fast as
 * the first point, `balanced` the square root of that, `quality` no slower than it.
 *
 * @param points The first is the direct picture with all steps.
 * @param budget Above 1.
 */
export function presetsFrom(points: readonly Point[], budget: number): Presets {
  const front = paretoFront(points);
  const whole = points[0].seconds.mean;
  const wanted: readonly (readonly [PresetName, number])[] = [
    ["quality", whole],
    ["balanced", whole / Math.sqrt(budget)],
    ["fast", whole / budget],
  ];
  return Object.fromEntries(wanted.flatMap(([name, most]) => {
    const within = front.filter(({ seconds }) => seconds.mean <= most);
    // The front rises with time: the last is the best.
    const best = within.at(-1);
    return best ? [[name, best.settings]] : [];
  }));
}
