/**
 * Trajectory consistency distillation: to a level below the next, and back up with fresh noise.
 *
 * Source: Zheng et al., arXiv 2402.19159, algorithm 4 (γ is η here); diffusers TCDScheduler.
 *
 * @module
 */

import { checkSteps, type SchedulerConfig } from "./config.ts";
import { predictNoise, predictX0 } from "./prediction.ts";
import { alphasCumprod, sigmaOf } from "./betas.ts";
import { sumTerms } from "./terms.ts";
import type { Schedule, Scheduler, Step } from "./types.ts";

/** How far below the next timestep a step goes: diffusers' default. */
const ETA = 0.3;

/** Makes the scheduler. */
export function tcd(c: SchedulerConfig): Scheduler {
  const name = "TCDScheduler";
  const train = c.trainSteps;
  const original = c.wholeNumber("original_inference_steps", 50, 1, train);
  const prediction = c.oneOf("prediction_type", ["epsilon", "v_prediction", "sample"], "epsilon");
  const cumprod = alphasCumprod(c, { start: 0.00085, end: 0.012, kind: "scaled_linear" });

  function schedule(steps: number): Schedule {
    checkSteps(name, steps, original);
    const stride = Math.floor(train / original);
    const timesteps = Array.from(
      { length: steps },
      (_, i) => (original - Math.floor(i * (original / steps))) * stride - 1,
    );
    const sigmas = [...timesteps, 0].map((t) => sigmaOf(cumprod[t]));
    return { steps, timesteps, sigmas, initNoiseSigma: 1 };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    return s.timesteps.slice(begin).map((timestep, k) => {
      const index = begin + k;
      const last = index === s.timesteps.length - 1;
      const next = last ? 0 : s.timesteps[index + 1];
      const [now, then, below] = [timestep, next, Math.floor((1 - ETA) * next)].map((t) => cumprod[t]);
      const x0 = predictX0(prediction, Math.sqrt(now), Math.sqrt(1 - now));
      const noise = predictNoise(prediction, Math.sqrt(now), Math.sqrt(1 - now));
      const keep = last ? 1 : Math.sqrt(then / below);
      const terms = sumTerms([[keep * Math.sqrt(below), x0], [keep * Math.sqrt(1 - below), noise]]);
      return {
        index,
        timestep,
        sigma: s.sigmas[index],
        inputScale: 1,
        x0,
        next: last ? terms : { ...terms, noise: Math.sqrt(1 - then / below) },
      };
    });
  }

  return {
    name,
    kind: "diffusion",
    stochastic: true,
    schedule,
    steps,
    addNoise(s, index) {
      const bar = cumprod[s.timesteps[index]];
      return { signal: Math.sqrt(bar), noise: Math.sqrt(1 - bar) };
    },
  };
}
