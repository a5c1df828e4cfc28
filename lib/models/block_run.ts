/**
 * How the blocks of a transformer are run: all of them, or as a cache of steps decides.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { Rows, Tensor } from "../tensor.ts";

/** diffusers' threshold of the first-block cache. */
export const CACHE_THRESHOLD = 0.05;

/** Runs the blocks of one call of a network. */
export interface BlockRun {
  /**
   * @param tokens The picture's tokens in the residual stream, f32: what the blocks change and the output is made of.
   * @param first Records the first block. @param others Records those behind it.
   */
  run(r: Recorder, tokens: Tensor | Rows, first: () => void, others: () => void): void;
}

/** All blocks, one after the other. */
export const EVERY_BLOCK: BlockRun = {
  run(_r, _tokens, first, others) {
    first();
    others();
  },
};
