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

/** Signal of variance-preserving latents whose noise-to-signal ratio is σ. */
function vpSignal(sigma: number): number {
  return 1 / Math.sqrt(sigma * sigma + 1);
}

/** Variance preserving, σ = noise / signal: DPM-Solver, UniPC, DEIS. */
export function vpNoising(prediction: Prediction): Noising {
  const mix = (sigma: number): NoiseMix => ({ signal: vpSignal(sigma), noise: sigma * vpSignal(sigma) });
  return {
    mix,
    inputScale: () => 1,
    x0: (sigma) => predictX0(prediction, mix(sigma).signal, mix(sigma).noise),
    noise: (sigma) => predictNoise(prediction, mix(sigma).signal, mix(sigma).noise),
  };
}

/** Signal left alone, σ of noise added: Euler, Heun, KDPM2. The network sees the variance-preserving latents. */
export function veNoising(prediction: Prediction): Noising {
  const x0 = (sigma: number): Linear => {
    const scale = vpSignal(sigma);
    const vp = predictX0(prediction, scale, sigma * scale);
    return { sample: vp.sample * scale, output: vp.output };
  };
  return {
    mix: (sigma) => ({ signal: 1, noise: sigma }),
    inputScale: vpSignal,
    x0,
    noise: (sigma) => ({ sample: (1 - x0(sigma).sample) / sigma, output: -x0(sigma).output / sigma }),
  };
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

/** log(signal / noise), the λ of exponential integrators; +∞ at σ = 0. */
export function halfLogSnr({ signal, noise }: NoiseMix): number {
  return Math.log(signal / noise);
}
