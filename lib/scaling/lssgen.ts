/**
 * Carries out a plan with anybody's denoiser: no model, no GPU, no files in here.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import type { Scheduler, Step, Terms } from "../schedulers/types.ts";
import { planStages } from "./plan.ts";
import type { LatentModel, Plan, PlanRequest, RunOptions, Stage } from "./types.ts";

/**
 * Generates latents stage by stage: plans with {@linkcode planStages}, then runs the plan.
 *
 * @param request Size, steps, scheduler and method.
 * @param model A denoiser and its surroundings, over latents of any kind.
 * @param run Progress and stop signal.
 * @returns The latents at the end of the last stage.
 * @throws {LssgenError} `bad_option` from planning.
 * @throws {AbortedError} within one step of the signal.
 */
export function lssgen<L>(request: PlanRequest, model: LatentModel<L>, run: RunOptions<L> = {}): Promise<L> {
  return runPlan(planStages(request), request.scheduler, model, run);
}

/** Runs a plan that was made before. See {@linkcode lssgen}. */
export async function runPlan<L>(
  plan: Plan,
  scheduler: Scheduler,
  model: LatentModel<L>,
  run: RunOptions<L> = {},
): Promise<L> {
  let latents: L | undefined;
  let clean: L | undefined; // the clean latents implied by the stage's last step
  let call = 0;
  for (const stage of plan.stages) {
    const noise = await model.noise(stage);
    if (latents === undefined) {
      latents = scaled(model, noise, stage.schedule.initNoiseSigma);
    } else {
      const { upsampler, from, signal, noise: level } = stage.boundary!;
      const grown: L = await model.upsample(from === "x0" ? clean! : latents, stage, upsampler);
      release(model, latents, clean);
      latents = model.combine([[signal, grown], [level, noise]]);
      release(model, grown, noise);
    }
    clean = undefined;

    const steps = scheduler.steps(stage.schedule, stage.begin).slice(0, stage.end - stage.begin);
    const slots = new Map<number, L>();
    const needsClean = plan.stages[stage.index + 1]?.boundary?.from === "x0";
    for (const [i, step] of steps.entries()) {
      if (run.signal?.aborted) throw new AbortedError();
      const wantsClean = needsClean && i === steps.length - 1;
      const result: { next: L; clean?: L } = await advance(model, latents, step, stage, slots, wantsClean);
      release(model, latents);
      latents = result.next;
      clean = result.clean;
      await run.onStep?.(
        {
          stage,
          stages: plan.stages.length,
          step: i + 1,
          steps: steps.length,
          call: ++call,
          calls: plan.calls,
          sigma: step.sigma,
          timestep: step.timestep,
        },
        latents,
      );
    }
    release(model, ...slots.values());
  }
  return latents!;
}

/** One step: the network's output, what is remembered of it, the next latents. */
async function advance<L>(
  model: LatentModel<L>,
  latents: L,
  step: Step,
  stage: Stage,
  slots: Map<number, L>,
  wantsClean: boolean,
): Promise<{ next: L; clean?: L }> {
  const input = step.inputScale === 1 ? latents : model.combine([[step.inputScale, latents]]);
  const output = await model.denoise(input, step, stage);
  if (input !== latents) release(model, input);
  const fresh = needsNoise(step) ? await model.noise(stage) : undefined;

  const combine = (terms: Terms, clip?: number): L => {
    const list: [number, L][] = [];
    if (terms.sample !== 0) list.push([terms.sample, latents]);
    if (terms.output !== 0) list.push([terms.output, output]);
    for (const [slot, coefficient] of terms.slots ?? []) list.push([coefficient, slots.get(slot)!]);
    if (terms.noise && fresh !== undefined) list.push([terms.noise, fresh]);
    return model.combine(list, clip);
  };

  const stored = (step.store ?? []).map(({ slot, terms }) => [slot, combine(terms, step.clip)] as const);
  for (const [slot, value] of stored) {
    const before = slots.get(slot);
    slots.set(slot, value);
    if (before !== undefined) release(model, before);
  }
  const next = combine(step.next);
  const clean = wantsClean ? combine(step.x0, step.clip) : undefined;
  release(model, output);
  if (fresh !== undefined) release(model, fresh);
  return { next, clean };
}

function needsNoise(step: Step): boolean {
  return step.next.noise !== undefined && step.next.noise !== 0;
}

function scaled<L>(model: LatentModel<L>, noise: L, factor: number): L {
  if (factor === 1) return noise;
  const result = model.combine([[factor, noise]]);
  release(model, noise);
  return result;
}

function release<L>(model: LatentModel<L>, ...latents: (L | undefined)[]): void {
  for (const l of latents) if (l !== undefined) model.release?.(l);
}
