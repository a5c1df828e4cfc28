/**
 * Slots for weights that stream: how many, and how large.
 *
 * @module
 */

/** Slots where memory is not short: one is computed with, one is ready, one is being filled. */
export const SLOTS = 3;
/** Slots at least: one is computed with, one is being filled. */
export const LEAST_SLOTS = 2;
/** Bytes of a slot where memory is not short, unless a unit is larger. */
export const SLOT_BYTES: number = 64 << 20;
