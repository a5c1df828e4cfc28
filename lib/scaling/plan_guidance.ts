/**
 * Plans whose steps do not all call the network alike: guidance on an interval, skip-layer guidance.
 *
 * @module
 */

import { noiseLevel } from "../schedulers/entry.ts";
import type { Scheduler, Step } from "../schedulers/types.ts";
import { stepFlops } from "./stages.ts";
import type { CostModel, Plan, StagePlan } from "./types.ts";

/**
 * The plan with classifier-free guidance on an interval of noise levels only: outside it steps take one call of the network.
 * `directFlops` stays that of a run with guidance throughout.
 *
 * Source: Kynkäänniemi et al., arXiv 2404.07724.
 *
 * @param from Share of the way from pure noise to clean latents, 1 − noise level, in 0 … 1.
 * @param to Share of the way at which guidance ends; `from` 0 and `to` 1 change nothing.
 * @param single FLOPs with one call a step.
 */
export function guidedWithin(
  plan: Plan,
  scheduler: Scheduler,
  from: number,
  to: number,
  single?: CostModel,
): Plan {
  const stages = plan.stages.map((stage): StagePlan => {
    const off = (step: Step): boolean => {
      const way = 1 - noiseLevel(scheduler, stage.schedule, step.index);
      return way < from || way > to;
    };
    const count = stage.steps.filter(off).length;
    if (count === 0) return stage;
    const steps = stage.steps.map((step) => off(step) ? { ...step, unguided: true } : step);
    if (!single || stage.flops === undefined) return { ...stage, steps };
    const flops = stage.flops * (1 - count / steps.length) + stepFlops(single, stage) * count;
    return { ...stage, steps, flops };
  });
  return recounted(plan, stages);
}

/**
 * The plan with skip-layer guidance: the steps between two shares of each schedule call the network once more, without some of
 * its blocks. `directFlops` stays that of a run without.
 *
 * Source: diffusers' StableDiffusion3Pipeline, which skips in step i of n where n·from < i < n·to.
 *
 * @param from Share of the schedule's steps, 0 … 1.
 * @param to Share of the schedule's steps, 0 … 1.
 * @param without FLOPs of that further call.
 */
export function skippingWithin(plan: Plan, from: number, to: number, without?: CostModel): Plan {
  const stages = plan.stages.map((stage): StagePlan => {
    const { length: calls } = stage.schedule.timesteps;
    const skips = (step: Step): boolean =>
      !step.unguided && step.index > calls * from && step.index < calls * to;
    const count = stage.steps.filter(skips).length;
    if (count === 0) return stage;
    const steps = stage.steps.map((step) => skips(step) ? { ...step, skipping: true } : step);
    if (!without || stage.flops === undefined) return { ...stage, steps };
    return { ...stage, steps, flops: stage.flops + count * stepFlops(without, stage) };
  });
  return recounted(plan, stages);
}

/** The plan with other stages, its sums made anew. */
function recounted(plan: Plan, stages: readonly StagePlan[]): Plan {
  if (plan.flops === undefined || plan.directFlops === undefined) return { ...plan, stages };
  const flops = stages.reduce((sum, stage) => sum + (stage.flops ?? 0), 0);
  const { directFlops, decodeFlops } = plan;
  return {
    ...plan,
    stages,
    flops,
    speedup: directFlops / flops,
    wholeSpeedup: decodeFlops && (directFlops + decodeFlops) / (flops + decodeFlops),
  };
}
