/**
 * What every reader of weights gives.
 *
 * @module
 */

import type { GgufValue } from "./gguf.ts";
import type { RowRange } from "./safetensors.ts";
import type { StoredForm } from "./stored_form.ts";

/** Tensors by name, whatever file they lie in. */
export interface Checkpoint {
  /** File or folder, for messages. */
  readonly name: string;
  /**
   * The header's facts: safetensors' `__metadata__` (`modelspec.architecture`, …), GGUF's keys (`general.architecture`,
   * the tokenizer, …); of a set of files, those of all.
   */
  readonly metadata?: ReadonlyMap<string, GgufValue>;
  /** Every tensor's name. */
  names(): Iterable<string>;
  /** Shape and stored type; `undefined` when absent. */
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
