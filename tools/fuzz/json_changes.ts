/**
 * Changes of JSON that keep it JSON, or nearly: extreme values in the place of others, keys twice, deep nesting.
 *
 * @module
 */

import { checkJson } from "../../lib/json.ts";
import type { Draws } from "./random.ts";

/** Values as they stand in a file, Python's among them. */
const EXTREMES: readonly string[] = [
  "0",
  "-0",
  "-1",
  "1",
  "2",
  "7",
  "0.5",
  "1e-308",
  "2147483647",
  "2147483648",
  "4294967295",
  "4294967296",
  "9007199254740991",
  "9007199254740992",
  "18446744073709551615",
  "1e9",
  "1e308",
  "1e999",
  "-1e308",
  "null",
  "true",
  "false",
  "[]",
  "{}",
  "[[]]",
  "[null]",
  "[-1]",
  "[0, 0]",
  "[1e308]",
  '""',
  '"x"',
  '"NaN"',
  '"__proto__"',
  '"toString"',
  '"constructor"',
  '"../../etc/passwd"',
  '"\\u0000"',
  '"\\ud800"',
  '{"__proto__": 1}',
  '{"toString": null}',
  "NaN",
  "Infinity",
  "-Infinity",
];

/** Keys that every object has, or that mean something elsewhere. */
const KEYS: readonly string[] = [
  "",
  "__proto__",
  "toString",
  "constructor",
  "hasOwnProperty",
  "length",
  "error",
  "0",
];

/** How deep values are nested: beyond what recursion bears, rarely, since such texts are long. */
const DEPTHS: readonly number[] = [2, 10, 100, 1000, 20_000];

type Path = readonly (string | number)[];

/** A text taken apart once: it is changed many times. */
interface Parsed {
  readonly root: unknown;
  readonly paths: readonly Path[];
}

const MOST_PATHS = 4000;
const MOST_CHARACTERS = 1 << 21;
/** Of a text that is taken apart: with as much once more in it, JSON.stringify bears it. */
const MOST_DEPTH = 2000;
const parsed = new Map<string, Parsed | undefined>();

/**
 * Changes one to four places of a JSON text.
 *
 * @returns The changed text; undefined when it was no JSON.
 */
export function changedJson(text: string, draws: Draws): string | undefined {
  const { root, paths } = parse(text) ?? {};
  if (!paths) return undefined;
  const raw: string[] = [];
  let changed = root;
  for (let n = draws.oneIn(3) ? 1 + draws.below(4) : 1; n > 0; n--) {
    const path = draws.of(paths);
    changed = draws.oneIn(6)
      ? withKeys(changed, path, draws, raw)
      : put(changed, path, 0, (old) => another(old, root, paths, draws, raw));
  }
  const out = JSON.stringify(changed) ?? "null";
  const spelled = raw.length === 0 ? out : out.replace(/"@raw(\d+)@"/g, (_, i) => raw[i]);
  // Lists of lists of nests grow: what is longer is cut short, which is a change too.
  return spelled.length > MOST_CHARACTERS ? spelled.slice(0, MOST_CHARACTERS) : spelled;
}

/** A text that stands as it is in the place of a value or a key. */
function rawText(text: string, raw: string[]): string {
  return `@raw${raw.push(text) - 1}@`;
}

function parse(text: string): Parsed | undefined {
  if (parsed.has(text)) return parsed.get(text);
  let found: Parsed | undefined;
  try {
    checkJson("input", text, { characters: Infinity, depth: MOST_DEPTH });
    const root: unknown = JSON.parse(text);
    const paths: Path[] = [];
    const walk = (value: unknown, path: Path): void => {
      paths.push(path);
      if (typeof value !== "object" || value === null) return;
      const entries = Array.isArray(value) ? value.map((v, i) => [i, v] as const) : Object.entries(value);
      for (const [key, inner] of entries) {
        if (paths.length < MOST_PATHS) walk(inner, [...path, key]);
      }
    };
    walk(root, []);
    found = { root, paths };
  } catch {
    // No JSON, or too deep: its bytes are changed instead.
  }
  // Sound inputs alone are kept; the smoke and the long run have some hundreds.
  if (parsed.size < 2000) parsed.set(text, found);
  return found;
}

/** A value in another's place. */
function another(old: unknown, root: unknown, paths: readonly Path[], draws: Draws, raw: string[]): unknown {
  switch (draws.below(10)) {
    case 0:
      return at(root, draws.of(paths));
    case 1: {
      const depth = draws.of(DEPTHS.slice(0, draws.oneIn(20) ? 5 : 4));
      const [open, close] = draws.oneIn(2) ? ["[", "]"] : ['{"a":', "}"];
      return rawText(open.repeat(depth) + "0" + close.repeat(depth), raw);
    }
    case 2:
      if (typeof old === "number") return old + (draws.oneIn(2) ? 1 : -1) * draws.of([1, 0.5, 2 ** 20]);
      if (typeof old === "string") {
        return draws.oneIn(2) ? old.repeat(1 + draws.below(40)) : old.slice(0, draws.below(old.length));
      }
      if (Array.isArray(old)) {
        return draws.oneIn(2) ? [...old, ...old] : old.slice(0, draws.below(old.length));
      }
      return [old];
    case 3:
      if (typeof old === "number") return String(old);
      return { "": old };
    case 4:
      if (Array.isArray(old) && old.length > 0) {
        return Array.from({ length: draws.of([1, 2, 16, 400]) }, () => draws.of(old));
      }
      return rawText(draws.of(EXTREMES), raw);
    default:
      return rawText(draws.of(EXTREMES), raw);
  }
}

/** An object with a key more, less, twice, or under another name. */
function withKeys(root: unknown, path: Path, draws: Draws, raw: string[]): unknown {
  return put(root, path, 0, (old) => {
    if (typeof old !== "object" || old === null) return old;
    if (Array.isArray(old)) return old.filter((_, i) => i !== draws.below(old.length));
    const entries = Object.entries(old);
    if (entries.length === 0) return { [draws.of(KEYS)]: 1 };
    const i = draws.below(entries.length);
    const [key, value] = entries[i];
    const way = draws.below(3);
    if (way === 0) entries.splice(i, 1);
    else if (way === 1) entries[i] = [draws.of(KEYS), value];
    else entries.push([rawText(JSON.stringify(key), raw), draws.oneIn(2) ? value : null]);
    return Object.fromEntries(entries);
  });
}

function at(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) value = (value as Record<string, unknown>)[key as string];
  return value;
}

/** A copy with another value at a path; what is no longer there stays away. */
function put(value: unknown, path: Path, depth: number, make: (old: unknown) => unknown): unknown {
  if (depth === path.length) return make(value);
  if (typeof value !== "object" || value === null) return value;
  const key = path[depth] as string;
  // Not only own: where an object had a key "length", a list may stand by now.
  if (!Object.prototype.propertyIsEnumerable.call(value, key)) return value;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const inner = put((value as Record<string, unknown>)[key], path, depth + 1, make);
  Object.defineProperty(copy, key, { value: inner, enumerable: true, configurable: true, writable: true });
  return copy;
}
