/**
 * How weights are wanted on the GPU.
 *
 * @module
 */

import type { Dtype } from "../tensor.ts";
import type { HostMemory } from "./host_memory.ts";

/** Matrices whose products may round x to bytes. */
export interface IntegerDot {
  /** How many were declared. */
  matrices: number;
}

/** How to store matrices on the GPU. */
export interface WeightOptions {
  /** f16 rounds f32 checkpoints to half; 16-bit checkpoints are kept as they are in both. */
  readonly dtype: Dtype;
  /** Stops between two reads. */
  readonly signal?: AbortSignal;
  /** Called after each read with the bytes of the file that are on the GPU so far, and those that will be. */
  readonly onProgress?: (done: number, total: number) => void;
  /**
   * Whether quantised matrices stay so on the GPU; without it, where they would take more than 512 MiB as f16. Expanding a layer at
   * every use costs time, which small models need not spend.
   */
  readonly keepQuantised?: boolean;
  /** That products by quantised matrices may round x to bytes, and what counts those. */
  readonly integerDot?: IntegerDot;
  /** Which weights stay on the GPU, and which come when they are used; all stay without it. */
  readonly streaming?: StreamingOptions;
}

/** How weights stream. */
export interface StreamingOptions {
  /** Bytes of matrices and convolutions that stay, of `total`. Vectors always do. */
  resident(total: number): number;
  /** Slots for the others. */
  readonly slots: number;
  /** Bytes of a slot at least, where as many stream. */
  readonly slotBytes: number;
  /** Where bytes of files are kept that do not stay on the GPU; read at every use without it. */
  readonly host?: HostMemory;
}
