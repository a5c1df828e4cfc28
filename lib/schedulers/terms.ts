/**
 * Sums of terms, for solvers that keep more than the latents and the last output.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Noising } from "./noising.ts";
import type { Terms } from "./types.ts";

/** dx/dσ = (x − x₀)/σ, the slope of the probability flow where signal is left alone, and of rectified flows. */
export function slope(sigma: number, noising: Noising): { sample: number; output: number } {
  const x0 = noising.x0(sigma);
  return { sample: (1 - x0.sample) / sigma, output: -x0.output / sigma };
}

/** Sum of linear combinations, each with a factor. */
export function sumTerms(parts: readonly (readonly [factor: number, terms: Terms])[]): Terms {
  let [sample, output, noise] = [0, 0, 0];
  const slots = new Map<number, number>();
  for (const [factor, terms] of parts) {
    if (factor === 0) continue;
    sample += factor * terms.sample;
    output += factor * terms.output;
    noise += factor * (terms.noise ?? 0);
    for (const [slot, c] of terms.slots ?? []) slots.set(slot, (slots.get(slot) ?? 0) + factor * c);
  }
  const used = [...slots].filter(([, c]) => c !== 0);
  return { sample, output, ...noise > 0 && { noise }, ...used.length > 0 && { slots: used } };
}

/** A remembered tensor. */
export function slotTerms(slot: number): Terms {
  return { sample: 0, output: 0, slots: [[slot, 1]] };
}

/** The latents before the step. */
export const LATENTS: Terms = { sample: 1, output: 0 };

/** The error for beginning at a step's second call. */
export function checkBegin(name: string, begin: number): void {
  if (begin % 2 === 0) return;
  throw new LssgenError(
    "bad_option",
    `${name}: index ${begin} is the second call of a step; begin at an even one`,
  );
}
