/**
 * Which training steps a diffusion sampler visits, falling.
 *
 * Source: Lin et al., arXiv 2305.08891, table 2, with the rounding of diffusers.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { linspace, roundEven } from "./sigmas.ts";

/** How timesteps are spread; the words of `timestep_spacing`. */
export type TimestepSpacing = "linspace" | "leading" | "trailing";

/** Reads `timestep_spacing`. */
export function timestepSpacing(c: SchedulerConfig, absent: TimestepSpacing): TimestepSpacing {
  return c.oneOf("timestep_spacing", ["linspace", "leading", "trailing"], absent);
}

/**
 * `steps` timesteps of `train`, falling.
 *
 * @param offset Added to every timestep of "leading".
 */
export function spreadTimesteps(
  spacing: TimestepSpacing,
  train: number,
  steps: number,
  offset: number,
): number[] {
  if (spacing === "linspace") return linspace(0, train - 1, steps).reverse();
  if (spacing === "leading") {
    const ratio = Math.floor(train / steps);
    return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + offset);
  }
  return Array.from({ length: steps }, (_, i) => roundEven(train - i * (train / steps)) - 1);
}
