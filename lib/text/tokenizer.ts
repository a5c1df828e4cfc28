/**
 * What every tokenizer gives: ids and mask of a fixed frame, and word of what did not fit.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { notJson } from "../impostor.ts";

/** How long a token row may be, and whether it is filled up. */
export interface EncodeOptions {
  /** Most tokens, those of the frame (start, end) included; at least 2. */
  readonly maxLength: number;
  /** Fill the row to `maxLength` with the padding token. Default true. */
  readonly padding?: boolean;
}

/** A prompt as an encoder takes it. */
export interface Encoded {
  /** Token ids, [T]; T is `maxLength` when padded. */
  readonly ids: Int32Array<ArrayBuffer>;
  /** 1 for a token of the prompt or its frame, 0 for padding, [T]. */
  readonly mask: Int32Array<ArrayBuffer>;
  /** Present when the prompt was too long: how many tokens were dropped, and their text. */
  readonly cut?: { readonly tokens: number; readonly text: string };
}

/** Text to token ids, as the model was trained. */
export interface Tokenizer {
  /** `model_max_length` of the folder: 77 for CLIP; for T5 an advice only. */
  readonly maxLength: number;
  /** Token in front of every row, or undefined. */
  readonly startId: number | undefined;
  /** Token behind the prompt. */
  readonly endId: number;
  /** Token that fills a row. */
  readonly padId: number;
  /** Ids of a text alone, without frame, padding or limit. */
  tokens(text: string): number[];
  /** The text of some ids; white space and case as the tokenizer kept them. */
  decode(ids: readonly number[]): string;
  /**
   * A row for the encoder: start, tokens cut to fit, end, padding.
   *
   * @throws {LssgenError} `bad_option` when `maxLength` leaves no room for a token.
   */
  encode(text: string, options: EncodeOptions): Encoded;
}

/** Puts `tokens` between start and end, cuts and pads; the common part of {@linkcode Tokenizer.encode}. */
export function frame(tokenizer: Tokenizer, tokens: readonly number[], options: EncodeOptions): Encoded {
  const { maxLength, padding = true } = options;
  const { startId, endId, padId } = tokenizer;
  const extra = startId === undefined ? 1 : 2;
  if (!Number.isSafeInteger(maxLength) || maxLength <= extra) {
    throw new LssgenError(
      "bad_option",
      `Cannot fit a prompt into ${maxLength} tokens, expected a whole number above ${extra}`,
    );
  }
  const room = maxLength - extra;
  const kept = tokens.slice(0, room);
  const used = kept.length + extra;
  const ids = new Int32Array(padding ? maxLength : used).fill(padId);
  const mask = new Int32Array(ids.length).fill(1, 0, used);
  if (startId !== undefined) ids[0] = startId;
  ids.set(kept, extra - 1);
  ids[used - 1] = endId;
  if (tokens.length <= room) return { ids, mask };
  const dropped = tokens.slice(room);
  return { ids, mask, cut: { tokens: dropped.length, text: tokenizer.decode(dropped).trim() } };
}

/** A string that stands for one id wherever it occurs in the text. */
export interface SpecialToken {
  /** The string. */
  readonly content: string;
  /** Its id. */
  readonly id: number;
  /** White space before it belongs to it. */
  readonly lstrip?: boolean;
  /** White space behind it belongs to it. */
  readonly rstrip?: boolean;
}

/** Cuts a text at special tokens: strings in between, numbers in their place. The longest token wins. */
export function splitSpecial(tokens: readonly SpecialToken[]): (text: string) => (string | number)[] {
  const byContent = new Map(tokens.filter((t) => t.content !== "").map((t) => [t.content, t]));
  if (byContent.size === 0) return (text) => [text];
  const contents = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(contents.map((c) => c.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&")).join("|"), "gu");
  return (text) => {
    const parts: (string | number)[] = [];
    let from = 0;
    let stripNext = false;
    const push = (part: string, stripEnd: boolean) => {
      if (stripNext) part = part.replace(/^\p{White_Space}+/u, "");
      if (stripEnd) part = trimEnd(part);
      if (part !== "") parts.push(part);
    };
    for (const match of text.matchAll(pattern)) {
      const token = byContent.get(match[0])!;
      push(text.slice(from, match.index), token.lstrip === true);
      parts.push(token.id);
      from = match.index + match[0].length;
      stripNext = token.rstrip === true;
    }
    push(text.slice(from), false);
    return parts;
  };
}

/** Drops white space at the end, in linear time however long the run. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1])) end--;
  return text.slice(0, end);
}

/** Parses JSON of a model folder. @throws {LssgenError} `bad_file` naming the file. */
export function parseJson(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notJson(file, text, cause);
  }
  return record(value, file, "the whole file");
}

/** Narrows to an object. @throws {LssgenError} `bad_file` naming the file and the place. */
export function record(value: unknown, file: string, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LssgenError("bad_file", `Cannot read "${file}": ${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

/** A token string of a config: plain, or an object with `content`. */
export function tokenString(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || !("content" in value)) return undefined;
  return typeof value.content === "string" ? value.content : undefined;
}

/** `added_tokens` of a tokenizer.json. @throws {LssgenError} `bad_file` when it is misshapen. */
export function addedTokens(json: Record<string, unknown>, file: string): SpecialToken[] {
  if (json.added_tokens === undefined || json.added_tokens === null) return [];
  if (!Array.isArray(json.added_tokens)) {
    throw new LssgenError("bad_file", `Cannot read "${file}": added_tokens is not a list`);
  }
  return json.added_tokens.map((entry) => {
    const { content, id, lstrip, rstrip } = record(entry, file, "an entry of added_tokens");
    if (typeof content !== "string" || !Number.isSafeInteger(id)) {
      throw new LssgenError("bad_file", `Cannot read "${file}": an added token lacks content or id`);
    }
    return { content, id: id as number, lstrip: lstrip === true, rstrip: rstrip === true };
  });
}
