/**
 * The adapter that is planned for where none is at hand.
 *
 * @module
 */

import type { DeviceInfo } from "./device.ts";

/** An adapter with the limits of most: what is planned for where none is at hand. */
export const USUAL_ADAPTER: DeviceInfo = {
  vendor: "",
  architecture: "",
  description: "usual limits",
  fallback: false,
  f16: true,
  timestamps: false,
  subgroups: true,
  maxBindingBytes: 2 ** 31 - 4,
  maxBufferBytes: 2 ** 32,
  workgroupBytes: 32 << 10,
  workgroupInvocations: 1024,
  storageTexels: true,
};
