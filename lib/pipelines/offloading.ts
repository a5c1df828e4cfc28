/**
 * Where weights wait that do not stay on the GPU.
 *
 * @module
 */

import type { HostMemory } from "../residency/host_memory.ts";
import type { PipelineOptions } from "./types.ts";

/** Bytes that offload "cpu" keeps at most, where nothing is said. */
const HOST_BYTES = 8 * 2 ** 30;

/** Memory of the host for such weights; undefined where they are read from their files each time. */
export async function hostMemory(
  { offload, maxOffloadBytes = HOST_BYTES }: Pick<PipelineOptions, "offload" | "maxOffloadBytes">,
): Promise<HostMemory | undefined> {
  if (offload !== "cpu") return undefined;
  const { HostMemory } = await import("../residency/host_memory.ts");
  return new HostMemory(maxOffloadBytes);
}
