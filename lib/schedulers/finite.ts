/**
 * A check around every scheduler: configs can be such that its numbers overflow.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Scheduler, Step } from "./types.ts";

/**
 * A scheduler that plans no step whose numbers are not finite.
 *
 * A noise level alone may be infinite: that of pure noise, where a step works with ᾱ = 0.
 */
export function finite(scheduler: Scheduler): Scheduler {
  return {
    ...scheduler,
    schedule(steps, options) {
      const made = scheduler.schedule(steps, options);
      const bad = scheduler.steps(made).find((step) => !isFinite(step)) ??
        (made.sigmas.some(Number.isNaN) || !Number.isFinite(made.initNoiseSigma) ? { index: 0 } : undefined);
      if (!bad) return made;
      throw new LssgenError(
        "bad_option",
        `${scheduler.name}: steps is ${steps}, and step ${bad.index + 1} of them is not finite (timestep ${
          made.timesteps[bad.index]
        }, noise level ${
          made.sigmas[bad.index]
        }); take fewer steps, or see num_train_timesteps, steps_offset, timestep_spacing, prediction_type and the betas in scheduler_config.json`,
      );
    },
  };
}

function isFinite(step: Step): boolean {
  const all = [step.next, step.x0, ...(step.store ?? []).map(({ terms }) => terms)];
  return Number.isFinite(step.timestep) && Number.isFinite(step.inputScale) && !Number.isNaN(step.sigma) &&
    all.every(({ sample, output, noise = 0, slots = [] }) =>
      [sample, output, noise, ...slots.map(([, factor]) => factor)].every(Number.isFinite)
    );
}
