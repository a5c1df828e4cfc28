/**
 * Changes of one key of a JSON config: values that no network has, and values that another network has.
 *
 * @module
 */

import type { Draws } from "./random.ts";

/** Where a value stands in a config. */
export type KeyPath = readonly (string | number)[];

/** Stands for a key that was deleted. */
export const DELETED: unique symbol = Symbol("deleted");

/** Values that few keys may have, as they stand in a file. The first five are numbers. */
export const WALK: readonly string[] = [
  "0",
  "-1",
  "0.5",
  "1e9",
  "1e308",
  "null",
  "[]",
  '""',
  "NaN",
  "Infinity",
];

/** Words that stand in configs: each is known to some key. */
const WORDS: readonly string[] = [
  ...`silu gelu relu quick_gelu gelu_new gelu-approximate gated-gelu gated-silu none default rms_norm
    ada_norm_single text_time timestep projection UNetMidBlock2D DownBlock2D CrossAttnDownBlock2D
    UpBlock2D AttnUpBlock2D linear scaled_linear squaredcos_cap_v2 leading trailing linspace epsilon
    sample v_prediction zero sigma_min exponential log_linear continuous bh1 bh2 midpoint heun dpmsolver
    dpmsolver++ sde-dpmsolver++ nearest bilinear bicubic AutoencoderKL AutoencoderTiny CLIPTextModel
    CLIPTextModelWithProjection T5EncoderModel StableDiffusionPipeline StableDiffusionXLPipeline
    FluxPipeline EulerDiscreteScheduler __proto__ toString`.split(/\s+/),
  "a\u0000b",
  "gelu ",
];

/** Every place of a config where a value may be changed: its keys, and the first items of its lists. */
export function keyPaths(config: unknown, at: KeyPath = []): KeyPath[] {
  if (typeof config !== "object" || config === null || at.length > 3) return [];
  const entries: (readonly [string | number, unknown])[] = Array.isArray(config)
    ? config.slice(0, 4).map((v, i) => [i, v] as const)
    : Object.entries(config);
  return entries.flatMap(([key, value]) => [[...at, key], ...keyPaths(value, [...at, key])]);
}

/** What stands at a path. */
export function valueAt(config: unknown, path: KeyPath): unknown {
  return path.reduce((value, key) => (value as Record<string | number, unknown>)[key], config);
}

/**
 * The text of a config with one key changed, by one draw.
 *
 * @returns undefined where the draw is what stood there.
 */
export function withOneKey(config: unknown, path: KeyPath, draws: Draws): string | undefined {
  const old = valueAt(config, path);
  const text = anotherValue(old, draws);
  if (text === asText(old)) return undefined;
  return spelled(config, path, text);
}

/** The text of another value; undefined deletes the key. */
function anotherValue(old: unknown, draws: Draws): string | undefined {
  if (draws.oneIn(3)) return draws.of(WALK);
  if (draws.oneIn(12)) return undefined;
  if (draws.oneIn(10)) return swapped(old);
  if (typeof old === "number") {
    return asText(
      draws.of([
        old + 1,
        old - 1,
        old / 2,
        old * 2,
        -old,
        old * 1.01,
        Math.floor(old / 2),
        old * 4,
        old + 0.5,
      ]),
    );
  }
  if (typeof old === "boolean") {
    return draws.oneIn(4) ? draws.of(["0", "1", '"true"', '"false"']) : String(!old);
  }
  if (typeof old === "string") {
    return JSON.stringify(draws.oneIn(6) ? changedWord(old, draws) : draws.of(WORDS));
  }
  if (Array.isArray(old)) return JSON.stringify(changedList(old, draws));
  // Null and objects: a value where there was none.
  return draws.of([
    "true",
    "false",
    "1",
    "2",
    "0.1",
    "8",
    "[1, 2]",
    "{}",
    ...draws.oneIn(2) ? [JSON.stringify(draws.of(WORDS))] : [],
  ]);
}

/** The same value as another type. */
function swapped(old: unknown): string {
  if (Array.isArray(old)) return JSON.stringify(old[0] ?? 0);
  return JSON.stringify(typeof old === "number" ? String(old) : [old]);
}

function changedWord(old: string, draws: Draws): string {
  return draws.of([old.toUpperCase(), `${old}2`, old.slice(1), ` ${old}`, old.slice(0, -1)]);
}

function changedList(old: readonly unknown[], draws: Draws): unknown[] {
  const i = draws.below(old.length);
  switch (draws.below(6)) {
    case 0:
      return old.filter((_, at) => at !== i);
    case 1:
      return [...old, old.at(-1) ?? 1];
    case 2:
      return [...old].reverse();
    case 3:
      return old.map(() => old[i]);
    case 4:
      return old.slice(0, 1);
    default:
      return old.map((v, at) =>
        at !== i ? v : typeof v === "number" ? draws.of([v * 2, v / 2, v + 1, v - 1, 0]) : [v]
      );
  }
}

/** JSON as Python writes it: schedulers of the real world have −Infinity. */
function asText(value: unknown): string {
  return value === Infinity || value === -Infinity ? String(value) : JSON.stringify(value);
}

/** The text of a config whose value at a path is spelled as `text`; gone where that is undefined. */
function spelled(value: unknown, path: KeyPath, text: string | undefined): string {
  const [key, ...rest] = path;
  const inner = (v: unknown): string => rest.length === 0 ? text ?? "null" : spelled(v, rest, text);
  const gone = rest.length === 0 && text === undefined;
  if (Array.isArray(value)) {
    return `[${
      value.filter((_, i) => !gone || i !== key).map((v, i) => i === key && !gone ? inner(v) : asText(v))
        .join(", ")
    }]`;
  }
  const entries = Object.entries(value as object).filter(([k]) => !gone || k !== key);
  return `{${
    entries.map(([k, v]) => `${JSON.stringify(k)}: ${k === key ? inner(v) : asText(v)}`).join(", ")
  }}`;
}

/** The first place where two configs differ, and what stands there in the second. */
export function differenceOf(
  one: unknown,
  two: unknown,
  at: KeyPath = [],
): { path: KeyPath; value: unknown } | undefined {
  if (Object.is(one, two)) return undefined;
  const nested = typeof one === "object" && one !== null && typeof two === "object" && two !== null &&
    Array.isArray(one) === Array.isArray(two) &&
    (!Array.isArray(one) || one.length === (two as unknown[]).length);
  if (!nested) return { path: at, value: two };
  for (const key of Object.keys(one)) {
    const k = Array.isArray(one) ? Number(key) : key;
    const path = [...at, k];
    if (!Object.hasOwn(two, key)) return { path, value: DELETED };
    const found = differenceOf(
      (one as Record<string, unknown>)[key],
      (two as Record<string, unknown>)[key],
      path,
    );
    if (found) return found;
  }
  return undefined;
}
