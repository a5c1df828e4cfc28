/**
 * A diffusers model folder: model_index.json says which classes it holds, a config.json in each
 * component's folder how large they are.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import type { FolderSource } from "./bytes.ts";
import { type JsonBounds, parseJson, parsePythonJson } from "../json.ts";

/**
 * The largest that sizes of a network are taken for. Released networks stay far below; what is above is no network's, and would
 * cost minutes or memory before the first tensor's shape refuses it.
 */
export const MOST: Readonly<
  Record<"width" | "heads" | "layers" | "levels" | "rows" | "positions" | "patch", number>
> = {
  /** Channels of a token, a level or an MLP. */
  width: 2 ** 18,
  /** Heads of an attention, groups of a norm. */
  heads: 4096,
  /** Layers of a network, blocks of a level. */
  layers: 1024,
  /** Levels of a UNet or an autoencoder. */
  levels: 8,
  /** Rows of a table: tokens, classes. */
  rows: 2 ** 24,
  /** Positions of a table, latents a side. */
  positions: 2 ** 16,
  /** Pixels a token's side. */
  patch: 64,
};

/** Null is a value where the key's default is None in the library that writes the config. */
export interface Nullable {
  /** Takes null for the fallback. Else null is refused: a number that is not there is another network. */
  readonly orNull?: boolean;
}

/**
 * A config.json read key by key; a value of a wrong type or out of its range is refused by the names of file and key.
 * A key that is missing has its fallback.
 */
export class ConfigReader {
  /** @param name File, for messages. @param json Parsed content. */
  constructor(readonly name: string, readonly json: Readonly<Record<string, unknown>>) {}

  /** A config inside of this one; undefined where the key is missing or null. */
  at(key: string): ConfigReader | undefined {
    const inside = this.get<unknown>(
      key,
      null,
      "an object",
      (v): v is unknown => typeof v === "object" && !Array.isArray(v),
      { orNull: true },
    );
    return inside === null
      ? undefined
      : new ConfigReader(`${this.name}, ${key}`, inside as Record<string, unknown>);
  }

  /** Whether the key is there and not null. */
  has(key: string): boolean {
    return Object.hasOwn(this.json, key) && this.json[key] !== null;
  }

  /** A finite number; {@linkcode range} and {@linkcode whole} are for what a network is built from. */
  number(key: string, fallback?: number): number {
    return this.get(
      key,
      fallback,
      "a number",
      (v): v is number => typeof v === "number" && Number.isFinite(v),
    );
  }

  /** A number from `min` to `max`, both included. */
  range(key: string, min: number, max: number, fallback?: number, o?: Nullable): number {
    return this.get(
      key,
      fallback,
      `a number from ${min} to ${max}`,
      (v): v is number => typeof v === "number" && v >= min && v <= max,
      o,
    );
  }

  /** A whole number from `min` to `max`, both included. */
  whole(key: string, min: number, max: number, fallback?: number, o?: Nullable): number {
    return this.get(key, fallback, `a whole number from ${min} to ${max}`, wholes(min, max), o);
  }

  /** A list of one to `most` whole numbers, each from `min` to `max`. */
  wholes(
    key: string,
    { min, max, least = 1, most, each }: {
      min: number;
      max: number;
      least?: number;
      most: number;
      /** The key whose list has as many. */
      each?: string;
    },
    fallback?: readonly number[],
  ): readonly number[] {
    const is = wholes(min, max);
    return this.get(
      key,
      fallback,
      `a list of ${least} to ${most} whole numbers from ${min} to ${max}` +
        (each ? `, one for each of ${each}` : ""),
      (v): v is readonly number[] => Array.isArray(v) && v.length >= least && v.length <= most && v.every(is),
    );
  }

  /** A whole number from `min` to `max` for each item of the list under `each`, of which there are `count`: a list, or one number for all. */
  wholeOfEach(
    key: string,
    each: string,
    count: number,
    min: number,
    max: number,
    fallback: number,
  ): readonly number[] {
    const is = wholes(min, max);
    const value = this.get<number | readonly number[]>(
      key,
      fallback,
      `a whole number from ${min} to ${max}, or a list of ${count}, one for each of ${each}`,
      (v): v is number | readonly number[] =>
        is(v) || (Array.isArray(v) && v.length === count && v.every(is)),
    );
    return typeof value === "number" ? Array<number>(count).fill(value) : value;
  }

  /** A list of finite numbers. */
  numbers(key: string, fallback?: readonly number[]): readonly number[] {
    return this.get(key, fallback, "a list of numbers", isNumbers);
  }

  /** Refuses the value of a key that does not go with others. @param expected What would. */
  require(fits: boolean, key: string, expected: string): void {
    if (fits) return;
    const value = Object.hasOwn(this.json, key) ? shortJson(this.json[key]) : "missing";
    throw new LssgenError("bad_file", `"${this.name}": "${key}" is ${value}, expected ${expected}`);
  }

  /** A boolean. */
  bool(key: string, fallback?: boolean, o?: Nullable): boolean {
    return this.get(key, fallback, "true or false", (v): v is boolean => typeof v === "boolean", o);
  }

