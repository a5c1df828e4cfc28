/**
 * MegaFusion, truncate and relay: the steps of *one* schedule are split over the stages. After a stage's share the
 * predicted clean picture is decoded, enlarged, encoded and noised to the schedule's next timestep.
 *
 * Source: arXiv 2408.11001, without its optional re-scheduling and dilation.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { checkRequest, doublings, growth, makeStage, stageSchedule, stageSizes } from "../stages.ts";
import type { Method } from "../types.ts";

/** Share of the steps in the first stage: 40 of 50 with SDXL, 20 of 28 with SD3. */
const FIRST_SHARE = { diffusion: 40 / 50, flow: 20 / 28 };

/** The pixel-space baseline of the paper. */
export const megafusion: Method = {
  name: "megafusion",
  heeds: ["minResolution"],
  plan(r) {
    checkRequest(r);
    const count = doublings(r, r.minResolution);
    const { sizes, warnings } = stageSizes(r, count);
    const schedule = stageSchedule(r, sizes[count], r.steps, sizes.length);
    // Steps of two calls are not torn apart; PNDM's schedule has one call more than steps.
    const { calls = 1 } = r.scheduler;
    const n = calls === 1 ? schedule.timesteps.length : schedule.steps;
    const first = count === 0 ? n : Math.round(n * FIRST_SHARE[r.scheduler.kind]);
    // The rest is split evenly, the last stage taking what does not divide.
    const share = Math.floor((n - first) / Math.max(1, count));
    if (count > 0 && share === 0) {
      throw new LssgenError(
        "bad_option",
        `megafusion: ${r.steps} steps are too few for ${count + 1} stages; take more`,
      );
    }
    const starts = sizes.map((_, i) => i === 0 ? 0 : first + (i - 1) * share);
    const stages = sizes.map((size, i) =>
      makeStage(r, i, size, schedule, {
        begin: starts[i] * calls,
        end: i === count ? undefined : starts[i + 1] * calls,
        grow: i === 0 ? undefined : growth(r, schedule, starts[i] * calls, "x0", "pixel"),
      })
    );
    return { stages, warnings };
  },
};
