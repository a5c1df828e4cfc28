/**
 * What methods need that hand a transformer some of its tokens.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { MethodName, PlanRequest } from "../types.ts";

/** @throws {LssgenError} `bad_option` for other than flow models, and for pictures to begin with. */
export function checkTokens(r: PlanRequest, method: MethodName): void {
  if (r.scheduler.kind !== "flow") {
    throw new LssgenError(
      "bad_option",
      `The method "${method}" is for flow models (FLUX, SD3); ${r.scheduler.name} is none: take lssgen or refine`,
    );
  }
  if (r.strength !== undefined || r.inpaint) {
    throw new LssgenError(
      "bad_option",
      `The method "${method}" begins with noise and takes no picture (--init-img, --mask): take lssgen or direct`,
    );
  }
}
