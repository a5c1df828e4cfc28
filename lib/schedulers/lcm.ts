/**
 * Latent consistency models: a few steps, each to the clean latents and back up with fresh noise.
 *
 * Source: Luo et al., arXiv 2310.04378; diffusers LCMScheduler.
 *
 * @module
 */

import { checkSteps, type SchedulerConfig } from "./config.ts";
import { predictX0 } from "./prediction.ts";
import { alphasCumprod, sigmaOf } from "./betas.ts";
import type { Schedule, Scheduler, Step } from "./types.ts";

/** Standard deviation of the data that the boundary condition assumes. */
const SIGMA_DATA = 0.5;

/** Makes the scheduler. */
export function lcm(c: SchedulerConfig): Scheduler {
  const name = "LCMScheduler";
  c.refuse("clip_sample", "thresholding");
  const train = c.trainSteps;
  const original = c.wholeNumber("original_inference_steps", 50, 1, train);
  const prediction = c.oneOf("prediction_type", ["epsilon", "v_prediction", "sample"], "epsilon");
  const scaling = c.range("timestep_scaling", 10, 1e-3, 1e4);
  const cumprod = alphasCumprod(c, { start: 0.00085, end: 0.012, kind: "scaled_linear" });

  function schedule(steps: number): Schedule {
    checkSteps(name, steps, original);
    const stride = Math.floor(train / original);
    const timesteps = Array.from(
      { length: steps },
      (_, i) => (original - Math.floor(i * original / steps)) * stride - 1,
    );
    return { steps, timesteps, sigmas: [...timesteps.map((t) => sigmaOf(cumprod[t])), 0], initNoiseSigma: 1 };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    return s.timesteps.slice(begin).map((timestep, k) => {
      const index = begin + k;
      const bar = cumprod[timestep];
      const x0 = predictX0(prediction, Math.sqrt(bar), Math.sqrt(1 - bar));
      const t = timestep * scaling;
      const skip = SIGMA_DATA ** 2 / (t * t + SIGMA_DATA ** 2);
      const out = t / Math.sqrt(t * t + SIGMA_DATA ** 2);
      const last = index === s.timesteps.length - 1;
      const then = last ? 1 : cumprod[s.timesteps[index + 1]];
      const a = Math.sqrt(then);
      const next = { sample: a * (out * x0.sample + skip), output: a * out * x0.output };
      return {
        index,
        timestep,
        sigma: s.sigmas[index],
        inputScale: 1,
        x0,
        next: last ? next : { ...next, noise: Math.sqrt(1 - then) },
      };
    });
  }

  return {
    name,
    kind: "diffusion",
    schedule,
    steps,
    addNoise(s, index) {
      const bar = cumprod[s.timesteps[index]];
      return { signal: Math.sqrt(bar), noise: Math.sqrt(1 - bar) };
    },
  };
}
