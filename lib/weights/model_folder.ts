/**
 * A diffusers model folder: model_index.json says which classes it holds, a config.json in each
 * component's folder how large they are.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import type { FolderSource } from "./bytes.ts";
import { notJson } from "../impostor.ts";

/** A config.json read key by key; a wrong type names the file and the key. */
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
    );
    return inside === null
      ? undefined
      : new ConfigReader(`${this.name}, ${key}`, inside as Record<string, unknown>);
  }

  /** Whether the key is there and not null. */
  has(key: string): boolean {
    return Object.hasOwn(this.json, key) && this.json[key] !== null;
  }

  /** A finite number; the fallback where the key is missing or null. */
  number(key: string, fallback?: number): number {
    return this.get(
      key,
      fallback,
      "a number",
      (v): v is number => typeof v === "number" && Number.isFinite(v),
    );
  }

  /** A list of numbers. */
  numbers(key: string, fallback?: readonly number[]): readonly number[] {
    return this.get(key, fallback, "a list of numbers", isNumbers);
  }

  /** A number, or a list of them. */
  numberOrNumbers(key: string, fallback?: number): number | readonly number[] {
    return this.get<number | readonly number[]>(
      key,
      fallback,
      "a number or a list of numbers",
      (v): v is number | readonly number[] => typeof v === "number" || isNumbers(v),
    );
  }

  /** A boolean. */
  bool(key: string, fallback?: boolean): boolean {
    return this.get(key, fallback, "true or false", (v): v is boolean => typeof v === "boolean");
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
  oneOf<T extends string>(key: string, values: readonly T[], fallback?: T): T {
    return this.get(key, fallback, `one of ${values.join(", ")}`, (v): v is T => values.includes(v as T));
  }

  /** Refuses a config whose key differs from the only value that is built here; a missing key passes. */
  expect(key: string, value: string | number | boolean | null): void {
    const found = this.json[key];
    if (found !== undefined && found !== null && found !== value) {
      throw new LssgenError(
        "unsupported",
        `"${this.name}": ${key} is ${shortJson(found)}, supported is ${JSON.stringify(value)}`,
      );
    }
  }

  private get<T>(key: string, fallback: T | undefined, what: string, is: (v: unknown) => v is T): T {
    const value = Object.hasOwn(this.json, key) ? this.json[key] : undefined;
    if (value === undefined || value === null) {
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

/** Reads a JSON file of a folder. @throws {LssgenError} `bad_file` when it is missing or not an object. */
export async function readConfig(folder: FolderSource, path: string): Promise<ConfigReader> {
  const name = `${folder.name}/${path}`;
  const text = await folder.text(path);
  if (text === undefined) throw new LssgenError("bad_file", `"${name}" is missing`);
  let json: unknown;
  try {
    json = parsePythonJson(text);
  } catch (error) {
    throw notJson(name, text, error);
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

/** JSON as Python writes it: NaN and ±Infinity, which JSON has not, become null. */
export function parsePythonJson(text: string): unknown {
  return JSON.parse(
    text.replace(
      /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g,
      (token) => token.startsWith('"') ? token : "null",
    ),
  );
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

/** Reads model_index.json. */
export async function readModelIndex(folder: FolderSource): Promise<ModelIndex> {
  const config = await readConfig(folder, "model_index.json");
  const components = new Map<string, string>();
  for (const [name, value] of Object.entries(config.json)) {
    if (Array.isArray(value) && typeof value[1] === "string") components.set(name, value[1]);
  }
  return { pipeline: config.string("_class_name"), components, config };
}

function isNumbers(v: unknown): v is readonly number[] {
  return Array.isArray(v) && v.every((x) => typeof x === "number" && Number.isFinite(x));
}
