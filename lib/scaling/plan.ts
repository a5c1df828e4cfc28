/**
 * Stages, sizes, steps, noise levels and FLOPs of a picture, before anything is computed.
 *
 * @module
 */

import { direct } from "./methods/direct.ts";
import { fromPicture, levelsAfter, stepFlops } from "./stages.ts";
import { noiseLevel } from "../schedulers/entry.ts";
import type { Scheduler, Step } from "../schedulers/types.ts";
import type { CostModel, Method, Plan, PlanRequest, StagePlan } from "./types.ts";

/**
 * Plans a picture by a method. Pure: needs no GPU and no weights.
 *
 * @throws {LssgenError} `bad_option`, naming the option, what was expected and a value that works.
 */
export function planBy({ name, plan }: Method, request: PlanRequest): Plan {
  const { stages: planned, warnings } = plan(request);
  const stages = withPicture(request, planned);
  const { width, height } = stages[stages.length - 1];
  const denoiserCalls = stages.reduce((sum, stage) => sum + stage.steps.length, 0);
  if (!request.cost) return { method: name, width, height, stages, denoiserCalls, warnings };

  const total = (list: typeof stages): number => list.reduce((sum, stage) => sum + (stage.flops ?? 0), 0);
  const flops = total(stages);
  // The size that is reached counts: rounding down is no saving.
  const { directSteps = request.steps } = request;
  const levels = directSteps === request.steps ? request.levels : undefined;
  const baseline = { ...request, steps: directSteps, levels, initNoise: 1, width, height };
  const directFlops = total(direct.plan(baseline).stages);
  const speedup = directFlops / flops;
  const { vaeFactor } = request.space;
  const decodeFlops = request.cost.decode?.(height / vaeFactor, width / vaeFactor);
  const wholeSpeedup = decodeFlops && (directFlops + decodeFlops) / (flops + decodeFlops);
  const cost = { flops, directFlops, directSteps, speedup, decodeFlops, wholeSpeedup };
  return { method: name, width, height, stages, denoiserCalls, ...cost, warnings };
}

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

/** The stages of a run that begins with a picture, or keeps part of one. */
function withPicture(request: PlanRequest, stages: readonly StagePlan[]): StagePlan[] {
  const { strength, inpaint } = request;
  const begun = stages.map((stage, i) =>
    i === 0 && strength !== undefined ? fromPicture(request, stage, strength) : stage
  );
  if (!inpaint) return begun;
  return begun.map((stage, i) => ({
    ...stage,
    keep: levelsAfter(request, stage, begun[i + 1]?.grow?.from === "x0"),
  }));
}

/** The plan as far as a run goes. */
export function planUntil(plan: Plan, stages: number = plan.stages.length): Plan {
  if (stages === plan.stages.length) return plan;
  const { width, height } = plan.stages[stages - 1];
  return { ...plan, width, height, stages: plan.stages.slice(0, stages) };
}
