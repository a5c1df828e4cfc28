/**
 * Latent space scaling: every stage runs to clean latents, which grow by two, take noise again and are denoised on.
 *
 * Source: LSSGen, arXiv 2507.16154, Algorithm 1.
 *
 * @module
 */

import {
  checkRequest,
  doublings,
  enterStage,
  makeStage,
  stageSchedule,
  stageSizes,
  stageSteps,
} from "../stages.ts";
import type { Method } from "../types.ts";
import { direct } from "./direct.ts";

/** The method this library is named after. */
export const latentScaling: Method = {
  name: "lssgen",
  plan(r) {
    // Nothing is left of a stage before one that starts from pure noise, so there is none.
    if (r.initNoise === 1) return direct.plan(r);
    checkRequest(r);
    const { sizes, warnings } = stageSizes(r, doublings(r, r.minResolution));
    const first = stageSchedule(r, sizes[0], stageSteps(r, sizes[0]), sizes.length);
    const later = sizes.slice(1).map((size, i) => enterStage(r, i + 1, size, r.initNoise, r.upsampler));
    return {
      stages: [makeStage(r, 0, sizes[0], first), ...later.map(({ stage }) => stage)],
      warnings: [...warnings, ...later.flatMap((stage) => stage.warnings)],
    };
  },
};
