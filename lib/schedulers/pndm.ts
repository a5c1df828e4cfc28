/**
 * Pseudo linear multistep (PLMS): SD1.5's stored scheduler. The second timestep is visited twice, so n steps take
 * n + 1 calls.
 *
 * Source: Liu et al., arXiv 2202.09778, eq. 9; diffusers PNDMScheduler with skip_prk_steps.
 *
 * @module
 */

import { checkSteps, type SchedulerConfig } from "./config.ts";
import { predictX0 } from "./prediction.ts";
import { alphasCumprod, sigmaOf } from "./betas.ts";
import { roundEven } from "./sigmas.ts";
import { spreadTimesteps, timestepSpacing } from "./timesteps.ts";
import type { Schedule, Scheduler, Step, Terms } from "./types.ts";

/** Weights of the newest and the older outputs, by how many there are (Adams–Bashforth). */
const WEIGHTS: readonly (readonly number[])[] = [[], [1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [
  55 / 24,
  -59 / 24,
  37 / 24,
  -9 / 24,
]];

/** Slots 0 … 3 hold outputs in turn, this one the latents of the first call. */
const FIRST_LATENTS = 4;

/** Makes the scheduler. */
export function pndm(c: SchedulerConfig): Scheduler {
  const name = "PNDMScheduler";
  c.needOn("skip_prk_steps");
  const train = c.trainSteps;
  const prediction = c.oneOf("prediction_type", ["epsilon", "v_prediction"], "epsilon");
  const where = timestepSpacing(c, "leading");
  const offset = c.wholeNumber("steps_offset", 0, 0, train - 1);
  const cumprod = alphasCumprod(c);
  const final = c.flag("set_alpha_to_one", false) ? 1 : cumprod[0];
  const stride = (n: number): number => Math.floor(train / n);
  const at = (t: number): number => t >= 0 ? cumprod[Math.min(t, train - 1)] : final;

  function schedule(steps: number): Schedule {
    checkSteps(name, steps, train);
    const once = spreadTimesteps(where, train, steps, offset).map(roundEven);
    const timesteps = steps === 1 ? once : [once[0], once[1], ...once.slice(1)];
    const levels = timesteps.map((t) => sigmaOf(cumprod[t]));
    return {
      steps,
      timesteps,
      sigmas: [...levels, sigmaOf(at(timesteps[timesteps.length - 1] - stride(steps)))],
      initNoiseSigma: 1,
    };
  }

  /** From noise level t to t', with some output: sample·x + output·e. */
  function transfer(t: number, to: number): { sample: number; output: number } {
    const [a, b] = [at(t), at(to)];
    const scale = (b - a) / (a * Math.sqrt(1 - b) + Math.sqrt(a * (1 - a) * b));
    if (prediction === "epsilon") return { sample: Math.sqrt(b / a), output: -scale };
    return { sample: Math.sqrt(b / a) - scale * Math.sqrt(1 - a), output: -scale * Math.sqrt(a) };
  }

  function steps(s: Schedule, begin = 0): Step[] {
    const by = stride(s.steps);
    let held = 0;
    return s.timesteps.slice(begin).map((timestep, count) => {
      const bar = at(timestep);
      const common = {
        index: begin + count,
        timestep,
        sigma: s.sigmas[begin + count],
        inputScale: 1,
        x0: predictX0(prediction, Math.sqrt(bar), Math.sqrt(1 - bar)),
      };
      if (count === 1) {
        // Once more from the first latents, with the mean of both ends' outputs (Heun).
        const m = transfer(timestep + by, timestep);
        const slots = [[FIRST_LATENTS, m.sample], [0, m.output / 2]] as const;
        return { ...common, next: { sample: 0, output: m.output / 2, slots } };
      }
      held = Math.min(held + 1, 4);
      const turn = count === 0 ? 0 : count - 1;
      const m = transfer(timestep, timestep - by);
      const [own, ...older] = WEIGHTS[held];
      const slots = older.map((weight, k) => [(turn - 1 - k) % 4, m.output * weight] as const);
      const next: Terms = { sample: m.sample, output: m.output * own, slots };
      const store = [{ slot: turn % 4, terms: { sample: 0, output: 1 } }];
      if (count === 0) store.push({ slot: FIRST_LATENTS, terms: { sample: 1, output: 0 } });
      return { ...common, next, store };
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
