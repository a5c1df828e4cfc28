/**
 * Deterministic diffusion implicit models (η = 0): SD1.5, DiT.
 *
 * Source: Song et al., arXiv 2010.02502, eq. 12; diffusers DDIMScheduler.
 *
 * @module
 */

import { checkSteps, type SchedulerConfig } from "./config.ts";
import { predictNoise, predictX0 } from "./prediction.ts";
import { alphasCumprod, sigmaOf } from "./betas.ts";
import { roundEven } from "./sigmas.ts";
import { spreadTimesteps, timestepSpacing } from "./timesteps.ts";
import type { Schedule, Scheduler, Step } from "./types.ts";

/** Makes the scheduler. */
export function ddim(c: SchedulerConfig): Scheduler {
  const name = "DDIMScheduler";
  c.needOff("clip_sample");
  c.refuse("thresholding");
  const train = c.trainSteps;
  const prediction = c.oneOf("prediction_type", ["epsilon", "v_prediction", "sample"], "epsilon");
  const where = timestepSpacing(c, "leading");
  const offset = c.wholeNumber("steps_offset", 0, 0, train - 1);
  const cumprod = alphasCumprod(c);
  const final = c.flag("set_alpha_to_one", true) ? 1 : cumprod[0];
  const stride = (n: number): number => Math.floor(train / n);
  const at = (t: number): number => t >= 0 ? cumprod[t] : final;

  function schedule(steps: number): Schedule {
    checkSteps(name, steps, train);
    const timesteps = spreadTimesteps(where, train, steps, offset).map(roundEven);
    const levels = timesteps.map((t) => sigmaOf(cumprod[t]));
    return {
      steps,
      timesteps,
      sigmas: [...levels, sigmaOf(at(timesteps[steps - 1] - stride(steps)))],
      initNoiseSigma: 1,
    };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    return s.timesteps.slice(begin).map((timestep, k) => {
      const [now, then] = [cumprod[timestep], at(timestep - stride(s.steps))];
      const [alpha, sigma] = [Math.sqrt(now), Math.sqrt(1 - now)];
      const x0 = predictX0(prediction, alpha, sigma);
      const noise = predictNoise(prediction, alpha, sigma);
      const [a, b] = [Math.sqrt(then), Math.sqrt(1 - then)];
      return {
        index: begin + k,
        timestep,
        sigma: s.sigmas[begin + k],
        inputScale: 1,
        x0,
        next: { sample: a * x0.sample + b * noise.sample, output: a * x0.output + b * noise.output },
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
