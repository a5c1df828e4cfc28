/**
 * LSSGen over latents of any kind: a plan is made and walked.
 *
 * @module
 */

import { check, type Kind } from "../option_kinds.ts";
import { planStages } from "./plan_stages.ts";
import { reasonOf } from "../reason_of.ts";
import { type Denoising, type PlanPart, runPlan as walk } from "./run_plan.ts";
import type { Plan, PlanRequest, RunOptions } from "./types.ts";

export type { Denoising, PlanPart } from "./run_plan.ts";

const RUN: Readonly<Record<keyof RunOptions, Kind>> = {
  signal: "an AbortSignal",
  onProgress: "a function",
  previewEvery: "a number",
};

/**
 * Plans and runs: {@linkcode planStages}, then {@linkcode runPlan}.
 *
 * @returns The final latents.
 * @throws The signal's `reason`, within one step of it.
 *
 * @example A denoiser of one's own, on the CPU
 * ```ts
 * import { combineArrays, createScheduler, lssgen } from "@lssgen/webgpu/lssgen";
 *
 * const size = (s: { latentHeight: number; latentWidth: number }) => s.latentHeight * s.latentWidth;
 * const latents = await lssgen<Float32Array>({
 *   width: 64, height: 64, minResolution: 32, baseResolution: 64, steps: 6, initNoise: 0.75,
 *   shortenSteps: true, upsampler: "nearest",
 *   scheduler: createScheduler({ _class_name: "FlowMatchEulerDiscreteScheduler" }),
 *   space: { vaeFactor: 8, patch: 2, indivisible: "round", sigmas: "linear" },
 * }, {
 *   noise: (stage) => new Float32Array(size(stage)).fill(1),
 *   denoise: (x) => x.map((v) => v - 0.5), // a velocity that leads to 0.5 everywhere
 *   upsample: (x, stage) =>
 *     new Float32Array(size(stage)).map((_, i) => {
 *       const [row, column] = [Math.floor(i / stage.latentWidth), i % stage.latentWidth];
 *       return x[(row >> 1) * (stage.latentWidth / 2) + (column >> 1)];
 *     }),
 *   combine: combineArrays,
 * });
 * console.log(latents[0]);
 * ```
 */
export function lssgen<L>(request: PlanRequest, model: Denoising<L>, options: RunOptions = {}): Promise<L> {
  return runPlan(planStages(request), model, options);
}

/**
 * Walks a plan, or a part of it.
 *
 * @returns The final latents, or those after the part's last stage.
 * @throws The signal's `reason`, within one step of it.
 */
export function runPlan<L>(
  plan: Plan,
  model: Denoising<L>,
  options: RunOptions = {},
  part: PlanPart<L> = {},
): Promise<L> {
  check("The options of the run", options, RUN);
  return walk(plan, model, options, part).catch((error) => {
    throw reasonOf(error, options.signal);
  });
}

/** {@linkcode Denoising.combine} over plain arrays; sums in f64, result in f32. */
export function combineArrays(
  parts: readonly (readonly [factor: number, latents: Float32Array])[],
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(parts[0][1].length);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const [factor, latents] of parts) sum += factor * latents[i];
    out[i] = sum;
  }
  return out;
}
