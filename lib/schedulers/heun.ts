/**
 * Heun's method in σ: an Euler step, then once more from the same latents with the mean of both slopes.
 *
 * Source: Karras et al., arXiv 2206.00364, algorithm 1 without churn; diffusers HeunDiscreteScheduler and
 * FlowMatchHeunDiscreteScheduler.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { call, type Solver } from "./solver.ts";
import { checkBegin, LATENTS, slope, slotTerms, sumTerms } from "./terms.ts";
import { veScheduler } from "./ve_scheduler.ts";
import type { Scheduler } from "./types.ts";

/** The latents and the slope at the step's first call. */
const [FIRST, SLOPE] = [0, 1];

/** Two calls a step, the last takes one. */
export const heunSolver: Solver = {
  calls: 2,
  steps(s, begin, noising) {
    checkBegin("Heun", begin);
    const n = s.timesteps.length;
    return s.timesteps.slice(begin).map((_, k) => {
      const index = begin + k;
      const first = index % 2 === 0;
      const [from, to] = first
        ? [s.sigmas[index], s.sigmas[index + 1]]
        : [s.sigmas[index - 1], s.sigmas[index]];
      const at = first ? from : to;
      const own = slope(at, noising);
      const common = call(s, index, at, noising);
      if (!first) {
        const half = (to - from) / 2;
        return { ...common, next: sumTerms([[1, slotTerms(FIRST)], [half, slotTerms(SLOPE)], [half, own]]) };
      }
      const next = sumTerms([[1, LATENTS], [to - from, own]]);
      if (index === n - 1) return { ...common, next };
      return { ...common, next, store: [{ slot: FIRST, terms: LATENTS }, { slot: SLOPE, terms: own }] };
    });
  },
};

/** Makes the scheduler of diffusion models. */
export function heunDiscrete(c: SchedulerConfig): Scheduler {
  c.refuse("clip_sample");
  return veScheduler(c, {
    name: "HeunDiscreteScheduler",
    solver: heunSolver,
    predictions: ["epsilon", "v_prediction", "sample"],
    betas: { start: 0.00085, end: 0.012, kind: "linear" },
  });
}
