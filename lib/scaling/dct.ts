/**
 * Growth in the cosine transform: the coefficients of a small grid become the lowest of a larger one. Constant matrices, one
 * along each axis.
 *
 * Source: SPEED, arXiv 2605.18736.
 *
 * @module
 */

/** The orthonormal DCT-II of n points: [frequency][position]. */
export function dctMatrix(n: number): Float64Array[] {
  return Array.from({ length: n }, (_, k) => {
    const norm = Math.sqrt((k === 0 ? 1 : 2) / n);
    return Float64Array.from({ length: n }, (_, i) => norm * Math.cos(Math.PI * (i + 0.5) * k / n));
  });
}

/** From n points to N by the transform's coefficients, which keeps lengths: [N][n], orthonormal columns where N ≥ n. */
export function embedMatrix(n: number, N: number): Float64Array[] {
  const [small, large] = [dctMatrix(n), dctMatrix(N)];
  const shared = Math.min(n, N);
  return Array.from({ length: N }, (_, i) =>
    Float64Array.from({ length: n }, (_, j) => {
      let sum = 0;
      for (let k = 0; k < shared; k++) sum += large[k][i] * small[k][j];
      return sum;
    }));
}

/** The same, but keeping values: a constant stays that constant. [N][n]. */
export function growthMatrix(n: number, N: number): Float64Array[] {
  const scale = Math.sqrt(N / n);
  return embedMatrix(n, N).map((row) => row.map((v) => v * scale));
}

/** Of N points, what n points can hold: [N][N], a projection. */
export function lowBandMatrix(n: number, N: number): Float64Array[] {
  const D = dctMatrix(N);
  return Array.from({ length: N }, (_, i) =>
    Float64Array.from({ length: N }, (_, j) => {
      let sum = 0;
      for (let k = 0; k < Math.min(n, N); k++) sum += D[k][i] * D[k][j];
      return sum;
    }));
}
