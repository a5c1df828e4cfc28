/**
 * Which schedulers there are: one line each.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { SchedulerConfig } from "./config.ts";
import { ddim } from "./ddim.ts";
import { deisMultistep } from "./deis.ts";
import { dpmSolverSinglestep } from "./dpm_singlestep.ts";
import { dpmSolverMultistep } from "./dpm_solver.ts";
import { eulerAncestral, eulerDiscrete } from "./euler.ts";
import { flowMatch, flowMatchEuler, flowMatchHeun } from "./flow_match_euler.ts";
import { heunDiscrete } from "./heun.ts";
import { kdpm2, kdpm2Ancestral } from "./kdpm2.ts";
import { lcm } from "./lcm.ts";
import { pndm } from "./pndm.ts";
import { isSampler, type SamplerName, samplerNamed, SAMPLERS, type ScheduleName } from "./samplers.ts";
import { tcd } from "./tcd.ts";
import type { Scheduler, Step } from "./types.ts";
import { uniPcMultistep } from "./unipc.ts";

const CLASSES: Readonly<Record<string, (c: SchedulerConfig) => Scheduler>> = {
  FlowMatchEulerDiscreteScheduler: flowMatchEuler,
  FlowMatchHeunDiscreteScheduler: flowMatchHeun,
  EulerDiscreteScheduler: eulerDiscrete,
  EulerAncestralDiscreteScheduler: eulerAncestral,
  HeunDiscreteScheduler: heunDiscrete,
  KDPM2DiscreteScheduler: kdpm2,
  KDPM2AncestralDiscreteScheduler: kdpm2Ancestral,
  DDIMScheduler: ddim,
  PNDMScheduler: pndm,
  DPMSolverMultistepScheduler: dpmSolverMultistep,
  DPMSolverSinglestepScheduler: dpmSolverSinglestep,
  UniPCMultistepScheduler: uniPcMultistep,
  DEISMultistepScheduler: deisMultistep,
  LCMScheduler: lcm,
  TCDScheduler: tcd,
};

/** Classes that {@linkcode createScheduler} makes, as diffusers spells them. */
export const SCHEDULER_CLASSES: readonly string[] = Object.keys(CLASSES);

/** Names that {@linkcode samplerConfig} takes, as stable-diffusion.cpp spells them where it has them. */
export const SAMPLER_NAMES: readonly SamplerName[] = Object.keys(SAMPLERS) as SamplerName[];

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
  const chosen = config.lssgen_sampler;
  const solver = isFlow(config) && isSampler(chosen) && SAMPLERS[chosen].flow;
  return finite(solver ? flowMatch(c, c.className, solver) : CLASSES[c.className](c));
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

/** Whether a stored config is a flow model's. */
export function isFlow(config: Readonly<Record<string, unknown>>): boolean {
  return typeof config._class_name === "string" && config._class_name.startsWith("FlowMatch");
}

/**
 * The stored config with another sampler. Flow models keep their own schedule of noise levels; the sampler says how it is
 * walked.
 *
 * @param config The model's scheduler_config.json.
 * @param sampler One of {@linkcode SAMPLER_NAMES}, or such a name as A1111 or ComfyUI spells it ("DPM++ 2M Karras").
 * @throws {LssgenError} `bad_option` for an unknown name, or one that a flow model cannot use.
 */
export function samplerConfig(
  config: Readonly<Record<string, unknown>>,
  sampler: string,
): Readonly<Record<string, unknown>> {
  const flow = isFlow(config);
  const names = SAMPLER_NAMES.filter((name) => !flow || SAMPLERS[name].flow);
  const found = samplerNamed(sampler);
  if (!found || !names.includes(found.name)) {
    throw new LssgenError(
      "bad_option",
      `Scheduler "${sampler.slice(0, 80)}" is not one this model can use, expected one of ${
        names.join(", ")
      }`,
    );
  }
  const own = flow
    ? { ...config, lssgen_sampler: found.name }
    : { ...config, ...SAMPLERS[found.name].config };
  return found.schedule ? scheduleConfig(own, found.schedule) : own;
}

/** What each schedule changes in a config. The flags are diffusers'; `lssgen_schedule` is ours. */
const SCHEDULES: Readonly<Record<ScheduleName, Readonly<Record<string, unknown>>>> = {
  normal: { lssgen_schedule: "normal" },
  discrete: { lssgen_schedule: "normal" },
  karras: { use_karras_sigmas: true },
  exponential: { use_exponential_sigmas: true },
  beta: { use_beta_sigmas: true },
  simple: { lssgen_schedule: "simple" },
  sgm_uniform: { lssgen_schedule: "sgm_uniform" },
  ddim_uniform: { lssgen_schedule: "ddim_uniform" },
  kl_optimal: { lssgen_schedule: "kl_optimal" },
  linear_quadratic: { lssgen_schedule: "linear_quadratic" },
};

/** Names that {@linkcode scheduleConfig} takes. */
export const SCHEDULE_NAMES: readonly ScheduleName[] = Object.keys(SCHEDULES) as ScheduleName[];

/** What switches every spacing off. */
const UNSPACED = {
  use_karras_sigmas: false,
  use_exponential_sigmas: false,
  use_beta_sigmas: false,
  use_lu_lambdas: false,
};

/** Schedulers whose timesteps are part of their rule. */
const BOUND: readonly string[] = ["DDIMScheduler", "PNDMScheduler", "LCMScheduler", "TCDScheduler"];

/**
 * The stored config with another spacing of its noise levels.
 *
 * @param schedule One of {@linkcode SCHEDULE_NAMES}, in upper or lower case.
 * @throws {LssgenError} `bad_option` for an unknown name, or a sampler that has its own timesteps.
 */
export function scheduleConfig(
  config: Readonly<Record<string, unknown>>,
  schedule: string,
): Readonly<Record<string, unknown>> {
  const name = scheduleNamed(schedule);
  if (!name) {
    throw new LssgenError(
      "bad_option",
      `schedule is "${schedule.slice(0, 80)}", expected one of ${SCHEDULE_NAMES.join(", ")}`,
    );
  }
  checkFree(config, `schedule "${name}"`);
  return { ...config, ...UNSPACED, lssgen_schedule: undefined, ...SCHEDULES[name] };
}

/** The schedule that a user means, or undefined. */
export function scheduleNamed(text: string): ScheduleName | undefined {
  const name = text.trim().toLowerCase().replace(/[\s-]+/g, "_");
  return SCHEDULE_NAMES.find((known) => known === name);
}

/**
 * Refuses noise levels from outside for schedulers that have timesteps of their own.
 *
 * @param what What was asked for, for the message.
 * @throws {LssgenError} `bad_option`.
 */
export function checkFree(config: Readonly<Record<string, unknown>>, what: string): void {
  const className = typeof config._class_name === "string" ? config._class_name : "";
  if (!BOUND.includes(className)) return;
  throw new LssgenError(
    "bad_option",
    `${what} does not go with ${className}, which has its own timesteps; choose a sampler, for example euler (--sampling-method)`,
  );
}
