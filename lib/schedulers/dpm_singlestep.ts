/**
 * DPM-Solver, singlestep ("DPM++ 2S"): steps of rising order from the same latents, then a new start.
 *
 * Source: Lu et al., arXiv 2206.00927 and 2211.01095; diffusers DPMSolverSinglestepScheduler.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { dpmAlgorithm, type DpmOptions, dpmWeights, heunType } from "./dpm_solver.ts";
import { halfLogSnr } from "./diffusion_noising.ts";
import { call, type Solver } from "./solver.ts";
import { LATENTS, slotTerms, sumTerms } from "./terms.ts";
import type { Scheduler, Terms } from "./types.ts";
import { vpScheduler } from "./vp_scheduler.ts";

/** Slots 0 and 1 hold the last predictions in turn, this one the latents of the last first-order step. */
const START = 2;

/** Orders of n steps. */
function ordersOf(n: number, order: number, lowerFinal: boolean, zeroEnd: boolean): number[] {
  const cycle = Array.from({ length: n }, (_, i) => i % order + 1);
  // An uneven number of steps ends at a lower order anyway.
  if (zeroEnd || (lowerFinal && n % order === 0)) cycle[n - 1] = 1;
  return cycle;
}

/** The solver. */
export function dpmSinglestep(o: Omit<DpmOptions, "eulerFinal">): Solver {
  return {
    calls: 1,
    steps(s, begin, noising) {
      const n = s.timesteps.length;
      const orders = ordersOf(n, o.order, o.lowerFinal, s.sigmas[n] === 0);
      const lambda = (index: number): number => halfLogSnr(noising.mix(s.sigmas[index]));
      return s.timesteps.slice(begin).map((_, k) => {
        const index = begin + k;
        const common = call(s, index, s.sigmas[index], noising);
        const predicted = o.algorithm.endsWith("++") ? common.x0 : noising.noise(s.sigmas[index]);
        const order = Math.min(orders[index], k + 1);
        const from = index - order + 1; // where the latents that it starts from are
        const w = dpmWeights(o.algorithm, noising.mix(s.sigmas[from]), noising.mix(s.sigmas[index + 1]));
        const before = (back: number): Terms => slotTerms((k + 4 - back) % 2);
        const parts: (readonly [number, Terms])[] = [[w.sample, order === 1 ? LATENTS : slotTerms(START)]];
        if (order === 1) parts.push([w.own, predicted]);
        else {
          const h = lambda(index + 1) - lambda(from);
          const oldest = before(order - 1);
          const r0 = (lambda(index) - lambda(from)) / h;
          const newer = sumTerms([[1 / r0, predicted], [-1 / r0, oldest]]);
          parts.push([w.own, oldest]);
          if (order === 2) parts.push([o.heun ? w.first : w.midpoint, newer]);
          else if (!o.heun) parts.push([w.first, newer]);
          else {
            const r1 = (lambda(index - 1) - lambda(from)) / h;
            const older = sumTerms([[1 / r1, before(1)], [-1 / r1, oldest]]);
            parts.push([w.first, sumTerms([[r0 / (r0 - r1), older], [-r1 / (r0 - r1), newer]])]);
            parts.push([w.second, sumTerms([[2 / (r0 - r1), newer], [-2 / (r0 - r1), older]])]);
          }
        }
        return {
          ...common,
          next: { ...sumTerms(parts), ...w.noise > 0 && { noise: w.noise } },
          store: index === n - 1 ? undefined : [
            { slot: k % 2, terms: predicted },
            ...order === 1 ? [{ slot: START, terms: LATENTS }] : [],
          ],
        };
      });
    },
  };
}

/** Makes the scheduler. */
export function dpmSolverSinglestep(c: SchedulerConfig): Scheduler {
  const name = "DPMSolverSinglestepScheduler";
  c.refuse("thresholding", "variance_type");
  const algorithm = dpmAlgorithm(c, name, ["dpmsolver", "dpmsolver++", "sde-dpmsolver++"]);
  const solver = dpmSinglestep({
    algorithm,
    order: c.wholeNumber("solver_order", 2, 1, 3),
    heun: heunType(c),
    lowerFinal: c.flag("lower_order_final", false),
  });
  const stochastic = algorithm.startsWith("sde");
  return vpScheduler(c, {
    name,
    solver,
    stochastic,
    linspaceOnly: true,
    clipsLambda: true,
    flow: "first",
    end: "config",
  });
}
