/**
 * What the network of a diffusion model predicts.
 *
 * @module
 */

/** The words of `prediction_type`. */
export type Prediction = "epsilon" | "v_prediction" | "sample";

/** Factors of latents and network output in some prediction. */
export interface Linear {
  /** Factor of the latents. */
  readonly sample: number;
  /** Factor of the network's output. */
  readonly output: number;
}

/** Clean latents from x = α·x₀ + σ·ε with α² + σ² = 1. v = α·ε − σ·x₀ (Salimans & Ho, arXiv 2202.00512). */
export function predictX0(prediction: Prediction, alpha: number, sigma: number): Linear {
  if (prediction === "epsilon") return { sample: 1 / alpha, output: -sigma / alpha };
  if (prediction === "v_prediction") return { sample: alpha, output: -sigma };
  return { sample: 0, output: 1 };
}

/** The noise in x = α·x₀ + σ·ε. */
export function predictNoise(prediction: Prediction, alpha: number, sigma: number): Linear {
  if (prediction === "epsilon") return { sample: 0, output: 1 };
  if (prediction === "v_prediction") return { sample: sigma, output: alpha };
  return { sample: 1 / sigma, output: -alpha / sigma };
}
