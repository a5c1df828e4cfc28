/**
 * What the judge's words about a picture are worth: which of the things that a prompt of train/unseen.json asks for are there.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Picture } from "../image/png.ts";
import { parseJson } from "../json.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { manner, type Verdict } from "./judge.ts";

/** An entry of unseen.json. */
export interface Entry {
  readonly id: number;
  readonly kind: string;
  readonly prompt: string;
  readonly nouns: readonly string[];
  readonly colours: readonly string[];
  readonly count: number;
  readonly style: string;
  readonly background: string;
  readonly ground: string;
}

const BOUNDS = { characters: 1 << 24, depth: 8 };

/**
 * unseen.json of a judge's folder: prompts whose combinations training never showed, and what each asks for.
 *
 * @throws {LssgenError} `bad_file` where it is missing or holds something else.
 */
export async function readEntries(folder: FolderSource): Promise<readonly Entry[]> {
  const name = `${folder.name}/unseen.json`;
  const text = await folder.text("unseen.json");
  let entries: unknown;
  try {
    entries = text === undefined ? undefined : parseJson(name, text, BOUNDS);
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
  }
  if (Array.isArray(entries) && entries.length > 0 && entries.every(isEntry)) return entries;
  throw new LssgenError(
    "bad_file",
    `"${name}" ${
      text === undefined ? "is not there" : "is none"
    }, expected a list of prompts with nouns, colours, style and background`,
  );
}

function isEntry(value: unknown): value is Entry {
  const { id, prompt, nouns, colours, style, background, ground } = (value ?? {}) as Record<string, unknown>;
  const texts = (v: unknown): boolean => Array.isArray(v) && v.every((s) => typeof s === "string");
  return Number.isSafeInteger(id) && texts([prompt, style, background, ground]) && texts(nouns) &&
    texts(colours) &&
    (nouns as string[]).length > 0;
}

/** `count` entries, evenly through all kinds. */
export function spread<T>(entries: readonly T[], count: number): T[] {
  const n = Math.min(count, entries.length);
  return Array.from({ length: n }, (_, i) => entries[Math.floor((i + 0.5) * entries.length / n)]);
}

/** What was right about one picture; absent where the prompt does not ask for it. */
export interface Score {
  readonly kind: string;
  readonly noun?: boolean;
  readonly background: boolean;
  readonly colour?: boolean;
  readonly style: boolean;
  readonly both?: boolean;
  readonly sharpness: number;
  readonly saturation: number;
  readonly seconds?: number;
  readonly features: Float32Array;
}

export function score(entry: Entry, verdict: Verdict, picture: Picture, seconds?: number): Score {
  const [sharpness, saturation] = manner(picture);
  const ground = entry.ground === "gradient" ? "gradient" : entry.background;
  const shown = entry.nouns.every((n) => verdict.nouns.some((v) => same(v, n)));
  return {
    kind: entry.kind,
    ...(entry.nouns.length === 1 ? { noun: shown } : { both: shown }),
    background: verdict.ground === ground,
    ...(entry.colours[0] && entry.nouns.length === 1 ? { colour: verdict.tint === entry.colours[0] } : {}),
    style: verdict.style === entry.style,
    sharpness,
    saturation,
    seconds,
    features: verdict.features,
  };
}

/** A head and the animal it belongs to count as the same. */
function same(a: string, b: string): boolean {
  const head = (n: string): string => n === "bunny" ? "rabbit" : n.replace(/ face$/, "");
  return head(a) === head(b);
}
