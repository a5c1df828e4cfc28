/**
 * Where weights come from, and how they are wanted.
 *
 * @module
 */

import type { Dtype } from "../tensor.ts";
import type { HostMemory } from "./host_memory.ts";
import type { RowRange } from "../weights/safetensors.ts";
import type { StoredForm } from "../weights/stored_form.ts";

/** Where tensors come from: a checkpoint of lib/weights, or anything that answers by name. */
export interface TensorSource {
  /** File or folder, for messages. */
  readonly name: string;
  /** The header's facts, for messages. */
  readonly metadata?: ReadonlyMap<string, unknown>;
  /** Every tensor's name. */
  names(): Iterable<string>;
  /** Shape and stored type, without reading; `undefined` when absent. */
  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined;
  /**
   * Little-endian bytes as stored; only `rows` of the first axis where given.
   *
   * @param into Memory that may be used for the answer, which then is a view of it.
   */
  read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }>;
  /** The values as f32, whatever the storage; only `rows` of the first axis where given. */
  readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>>;
  /** Whether reading a tensor in parts costs as much for each part as for all of it. */
  wholeOnly?(name: string): boolean;
  /** How a tensor lies in the file, where that is more or other than `info` and `read` say. */
  stored?(name: string): StoredForm | undefined;
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
