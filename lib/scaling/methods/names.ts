/**
 * Which methods there are, without their rules.
 *
 * @module
 */

import type { MethodName } from "../types.ts";

/** The methods that every model and sampler can draw with, the default first. */
export const METHOD_NAMES: readonly MethodName[] = [
  "lssgen",
  "direct",
  "megafusion",
  "self-cascade",
  "diffusehigh",
  "hires-fix",
  "selflift",
  "bottleneck",
];
