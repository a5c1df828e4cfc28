/**
 * LSSGen's orchestration alone: stages as data, and the walk over them with anybody's denoiser. Needs no GPU.
 *
 * @example What a picture would cost
 * ```ts
 * import { createScheduler, formatPlan, planStages } from "@lssgen/webgpu/lssgen";
 *
 * const plan = planStages({
 *   width: 1024, height: 1024, minResolution: 512, baseResolution: 1024, steps: 28, initNoise: 0.75,
 *   shortenSteps: true, upsampler: "learned",
 *   scheduler: createScheduler({ _class_name: "FlowMatchEulerDiscreteScheduler", shift: 3 }),
 *   space: { vaeFactor: 8, patch: 2, indivisible: "refuse", sigmas: "scheduler" },
 * });
 * console.log(formatPlan(plan));
 * ```
 *
 * @module
 */

export { AbortedError, type ErrorCode, LssgenError } from "./lib/errors.ts";
export { combineArrays, type Denoising, lssgen, type PlanPart, runPlan } from "./lib/scaling/lssgen.ts";
export { methodNamed, METHODS } from "./lib/scaling/methods/registry.ts";
export { planStages } from "./lib/scaling/plan_stages.ts";
export { formatPlan } from "./lib/scaling/plan_text.ts";
export * from "./lib/scaling/types.ts";
export { ENTRIES, type Entry } from "./lib/schedulers/entry.ts";
export {
  createScheduler,
  SAMPLER_NAMES,
  samplerConfig,
  SCHEDULE_NAMES,
  scheduleConfig,
} from "./lib/schedulers/registry.ts";
export type { NoiseMix, Schedule, ScheduleOptions, Scheduler, Step, Terms } from "./lib/schedulers/types.ts";
