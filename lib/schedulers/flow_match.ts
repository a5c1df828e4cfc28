/**
 * Schedules of rectified flows with every spacing, and solvers along them that add noise.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { flowEulerSolver, flowSchedule } from "./flow_match_euler.ts";
import type { FlowWalk } from "./sampler_names.ts";
import { call, type Solver } from "./solver.ts";
import { LATENTS, sumTerms } from "./terms.ts";
import * as spacings from "./spacings.ts";
import type { Scheduler } from "./types.ts";

/** To the clean latents and back with fresh noise: diffusers' `stochastic_sampling`, ComfyUI's LCM for flows. */
export const flowStochasticSolver: Solver = {
  calls: 1,
  steps: (s, begin, noising) =>
    s.timesteps.slice(begin).map((_, k) => {
      const [sigma, next] = [s.sigmas[begin + k], s.sigmas[begin + k + 1]];
      return {
        ...call(s, begin + k, sigma, noising),
        next: { sample: 1 - next, output: -sigma * (1 - next), noise: next },
      };
    }),
};

/**
 * Down to σ'²/σ along the flow, then noise up to σ', so that signal and noise end as σ' asks: what ComfyUI and
 * stable-diffusion.cpp do for "euler_a" on flow models.
 */
export const flowAncestralSolver: Solver = {
  calls: 1,
  steps: (s, begin, noising) =>
    s.timesteps.slice(begin).map((_, k) => {
      const [sigma, next] = [s.sigmas[begin + k], s.sigmas[begin + k + 1]];
      const common = call(s, begin + k, sigma, noising);
      const down = next * next / sigma;
      const keep = (1 - next) / (1 - down);
      const ratio = down / sigma;
      const terms = sumTerms([[keep * ratio, LATENTS], [keep * (1 - ratio), common.x0]]);
      const noise = Math.sqrt(Math.max(0, next ** 2 - (keep * down) ** 2));
      return { ...common, next: noise > 0 ? { ...terms, noise } : terms };
    }),
};

/** Makes the scheduler from its config. */
export function flowMatchEuler(c: SchedulerConfig): Scheduler {
  const stochastic = c.flag("stochastic_sampling", false);
  return flowMatch(
    c,
    "FlowMatchEulerDiscreteScheduler",
    stochastic ? flowStochasticSolver : flowEulerSolver,
    "any",
  );
}

/** {@linkcode flowSchedule} with every spacing. */
export function flowMatch(
  c: SchedulerConfig,
  name: string,
  solver: Solver,
  walks: FlowWalk | undefined,
): Scheduler {
  return flowSchedule(c, name, solver, walks, spacings);
}
