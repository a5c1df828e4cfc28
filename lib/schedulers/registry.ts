/**
 * Which schedulers there are: one line each.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { SchedulerConfig } from "./config.ts";
import { ddim } from "./ddim.ts";
import { dpmSolverMultistep } from "./dpm_solver.ts";
import { eulerAncestral, eulerDiscrete } from "./euler.ts";
import { flowMatchEuler } from "./flow_match_euler.ts";
import { lcm } from "./lcm.ts";
import { pndm } from "./pndm.ts";
import type { Scheduler, Step } from "./types.ts";

const CLASSES: Readonly<Record<string, (c: SchedulerConfig) => Scheduler>> = {
  FlowMatchEulerDiscreteScheduler: flowMatchEuler,
  EulerDiscreteScheduler: eulerDiscrete,
  EulerAncestralDiscreteScheduler: eulerAncestral,
  DDIMScheduler: ddim,
  PNDMScheduler: pndm,
  DPMSolverMultistepScheduler: dpmSolverMultistep,
  LCMScheduler: lcm,
};

/** Samplers as stable-diffusion.cpp spells them, for diffusion models: what each changes in the stored config. */
const SAMPLERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "euler": { _class_name: "EulerDiscreteScheduler" },
  "euler_a": { _class_name: "EulerAncestralDiscreteScheduler" },
  "ddim": { _class_name: "DDIMScheduler", clip_sample: false },
  "pndm": { _class_name: "PNDMScheduler", skip_prk_steps: true },
  "dpm++2m": { _class_name: "DPMSolverMultistepScheduler" },
  "dpm++2mk": { _class_name: "DPMSolverMultistepScheduler", use_karras_sigmas: true },
  "lcm": { _class_name: "LCMScheduler", clip_sample: false },
};

/** Names that {@linkcode samplerConfig} takes. */
export const SAMPLER_NAMES: readonly string[] = Object.keys(SAMPLERS);

/**
 * Makes a scheduler from the parsed scheduler_config.json.
 *
 * @throws {LssgenError} `unsupported` for a class or an option that is not supported, by name.
 */
export function createScheduler(config: Readonly<Record<string, unknown>>): Scheduler {
  const c = new SchedulerConfig(config);
  if (!Object.hasOwn(CLASSES, c.className)) {
    throw new LssgenError(
      "unsupported",
      `Scheduler "${c.className}" is not supported, expected as _class_name one of ${
        Object.keys(CLASSES).join(", ")
      }`,
    );
  }
  return finite(CLASSES[c.className](c));
}

/**
 * A scheduler that plans no step whose numbers are not finite.
 *
 * A noise level alone may be infinite: that of pure noise, where a step works with ᾱ = 0.
 */
function finite(scheduler: Scheduler): Scheduler {
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

/**
 * The stored config with another sampler.
 *
 * @param config The model's scheduler_config.json.
 * @param sampler One of {@linkcode SAMPLER_NAMES}. Flow models know "euler" only.
 * @throws {LssgenError} `bad_option` for an unknown name, or one that a flow model cannot use.
 */
export function samplerConfig(
  config: Readonly<Record<string, unknown>>,
  sampler: string,
): Readonly<Record<string, unknown>> {
  const flow = config._class_name === "FlowMatchEulerDiscreteScheduler";
  const names = flow ? ["euler"] : SAMPLER_NAMES;
  if (!names.includes(sampler)) {
    throw new LssgenError(
      "bad_option",
      `Scheduler "${sampler}" is not one this model can use, expected one of ${names.join(", ")}`,
    );
  }
  return flow ? config : { ...config, ...SAMPLERS[sampler] };
}
