/**
 * DPM-Solver++ of first and second order ("dpm++2m").
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

/** The clean latents that the step before predicted. */
const PREVIOUS_X0 = 0;

/** Below this number of steps the last ones fall back to lower order. */
const FEW_STEPS = 15;

/** Makes the scheduler. */
export function dpmSolverMultistep(c: SchedulerConfig): Scheduler {
  const name = "DPMSolverMultistepScheduler";
  c.expect("algorithm_type", "dpmsolver++");
  c.refuse("thresholding", "use_lu_lambdas", "use_flow_sigmas", "variance_type", "use_dynamic_shifting");
  const train = c.trainSteps;
  const order = c.wholeNumber("solver_order", 2, 1, 2);
  const heun = c.oneOf("solver_type", ["midpoint", "heun"], "midpoint") === "heun";
  const prediction = c.oneOf("prediction_type", ["epsilon", "v_prediction", "sample"], "epsilon");
  const where = timestepSpacing(c, "linspace");
  const offset = c.number("steps_offset", 0);
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
      // λ = log(α/σ') = −log σ; e^(−h) = σ_next/σ.
      const shrink = next / sigma;
      const sample = next * alphaNext / (sigma * alpha);
      let [own, previous] = [alphaNext * (1 - shrink), 0];
      const last = index === n - 1 && (eulerFinal || zeroEnd || (lowerFinal && n < FEW_STEPS));
      if (order === 2 && k > 0 && !last) {
        const h = -Math.log(shrink);
        const r = Math.log(s.sigmas[index - 1] / sigma) / h;
        const slope = (heun ? alphaNext * ((shrink - 1) / h + 1) : own / 2) / r;
        own += slope;
        previous = -slope;
      }
      const terms: Terms = { sample: sample + own * x0.sample, output: own * x0.output };
      return {
        index,
        timestep,
        sigma,
        inputScale: 1,
        x0,
        next: previous === 0 ? terms : { ...terms, slots: [[PREVIOUS_X0, previous]] },
        store: index < n - 1 && order === 2 ? [{ slot: PREVIOUS_X0, terms: x0 }] : undefined,
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

/** Signal of the variance-preserving process whose noise-to-signal ratio is sigma. */
function vpAlpha(sigma: number): number {
  return 1 / Math.sqrt(sigma * sigma + 1);
}
