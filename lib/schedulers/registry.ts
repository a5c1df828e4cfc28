/**
 * Which schedulers there are: one line each.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { isFlow } from "./choice.ts";
import { SchedulerConfig } from "./config.ts";
import { ddim } from "./ddim.ts";
import { deisMultistep } from "./deis.ts";
import { dpmSolverSinglestep } from "./dpm_singlestep.ts";
import { dpmSolverMultistep } from "./dpm_solver.ts";
import { eulerAncestral, eulerDiscrete } from "./euler.ts";
import { finite } from "./finite.ts";
import { flowMatch, flowMatchEuler } from "./flow_match.ts";
import { flowMatchHeun } from "./flow_match_heun.ts";
import { FLOW_SOLVERS } from "./flow_solvers.ts";
import { heunDiscrete } from "./heun.ts";
import { kdpm2, kdpm2Ancestral } from "./kdpm2.ts";
import { lcm } from "./lcm.ts";
import { pndm } from "./pndm.ts";
import { FLOW_SAMPLERS } from "./sampler_names.ts";
import { isSampler } from "./samplers.ts";
import { tcd } from "./tcd.ts";
import type { Scheduler } from "./types.ts";
import { uniPcMultistep } from "./unipc.ts";

export { checkFree, isFlow, SAMPLER_NAMES, samplerConfig, scheduleConfig, scheduleNamed } from "./choice.ts";
export { SCHEDULE_NAMES } from "./sampler_names.ts";

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
  const solver = isFlow(config) && isSampler(chosen) && FLOW_SOLVERS[chosen];
  return finite(
    solver ? flowMatch(c, c.className, solver, FLOW_SAMPLERS[chosen]) : CLASSES[c.className](c),
  );
}
