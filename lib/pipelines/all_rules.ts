/**
 * Every sampler, every method and all syntax of prompts: for whoever plans without waiting.
 *
 * @module
 */

import { methodNamed } from "../scaling/methods/registry.ts";
import { createScheduler } from "../schedulers/registry.ts";
import { readPrompt } from "../text/prompt_syntax.ts";
import * as further from "./further_options.ts";
import type { PlanRules } from "./plan_rules.ts";

/** All of them. */
export const ALL_RULES: PlanRules = {
  scheduler: createScheduler,
  check: createScheduler,
  method: methodNamed,
  prompt: readPrompt,
  further,
};
