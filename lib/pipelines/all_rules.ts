/**
 * Every sampler, every method and all syntax of prompts: for whoever plans without waiting.
 *
 * @module
 */

import { methodNamed } from "../scaling/methods/registry.ts";
import {
  createScheduler,
  SAMPLER_NAMES,
  samplerConfig,
  SCHEDULE_NAMES,
  scheduleConfig,
} from "../schedulers/registry.ts";
import { readPrompt } from "../text/prompt_syntax.ts";
import { LssgenError } from "../errors.ts";
import * as further from "./further_options.ts";
import type { Offered, PlanRules, SchedulerFields } from "./plan_rules.ts";
import { withPreset } from "./family_presets.ts";

/** All of them. */
export const ALL_RULES: PlanRules = {
  scheduler: createScheduler,
  config: further.schedulerConfig,
  offered,
  preset: withPreset,
  method: methodNamed,
  prompt: readPrompt,
  further,
};

/** By trying each: what the stored config forbids, its scheduler says. */
function offered(stored: SchedulerFields): Offered {
  const can = (make: () => SchedulerFields): boolean => {
    try {
      createScheduler(make());
      return true;
    } catch (error) {
      if (error instanceof LssgenError) return false;
      throw error;
    }
  };
  return {
    samplers: SAMPLER_NAMES.filter((sampler) => can(() => samplerConfig(stored, sampler))),
    schedules: SCHEDULE_NAMES.filter((schedule) =>
      can(() => scheduleConfig(stored, schedule)) ||
      can(() => scheduleConfig(samplerConfig(stored, "euler"), schedule))
    ),
  };
}
