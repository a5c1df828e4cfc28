/**
 * DPM-Solver++ of first to third order ("dpm++2m" is the second), and its stochastic form.
 *
 * Source: Lu et al., arXiv 2211.01095; diffusers DPMSolverMultistepScheduler.
 *
 * @module
 */

import { checkSteps, type SchedulerConfig } from "./config.ts";
import { predictX0 } from "./prediction.ts";
import {
  alphasCumprod,
  interpolate,
  linspace,
  roundEven,
  sigmaOf,
  spaced,
  spacingOf,
  timestepOf,
} from "./sigmas.ts";
import { spreadTimesteps, timestepSpacing } from "./timesteps.ts";
import type { Schedule, Scheduler, Step, Terms } from "./types.ts";

const f32 = Math.fround;

/** Slots: the clean latents that the two steps before predicted, in turn. */
const SLOTS = 2;

/** Below this number of steps the last ones fall back to lower order. */
const FEW_STEPS = 15;

/** Makes the scheduler. */
export function dpmSolverMultistep(c: SchedulerConfig): Scheduler {
  const name = "DPMSolverMultistepScheduler";
  const sde =
    c.oneOf("algorithm_type", ["dpmsolver++", "sde-dpmsolver++"], "dpmsolver++") === "sde-dpmsolver++";
  c.refuse("thresholding", "use_lu_lambdas", "use_flow_sigmas", "variance_type", "use_dynamic_shifting");
  const train = c.trainSteps;
  const order = c.wholeNumber("solver_order", 2, 1, sde ? 2 : 3);
  const heun = c.oneOf("solver_type", ["midpoint", "heun"], "midpoint") === "heun";
  const prediction = c.oneOf("prediction_type", ["epsilon", "v_prediction", "sample"], "epsilon");
  const where = timestepSpacing(c, "linspace");
  const offset = c.wholeNumber("steps_offset", 0, 0, train - 1);
  const spacing = spacingOf(c);
  const zeroEnd = c.oneOf("final_sigmas_type", ["zero", "sigma_min"], "zero") === "zero";
  const lowerFinal = c.flag("lower_order_final", true);
  const eulerFinal = c.flag("euler_at_final", false);
  const cosine = c.oneOf("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"], "linear") ===
    "squaredcos_cap_v2";
  const cumprod = alphasCumprod(c);
  if (c.flag("rescale_betas_zero_snr", false)) cumprod[train - 1] = 2 ** -24;
  const table = cumprod.map(sigmaOf);

  function schedule(steps: number): Schedule {
    checkSteps(name, steps, train - 1);
    // One more than asked for and without the last: this solver never calls the network at timestep 0.
    let timesteps = where === "trailing"
      ? spreadTimesteps(where, train, steps, 0)
      : where === "linspace"
      ? linspace(0, train - 1, steps + 1).map(roundEven).reverse().slice(0, -1)
      : spreadTimesteps(where, train, steps + 1, offset).slice(0, -1);
    let sigmas = timesteps.map((t) => interpolate(table, t));
    if (spacing) {
      sigmas = spaced(spacing, table[train - 1], table[0], steps);
      timesteps = sigmas.map((s) => timestepOf(table, s));
      timesteps = timesteps.map(spacing === "karras" && !cosine ? roundEven : Math.trunc);
    }
    return { steps, timesteps, sigmas: [...sigmas.map(f32), zeroEnd ? 0 : table[0]], initNoiseSigma: 1 };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    const n = s.timesteps.length;
    return s.timesteps.slice(begin).map((timestep, k) => {
      const index = begin + k;
      const [sigma, next] = [s.sigmas[index], s.sigmas[index + 1]];
      const [alpha, alphaNext] = [vpAlpha(sigma), vpAlpha(next)];
      const x0 = predictX0(prediction, alpha, sigma * alpha);
      // λ = log(α/σ') = −log σ, h its growth; the stochastic form goes twice as far and comes back with noise.
      const h = Math.log(sigma / next) * (sde ? 2 : 1);
      const shrink = (next / sigma) ** (sde ? 2 : 1); // e^(−h)
      const sample = next * alphaNext / (sigma * alpha) * (sde ? next / sigma : 1);
      const last = index === n - 1 && (eulerFinal || zeroEnd || (lowerFinal && n < FEW_STEPS));
      const lastButOne = index === n - 2 && lowerFinal && n < FEW_STEPS;
      const use = last ? 1 : Math.min(order, k + 1, lastButOne ? 2 : 3);
      // Factors of the clean latents predicted now, in the step before, and in the one before that.
      const [own, ...older] = x0Factors(s.sigmas, index, use, alphaNext, h, shrink, heun);
      const slots = older.map((factor, back) => [(k + 2 * SLOTS - 1 - back) % SLOTS, factor] as const);
      const noise = sde ? next * alphaNext * Math.sqrt(1 - shrink) : 0;
      const terms: Terms = { sample: sample + own * x0.sample, output: own * x0.output, slots };
      return {
        index,
        timestep,
        sigma,
        inputScale: 1,
        x0,
        next: noise > 0 ? { ...terms, noise } : terms,
        store: index < n - 1 && order > 1 ? [{ slot: k % SLOTS, terms: x0 }] : undefined,
      };
    });
  }

  return {
    name,
    kind: "diffusion",
    schedule,
    steps,
    addNoise(s, index) {
      const alpha = vpAlpha(s.sigmas[index]);
      return { signal: alpha, noise: s.sigmas[index] * alpha };
    },
  };
}

/**
 * Factors of the clean latents predicted at the last `use` steps, newest first: a polynomial through them,
 * integrated over the step.
 */
function x0Factors(
  sigmas: readonly number[],
  index: number,
  use: number,
  alphaNext: number,
  h: number,
  shrink: number,
  heun: boolean,
): number[] {
  const own = alphaNext * (1 - shrink);
  if (use === 1) return [own];
  const step = Math.log(sigmas[index] / sigmas[index + 1]);
  const r0 = Math.log(sigmas[index - 1] / sigmas[index]) / step;
  const first = heun || use === 3 ? alphaNext * ((shrink - 1) / h + 1) : own / 2;
  if (use === 2) return [own + first / r0, -first / r0];
  const r1 = Math.log(sigmas[index - 2] / sigmas[index - 1]) / step;
  const second = -alphaNext * ((shrink - 1 + h) / h ** 2 - 0.5);
  const newer = first * (1 + r0 / (r0 + r1)) + second / (r0 + r1); // of the newer difference quotient
  const older = -(first * r0 + second) / (r0 + r1);
  return [own + newer / r0, older / r1 - newer / r0, -older / r1];
}

/** Signal of the variance-preserving process whose noise-to-signal ratio is sigma. */
function vpAlpha(sigma: number): number {
  return 1 / Math.sqrt(sigma * sigma + 1);
}
