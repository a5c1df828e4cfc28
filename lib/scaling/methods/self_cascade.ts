/**
 * Self-Cascade, tuning-free: a full run at the size the model was trained for, latents enlarged bicubically, noised
 * at strength 0.7 and denoised at the next size.
 *
 * Source: arXiv 2402.10491.
 *
 * @module
 */

import {
  baseSize,
  checkRequest,
  doublings,
  enterStage,
  makeStage,
  stageSchedule,
  stageSizes,
} from "../stages.ts";
import type { Method } from "../types.ts";

/** Share of the steps that a later stage runs. */
const STRENGTH = 0.7;

/** A training-free baseline. */
export const selfCascade: Method = {
  name: "self-cascade",
  heeds: [],
  plan(request) {
    const r = { ...request, shortenSteps: false };
    checkRequest(r);
    const base = baseSize(r);
    const native = Math.min(base.width, base.height, r.width, r.height);
    const { sizes, warnings } = stageSizes(r, doublings(r, native));
    const first = makeStage(r, 0, sizes[0], stageSchedule(r, sizes[0], r.steps, sizes.length));
    const later = sizes.slice(1).map((size, i) => enterStage(r, i + 1, size, STRENGTH, "bicubic", "count"));
    return {
      stages: [first, ...later.map(({ stage }) => stage)],
      warnings: [...warnings, ...later.flatMap((stage) => stage.warnings)],
    };
  },
};
