/**
 * Entries of vocabularies, checked one by one.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import type { Charsmap } from "./charsmap.ts";
import type { TokenText } from "./tokenizer_facts.ts";

/** A CLIP vocabulary, and where it was read. */
export interface ClipFiles {
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
  readonly file: string;
  readonly mergesFile: string;
}

/** Pieces of a unigram model, and what else its file says. */
export interface Unigram {
  readonly pieces: readonly { readonly text: string; readonly score: number }[];
  readonly unknownId: number;
  readonly byteFallback: boolean;
  readonly charsmap: Charsmap | undefined;
  /** Tokens that the model lists beside its pieces. */
  readonly listed: readonly TokenText[];
  readonly file: string;
}

/** Ids of tokens. @throws {LssgenError} `bad_file` for what is no id. */
export function vocabularyMap(json: Record<string, unknown>, file: string): Map<string, number> {
  const map = new Map<string, number>();
  for (const [token, id] of Object.entries(json)) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 24) {
      throw new LssgenError(
        "bad_file",
        `Cannot read "${file}": the id of ${shortJson(token)} is ${shortJson(id)}, expected a number below ${
          2 ** 24
        }`,
      );
    }
    map.set(token, id);
  }
  return map;
}

/** A merge as "a b" (merges.txt, older tokenizer.json) or as a list of two. */
export function mergePair(merge: unknown, file: string): [string, string] {
  const parts = typeof merge === "string" ? merge.split(" ") : merge;
  if (!Array.isArray(parts) || parts.length !== 2 || parts.some((p) => typeof p !== "string" || p === "")) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${file}": ${shortJson(merge)} is not a merge of two tokens; is the file cut short?`,
    );
  }
  return [parts[0], parts[1]];
}
