/**
 * The cache of a picture's steps: whether a request wants one.
 *
 * @module
 */

import { CACHE_THRESHOLD } from "../models/block_run.ts";
import type { GenerateRequest } from "./types.ts";

/** The threshold of a request's cache of steps; undefined where nothing is cached. */
export function cacheThreshold({ cacheMode, cacheThreshold }: GenerateRequest): number | undefined {
  const threshold = cacheThreshold ?? (cacheMode === "first-block" ? CACHE_THRESHOLD : 0);
  return threshold > 0 ? threshold : undefined;
}
