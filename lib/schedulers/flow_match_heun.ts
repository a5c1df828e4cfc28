/**
 * Heun's method along rectified flows, as diffusers' FlowMatchHeunDiscreteScheduler.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { flowMatch } from "./flow_match.ts";
import { heunSolver } from "./heun.ts";
import type { Scheduler } from "./types.ts";

/** Makes Heun's, which knows a constant shift only. */
export function flowMatchHeun(c: SchedulerConfig): Scheduler {
  return flowMatch(c, "FlowMatchHeunDiscreteScheduler", heunSolver, "falling");
}
