/**
 * What options take, and what is said of one that is something else.
 *
 * @module
 */

import { LssgenError, shortJson } from "./errors.ts";
import { isRecord } from "./json.ts";

/** What an option takes, as a sentence goes on after "expected". */
export type Kind =
  | "a text"
  | "a number"
  | "true or false"
  | "a function"
  | "a list"
  | "an object"
  | "a folder"
  | "a file"
  | "an AbortSignal"
  | "a picture"
  | "an open device"
  | "anything";

/** Whether a value is of a kind. */
export const IS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  "a text": (v) => typeof v === "string",
  "a number": (v) => typeof v === "number",
  "true or false": (v) => typeof v === "boolean",
  "a function": (v) => typeof v === "function",
  "a list": Array.isArray,
  "an object": isRecord,
  "a folder": isFolder,
  "a file": (v) => isRecord(v) && typeof v.read === "function",
  "an AbortSignal": (v) => v instanceof AbortSignal,
  "an open device": (v) => isRecord(v) && typeof v.recover === "function",
  anything: () => true,
  "a picture": (v) => {
    const { data, decode } = isRecord(v) ? v : {};
    return ArrayBuffer.isView(data) || typeof decode === "function"; // pixels, or a file
  },
};

/** Whether something can be asked for files by their paths. */
export function isFolder(value: unknown): boolean {
  const { name, open, text } = isRecord(value) ? value : {};
  return typeof name === "string" && typeof open === "function" && typeof text === "function";
}

/** Refuses what is no such option, or of another type. */
export function check(what: string, given: unknown, kinds: Readonly<Record<string, Kind>>): void {
  if (!isRecord(given)) {
    throw new LssgenError("bad_option", `${what} is ${shown(given)}, expected an object`);
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(kinds, name)) {
      throw new LssgenError(
        "bad_option",
        `${what} has "${name}", which is no option; expected are ${Object.keys(kinds).join(", ")}`,
      );
    }
    if (!IS[kinds[name]](value)) throw bad(name, value, kinds[name]);
  }
}

/** What an option is, and what it should be. */
export function bad(name: string, value: unknown, expected: string): LssgenError {
  return new LssgenError("bad_option", `${name} is ${shown(value)}, expected ${expected}`);
}

/** A value of any type for a message; not all of them have JSON. */
function shown(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return String(value);
  try {
    return value === undefined || typeof value === "function" || typeof value === "symbol"
      ? typeof value
      : shortJson(value);
  } catch {
    return "an object";
  }
}
