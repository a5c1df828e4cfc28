/**
 * What every tokenizer gives: ids and mask of a fixed frame, and word of what did not fit.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

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
  /** `model_max_length` of the folder, 77 for CLIP and 512 for T5 where it states none. */
  readonly maxLength: number;
  /** Token in front of every row, or undefined. */
  readonly startId: number | undefined;
  /** Token behind the prompt. */
  readonly endId: number;
  /** Token that fills a row. */
  readonly padId: number;
  /** Where padding goes; default right. */
  readonly paddingSide?: "left" | "right";
  /** Which end of a long prompt is dropped; default right. */
  readonly truncationSide?: "left" | "right";
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
  const over = Math.max(0, tokens.length - room);
  const first = tokenizer.truncationSide === "left" ? over : 0;
  const kept = tokens.slice(first, first + room);
  const used = kept.length + extra;
  const ids = new Int32Array(padding ? maxLength : used).fill(padId);
  const at = tokenizer.paddingSide === "left" ? ids.length - used : 0;
  const mask = new Int32Array(ids.length).fill(1, at, at + used);
  if (startId !== undefined) ids[at] = startId;
  ids.set(kept, at + extra - 1);
  ids[at + used - 1] = endId;
  if (over === 0) return { ids, mask };
  const dropped = first > 0 ? tokens.slice(0, first) : tokens.slice(room);
  return { ids, mask, cut: { tokens: dropped.length, text: tokenizer.decode(dropped).trim() } };
}
