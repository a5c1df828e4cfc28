/**
 * What is kept between runs in `localStorage`, where there is one: in Deno and in pages. Workers have none; their page keeps for
 * them, which is why this loads no shaders. A full or forbidden store only means that the next run begins anew.
 *
 * @module
 */

import { type JsonBounds, parseJson } from "../json.ts";
import type { KernelSpec } from "./kernel.ts";
import type { MatmulTuning } from "./tuning.ts";

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
/** Kernels of a list: those of a model in several sizes. */
export const MOST_KERNELS = 256;
/** Tunings kept: a machine has few adapters. */
const MOST_TUNINGS = 16;

/** Of a list that is parsed: all lists of kernels at their longest have about a million characters. */
const BOUNDS: JsonBounds = { characters: 1 << 23, depth: 8 };

/** The tunings kept, one an adapter. */
export function storedTunings(): MatmulTuning[] {
  return read(TUNINGS).filter((t): t is MatmulTuning =>
    typeof (t as MatmulTuning)?.adapter === "string" && typeof (t as MatmulTuning).operands === "string"
  ).slice(-MOST_TUNINGS);
}

/** Keeps a tuning in place of its adapter's former. */
export function storeTuning(tuning: MatmulTuning): void {
  const others = storedTunings().filter(({ adapter }) => adapter !== tuning.adapter);
  write(TUNINGS, [...others, tuning].slice(-MOST_TUNINGS));
}

/** All lists of kernels kept, for a worker to begin with. */
export function kernelLists(): [key: string, kernels: KernelSpec[]][] {
  return read(KERNELS).filter((list): list is [string, unknown[]] =>
    Array.isArray(list) && typeof list[0] === "string" && Array.isArray(list[1])
  ).slice(-MOST_LISTS).map(([key, kernels]) => [key, kernels.slice(-MOST_KERNELS).filter(isSpec)]);
}

/** Whether what was stored can be a kernel's; what it says may still not compile. */
export function isSpec(v: unknown): v is KernelSpec {
  if (typeof v !== "object" || v === null) return false;
  const { shader, types = {}, constants = {}, texels = "sampled" } = v as Record<string, unknown>;
  const holds = (record: unknown, type: "string" | "number"): boolean =>
    typeof record === "object" && record !== null && !Array.isArray(record) &&
    Object.values(record).every((value) => typeof value === type);
  return typeof shader === "string" && holds(types, "string") && holds(constants, "number") &&
    (texels === "sampled" || texels === "storage");
}

/** The lists kept here. */
export const storedKernels: KernelMemory = {
  recall: (key) => kernelLists().find(([name]) => name === key)?.[1] ?? [],
  remember: (key, kernels) =>
    write(KERNELS, [...kernelLists().filter(([name]) => name !== key), [key, kernels]].slice(-MOST_LISTS)),
};

function read(name: string): unknown[] {
  try {
    const text = globalThis.localStorage.getItem(name) ?? "[]";
    const stored = parseJson(name, text, BOUNDS);
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
