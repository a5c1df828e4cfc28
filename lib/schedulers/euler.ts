/**
 * Euler and ancestral Euler in σ: SDXL, SD1.5.
 *
 * Source: diffusers EulerDiscreteScheduler and EulerAncestralDiscreteScheduler; Karras et al., arXiv 2206.00364.
 *
 * @module
 */

import { checkSteps, type SchedulerConfig } from "./config.ts";
import { predictX0 } from "./prediction.ts";
import { alphasCumprod, interpolate, sigmaOf, spaced, spacingOf, timestepOf } from "./sigmas.ts";
import { spreadTimesteps, timestepSpacing } from "./timesteps.ts";
import type { Schedule, Scheduler, Step } from "./types.ts";

const f32 = Math.fround;

/** Makes the deterministic scheduler. */
export function eulerDiscrete(c: SchedulerConfig): Scheduler {
  return euler(c, false);
}

/** Makes the one that adds fresh noise in every step but the last. */
export function eulerAncestral(c: SchedulerConfig): Scheduler {
  return euler(c, true);
}

function euler(c: SchedulerConfig, ancestral: boolean): Scheduler {
  const name = ancestral ? "EulerAncestralDiscreteScheduler" : "EulerDiscreteScheduler";
  c.expect("interpolation_type", "linear");
  c.expect("timestep_type", "discrete");
  c.refuse("sigma_min", "sigma_max");
  const train = c.trainSteps;
  const prediction = c.oneOf("prediction_type", ["epsilon", "v_prediction", "sample"], "epsilon");
  const where = timestepSpacing(c, "linspace");
  const offset = c.wholeNumber("steps_offset", 0, 0, train - 1);
  const spacing = spacingOf(c);
  const ends = c.oneOf("final_sigmas_type", ["zero", "sigma_min"], "zero");
  const cumprod = alphasCumprod(c);
  // Not quite no signal, so that the first σ is finite.
  if (c.flag("rescale_betas_zero_snr", false)) cumprod[train - 1] = 2 ** -24;
  const table = cumprod.map(sigmaOf);

  function schedule(steps: number): Schedule {
    checkSteps(name, steps, train);
    let timesteps = spreadTimesteps(where, train, steps, offset).map(f32);
    let sigmas = timesteps.map((t) => interpolate(table, t));
    if (spacing) {
      sigmas = spaced(spacing, sigmas[0], sigmas[steps - 1], steps);
      timesteps = sigmas.map((s) => f32(timestepOf(table, s)));
    }
    sigmas = [...sigmas.map(f32), ends === "zero" ? 0 : table[0]];
    const top = Math.max(...sigmas);
    return {
      steps,
      timesteps,
      sigmas,
      initNoiseSigma: f32(where === "leading" ? Math.sqrt(top * top + 1) : top),
    };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    return s.timesteps.slice(begin).map((timestep, k) => {
      const index = begin + k;
      const [sigma, next] = [s.sigmas[index], s.sigmas[index + 1]];
      const scale = 1 / Math.sqrt(sigma * sigma + 1);
      // In VP terms x̃ = scale·x has ᾱ = scale², so x₀ follows from x̃.
      const vp = predictX0(prediction, scale, sigma * scale);
      const x0 = { sample: vp.sample * scale, output: vp.output };
      const up = ancestral ? Math.sqrt(next * next * (sigma * sigma - next * next) / (sigma * sigma)) : 0;
      const ratio = (ancestral ? Math.sqrt(next * next - up * up) : next) / sigma;
      // x₀ + (σ'/σ)·(x − x₀)
      const terms = { sample: ratio + (1 - ratio) * x0.sample, output: (1 - ratio) * x0.output };
      return {
        index,
        timestep,
        sigma,
        inputScale: scale,
        x0,
        next: up > 0 ? { ...terms, noise: up } : terms,
      };
    });
  }

  return {
    name,
    kind: "diffusion",
    schedule,
    steps,
    addNoise: (s, index) => ({ signal: 1, noise: s.sigmas[index] }),
  };
}
