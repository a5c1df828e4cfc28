/**
 * What is kept between runs in `localStorage`, where there is one: in Deno and in pages. Workers have none; their page keeps for
 * them, which is why this loads no shaders. A full or forbidden store only means that the next run begins anew.
 *
 * @module
 */

import type { KernelSpec } from "./kernel.ts";
import type { MatmulTuning } from "./tune.ts";

/** Where lists of kernels are kept between runs: see {@linkcode warmKernels}. */
export interface KernelMemory {
  /** The list kept under a key; empty if there is none. */
  recall(key: string): readonly KernelSpec[];
  /** Keeps a list in place of the key's former. */
  remember(key: string, kernels: readonly KernelSpec[]): void;
}

const TUNINGS = "lssgen.tunings";
const KERNELS = "lssgen.kernels";
/** Lists of kernels kept: of the models used last. */
const MOST_LISTS = 8;

/** The tunings kept, one an adapter. */
export function storedTunings(): MatmulTuning[] {
  return read(TUNINGS).filter((t): t is MatmulTuning =>
    typeof (t as MatmulTuning)?.adapter === "string" && typeof (t as MatmulTuning).operands === "string"
  );
}

/** Keeps a tuning in place of its adapter's former. */
export function storeTuning(tuning: MatmulTuning): void {
  write(TUNINGS, [...storedTunings().filter(({ adapter }) => adapter !== tuning.adapter), tuning]);
}

/** All lists of kernels kept, for a worker to begin with. */
export function kernelLists(): [key: string, kernels: KernelSpec[]][] {
  return read(KERNELS).filter((list): list is [string, KernelSpec[]] =>
    Array.isArray(list) && typeof list[0] === "string" && Array.isArray(list[1])
  );
}

/** The lists kept here. */
export const storedKernels: KernelMemory = {
  recall: (key) => kernelLists().find(([name]) => name === key)?.[1] ?? [],
  remember: (key, kernels) =>
    write(KERNELS, [...kernelLists().filter(([name]) => name !== key), [key, kernels]].slice(-MOST_LISTS)),
};

function read(name: string): unknown[] {
  try {
    const stored: unknown = JSON.parse(globalThis.localStorage.getItem(name) ?? "[]");
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

function write(name: string, list: readonly unknown[]): void {
  try {
    globalThis.localStorage.setItem(name, JSON.stringify(list));
  } catch {
    // See above.
  }
}
