/**
 * Renaming by a table of module names, for families whose blocks keep their numbers.
 *
 * @module
 */

import type { RowRange } from "../safetensors.ts";
import type { Origin, Originals } from "./family.ts";

/** A fused or reordered module: several new ones, each made of rows of the old. */
export interface Cut {
  /** New modules. */
  readonly into: readonly string[];
  /** Rows of each new module. `rows` is the old tensor's first axis, `width` its weight's second. */
  readonly rows: (rows: number, width: number) => readonly (readonly RowRange[])[];
}

/** Original module → diffusers' module, or how it is cut; `#` stands for the block's number. */
export type NameTable = Readonly<Record<string, string | Cut>>;

/** Three layers of equal size in one: query, key and value. */
export function thirds(into: readonly [string, string, string]): Cut {
  return { into, rows: (rows) => thirdsOf(rows).map((part) => [part]) };
}

/** The rows of query, key and value in a fused layer. */
export function thirdsOf(rows: number): readonly RowRange[] {
  return [0, 1, 2].map((i) => ({ first: i * rows / 3, count: rows / 3 }));
}

/** Two layers of equal size in one: key and value. */
export function halves(into: readonly [string, string]): Cut {
  return { into, rows: (rows) => [0, 1].map((i) => [{ first: i * rows / 2, count: rows / 2 }]) };
}

/** (shift, scale) in the original, (scale, shift) in diffusers; other counts of parts stay as they are. */
export function shiftScaleSwapped(name: string): Cut {
  return {
    into: [name],
    rows: (rows, width) =>
      rows === 2 * width
        ? [[{ first: width, count: width }, { first: 0, count: width }]]
        : [[{ first: 0, count: rows }]],
  };
}

/** A block's number: `double_blocks.7.…`, `blocks.7.…`. */
const BLOCK = /(?<![^._])blocks\.(\d+)(?=\.|$)/;

/** A block's number in diffusers' names: `transformer_blocks.7.…`, `single_transformer_blocks.7.…`. */
const NEW_BLOCK = /^(\w*_blocks)\.(\d+)(?=\.)/;

/** A table the other way round: from a new tensor's name to the original that it is part of. */
export function tableReversed(table: NameTable): (name: string) => string {
  const keys = new Map<string, string>();
  for (const [key, target] of Object.entries(table)) {
    for (const module of typeof target === "string" ? [target] : target.into) keys.set(module, key);
  }
  return (name) => {
    const dot = name.lastIndexOf(".");
    const [, , number = ""] = NEW_BLOCK.exec(name) ?? [];
    const key = keys.get(name.slice(0, Math.max(dot, 0)).replace(NEW_BLOCK, "$1.#"));
    if (key === undefined) return name;
    // FLUX's query and key norms call their weight "scale".
    const leaf = /\.(query|key)_norm$/.test(key) ? "scale" : name.slice(dot + 1);
    return `${key.replace("#", number)}.${leaf}`;
  };
}

/** Applies a table; a tensor whose module is not in it keeps its name. */
export function* byTable(
  table: NameTable,
  originals: Originals,
): Generator<readonly [name: string, origin: Origin]> {
  for (const [tensor, shape] of originals) {
    const dot = tensor.lastIndexOf(".");
    const module = tensor.slice(0, Math.max(dot, 0));
    const leaf = tensor.slice(dot + 1);
    const number = BLOCK.exec(module)?.[1];
    const key = number === undefined ? module : module.replace(BLOCK, (at) => at.replace(/\d+/, "#"));
    const target = Object.hasOwn(table, key) ? table[key] : undefined;
    if (target === undefined) {
      yield [tensor, { tensor }];
      continue;
    }
    // Original norms call their weight "scale".
    const named = (m: string): string =>
      `${m.replace("#", number ?? "")}.${leaf === "scale" ? "weight" : leaf}`;
    if (typeof target === "string") {
      yield [named(target), { tensor }];
      continue;
    }
    const width = originals.get(`${module}.weight`)?.[1] ?? NaN;
    const parts = target.rows(shape[0] ?? 0, width);
    for (let i = 0; i < parts.length; i++) yield [named(target.into[i]), { tensor, rows: parts[i] }];
  }
}
