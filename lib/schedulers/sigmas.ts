/**
 * Other spacings of the same range of noise levels.
 *
 * @module
 */

/** Karras et al. (arXiv 2206.00364), eq. 5, rho = 7, between the ends of `sigmas`. */
export function karrasSigmas(sigmas: readonly number[]): number[] {
  const [max, min] = [sigmas[0] ** (1 / 7), sigmas[sigmas.length - 1] ** (1 / 7)];
  return sigmas.map((_, i) => (max + share(i, sigmas.length) * (min - max)) ** 7);
}

/** Evenly spaced in the logarithm. */
export function exponentialSigmas(sigmas: readonly number[]): number[] {
  const [max, min] = [Math.log(sigmas[0]), Math.log(sigmas[sigmas.length - 1])];
  return sigmas.map((_, i) => Math.exp(max + share(i, sigmas.length) * (min - max)));
}

/** Quantiles of a Beta(0.6, 0.6) distribution. Source: Beta Sampling is All You Need (arXiv 2407.12173). */
export function betaSigmas(sigmas: readonly number[]): number[] {
  const [max, min] = [sigmas[0], sigmas[sigmas.length - 1]];
  return sigmas.map((_, i) => min + betaQuantile(1 - share(i, sigmas.length), 0.6, 0.6) * (max - min));
}

function share(i: number, n: number): number {
  return n === 1 ? 0 : i / (n - 1);
}

/** x with I_x(a, b) = p, by bisection to the last bit. */
function betaQuantile(p: number, a: number, b: number): number {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  let [low, high] = [0, 1];
  for (let i = 0; i < 100; i++) {
    const mid = (low + high) / 2;
    if (incompleteBeta(mid, a, b) < p) low = mid;
    else high = mid;
  }
  return (low + high) / 2;
}

/** Regularised incomplete beta function by its continued fraction (DLMF 8.17.22), modified Lentz. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x)) / a;
  const tiny = 1e-300;
  let [f, c, d] = [1, 1, 0];
  for (let i = 0; i <= 300; i++) {
    const m = Math.floor(i / 2);
    let numerator = 1;
    if (i > 0) {
      numerator = i % 2 === 0
        ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    }
    d = 1 / (1 + numerator * d || tiny);
    c = 1 + numerator / c || tiny;
    f *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return front * (f - 1);
}

/** Lanczos approximation, g = 7: about 15 digits for positive arguments. */
function logGamma(x: number): number {
  const g = [
    0.99999999999980993,
    676.5203681218851,
    -1259.1392167224028,
    771.32342877765313,
    -176.61502916214059,
    12.507343278686905,
    -0.13857109526572012,
    9.9843695780195716e-6,
    1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  let sum = g[0];
  for (let i = 1; i < 9; i++) sum += g[i] / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}
