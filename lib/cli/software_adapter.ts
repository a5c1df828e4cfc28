/**
 * What Mesa's llvmpipe, WebGPU on machines without a GPU, should be told before it starts.
 *
 * @module
 */

import { granted } from "./permissions.ts";

const THREADS = "LP_NUM_THREADS";

/**
 * Two of llvmpipe's threads a processor, unless the environment says otherwise. Mesa starts one a processor and gives each the same share of
 * a launch; Linux wakes them where they last ran, and once two of them share a processor, launches of a millisecond leave another idle: on two
 * processors steps of 64 tokens took 1.3 times as long, and 1.8 times at worst. Four threads spread.
 *
 * To be called before the first adapter is asked for; others do not look at it.
 */
export function spreadThreads(): void {
  if (!granted({ name: "env", variable: THREADS }) || Deno.env.has(THREADS)) return;
  Deno.env.set(THREADS, String(2 * navigator.hardwareConcurrency));
}