  /** A list of booleans. */
  bools(key: string, fallback?: readonly boolean[]): readonly boolean[] {
    return this.get(
      key,
      fallback,
      "a list of booleans",
      (v): v is readonly boolean[] => Array.isArray(v) && v.every((x) => typeof x === "boolean"),
    );
  }

  /** A text. */
  string(key: string, fallback?: string): string {
    return this.get(key, fallback, "a text", (v): v is string => typeof v === "string");
  }

  /** A list of texts. */
  strings(key: string, fallback?: readonly string[]): readonly string[] {
    return this.get(
      key,
      fallback,
      "a list of texts",
      (v): v is readonly string[] => Array.isArray(v) && v.every((x) => typeof x === "string"),
    );
  }

  /** One of a few texts. */
  oneOf<T extends string>(key: string, values: readonly T[], fallback?: T, o?: Nullable): T {
    return this.get(key, fallback, `one of ${values.join(", ")}`, (v): v is T => values.includes(v as T), o);
  }

  /** Refuses a config whose key differs from the only value that is built here; a missing key passes, and null for false. */
  expect(key: string, value: string | number | boolean | null): void {
    const found = this.json[key];
    const off = found === undefined || (found === null && (value === null || value === false));
    if (!off && found !== value) {
      throw new LssgenError(
        "unsupported",
        `"${this.name}": ${key} is ${shortJson(found)}, supported is ${JSON.stringify(value)}`,
      );
    }
  }

  private get<T>(
    key: string,
    fallback: T | undefined,
    what: string,
    is: (v: unknown) => v is T,
    { orNull = false }: Nullable = {},
  ): T {
    const value = Object.hasOwn(this.json, key) ? this.json[key] : undefined;
    if (value === undefined || (orNull && value === null)) {
      if (fallback !== undefined) return fallback;
      throw new LssgenError("bad_file", `"${this.name}" lacks "${key}", expected ${what}`);
    }
    if (!is(value)) {
      throw new LssgenError(
        "bad_file",
        `"${this.name}": "${key}" is ${shortJson(value)}, expected ${what}`,
      );
    }
    return value;
  }
}

/** Configs have a few thousand characters; a shard index, which names each tensor, has 0.2 million. */
export const CONFIG_BOUNDS: JsonBounds = { characters: 1 << 20, depth: 32 };

/** Reads a JSON file of a folder. @throws {LssgenError} `bad_file` when it is missing or not an object. */
export async function readConfig(folder: FolderSource, path: string): Promise<ConfigReader> {
  const name = `${folder.name}/${path}`;
  const text = await folder.text(path);
  if (text === undefined) throw new LssgenError("bad_file", `"${name}" is missing`);
  let json: unknown;
  try {
    json = parseJson(name, text, CONFIG_BOUNDS, parsePythonJson);
  } catch (error) {
    if (error instanceof LssgenError) throw error;
    throw (await import("../impostor.ts")).notJson(name, text, error);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new LssgenError("bad_file", `"${name}" is not a JSON object`);
  }
  const said = (json as { error?: unknown }).error;
  if (typeof said === "string" && Object.keys(json).length <= 3) {
    throw new LssgenError(
      "bad_file",
      `"${name}" is a server's answer that was stored as the file (error: ${
        shortJson(said)
      }); download it again`,
    );
  }
  return new ConfigReader(name, json as Record<string, unknown>);
}

/** What model_index.json says. */
export interface ModelIndex {
  /** `_class_name`: FluxPipeline, StableDiffusionXLPipeline, … */
  readonly pipeline: string;
  /** Component folder → class name; components that are null are left out. */
  readonly components: ReadonlyMap<string, string>;
  /** The file itself, for further keys. */
  readonly config: ConfigReader;
}

/** Keys of model_index.json whose values name a class. */
const COMPONENTS = /^(scheduler|vae|unet|transformer|upsampler|(text_encoder|tokenizer)(_[23])?)$/;
const PAIR = 'a library and a class, for example ["diffusers", "AutoencoderKL"], or [null, null]';

/** Reads model_index.json. */
export async function readModelIndex(folder: FolderSource): Promise<ModelIndex> {
  const config = await readConfig(folder, "model_index.json");
  const components = new Map<string, string>();
  for (const [name, value] of Object.entries(config.json)) {
    if (!Array.isArray(value)) {
      config.require(!COMPONENTS.test(name) || value === null, name, PAIR);
      continue;
    }
    // Else a component would be left out without a word, and what is left draws too.
    const [library, kind, ...more] = value;
    const given = typeof library === "string" && library !== "" && typeof kind === "string" && kind !== "";
    const left = value.length >= 1 && (library === null || library === undefined) && kind === null;
    config.require((given || left) && more.length === 0 || !COMPONENTS.test(name), name, PAIR);
    if (given) components.set(name, kind);
  }
  return { pipeline: config.string("_class_name"), components, config };
}

function wholes(min: number, max: number): (v: unknown) => v is number {
  return (v): v is number => Number.isSafeInteger(v) && (v as number) >= min && (v as number) <= max;
}

function isNumbers(v: unknown): v is readonly number[] {
  return Array.isArray(v) && v.every((x) => typeof x === "number" && Number.isFinite(x));
}
