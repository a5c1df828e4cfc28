/**
 * The rules that plans are made with: samplers, methods, and the syntax of prompts.
 *
 * @module
 */

import type { Method } from "../scaling/types.ts";
import type { Scheduler } from "../schedulers/types.ts";
import type { ReadPrompt } from "../text/prompt_syntax.ts";
import type { GenerateRequest, ModelInfo } from "./types.ts";

/** The stored config of a scheduler, as a request changes it. */
export type SchedulerFields = Readonly<Record<string, unknown>>;

/** See the module. */
export interface PlanRules {
  /** The scheduler of a config. Throws `unsupported` or `bad_file`, naming what is wrong in it. */
  readonly scheduler: (config: SchedulerFields) => Scheduler;
  /** Throws what `scheduler` throws, and needs no rule of any sampler. */
  readonly check: (config: SchedulerFields) => void;
  /** A method by its name. Throws `bad_option` for an unknown one. */
  readonly method: (name: string) => Method;
  /** Takes a prompt apart, as readPrompt of lib/text. */
  readonly prompt: (text: string, field: string) => ReadPrompt;
  /** Checks of options that few requests have; absent where a request with one has to be loaded for. */
  readonly further?: typeof import("./further_options.ts");
  /** Rules that suffice for a request; without it, these. */
  readonly load?: (info: ModelInfo, request: Partial<GenerateRequest>) => Promise<PlanRules>;
}
