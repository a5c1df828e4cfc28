/**
 * Bottleneck sampling: high, low, high. The first and the last steps of one schedule run at full size, those between on half of it;
 * at both changes the clean latents that the last step predicts are resized and take noise for the schedule's next level.
 *
 * Source: arXiv 2503.18940, whose lengths of stages and shifts are not known here. Decided: a sixteenth of the steps first and an
 * eighth last, at least one each, and the full size's schedule throughout. A picture to begin with has the layout that the first
 * steps are for: with one there are none.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { checkRequest, doublings, growth, makeStage, stageSchedule, stageSizes } from "../stages.ts";
import type { Method } from "../types.ts";

/** Shares of the steps at full size. */
const FIRST_SHARE = 1 / 16;
const LAST_SHARE = 1 / 8;

/** The picture's layout at full size. */
export const bottleneck: Method = {
  name: "bottleneck",
  heeds: ["minResolution", "upsampler"],
  plan(r) {
    checkRequest(r);
    const count = Math.min(1, doublings(r, r.minResolution));
    const { sizes, warnings } = stageSizes(r, count);
    const full = sizes[count];
    const schedule = stageSchedule(r, full, r.steps, sizes.length);
    if (count === 0) return { stages: [makeStage(r, 0, full, schedule)], warnings };
    if (r.steps < 3) {
      throw new LssgenError(
        "bad_option",
        `bottleneck: ${r.steps} steps are too few for 3 stages; take at least 3`,
      );
    }
    const { calls = 1 } = r.scheduler;
    const layout = r.strength !== undefined;
    const first = layout ? 0 : Math.max(1, Math.round(r.steps * FIRST_SHARE)) * calls;
    const last = (r.steps - Math.max(1, Math.round(r.steps * LAST_SHARE))) * calls;
    const high = layout ? [] : [makeStage(r, 0, full, schedule, { end: first })];
    // Half the size by the mean of 2 × 2 latents.
    const down = layout ? undefined : growth(r, schedule, first, "x0", "bilinear");
    const low = makeStage(r, high.length, sizes[0], schedule, { begin: first, end: last, grow: down });
    const up = growth(r, schedule, last, "x0", r.upsampler);
    const end = makeStage(r, high.length + 1, full, schedule, { begin: last, grow: up });
    return { stages: [...high, low, end], warnings };
  },
};
