/**
 * "12+1": all steps at a small size, to the end; then the picture grows, takes a little noise and is refined by one to three
 * steps at its full size, whose noise levels run evenly from σ to 0 and pass no shift.
 *
 * Source: MrFlow, arXiv 2607.01642, which grows in pixels by Real-ESRGAN, here `upsampler` esrgan. σ is `initNoise`; the
 * published value is 0.12, 0.16 to 0.2 for text in pictures.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { mixtureShare } from "../mixture.ts";
import {
  checkRequest,
  doublings,
  growth,
  levelSchedule,
  makeStage,
  stageSchedule,
  stageSizes,
} from "../stages.ts";
import type { Method, StagePlan } from "../types.ts";

/** Cheap where the small picture is good. */
export const refine: Method = {
  name: "refine",
  heeds: ["minResolution", "initNoise", "upsampler"],
  initNoise: 0.12,
  plan(r) {
    const { initNoise: sigma, refineSteps: last = 1 } = r;
    if (!(sigma >= 0 && sigma < 1)) {
      throw new LssgenError(
        "bad_option",
        `initNoise is ${sigma}, refine needs 0 or more and less than 1, try 0.12`,
      );
    }
    if (!Number.isInteger(last) || last < 1 || last > 100) {
      throw new LssgenError("bad_option", `refineSteps is ${last}, expected a whole number from 1 to 100`);
    }
    checkRequest({ ...r, initNoise: 1 });
    const count = doublings(r, r.minResolution);
    const { sizes, warnings } = stageSizes(r, count);
    const whole = stageSchedule(r, sizes[0], r.steps, sizes.length);
    const first = makeStage(r, 0, sizes[0], whole);
    const later = sizes.slice(1).map((size, i): StagePlan => {
      if (sigma === 0) {
        // Nothing to refine: the grown picture as it is.
        const grow = {
          from: "latents",
          upsampler: r.upsampler,
          ...r.upsampler === "mixture" && { share: mixtureShare(r.steps) },
          mix: { signal: 1, noise: 0 },
          level: 0,
        } as const;
        return makeStage(r, i + 1, size, whole, { end: 0, grow });
      }
      const levels = Array.from({ length: last }, (_, k) => sigma * (1 - k / last));
      const schedule = levelSchedule(r, levels);
      return makeStage(r, i + 1, size, schedule, { grow: growth(r, schedule, 0, "latents", r.upsampler) });
    });
    return { stages: [first, ...later], warnings };
  },
};
