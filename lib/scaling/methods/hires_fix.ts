/**
 * Hires fix, as users of A1111 and ComfyUI know it: a full run at the size the model was trained for, or at `minResolution`; the
 * result enlarged at once; then image-to-image at the target size, whose strength (A1111's `denoising_strength`) is `initNoise`.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import {
  checkRequest,
  enterStage,
  isDoubling,
  makeStage,
  sizeOfSide,
  stageSchedule,
  stageSizes,
} from "../stages.ts";
import type { Method } from "../types.ts";

/** What most people do today. It grows as `upsampler` says: latent or pixel space. */
export const hiresFix: Method = {
  name: "hires-fix",
  heeds: ["minResolution", "initNoise", "upsampler"],
  // The middle of what users take (0.3 … 0.7).
  initNoise: 0.5,
  beginsAtBase: true,
  plan(request) {
    const r = { ...request, shortenSteps: false };
    checkRequest(r);
    const { sizes: [full], warnings } = stageSizes(r, 0);
    const side = r.minResolution, shorter = Math.min(full.width, full.height);
    if (side > shorter) {
      throw new LssgenError(
        "bad_option",
        `minResolution is ${side}, but the picture's shorter side is ${shorter}; take at most ${shorter}`,
      );
    }
    if (side === shorter) {
      return { stages: [makeStage(r, 0, full, stageSchedule(r, full, r.steps, 1))], warnings };
    }
    const { size, exact } = sizeOfSide(r, side);
    if (size.tokens === 0) {
      throw new LssgenError("bad_option", `minResolution ${side} is too small for this model`);
    }
    if (!exact) warnings.push(`The first pass is drawn at ${size.width}×${size.height}`);
    if (r.upsampler === "learned" && !isDoubling(size, full)) {
      throw new LssgenError(
        "bad_option",
        `hires-fix from ${size.width}×${size.height} to ${full.width}×${full.height} is no doubling, which the learned upsampler ` +
          "needs; take --upsampler bicubic, spectral or pixel, or another --min-resolution",
      );
    }
    const first = makeStage(r, 0, size, stageSchedule(r, size, r.steps, 2));
    const second = enterStage(r, 1, full, r.initNoise, r.upsampler, "count");
    return { stages: [first, second.stage], warnings: [...warnings, ...second.warnings] };
  },
};
