/**
 * LSSGen: denoise small, grow the latents, mix in fresh noise, go on at double the size.
 *
 * Source: LSSGen, arXiv 2507.16154, Algorithm 1; stage count, sizes and entry as its reference has them.
 *
 * @module
 */

import { enter, makePlan, makeStage, scheduleFor, stageSizes, stepsOf } from "../plan.ts";
import type { Method, PlanRequest, Stage } from "../types.ts";

/** Stages below the final one: ⌊log₂⌊shorter side / minResolution⌋⌋. */
export function stageCount(r: PlanRequest, warnings: string[]): number {
  if ((r.initNoise ?? 0.75) === 1) return 0;
  const min = r.minResolution ?? 512;
  const ratio = Math.floor(Math.min(r.width, r.height) / min);
  if (ratio < 1) {
    warnings.push(`minResolution ${min} is above the size ${r.width} × ${r.height}: one stage, as direct generation`);
    return 0;
  }
  return Math.floor(Math.log2(ratio));
}

/** The method of this project. */
export const lssgenMethod: Method = {
  name: "lssgen",
  summary: "grow the latents between stages with a learned upsampler",
  plan(r) {
    const warnings: string[] = [];
    const sizes = stageSizes(r, stageCount(r, warnings), warnings);
    const stages = sizes.map((size, index): Stage => {
      const whole = scheduleFor(r, size, stepsOf(r, size, warnings));
      if (index === 0) return makeStage(r, size, { index, schedule: whole, begin: 0, end: whole.timesteps.length });
      const { schedule, index: begin } = enter(r, whole);
      const { signal, noise } = r.scheduler.addNoise(schedule, begin);
      const sigma = schedule.sigmas[begin];
      if (r.scheduler.kind === "flow" && sigma >= 1) {
        warnings.push(
          `stage ${index + 1} would enter at noise level 1 and discard the smaller stage: use more steps, entry "atMost" or "exact", or a lower initNoise`,
        );
      }
      return makeStage(r, size, {
        index,
        schedule,
        begin,
        end: schedule.timesteps.length,
        boundary: { upsampler: r.upsampler ?? "learned", from: "latents", signal, noise, sigma },
      });
    });
    return makePlan(r, "lssgen", stages, warnings);
  },
};
