/**
 * Euler and ancestral Euler in σ: SDXL, SD1.5.
 *
 * Source: diffusers EulerDiscreteScheduler and EulerAncestralDiscreteScheduler; Karras et al., arXiv 2206.00364.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { call, type Solver } from "./solver.ts";
import { LATENTS, sumTerms } from "./terms.ts";
import type { Scheduler } from "./types.ts";
import { veScheduler } from "./ve_scheduler.ts";

/** An ancestral step goes down further than the next level, and back up with fresh noise. */
export function ancestralSplit(sigma: number, next: number): { up: number; down: number } {
  const up = Math.sqrt(next * next * (sigma * sigma - next * next) / (sigma * sigma));
  return { up, down: Math.sqrt(next * next - up * up) };
}

function solver(ancestral: boolean): Solver {
  return {
    calls: 1,
    steps: (s, begin, noising) =>
      s.timesteps.slice(begin).map((_, k) => {
        const index = begin + k;
        const [sigma, next] = [s.sigmas[index], s.sigmas[index + 1]];
        const common = call(s, index, sigma, noising);
        const { up, down } = ancestral ? ancestralSplit(sigma, next) : { up: 0, down: next };
        const ratio = down / sigma;
        // x₀ + (σ'/σ)·(x − x₀)
        const terms = sumTerms([[ratio, LATENTS], [1 - ratio, common.x0]]);
        return { ...common, next: up > 0 ? { ...terms, noise: up } : terms };
      }),
  };
}

/** Deterministic. */
export const eulerSolver: Solver = solver(false);
/** With fresh noise in every step but the last. */
export const eulerAncestralSolver: Solver = solver(true);

/** Makes the deterministic scheduler. */
export function eulerDiscrete(c: SchedulerConfig): Scheduler {
  return euler(c, "EulerDiscreteScheduler", eulerSolver);
}

/** Makes the one that adds fresh noise. */
export function eulerAncestral(c: SchedulerConfig): Scheduler {
  return euler(c, "EulerAncestralDiscreteScheduler", eulerAncestralSolver);
}

function euler(c: SchedulerConfig, name: string, solver: Solver): Scheduler {
  c.expect("interpolation_type", "linear");
  c.expect("timestep_type", "discrete");
  c.refuse("sigma_min", "sigma_max");
  return veScheduler(c, { name, solver, predictions: ["epsilon", "v_prediction", "sample"] });
}
