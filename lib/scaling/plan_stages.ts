/**
 * Plans by the name of a method.
 *
 * @module
 */

import { check, type Kind } from "../option_kinds.ts";
import { methodNamed } from "./methods/registry.ts";
import { planBy } from "./plan.ts";
import type { Plan, PlanRequest } from "./types.ts";

const REQUEST: Readonly<Record<keyof PlanRequest, Kind>> = {
  width: "a number",
  height: "a number",
  method: "a text",
  minResolution: "a number",
  baseResolution: "anything",
  steps: "a number",
  initNoise: "a number",
  shortenSteps: "anything",
  upsampler: "a text",
  upsamplerIsDefault: "true or false",
  entry: "a text",
  levels: "a list",
  strength: "a number",
  inpaint: "true or false",
  referenceQuirks: "true or false",
  stages: "a text",
  refineSteps: "a number",
  spectralDelta: "a number",
  spectrum: "an object",
  scheduler: "an object",
  space: "an object",
  cost: "an object",
  directSteps: "a number",
};

/**
 * Plans a picture. Pure: needs no GPU and no weights.
 *
 * @throws {LssgenError} `bad_option`, naming the option, what was expected and a value that works.
 *
 * @example FLUX.1-dev at 1024²
 * ```ts
 * import { createScheduler, planStages } from "@lssgen/webgpu/lssgen";
 *
 * const plan = planStages({
 *   width: 1024, height: 1024, minResolution: 512, baseResolution: 1024, steps: 50, initNoise: 0.75,
 *   shortenSteps: true, upsampler: "learned",
 *   scheduler: createScheduler({ _class_name: "FlowMatchEulerDiscreteScheduler", use_dynamic_shifting: true }),
 *   space: { vaeFactor: 8, patch: 2, indivisible: "round", sigmas: "linear" },
 * });
 * console.log(plan.stages.map((stage) => stage.steps.length)); // [25, 25]
 * ```
 */
export function planStages(request: PlanRequest): Plan {
  check("The request", request, REQUEST);
  return planBy(methodNamed(request.method ?? "lssgen"), request);
}
