/**
 * SelfLift's growth: latents enlarged as they are, moved toward those of the enlarged picture where the two differ most. Enlarging
 * latents keeps them sharp but wrong at edges; the way through pixels is right there, and costs a decoding and an encoding.
 *
 * Source: arXiv 2609.02036.
 *
 * @module
 */

/** Weights of the pixel way where it counts: least, and most at the largest difference. */
export const MIXTURE_WEIGHTS: readonly [least: number, most: number] = [0.5, 1];

/** Steps up to which {@linkcode mixtureShare} is that of the paper's model of 4 steps. */
const FEW_STEPS = 4;

/** The share ρ of latents that takes the pixel way: 0.4 for models of 4 steps, 0.3 for one of 8. */
export function mixtureShare(steps: number): number {
  return steps <= FEW_STEPS ? 0.4 : 0.3;
}

/**
 * z = latent + W ⊙ (pixel − latent). With s the mean over channels of |pixel − latent|, W is 0 below the (1 − share) quantile of
 * s, and from there on least + (most − least) · (s − min s) / (max s − min s).
 *
 * @param latent Latents grown by nearest neighbour, [h·w, channels].
 * @param pixel Latents of the enlarged picture, of the same shape.
 * @param share ρ, 0 … 1.
 * @returns [h·w, channels].
 */
export function mixed(
  latent: Float32Array,
  pixel: Float32Array,
  channels: number,
  share: number,
  [least, most]: readonly [number, number] = MIXTURE_WEIGHTS,
): Float32Array<ArrayBuffer> {
  const n = latent.length / channels;
  const s = new Float32Array(n);
  for (let i = 0; i < latent.length; i++) {
    s[Math.floor(i / channels)] += Math.abs(pixel[i] - latent[i]) / channels;
  }
  const sorted = s.slice().sort();
  const threshold = quantile(sorted, 1 - share);
  const [low, high] = [sorted[0], sorted[n - 1]];
  const out = Float32Array.from(latent);
  for (let i = 0; i < out.length; i++) {
    const v = s[Math.floor(i / channels)];
    if (v < threshold) continue;
    const weight = least + (most - least) * (high > low ? (v - low) / (high - low) : 0);
    out[i] += weight * (pixel[i] - latent[i]);
  }
  return out;
}

/** Of rising numbers, between neighbours in a straight line, as torch.quantile has it. */
function quantile(sorted: Float32Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(sorted.length - 1, low + 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}
