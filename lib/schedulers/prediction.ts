/**
 * What the network of a diffusion model predicts.
 *
 * @module
 */

/** The words of `prediction_type`. */
export type Prediction = "epsilon" | "v_prediction" | "sample" | "flow_prediction";

/** Factors of latents and network output in some prediction. */
export interface Linear {
  /** Factor of the latents. */
  readonly sample: number;
  /** Factor of the network's output. */
  readonly output: number;
}

/**
 * Clean latents from x = α·x₀ + σ·ε. v = α·ε − σ·x₀ with α² + σ² = 1 (Salimans & Ho, arXiv 2202.00512); the flow is
 * ε − x₀ with α = 1 − σ.
 */
export function predictX0(prediction: Prediction, alpha: number, sigma: number): Linear {
  if (prediction === "epsilon") return { sample: 1 / alpha, output: -sigma / alpha };
  if (prediction === "v_prediction") return { sample: alpha, output: -sigma };
  if (prediction === "flow_prediction") return { sample: 1, output: -sigma };
  return { sample: 0, output: 1 };
}

/** The noise in x = α·x₀ + σ·ε. */
export function predictNoise(prediction: Prediction, alpha: number, sigma: number): Linear {
  if (prediction === "epsilon") return { sample: 0, output: 1 };
  const x0 = predictX0(prediction, alpha, sigma);
  if (prediction === "v_prediction") return { sample: sigma, output: alpha };
  return { sample: (1 - alpha * x0.sample) / sigma, output: -alpha * x0.output / sigma };
}
