/**
 * The rules of most pictures, and all others when a request asks for one: what a page plans with.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { direct } from "../scaling/methods/direct.ts";
import { latentScaling } from "../scaling/methods/lssgen.ts";
import type { Method } from "../scaling/types.ts";
import { SchedulerConfig } from "../schedulers/config.ts";
import { finite } from "../schedulers/finite.ts";
import { flowEulerSolver, flowSchedule } from "../schedulers/flow_match_euler.ts";
import { FLOW_SAMPLERS, type FlowWalk, SCHEDULE_NAMES, UNSPACED } from "../schedulers/sampler_names.ts";
import type { Scheduler } from "../schedulers/types.ts";
import { isPlain } from "../text/plain_prompt.ts";
import type { PlanRules, SchedulerFields } from "./plan_rules.ts";
import { PRESET_NAMES } from "./presets.ts";
import type { GenerateRequest, ModelInfo, Presets } from "./types.ts";

const EULER = "FlowMatchEulerDiscreteScheduler";
const FEW_METHODS: readonly Method[] = [latentScaling, direct];

/**
 * What most pictures need of FLUX and SD3: Euler steps along a flow, by this library's own method or directly,
 * of a prompt that is nothing but words.
 */
const FEW_RULES: PlanRules = {
  scheduler(config) {
    if (!isEuler(config)) throw notLoaded(`sampler ${config.lssgen_sampler} of ${config._class_name}`);
    return finite(flow(config, "any"));
  },
  config(stored, { scheduler, schedule }) {
    if (scheduler || schedule !== undefined) throw notLoaded(`sampler ${scheduler}, schedule ${schedule}`);
    return stored;
  },
  offered(stored) {
    const names = Object.keys(FLOW_SAMPLERS) as (keyof typeof FLOW_SAMPLERS)[];
    return {
      samplers: names.filter((name) => isSound(stored, FLOW_SAMPLERS[name])),
      schedules: isSound(stored, "any") ? SCHEDULE_NAMES : [],
    };
  },
  method(name) {
    const found = FEW_METHODS.find((method) => method.name === name);
    if (!found) throw notLoaded(`method ${name}`);
    return found;
  },
  preset(_, { preset }) {
    throw notLoaded(`preset ${preset}`);
  },
  prompt: (text) => ({ text, loras: [], warnings: [] }),
  load: rulesFor,
};

function flow(config: SchedulerFields, walks?: FlowWalk): Scheduler {
  return flowSchedule(new SchedulerConfig(config), EULER, flowEulerSolver, walks);
}

/** Whether a sampler that walks such schedules can walk that of a config. */
function isSound(config: SchedulerFields, walks?: FlowWalk): boolean {
  try {
    flow(config, walks);
    return true;
  } catch (error) {
    if (error instanceof LssgenError) return false;
    throw error;
  }
}

/** Of a caller that did not wait for {@linkcode rulesFor}. */
function notLoaded(what: string): LssgenError {
  return new LssgenError("internal", `The rules of ${what} are not loaded`);
}

/** Options of a config that need other rules. */
const FURTHER = ["lssgen_sampler", "lssgen_schedule", "stochastic_sampling", ...Object.keys(UNSPACED)];

/** Whether a config is walked by plain Euler steps along a flow. */
function isEuler(config: SchedulerFields): boolean {
  return config._class_name === EULER &&
    FURTHER.every((key) => [undefined, null, false].includes(config[key] as undefined));
}

/** What a request may say for few rules to suffice. */
const USUAL_OF_ALL: ReadonlySet<string> = new Set([
  "prompt",
  "width",
  "height",
  "steps",
  "guidance",
  "trueCfgScale",
  "seed",
  "count",
  "method",
]);
/** And what the method of stages heeds. */
const USUAL: ReadonlySet<string> = new Set([
  ...USUAL_OF_ALL,
  "minResolution",
  "initNoise",
  "upsampler",
  "shortenSteps",
  "entry",
]);

/** The rules that a request needs, loaded if they are not. */
export async function rulesFor(
  info: ModelInfo,
  request: Partial<GenerateRequest> = {},
): Promise<PlanRules> {
  return fewSuffice(info, request) ? FEW_RULES : (await import("./all_rules.ts")).ALL_RULES;
}

/** A model's presets: its own, where they are all, else with its family's under them. */
export async function presetsFor(info: ModelInfo): Promise<Presets> {
  const { presets } = info;
  if (presets && PRESET_NAMES.every((name) => presets[name])) return presets;
  return (await import("./family_presets.ts")).presetsOf(info);
}

function fewSuffice(info: ModelInfo, request: Partial<GenerateRequest>): boolean {
  if (!isEuler(info.scheduler)) return false;
  const all: Readonly<Record<string, unknown>> = request;
  const named = Object.keys(all).filter((key) => all[key] !== undefined && all[key] !== "");
  const { prompt = "", method = "lssgen" } = request;
  // Options of stages are warned of where there are none.
  const usual = method === "direct" ? USUAL_OF_ALL : USUAL;
  return named.every((key) => usual.has(key)) && FEW_METHODS.some(({ name }) => name === method) &&
    isPlain(prompt);
}
