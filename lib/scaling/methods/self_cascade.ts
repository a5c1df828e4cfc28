/**
 * Self-Cascade, tuning-free: a full run at the small size, latents resized bicubically, noised at
 * strength 0.7 and denoised at the target size.
 *
 * Source: Make a Cheap Scaling, arXiv 2402.10491, "pivot replacement".
 *
 * @module
 */

import { makePlan, makeStage, scheduleFor, stageSizes } from "../plan.ts";
import type { Method, Stage } from "../types.ts";
import { stageCount } from "./lssgen.ts";

const STRENGTH = 0.7;

/** Full run, then image-to-image on its resized latents. */
export const selfCascade: Method = {
  name: "self-cascade",
  summary: "full small run, bicubic latents, image-to-image at strength 0.7",
  plan(r) {
    const warnings: string[] = [];
    const sizes = stageSizes(r, stageCount(r, warnings), warnings);
    const stages = sizes.map((size, index): Stage => {
      const schedule = scheduleFor(r, size, r.steps);
      const end = schedule.timesteps.length;
      if (index === 0) return makeStage(r, size, { index, schedule, begin: 0, end });
      const begin = Math.min(end - 1, end - Math.floor(end * STRENGTH));
      const { signal, noise } = r.scheduler.addNoise(schedule, begin);
      const boundary = { upsampler: "bicubic", from: "latents", signal, noise, sigma: schedule.sigmas[begin] } as const;
      return makeStage(r, size, { index, schedule, begin, end, boundary });
    });
    return makePlan(r, "self-cascade", stages, warnings);
  },
};
