/**
 * LSSGen over latents of any kind: a plan is made and walked.
 *
 * @module
 */

import { planStages } from "./plan_stages.ts";
import { type Denoising, runPlan } from "./run_plan.ts";
import type { PlanRequest, RunOptions } from "./types.ts";

export { type Denoising, type PlanPart, runPlan } from "./run_plan.ts";

/**
 * Plans and runs: {@linkcode planStages}, then {@linkcode runPlan}.
 *
 * @returns The final latents.
 * @throws {AbortedError} Within one step of the signal.
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
