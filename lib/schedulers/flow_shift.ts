/**
 * The shift of a flow schedule towards noise, by a constant or by the number of image tokens.
 *
 * Source: Esser et al., arXiv 2403.03206, section 5.3.2; diffusers' calculate_shift.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { SchedulerConfig } from "./config.ts";
import type { ScheduleOptions } from "./types.ts";

/** Image tokens that a shift may be given for. */
const MOST_TOKENS = 2 ** 24;

/** s·σ / (1 + (s − 1)·σ). */
export function shifted(shift: number, sigma: number): number {
  return shift * sigma / (1 + (shift - 1) * sigma);
}

/** mu of a run, from what is given or from the tokens: linear in their number. */
export function shiftParameter(c: SchedulerConfig, name: string): (options: ScheduleOptions) => number {
  const [baseShift, maxShift] = [c.range("base_shift", 0.5, -20, 20), c.range("max_shift", 1.15, -20, 20)];
  const baseTokens = c.wholeNumber("base_image_seq_len", 256, 1, MOST_TOKENS - 1);
  const maxTokens = c.wholeNumber("max_image_seq_len", 4096, baseTokens + 1, MOST_TOKENS);
  return ({ mu, imageSeqLen, clampSeqLen }) => {
    if (mu !== undefined) return mu;
    if (imageSeqLen === undefined) {
      throw new LssgenError("bad_option", `${name}: its shift needs mu or the number of image tokens`);
    }
    const slope = (maxShift - baseShift) / (maxTokens - baseTokens);
    return (clampSeqLen ? Math.min(imageSeqLen, maxTokens) : imageSeqLen) * slope +
      (baseShift - slope * baseTokens);
  };
}
