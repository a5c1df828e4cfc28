/**
 * Which weights of a model stay on the GPU, and which come when they are used.
 *
 * @module
 */

import type { HostMemory } from "../residency/host_memory.ts";
import type { StreamingOptions } from "../residency/weight_options.ts";
import { SLOT_BYTES, SLOTS } from "../residency/slots.ts";

/** Text encoders of more bytes than this stream, and what stays of them leaves the GPU as soon as a prompt is encoded. */
export const KEPT_ENCODER_BYTES: number = 512 * 2 ** 20;

/** How a model's weights lie. */
export interface Residency {
  /** Bytes that stay of components that are named; of others all, but nothing of large text encoders. */
  readonly resident?: ReadonlyMap<string, number>;
  /** Of those that are not named. */
  readonly others?: number;
  /** Slots for what streams. */
  readonly slots?: number;
  /** Bytes of a slot at least. */
  readonly slotBytes?: number;
  /** Where bytes of files are kept that do not stay. */
  readonly host?: HostMemory;
}

/** How a component's weights stream. */
export function streamingOf(
  component: string,
  { resident, others, slots = SLOTS, slotBytes = SLOT_BYTES, host }: Residency = {},
): StreamingOptions {
  const large = (total: number): boolean => isTextEncoder(component) && total > KEPT_ENCODER_BYTES;
  return {
    resident: (total) => large(total) ? 0 : resident?.get(component) ?? others ?? total,
    slots,
    slotBytes,
    host,
  };
}

/** Whether a component is used once for a prompt. */
export function isTextEncoder(component: string): boolean {
  return component.startsWith("text_encoder");
}
