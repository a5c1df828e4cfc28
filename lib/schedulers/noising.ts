/**
 * How clean latents and noise mix at a noise level σ: what solvers need to know of a model.
 *
 * @module
 */

import { type Linear, type Prediction, predictNoise, predictX0 } from "./prediction.ts";
import type { NoiseMix } from "./types.ts";

/** How a model noises. */
export interface Noising {
  /** x = signal·x₀ + noise·ε at level σ. */
  mix(sigma: number): NoiseMix;
  /** The network sees inputScale · latents. */
  inputScale(sigma: number): number;
  /** The clean latents that the network's output implies. */
  x0(sigma: number): Linear;
  /** The noise that the network's output implies. */
  noise(sigma: number): Linear;
}

/** Signal that is left at σ = 1, so that log(signal / noise) is finite there. As diffusers' UniPC. */
const LEAST_SIGNAL = 1e-6;

/** Rectified flow: x = (1 − σ)·x₀ + σ·ε; the network predicts ε − x₀ unless something else is said. */
export function flowNoising(prediction: Prediction = "flow_prediction"): Noising {
  const mix = (sigma: number): NoiseMix => ({ signal: Math.max(LEAST_SIGNAL, 1 - sigma), noise: sigma });
  return {
    mix,
    inputScale: () => 1,
    x0: (sigma) => predictX0(prediction, mix(sigma).signal, sigma),
    noise: (sigma) => predictNoise(prediction, mix(sigma).signal, sigma),
  };
}
