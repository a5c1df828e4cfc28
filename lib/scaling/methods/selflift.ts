/**
 * SelfLift, for schedules of few steps: one schedule of the full size, of which all but the last quarter of the steps run on
 * the half grid. The clean latents that the last of them predicts grow and take noise for the schedule's own next level, so
 * that no distilled model meets a level that it was not trained on.
 *
 * Source: arXiv 2609.02036. It grows as `upsampler` says; `mixture` is the paper's.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { checkRequest, doublings, growth, makeStage, stageSchedule, stageSizes } from "../stages.ts";
import type { Method } from "../types.ts";

/** 1 of 4 steps, 2 of 8. */
const LAST_SHARE = 1 / 4;

/** A last stage for each doubling. */
export const selfLift: Method = {
  name: "selflift",
  heeds: ["minResolution", "upsampler"],
  plan(r) {
    checkRequest(r);
    const count = doublings(r, r.minResolution);
    const { sizes, warnings } = stageSizes(r, count);
    const { calls = 1 } = r.scheduler;
    const schedule = stageSchedule(r, sizes[count], r.steps, sizes.length);
    if (count === 0) return { stages: [makeStage(r, 0, sizes[0], schedule)], warnings };
    const first = r.steps - Math.max(count, Math.round(r.steps * LAST_SHARE));
    if (first < 1) {
      throw new LssgenError(
        "bad_option",
        `selflift: ${r.steps} steps are too few for ${count + 1} stages; take at least ${count + 1}`,
      );
    }
    const share = Math.floor((r.steps - first) / count);
    const starts = sizes.map((_, i) => i === 0 ? 0 : (first + (i - 1) * share) * calls);
    const stages = sizes.map((size, i) =>
      makeStage(r, i, size, schedule, {
        begin: starts[i],
        end: starts[i + 1],
        grow: i === 0 ? undefined : growth(r, schedule, starts[i], "x0", r.upsampler),
      })
    );
    return { stages, warnings };
  },
};
