/**
 * MegaFusion: the steps of one schedule are split over the stages; at a boundary the predicted clean
 * picture is enlarged in pixels and noised to the next timestep.
 *
 * Source: MegaFusion, arXiv 2408.11001, without its optional re-scheduling and dilation.
 *
 * @module
 */

import { makePlan, makeStage, scheduleFor, stageSizes } from "../plan.ts";
import type { Method, Stage } from "../types.ts";
import { stageCount } from "./lssgen.ts";

/** Share of the steps at the first size: 40 of 50 (SDXL) and 20 of 28 (SD3) in the paper. */
const FIRST_SHARE = { diffusion: 40 / 50, flow: 20 / 28 };

/** Truncate and relay. */
export const megafusion: Method = {
  name: "megafusion",
  summary: "split the steps over the stages, enlarge the predicted picture in pixels",
  plan(r) {
    const warnings: string[] = [];
    const sizes = stageSizes(r, stageCount(r, warnings), warnings);
    const n = r.steps;
    const first = sizes.length === 1 ? n : Math.min(n - sizes.length + 1, Math.round(n * FIRST_SHARE[r.scheduler.kind]));
    if (first < 1) warnings.push(`${n} steps are too few for ${sizes.length} stages`);
    const stages = sizes.map((size, index): Stage => {
      const schedule = scheduleFor(r, sizes[sizes.length - 1], n); // the same schedule throughout
      const cut = (i: number) => i === 0 ? 0 : first + Math.floor((n - first) * (i - 1) / (sizes.length - 1));
      const [begin, end] = [cut(index), index === sizes.length - 1 ? schedule.timesteps.length : cut(index + 1)];
      if (index === 0) return makeStage(r, size, { index, schedule, begin, end });
      const { signal, noise } = r.scheduler.addNoise(schedule, begin);
      const boundary = { upsampler: "pixel", from: "x0", signal, noise, sigma: schedule.sigmas[begin] } as const;
      return makeStage(r, size, { index, schedule, begin, end, boundary });
    });
    return makePlan(r, "megafusion", stages, warnings);
  },
};
