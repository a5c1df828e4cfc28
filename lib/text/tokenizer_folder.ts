/**
 * A tokenizer's files, and JSON among them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { isRecord, type JsonBounds, parseJson, parsePythonJson } from "../json.ts";

/** The little that is asked of a model folder; paths are relative, with slashes. */
export interface TokenizerFolder {
  /** A file's text, or undefined when there is no such file. */
  text(path: string): Promise<string | undefined>;
  /** A file's bytes, or undefined when there is no such file. */
  bytes(path: string): Promise<Uint8Array | undefined>;
}

/** tokenizer.json of a vocabulary of 250 000 pieces has 16 million characters. */
const BOUNDS: JsonBounds = { characters: 32 << 20, depth: 32 };

/** Parses a JSON object of a tokenizer's folder. @throws {LssgenError} `bad_file` naming the file. */
export async function jsonObject(text: string, file: string): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseJson(file, text, BOUNDS, parsePythonJson);
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
    throw (await import("../impostor.ts")).notJson(file, text, cause);
  }
  return record(value, file, "the whole file");
}

/** Narrows to an object. @throws {LssgenError} `bad_file` naming the file and the place. */
export function record(value: unknown, file: string, what: string): Record<string, unknown> {
  if (!isRecord(value)) {
    throw new LssgenError("bad_file", `Cannot read "${file}": ${what} is not an object`);
  }
  return value;
}
