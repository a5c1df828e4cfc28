/**
 * Which kernels a model used, kept between runs: see {@linkcode warmKernels}. Loads no shaders, so that a page may keep lists for
 * its worker.
 *
 * @module
 */

import type { KernelSpec } from "./kernel.ts";

/** Where lists of kernels are kept between runs. */
export interface KernelMemory {
  /** The list kept under a key; empty if there is none. */
  recall(key: string): readonly KernelSpec[];
  /** Keeps a list in place of the key's former. */
  remember(key: string, kernels: readonly KernelSpec[]): void;
}

const STORE = "lssgen.kernels";
/** Lists kept: the models used last. */
const MOST_LISTS = 8;

/** Lists in `localStorage`, where there is one: in Deno and in pages. Workers have none, and no list. */
export const storedKernels: KernelMemory = {
  recall: (key) => kernelLists().find(([name]) => name === key)?.[1] ?? [],
  remember: (key, kernels) => {
    const lists = [...kernelLists().filter(([name]) => name !== key), [key, kernels]].slice(-MOST_LISTS);
    // A full or forbidden store only means that the next run compiles one after the other.
    attempt(() => globalThis.localStorage.setItem(STORE, JSON.stringify(lists)));
  },
};

/** All lists in `localStorage`, for a worker to begin with. */
export function kernelLists(): [key: string, kernels: KernelSpec[]][] {
  const lists: unknown = attempt(() => JSON.parse(globalThis.localStorage.getItem(STORE) ?? "[]"));
  return Array.isArray(lists)
    ? lists.filter((list) => typeof list?.[0] === "string" && Array.isArray(list[1]))
    : [];
}

/** What `call` gives, or undefined when it is forbidden or fails. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
