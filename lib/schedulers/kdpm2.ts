/**
 * DPM-Solver-2 as k-diffusion writes it ("DPM2"), and its ancestral form: half a step in log σ, then the whole step with the
 * slope found there.
 *
 * Source: Karras et al., arXiv 2206.00364, algorithm 2; diffusers KDPM2DiscreteScheduler and
 * KDPM2AncestralDiscreteScheduler.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { ancestralSplit } from "./euler.ts";
import { call, type Solver } from "./solver.ts";
import { checkBegin, LATENTS, slope, slotTerms, sumTerms } from "./terms.ts";
import { veScheduler } from "./ve_scheduler.ts";
import type { Scheduler, Terms } from "./types.ts";

/** Slot of the latents at the step's first call. */
const FIRST = 0;

function solver(ancestral: boolean): Solver {
  const down = (sigma: number, next: number): number => ancestral ? ancestralSplit(sigma, next).down : next;
  const middle = (sigma: number, next: number): number => Math.sqrt(sigma * down(sigma, next));
  return {
    calls: 2,
    middle,
    steps(s, begin, noising) {
      checkBegin("KDPM2", begin);
      const n = s.timesteps.length;
      return s.timesteps.slice(begin).map((_, k) => {
        const index = begin + k;
        const first = index % 2 === 0;
        const [from, to] = first
          ? [s.sigmas[index], s.sigmas[index + 1]]
          : [s.sigmas[index - 1], s.sigmas[index]];
        const half = middle(from, to);
        const at = first ? from : half;
        const own = slope(at, noising);
        const common = call(s, index, at, noising);
        if (first) {
          const next = sumTerms([[1, LATENTS], [(index === n - 1 ? to : half) - from, own]]);
          return index === n - 1
            ? { ...common, next }
            : { ...common, next, store: [{ slot: FIRST, terms: LATENTS }] };
        }
        const whole: Terms = sumTerms([[1, slotTerms(FIRST)], [down(from, to) - from, own]]);
        return { ...common, next: ancestral ? { ...whole, noise: ancestralSplit(from, to).up } : whole };
      });
    },
  };
}

/** Deterministic. */
export const kdpm2Solver: Solver = solver(false);
/** With fresh noise at the end of every step but the last. */
export const kdpm2AncestralSolver: Solver = solver(true);

const KIND = {
  predictions: ["epsilon", "v_prediction"],
  betas: { start: 0.00085, end: 0.012, kind: "linear" },
  roundKarras: true,
} as const;

/** Makes the deterministic scheduler. */
export function kdpm2(c: SchedulerConfig): Scheduler {
  return veScheduler(c, { ...KIND, name: "KDPM2DiscreteScheduler", solver: kdpm2Solver });
}

/** Makes the ancestral one. */
export function kdpm2Ancestral(c: SchedulerConfig): Scheduler {
  return veScheduler(c, { ...KIND, name: "KDPM2AncestralDiscreteScheduler", solver: kdpm2AncestralSolver });
}
