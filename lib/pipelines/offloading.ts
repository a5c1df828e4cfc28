/**
 * Where weights wait that do not stay on the GPU.
 *
 * @module
 */

import { HostMemory } from "../residency/host_memory.ts";
import type { PipelineOptions } from "./types.ts";

/** Bytes that offload "cpu" keeps at most, where nothing is said. */
const HOST_BYTES = 8 * 2 ** 30;

/** Memory of the host for such weights; undefined where they are read from their files each time. */
export function hostMemory(
  { offload, maxOffloadBytes = HOST_BYTES }: Pick<PipelineOptions, "offload" | "maxOffloadBytes">,
): HostMemory | undefined {
  return offload === "cpu" ? new HostMemory(maxOffloadBytes) : undefined;
}
