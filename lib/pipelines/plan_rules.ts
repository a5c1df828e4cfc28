/**
 * The rules that plans are made with: samplers, methods, and the syntax of prompts.
 *
 * @module
 */

import type { Method } from "../scaling/types.ts";
import type { SamplerName, ScheduleName } from "../schedulers/samplers.ts";
import type { Scheduler } from "../schedulers/types.ts";
import type { ReadPrompt } from "../text/prompt_syntax.ts";
import type { GenerateRequest, ModelInfo } from "./types.ts";

/** The stored config of a scheduler, as a request changes it. */
export type SchedulerFields = Readonly<Record<string, unknown>>;

/** Names that a request may have. */
export interface Offered {
  readonly samplers: readonly SamplerName[];
  readonly schedules: readonly ScheduleName[];
}

/** See the module. */
export interface PlanRules {
  /** The scheduler of a config. Throws `unsupported` or `bad_file`, naming what is wrong in it. */
  readonly scheduler: (config: SchedulerFields) => Scheduler;
  /** The stored config with the sampler and the schedule of a request. Throws `bad_option` for what the model cannot use. */
  readonly config: (stored: SchedulerFields, request: GenerateRequest) => SchedulerFields;
  /** Samplers and schedules that a model with this config can use. */
  readonly offered: (stored: SchedulerFields) => Offered;
  /** A request with its preset written out. Throws `bad_option` for a preset that there is not. */
  readonly preset: <R extends Partial<GenerateRequest>>(info: ModelInfo, request: R) => R;
  /** A method by its name. Throws `bad_option` for an unknown one. */
  readonly method: (name: string) => Method;
  /** Takes a prompt apart, as readPrompt of lib/text. */
  readonly prompt: (text: string, field: string) => ReadPrompt;
  /** Checks of options that few requests have; absent where a request with one has to be loaded for. */
  readonly further?: typeof import("./further_options.ts");
  /** Rules that suffice for a request; without it, these. */
  readonly load?: (info: ModelInfo, request: Partial<GenerateRequest>) => Promise<PlanRules>;
}
