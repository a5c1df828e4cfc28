/**
 * Resampling of latents and pictures, compared with a plain copy.
 *
 * @module
 */

import { resample, type ResampleMode } from "../lib/ops/resample.ts";
import type { Bench } from "./harness.ts";
import { memoryCase, numbers } from "./norm.ts";

const SHAPES: readonly [name: string, side: number, C: number][] = [
  ["latents", 64, 16],
  ["latents", 128, 16],
  ["picture", 512, 3],
];

const MODES: readonly ResampleMode[] = ["bilinear", "bicubic"];

/** Enlarging by 2. */
export const resampling: Bench = {
  name: "resampling",
  cases: SHAPES.flatMap(([name, side, C]) =>
    MODES.map((mode) => ({
      name: `${mode}, ${name} ${side}²×${C} to ${2 * side}²`,
      make: (device) =>
        memoryCase(device, "resample()", (r) => {
          const x = numbers(r, [1, side, side, C]);
          return {
            bytes: 4 * 5 * side * side * C, // one pixel in, four out, f32
            run: (r) => resample(r, x, 2 * side, 2 * side, mode),
          };
        }),
    }))
  ),
};
