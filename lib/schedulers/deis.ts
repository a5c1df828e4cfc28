/**
 * DEIS, multistep in log ρ: a polynomial through the last noise predictions, integrated over ρ = noise / signal.
 *
 * Source: Zhang and Chen, arXiv 2204.13902; diffusers DEISMultistepScheduler.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { call, type Solver } from "./solver.ts";
import { LATENTS, slotTerms, sumTerms } from "./terms.ts";
import type { Scheduler, Terms } from "./types.ts";
import { vpScheduler } from "./vp_scheduler.ts";

/** Slots: what was predicted in the two steps before, in turn. */
const SLOTS = 2;

/** Below this number of steps the last ones fall back to lower order. */
const FEW_STEPS = 15;

/** ∫ over ρ from `a` to `b` of the Lagrange polynomial in log ρ that is 1 at `one` and 0 at each of `zeros`. */
function lagrange(a: number, b: number, one: number, zeros: readonly number[]): number {
  const to = Math.log;
  const at = (rho: number): number => {
    const t = to(rho);
    if (zeros.length === 0) return rho;
    if (zeros.length === 1) return rho * (t - 1 - to(zeros[0]));
    const [c, d] = zeros.map(to);
    return rho * (t * t - (2 + c + d) * t + 2 + c + d + c * d);
  };
  return (at(b) - at(a)) / zeros.reduce((product, zero) => product * (to(one) - to(zero)), 1);
}

/** The solver. */
export function deisSolver(maxOrder: number, lowerFinal: boolean): Solver {
  return {
    calls: 1,
    steps(s, begin, noising) {
      const n = s.timesteps.length;
      const rho = (index: number): number => {
        const { signal, noise } = noising.mix(s.sigmas[index]);
        return noise / signal;
      };
      return s.timesteps.slice(begin).map((_, k) => {
        const index = begin + k;
        const common = call(s, index, s.sigmas[index], noising);
        const predicted = noising.noise(s.sigmas[index]);
        const few = lowerFinal && n < FEW_STEPS;
        const last = (index === n - 1 && few) || s.sigmas[index + 1] === 0;
        const order = last ? 1 : Math.min(maxOrder, k + 1, index === n - 2 && few ? 2 : 3);
        const [from, to] = [noising.mix(s.sigmas[index]), noising.mix(s.sigmas[index + 1])];
        const points = Array.from({ length: order }, (_, i) => rho(index - i));
        const history: Terms[] = [
          predicted,
          ...points.slice(1).map((_, i) => slotTerms((k + 2 * SLOTS - 1 - i) % SLOTS)),
        ];
        const weights = points.map((point) =>
          to.signal * lagrange(points[0], rho(index + 1), point, points.filter((p) => p !== point))
        );
        return {
          ...common,
          next: sumTerms([
            [to.signal / from.signal, LATENTS],
            ...history.map((terms, i) => [weights[i], terms] as const),
          ]),
          store: index < n - 1 && maxOrder > 1 ? [{ slot: k % SLOTS, terms: predicted }] : undefined,
        };
      });
    },
  };
}

/** Makes the scheduler. */
export function deisMultistep(c: SchedulerConfig): Scheduler {
  c.refuse("thresholding");
  c.oneOf("algorithm_type", ["deis", "dpmsolver", "dpmsolver++"], "deis");
  c.oneOf("solver_type", ["logrho", "midpoint", "heun", "bh1", "bh2"], "logrho");
  const order = c.wholeNumber("solver_order", 2, 1, 3);
  return vpScheduler(c, {
    name: "DEISMultistepScheduler",
    solver: deisSolver(order, c.flag("lower_order_final", true)),
    flow: "first",
    end: "deis",
  });
}
