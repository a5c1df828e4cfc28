/**
 * Stages, sizes, steps, noise levels and FLOPs of a picture, before anything is computed.
 *
 * @module
 */

import { direct } from "./methods/direct.ts";
import { fromPicture, levelsAfter } from "./stages.ts";
import type { Method, Plan, PlanRequest, StagePlan } from "./types.ts";

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
