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
import { flowEulerSolver, flowMatch, flowMatchEuler } from "../schedulers/flow_match_euler.ts";
import { isSampler, SAMPLERS } from "../schedulers/samplers.ts";
import { isPlain } from "../text/plain_prompt.ts";
import type { PlanRules, SchedulerFields } from "./plan_rules.ts";
import type { GenerateRequest, ModelInfo } from "./types.ts";

const EULER = "FlowMatchEulerDiscreteScheduler";
const FEW_METHODS: readonly Method[] = [latentScaling, direct];

/**
 * What most pictures need of FLUX and SD3: Euler steps along a flow, by this library's own method or directly,
 * of a prompt that is nothing but words.
 */
const FEW_RULES: PlanRules = {
  scheduler(config) {
    if (!isEuler(config)) throw notLoaded(`sampler ${config.lssgen_sampler} of ${config._class_name}`);
    const c = new SchedulerConfig(config);
    return finite(
      config.lssgen_sampler === undefined ? flowMatchEuler(c) : flowMatch(c, EULER, flowEulerSolver, "any"),
    );
  },
  check(config) {
    const c = new SchedulerConfig(config);
    const { lssgen_sampler: sampler } = config;
    if (isSampler(sampler)) flowMatch(c, EULER, flowEulerSolver, SAMPLERS[sampler].flow);
    else flowMatchEuler(c);
  },
  method(name) {
    const found = FEW_METHODS.find((method) => method.name === name);
    if (!found) throw notLoaded(`method ${name}`);
    return found;
  },
  prompt: (text) => ({ text, loras: [], warnings: [] }),
  load: rulesFor,
};

/** Of a caller that did not wait for {@linkcode rulesFor}. */
function notLoaded(what: string): LssgenError {
  return new LssgenError("internal", `The rules of ${what} are not loaded`);
}

/** Whether a config is walked by Euler steps along a flow. */
function isEuler({ _class_name: kind, lssgen_sampler: sampler }: SchedulerFields): boolean {
  return kind === EULER && (sampler === undefined || sampler === "euler");
}

/** What a request may say for few rules to suffice. */
const USUAL: ReadonlySet<string> = new Set([
  "prompt",
  "negativePrompt",
  "width",
  "height",
  "steps",
  "guidance",
  "trueCfgScale",
  "seed",
  "count",
  "preset",
  "method",
  "minResolution",
  "initNoise",
  "upsampler",
  "shortenSteps",
  "entry",
  "scheduler",
  "schedule",
]);

/** The rules that a request needs, loaded if they are not. */
export async function rulesFor(
  info: ModelInfo,
  request: Partial<GenerateRequest> = {},
): Promise<PlanRules> {
  return fewSuffice(info, request) ? FEW_RULES : (await import("./all_rules.ts")).ALL_RULES;
}

function fewSuffice(info: ModelInfo, request: Partial<GenerateRequest>): boolean {
  const settings = request.preset === undefined ? {} : info.presets?.[request.preset];
  if (!isEuler(info.scheduler) || settings === undefined) return false;
  const all: Readonly<Record<string, unknown>> = { ...settings, ...request };
  if (Object.keys(all).some((key) => all[key] !== undefined && !USUAL.has(key))) return false;
  const { scheduler = "", prompt = "", negativePrompt = "" } = request;
  const method = request.method ?? settings.method ?? "lssgen";
  return ["", "euler"].includes(scheduler) && FEW_METHODS.some(({ name }) => name === method) &&
    isPlain(prompt) && isPlain(negativePrompt);
}
