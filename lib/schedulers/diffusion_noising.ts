/**
 * How latents of diffusion models are made noisy, whose variance is preserved (vp) or explodes (ve).
 *
 * @module
 */

import type { Noising } from "./noising.ts";
import { type Linear, type Prediction, predictNoise, predictX0 } from "./prediction.ts";
import type { NoiseMix } from "./types.ts";

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

/** log(signal / noise), the λ of exponential integrators; +∞ at σ = 0. */
export function halfLogSnr({ signal, noise }: NoiseMix): number {
  return Math.log(signal / noise);
}
