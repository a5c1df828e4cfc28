/**
 * DiffuseHigh: a full run at the size the model was trained for, decoded, enlarged and sharpened in pixels; then the
 * last 30 % of the steps at the target size. In the first third of those, the low wavelet band of the predicted
 * picture is replaced by that of the enlarged one, so that no second subject grows.
 *
 * Source: arXiv 2406.18459. The guidance scale stays the user's (the paper takes 10 for SDXL's second run), and the
 * blur's σ is 1 (the paper draws it from 0.1 to 2).
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
import type { Method, StagePlan } from "../types.ts";

/** 15 of 50 steps. */
const STRENGTH = 0.3;
/** 5 of those 15. */
const GUIDED = 1 / 3;
/** y = (1 + a)·x − a·blur(x). */
const SHARPEN = 1;

/** Structure from a small picture by its wavelets. */
export const diffuseHigh: Method = {
  name: "diffusehigh",
  heeds: [],
  plan(request) {
    const r = { ...request, shortenSteps: false };
    checkRequest(r);
    const base = baseSize(r);
    const native = Math.min(base.width, base.height, r.width, r.height);
    const { sizes, warnings } = stageSizes(r, doublings(r, native));
    const first = makeStage(r, 0, sizes[0], stageSchedule(r, sizes[0], r.steps, sizes.length));
    const later = sizes.slice(1).map((size, i) => enterStage(r, i + 1, size, STRENGTH, "pixel", "count"));
    const guided = later.map(({ stage }): StagePlan => ({
      ...stage,
      grow: { ...stage.grow!, sharpen: SHARPEN },
      guided: Math.ceil(stage.steps.length * GUIDED),
    }));
    return {
      stages: [first, ...guided],
      warnings: [...warnings, ...later.flatMap((stage) => stage.warnings)],
    };
  },
};
