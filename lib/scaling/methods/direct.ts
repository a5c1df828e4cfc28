/**
 * Direct generation: the target size from noise, no stages.
 *
 * @module
 */

import { makePlan, makeStage, scheduleFor, stageSizes } from "../plan.ts";
import type { Method } from "../types.ts";

/** The baseline of every comparison. */
export const direct: Method = {
  name: "direct",
  summary: "the target size from noise, no stages",
  plan(r) {
    const warnings: string[] = [];
    const [size] = stageSizes(r, 0, warnings);
    const schedule = scheduleFor(r, size, r.steps);
    const stage = makeStage(r, size, { index: 0, schedule, begin: 0, end: schedule.timesteps.length });
    return makePlan(r, "direct", [stage], warnings);
  },
};
