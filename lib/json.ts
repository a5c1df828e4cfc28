/**
 * JSON that strangers wrote: parsed only where it is quick and small in memory.
 *
 * @module
 */

import { LssgenError } from "./errors.ts";

/** Whether a value is an object: no list, and not nothing. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a reader takes; declared beside it. */
export interface JsonBounds {
  /** Most characters of the text. */
  readonly characters: number;
  /** Most lists and objects in each other. */
  readonly depth: number;
}

/** Most keys of all objects: parsing half a million different ones takes a second. Vocabularies have a quarter of a million. */
const MOST_KEYS = 2 ** 19;
/** Most commas. */
const MOST_COMMAS = 2 ** 21;

/** What an empty list or object takes in V8, what a key does, and what a value does, in bytes. */
const [CONTAINER_BYTES, KEY_BYTES, VALUE_BYTES] = [64, 64, 16];
/** Memory that a parsed text may take: a multiple of its characters, and so much beside. */
const [TIMES_LENGTH, BESIDE] = [2, 32 * 2 ** 20];

/**
 * Refuses a text that is too long, nests too deep, or would take far more memory than its length: "{}," thousands of
 * times over takes twenty times its characters. Linear, and over at the first bracket, key or comma too many.
 *
 * Whether the text is JSON is left to the parser.
 *
 * @param name File, for messages.
 * @throws {LssgenError} `bad_file`.
 */
export function checkJson(name: string, text: string, { characters, depth: most }: JsonBounds): void {
  const refuse = (what: string): never => {
    throw new LssgenError("bad_file", `"${name}" ${what}`);
  };
  if (text.length > characters) refuse(`has ${text.length} characters, expected at most ${characters}`);
  const budget = BESIDE + TIMES_LENGTH * text.length;
  let [depth, containers, keys, commas] = [0, 0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x22) at = endOfText(text, at);
    else if (c === 0x2c) {
      if (++commas > MOST_COMMAS) refuse(`holds more than ${MOST_COMMAS} values; no such file does`);
    } else if (c === 0x3a) {
      if (++keys > MOST_KEYS) refuse(`holds more than ${MOST_KEYS} keys; no such file does`);
    } else if (c === 0x5d || c === 0x7d) depth--;
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > most) {
        refuse(
          `nests more than ${most} lists and objects in each other at character ${at + 1}; no such file does`,
        );
      }
      if (++containers * CONTAINER_BYTES > budget) break;
    }
  }
  if (containers * CONTAINER_BYTES + keys * KEY_BYTES + commas * VALUE_BYTES <= budget) return;
  refuse(
    `holds ${containers} lists and objects with ${keys} keys in ${text.length} characters: more than any such file`,
  );
}

/**
 * Parses JSON within bounds.
 *
 * @param name File, for messages.
 * @param parse {@linkcode parsePythonJson} for what Python may have written.
 * @throws {LssgenError} As {@linkcode checkJson}.
 * @throws {SyntaxError} Where it is no JSON.
 */
export function parseJson(
  name: string,
  text: string,
  bounds: JsonBounds,
  parse: (text: string) => unknown = JSON.parse,
): unknown {
  checkJson(name, text, bounds);
  return parse(text);
}

/**
 * JSON as Python writes it: ±Infinity, which JSON has not, is a number, and NaN the text "NaN", which no reader takes for a number.
 * Linear in the text, whatever it holds.
 */
export function parsePythonJson(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return JSON.parse(text);
  // Texts are found by their quotes alone: what is between two that are not escaped.
  let out = "";
  let at = 0;
  while (at < text.length) {
    const quote = text.indexOf('"', at);
    const end = quote < 0 ? text.length : quote;
    out += text.slice(at, end).replaceAll("Infinity", "1e999").replaceAll("NaN", '"NaN"');
    at = end;
    if (quote < 0) break;
    at = endOfText(text, quote) + 1;
    out += text.slice(quote, at);
  }
  return JSON.parse(out);
}

/**
 * A key that an object has twice, of which the parser would take the last; undefined where there is none. Objects within it are not
 * looked at.
 *
 * @param text JSON.
 */
export function repeatedKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x5b || c === 0x7b) depth++;
    else if (c === 0x5d || c === 0x7d) depth--;
    else if (c === 0x22) {
      const end = endOfText(text, at);
      if (depth === 1 && /^\s*:/.test(text.slice(end + 1, end + 100))) {
        const key: string = JSON.parse(text.slice(at, end + 1));
        if (seen.has(key)) return key;
        seen.add(key);
      }
      at = end;
    }
  }
  return undefined;
}

/** Where a text that begins with a quote ends; behind it all where it does not. */
function endOfText(text: string, quote: number): number {
  for (let at = quote + 1;;) {
    const end = text.indexOf('"', at);
    if (end < 0) return text.length;
    let first = end;
    while (first - 1 > quote && text.charCodeAt(first - 1) === 0x5c) first--;
    if ((end - first) % 2 === 0) return end;
    at = end + 1;
  }
}
