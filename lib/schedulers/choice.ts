/**
 * A stored config with another sampler, or another schedule: data alone, without the samplers' rules.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { FLOW_SAMPLERS, SCHEDULE_NAMES, UNSPACED } from "./sampler_names.ts";
import { type SamplerName, samplerNamed, SAMPLERS, type ScheduleName } from "./samplers.ts";

/** Names that {@linkcode samplerConfig} takes, as stable-diffusion.cpp spells them where it has them. */
export const SAMPLER_NAMES: readonly SamplerName[] = Object.keys(SAMPLERS) as SamplerName[];

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
  const names = SAMPLER_NAMES.filter((name) => !flow || FLOW_SAMPLERS[name]);
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
