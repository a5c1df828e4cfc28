/**
 * Steps executed on the CPU: for tests, and for denoisers of one's own.
 *
 * @module
 */

import type { Step, Terms } from "./types.ts";

/** What one step of a run hands to the next. */
export interface StepState {
  /** Latents. */
  readonly latents: Float32Array;
  /** Remembered tensors; begin with an empty map. */
  readonly slots: ReadonlyMap<number, Float32Array>;
}

/**
 * One step: `next` from latents and the network's output, and what the step remembers.
 *
 * @param output What the network made of inputScale · latents; as long as the latents.
 * @param noise Fresh noise, where `step.next.noise` asks for it.
 */
export function applyStep(
  step: Step,
  state: StepState,
  output: Float32Array,
  noise?: Float32Array,
): StepState {
  const at = (terms: Terms): Float32Array => combineTerms(terms, state, output, noise);
  const slots = new Map(state.slots);
  for (const { slot, terms } of step.store ?? []) slots.set(slot, at(terms));
  return { latents: at(step.next), slots };
}

/** One linear combination; sums in f64, result in f32. */
export function combineTerms(
  terms: Terms,
  { latents, slots }: StepState,
  output: Float32Array,
  noise?: Float32Array,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(latents.length);
  for (let i = 0; i < out.length; i++) {
    let v = terms.sample * latents[i] + terms.output * output[i];
    for (const [slot, coefficient] of terms.slots ?? []) v += coefficient * slots.get(slot)![i];
    if (terms.noise) v += terms.noise * noise![i];
    out[i] = v;
  }
  return out;
}
