/**
 * Which training steps a diffusion sampler visits, falling.
 *
 * Source: Lin et al., arXiv 2305.08891, table 2, with the rounding of diffusers.
 *
 * @module
 */

import type { SchedulerConfig } from "./config.ts";
import { linspace, roundEven } from "./sigmas.ts";
import { scheduleOf } from "./spacings.ts";

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

/**
 * Timesteps of a schedule that users of ComfyUI and stable-diffusion.cpp know by its name, if the config asks for one:
 * `normal` (`discrete`) spreads them from end to end, `simple` rounds down, `sgm_uniform` leaves out the last of n + 1,
 * `ddim_uniform` begins at 1. Fractions are meant.
 */
export function namedTimesteps(c: SchedulerConfig, train: number, steps: number): number[] | undefined {
  const all = Array.from({ length: steps }, (_, i) => i);
  switch (scheduleOf(c)) {
    case "normal":
      return linspace(train - 1, 0, steps);
    case "simple":
      return all.map((i) => train - 1 - Math.floor(i * train / steps));
    case "sgm_uniform":
      return all.map((i) => (train - 1) * (1 - i / steps));
    case "ddim_uniform":
      return all.map((i) => Math.min(train - 1, 1 + (steps - 1 - i) * Math.floor(train / steps)));
    default:
      return undefined;
  }
}
