/**
 * Hires fix, as users of A1111 and ComfyUI know it: a full run at the size the model was trained for, or at `minResolution`; the
 * result enlarged at once; then image-to-image at the target size, whose strength (A1111's `denoising_strength`) is `initNoise`.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { sizeOfSide, upsamplerBetween } from "../any_ratio.ts";
import { checkFirst, checkRequest, enterStage, makeStage, stageSchedule, stageSizes } from "../stages.ts";
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
    const side = r.minResolution;
    checkFirst(full, side);
    if (side === Math.min(full.width, full.height)) {
      return { stages: [makeStage(r, 0, full, stageSchedule(r, full, r.steps, 1))], warnings };
    }
    const { size, exact } = sizeOfSide(r, side);
    if (size.tokens === 0) {
      throw new LssgenError("bad_option", `minResolution ${side} is too small for this model`);
    }
    if (!exact) warnings.push(`The first pass is drawn at ${size.width}×${size.height}`);
    const upsampler = upsamplerBetween(r, size, full, "hires-fix", ", or another --min-resolution");
    const first = makeStage(r, 0, size, stageSchedule(r, size, r.steps, 2));
    const second = enterStage(r, 1, full, r.initNoise, upsampler, "count");
    return { stages: [first, second.stage], warnings: [...warnings, ...second.warnings] };
  },
};
