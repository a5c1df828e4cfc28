/**
 * No stages: the target size from noise, all steps.
 *
 * @module
 */

import { checkRequest, makeStage, stageSchedule, stageSizes } from "../stages.ts";
import type { Method } from "../types.ts";

/** The baseline that every other method is measured against. */
export const direct: Method = {
  name: "direct",
  heeds: [],
  plan(r) {
    checkRequest(r);
    const { sizes: [size], warnings } = stageSizes(r, 0);
    return { stages: [makeStage(r, 0, size, stageSchedule(r, size, r.steps, 1))], warnings };
  },
};
