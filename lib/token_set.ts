/**
 * Some of a picture's tokens, as a transformer sees them in stages that choose them.
 *
 * @module
 */

/** For each of N outputs K pairs (source, weight), unused ones with weight 0. */
export interface Spread {
  /** [N, K, 2]. */
  readonly pairs: Float32Array<ArrayBuffer>;
  /** Pairs of an output. */
  readonly K: number;
}

/** The tokens of one call. */
export interface TokenSet {
  /** How many. */
  readonly count: number;
  /** Where each comes from: a token of the picture's grid, or, from its number of tokens on, one of the grid of half its side. */
  readonly rows: readonly number[];
  /** Row and column of each. Whole and half numbers. */
  readonly places: readonly (readonly [y: number, x: number])[];
  /** Rows and columns of the grid that `places` counts in. */
  readonly grid: readonly [rows: number, columns: number];
  /** The tokens of the picture's grid, out of those of the call; what comes from `half` has no weight here. */
  readonly full: Spread;
  /** The tokens of the grid of half the side, where some of the call are. */
  readonly half?: Spread;
}
