/**
 * Stages that grow by any ratio, as few methods have them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { StageSize } from "./stages.ts";
import type { PlanRequest, Upsampler } from "./types.ts";

/** A stage of the picture's shape whose shorter side is `side`, or what the model's tokens leave of it. */
export function sizeOfSide(r: PlanRequest, side: number): { size: StageSize; exact: boolean } {
  const { vaeFactor: v, patch: p } = r.space;
  const shorter = Math.min(r.width, r.height);
  const [width, height] = [r.width, r.height].map((full) =>
    Math.floor(full * side / shorter / (v * p)) * v * p
  );
  const [latentWidth, latentHeight] = [width / v, height / v];
  const tokens = latentWidth * latentHeight / (p * p);
  return {
    size: { width, height, latentWidth, latentHeight, tokens },
    exact: Math.min(width, height) === side,
  };
}

/**
 * What a stage of any ratio grows by: `upsampler`, unless that is the learned one, which only doubles. Where nobody asked for it,
 * bicubic growth takes its place.
 *
 * @param what Whose growth it is, for the message.
 * @param others What else could be asked for, besides another upsampler.
 * @throws {LssgenError} `bad_option` where the learned one was asked for.
 */
export function upsamplerBetween(
  { upsampler, upsamplerIsDefault }: Pick<PlanRequest, "upsampler" | "upsamplerIsDefault">,
  before: StageSize,
  after: StageSize,
  what: string,
  others = "",
): Upsampler {
  const doubled = after.latentWidth === 2 * before.latentWidth &&
    after.latentHeight === 2 * before.latentHeight;
  if (upsampler !== "learned" || doubled) return upsampler;
  if (upsamplerIsDefault) return "bicubic";
  throw new LssgenError(
    "bad_option",
    `${what} from ${before.width}×${before.height} to ${after.width}×${after.height} is no doubling, which the learned ` +
      `upsampler needs; take --upsampler bicubic, spectral or pixel${others}`,
  );
}
