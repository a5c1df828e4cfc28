/**
 * What a golden case is, what a handler answers, and how the two are compared.
 *
 * @module
 */

import type { Device } from "../../lib/gpu/device.ts";
import type { Dtype } from "../../lib/tensor.ts";
import type { FolderSource } from "../../lib/weights/bytes.ts";

/** Numbers of one tensor; integers are widened to f64 by the reader. */
export interface Values {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Float32Array | Float64Array;
}

/** The tensors of one io file, by name. */
export type Tensors = ReadonlyMap<string, Values>;

/** A tolerance of case.json. */
export interface Tolerance {
  /** Largest |a − b|. */
  readonly max_abs?: number;
  /** Largest |a − b| / max|reference|. */
  readonly max_rel_to_peak?: number;
}

/** One entry of a case's `calls`. */
export interface Call {
  /** Name of the call. */
  readonly name?: string;
  /** File of its tensors. */
  readonly io?: string;
  /** Non-tensor arguments. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** Tolerances of this call. */
  readonly tolerances?: Readonly<Record<string, Tolerance | null>>;
  /** Anything else the group uses. */
  readonly [key: string]: unknown;
}

/** case.json. */
export interface CaseJson {
  /** What was run. */
  readonly class: string;
  /** Folder of cases. */
  readonly group: string;
  /** Calls, where the group has them. */
  readonly calls?: readonly Call[];
  /** Tolerances of the whole case, or "exact". */
  readonly tolerances?: Readonly<Record<string, Tolerance | null>> | "exact";
  /** Anything else the group uses. */
  readonly [key: string]: unknown;
}

/** All a handler may use. It must not depend on which case it is. */
export interface CaseContext {
  /** `group/case`. */
  readonly path: string;
  /** case.json. */
  readonly json: CaseJson;
  /** The case's folder. */
  readonly folder: FolderSource;
  /** A folder relative to the case's, for cases that use another's model. */
  sibling(path: string): FolderSource;
  /** Tensors of each io*.safetensors. */
  readonly io: ReadonlyMap<string, Tensors>;
  /** The GPU, opened on first use. */
  device(): Promise<Device>;
  /** Type of weights and activations. */
  readonly dtype: Dtype;
}

/** A yes-or-no expectation that is not a tensor (an error that must be thrown, equal token ids). */
export interface Check {
  /** What must be true. */
  readonly name: string;
  /** Whether it was. */
  readonly ok: boolean;
  /** What was seen instead. */
  readonly detail?: string;
}

/** A handler's answer. */
export interface Answer {
  /** Computed tensors for each io file, under the names of its `out.` (and, where computed, `mid.`) entries. */
  readonly outputs: ReadonlyMap<string, ReadonlyMap<string, Values>>;
  /** Further expectations. */
  readonly checks?: readonly Check[];
}

/** Computes what a case of one class expects. */
export type Handler = (c: CaseContext) => Promise<Answer>;

/** Outcome of one comparison. */
export interface Comparison {
  /** io file and tensor. */
  readonly name: string;
  /** Largest |a − b|; NaN when shapes differ or a value is not finite. */
  readonly maxAbs: number;
  /** maxAbs over max|reference|. */
  readonly relative: number;
  /** Allowed |a − b|. */
  readonly allowed: number;
  /** Why it failed, if not by size. */
  readonly reason?: string;
}

/** The tolerance in force for a call's tensor, as an absolute bound. */
export function allowed(
  tolerances: CaseJson["tolerances"],
  call: Call | undefined,
  dtype: Dtype,
  peak: number,
): number {
  const own = call?.tolerances?.[dtype];
  // What is computed in f32 whatever the dtype (schedulers) has no tolerance of its own in f16.
  const shared = typeof tolerances === "object" ? tolerances?.[dtype] ?? tolerances?.f32 : undefined;
  const t = own ?? shared ?? {};
  const bounds = [t.max_abs ?? 0, (t.max_rel_to_peak ?? 0) * peak];
  // In f32 the project asks for the case's tolerance or 1e-4 of the peak, whichever is larger.
  if (dtype === "f32") bounds.push(1e-4 * peak);
  return Math.max(...bounds);
}

/** Compares one computed tensor with its reference. */
export function compare(
  name: string,
  got: Values | undefined,
  want: Values,
  bound: (peak: number) => number,
): Comparison {
  let peak = 0;
  for (const v of want.data) if (Number.isFinite(v)) peak = Math.max(peak, Math.abs(v));
  const limit = bound(peak);
  const bad = (reason: string): Comparison => ({ name, maxAbs: NaN, relative: NaN, allowed: limit, reason });
  if (!got) return bad("not computed");
  if (got.data.length !== want.data.length || got.shape.join() !== want.shape.join()) {
    return bad(`shape [${got.shape}], expected [${want.shape}]`);
  }
  let maxAbs = 0;
  for (let i = 0; i < want.data.length; i++) {
    if (Object.is(got.data[i], want.data[i])) continue;
    const error = Math.abs(got.data[i] - want.data[i]);
    if (Number.isNaN(error)) return bad(`value ${got.data[i]} at ${i}, expected ${want.data[i]}`);
    if (error > maxAbs) maxAbs = error;
  }
  return { name, maxAbs, relative: peak > 0 ? maxAbs / peak : maxAbs, allowed: limit };
}

/** Whether a comparison passed. */
export function passed(c: Comparison): boolean {
  return c.reason === undefined && c.maxAbs <= c.allowed;
}
