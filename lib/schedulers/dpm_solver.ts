/**
 * DPM-Solver and DPM-Solver++, multistep, of first to third order ("dpm++2m" is the second of the latter), and their
 * stochastic forms.
 *
 * Source: Lu et al., arXiv 2206.00927 and 2211.01095; diffusers DPMSolverMultistepScheduler.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { SchedulerConfig } from "./config.ts";
import { halfLogSnr } from "./diffusion_noising.ts";
import { call, type Solver } from "./solver.ts";
import { LATENTS, slotTerms, sumTerms } from "./terms.ts";
import type { NoiseMix, Scheduler, Terms } from "./types.ts";
import { vpScheduler } from "./vp_scheduler.ts";

/** Which integral is solved: of the clean latents (++) or of the noise, without or with fresh noise (sde). */
export type DpmAlgorithm = "dpmsolver" | "dpmsolver++" | "sde-dpmsolver" | "sde-dpmsolver++";

/** What a solver can be asked for. */
export interface DpmOptions {
  /** See {@linkcode DpmAlgorithm}. */
  readonly algorithm: DpmAlgorithm;
  /** 1 … 3. */
  readonly order: number;
  /** How the second order weighs its difference quotient. */
  readonly heun: boolean;
  /** Second and first order in the last two steps, when there are few. */
  readonly lowerFinal: boolean;
  /** First order in the last step. */
  readonly eulerFinal: boolean;
}

/** Factors over one step of the latents, of what is integrated, and of its difference quotients. */
export interface DpmWeights {
  /** Of the latents. */
  readonly sample: number;
  /** Of the prediction. */
  readonly own: number;
  /** Of the first difference quotient, by the midpoint rule. */
  readonly midpoint: number;
  /** The same, integrated exactly. */
  readonly first: number;
  /** Of the second difference quotient. */
  readonly second: number;
  /** Of fresh noise. */
  readonly noise: number;
}

/**
 * Integrates over a step. The stochastic second quotient keeps diffusers' sign of its constant, which the deterministic
 * limit does not share.
 */
export function dpmWeights(algorithm: DpmAlgorithm, from: NoiseMix, to: NoiseMix): DpmWeights {
  const h = halfLogSnr(to) - halfLogSnr(from);
  const sde = algorithm.startsWith("sde");
  if (algorithm.endsWith("++")) {
    const twice = sde ? 2 * h : h;
    const shrink = Math.exp(-twice);
    const own = to.signal * (1 - shrink);
    return {
      sample: to.noise / from.noise * (sde ? Math.exp(-h) : 1),
      own,
      midpoint: own / 2,
      first: to.signal * ((shrink - 1) / twice + 1),
      second: -to.signal * ((shrink - 1 + twice) / twice ** 2 + (sde ? 0.5 : -0.5)),
      noise: sde ? to.noise * Math.sqrt(1 - shrink) : 0,
    };
  }
  const grow = Math.exp(h);
  const factor = sde ? -2 * to.noise : -to.noise;
  return {
    sample: to.signal / from.signal,
    own: factor * (grow - 1),
    midpoint: factor * (grow - 1) / 2,
    first: factor * ((grow - 1) / h - 1),
    second: factor * ((grow - 1 - h) / h ** 2 - 0.5),
    noise: sde ? to.noise * Math.sqrt(grow * grow - 1) : 0,
  };
}

/** Slots: what was predicted in the two steps before, in turn. */
const SLOTS = 2;

/** Below this number of steps the last ones fall back to lower order. */
const FEW_STEPS = 15;

/** The solver. */
export function dpmSolver(o: DpmOptions): Solver {
  return {
    calls: 1,
    steps(s, begin, noising) {
      const n = s.timesteps.length;
      const lambda = (index: number): number => halfLogSnr(noising.mix(s.sigmas[index]));
      return s.timesteps.slice(begin).map((_, k) => {
        const index = begin + k;
        const [sigma, next] = [s.sigmas[index], s.sigmas[index + 1]];
        const common = call(s, index, sigma, noising);
        const predicted = o.algorithm.endsWith("++") ? common.x0 : noising.noise(sigma);
        const few = o.lowerFinal && n < FEW_STEPS;
        const last = index === n - 1 && (o.eulerFinal || next === 0 || few);
        const order = last ? 1 : Math.min(o.order, k + 1, index === n - 2 && few ? 2 : 3);
        const w = dpmWeights(o.algorithm, noising.mix(sigma), noising.mix(next));
        const before = (back: number): Terms => slotTerms((k + 2 * SLOTS - back) % SLOTS);
        const parts: (readonly [number, Terms])[] = [[w.sample, LATENTS], [w.own, predicted]];
        if (order > 1) {
          const step = lambda(index + 1) - lambda(index);
          const r0 = (lambda(index) - lambda(index - 1)) / step;
          const newer = sumTerms([[1 / r0, predicted], [-1 / r0, before(1)]]);
          if (order === 2) parts.push([o.heun ? w.first : w.midpoint, newer]);
          else {
            const r1 = (lambda(index - 1) - lambda(index - 2)) / step;
            const older = sumTerms([[1 / r1, before(1)], [-1 / r1, before(2)]]);
            const bend = sumTerms([[1 / (r0 + r1), newer], [-1 / (r0 + r1), older]]);
            parts.push([w.first, newer], [w.first * r0 + w.second, bend]);
          }
        }
        return {
          ...common,
          next: { ...sumTerms(parts), ...w.noise > 0 && { noise: w.noise } },
          store: index < n - 1 && o.order > 1 ? [{ slot: k % SLOTS, terms: predicted }] : undefined,
        };
      });
    },
  };
}

/** Reads `algorithm_type`, and refuses what diffusers refuses. */
export function dpmAlgorithm(c: SchedulerConfig, name: string, known: readonly DpmAlgorithm[]): DpmAlgorithm {
  const asked = c.oneOf("algorithm_type", [...known, "deis"], "dpmsolver++");
  const algorithm = asked === "deis" ? "dpmsolver++" : asked;
  if (!algorithm.endsWith("++") && c.oneOf("final_sigmas_type", ["zero", "sigma_min"], "zero") === "zero") {
    throw new LssgenError(
      "unsupported",
      `${name}: algorithm_type "${algorithm}" cannot end at no noise at all; set final_sigmas_type to "sigma_min", or take "dpmsolver++"`,
    );
  }
  return algorithm;
}

/** Reads `solver_type`; words of other solvers mean the midpoint rule, as in diffusers. */
export function heunType(c: SchedulerConfig): boolean {
  return c.oneOf("solver_type", ["midpoint", "heun", "logrho", "bh1", "bh2"], "midpoint") === "heun";
}

/** Makes the scheduler. */
export function dpmSolverMultistep(c: SchedulerConfig): Scheduler {
  const name = "DPMSolverMultistepScheduler";
  c.refuse("thresholding", "variance_type");
  const algorithm = dpmAlgorithm(c, name, ["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"]);
  const solver = dpmSolver({
    algorithm,
    order: c.wholeNumber("solver_order", 2, 1, algorithm === "sde-dpmsolver" ? 2 : 3),
    heun: heunType(c),
    lowerFinal: c.flag("lower_order_final", true),
    eulerFinal: c.flag("euler_at_final", false),
  });
  return vpScheduler(c, {
    name,
    solver,
    stochastic: algorithm.startsWith("sde"),
    lu: true,
    clipsLambda: true,
    fractionsWithCosine: true,
    flow: "first",
    end: "config",
  });
}
