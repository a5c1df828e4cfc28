/**
 * Hires fix, as users of A1111 and ComfyUI know it: a full run at the size the model was trained for, the result
 * enlarged, then image-to-image at the target size.
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

/** Share of the steps that the second run makes: the middle of what users take (0.3 … 0.7). */
const STRENGTH = 0.5;

/** What most people do today. It grows as `upsampler` says: latent or pixel space. */
export const hiresFix: Method = {
  name: "hires-fix",
  plan(request) {
    const r = { ...request, shortenSteps: false };
    checkRequest(r);
    const base = baseSize(r);
    const native = Math.min(base.width, base.height, r.width, r.height);
    const { sizes, warnings } = stageSizes(r, doublings(r, native));
    const first = makeStage(r, 0, sizes[0], stageSchedule(r, sizes[0], r.steps, sizes.length));
    const later = sizes.slice(1).map((size, i) => enterStage(r, i + 1, size, STRENGTH, r.upsampler, "count"));
    return {
      stages: [first, ...later.map(({ stage }) => stage)],
      warnings: [...warnings, ...later.flatMap((stage) => stage.warnings)],
    };
  },
};
