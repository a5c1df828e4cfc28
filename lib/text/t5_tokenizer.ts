/**
 * T5's unigram tokenizer: the likeliest split of each word into pieces.
 *
 * Source: Kudo, "Subword regularization" (2018); the SentencePiece model format; behaviour as
 * transformers 5's T5Tokenizer.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { Charsmap } from "./charsmap.ts";
import { type AddedToken, AddedTokens } from "./added_tokens.ts";
import { type Encoded, type EncodeOptions, frame, type Tokenizer } from "./tokenizer.ts";

/** What a unigram tokenizer is made of. */
export interface UnigramVocabulary {
  /** Pieces in the order of their ids; `score` is a log probability. */
  readonly pieces: readonly { readonly text: string; readonly score: number }[];
  /** Id for what no piece covers. */
  readonly unknownId: number;
  /** Strings that stand for one id: the tokens of the frame, `<extra_id_0>` … */
  readonly added: readonly AddedToken[];
  /** Id behind the text. */
  readonly endId: number;
  /** Id that fills a row. */
  readonly padId: number;
  /** Unknown letters become `<0x..>` pieces instead of the unknown id. */
  readonly byteFallback: boolean;
  /** Rules that rewrite the text first; many folders have none. */
  readonly charsmap?: Charsmap;
  /** `model_max_length`. */
  readonly maxLength: number;
  /** Where padding goes. */
  readonly paddingSide: "left" | "right";
  /** Which end of a long prompt is dropped. */
  readonly truncationSide: "left" | "right";
  /** File name for messages. */
  readonly file: string;
}

/** A hostile piece of a million letters would be tried at every letter of a prompt. T5's longest has 16. */
const MAX_PIECE = 256;
/** Stands for a space in pieces. */
const SPACE = "\u2581";
/** How much worse than the worst piece an unknown letter is, as in SentencePiece. */
const UNKNOWN_PENALTY = 10;

/** T5's tokenizer; see the module. */
export class T5Tokenizer implements Tokenizer {
  readonly maxLength: number;
  readonly startId: undefined;
  readonly endId: number;
  readonly padId: number;
  readonly paddingSide: "left" | "right";
  readonly truncationSide: "left" | "right";
  readonly #vocabulary: UnigramVocabulary;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #strings: ReadonlyMap<number, string>;
  readonly #longest: number;
  readonly #unknownScore: number;
  readonly #added: AddedTokens;

  /**
   * Builds the tables of a vocabulary.
   *
   * @throws {LssgenError} `bad_file` when the unknown piece is none of the pieces, or a piece is no piece: longer than
   * 256 letters, or without a finite score.
   */
  constructor(vocabulary: UnigramVocabulary) {
    const { pieces, unknownId, added, charsmap, file } = vocabulary;
    if (!Number.isInteger(unknownId) || unknownId < 0 || unknownId >= pieces.length) {
      throw new LssgenError(
        "bad_file",
        `Cannot read "${file}": the unknown id is ${unknownId}, expected one of ${pieces.length} pieces`,
      );
    }
    this.#vocabulary = vocabulary;
    this.maxLength = vocabulary.maxLength;
    this.endId = vocabulary.endId;
    this.padId = vocabulary.padId;
    this.paddingSide = vocabulary.paddingSide;
    this.truncationSide = vocabulary.truncationSide;
    this.#ids = new Map(pieces.map(({ text }, id) => [text, id]));
    this.#strings = new Map(added.map(({ id, content }) => [id, content]));
    let least = Infinity;
    let longest = 0;
    pieces.forEach(({ text, score }, id) => {
      if (!Number.isFinite(score)) {
        throw new LssgenError("bad_file", `Cannot read "${file}": piece ${id} scores ${score}`);
      }
      if (text.length > MAX_PIECE) {
        throw new LssgenError(
          "bad_file",
          `Cannot read "${file}": piece ${id} has ${text.length} letters, at most ${MAX_PIECE} are read`,
        );
      }
      if (score < least) least = score;
      if (text.length > longest) longest = text.length;
    });
    this.#longest = longest;
    this.#unknownScore = least - UNKNOWN_PENALTY;
    this.#added = new AddedTokens(added, (text) => charsmap ? charsmap.apply(text) : text, file);
  }

  tokens(text: string): number[] {
    const ids: number[] = [];
    for (const part of this.#added.split(text)) {
      if (typeof part === "number") {
        ids.push(part);
        continue;
      }
      for (const run of part.split(/\p{White_Space}+/u)) {
        if (run === "") continue;
        const marked = run.startsWith(SPACE) ? run : SPACE + run;
        // A mark inside the text begins a new word too.
        for (const word of marked.split(/(?=\u2581)/u)) this.#word(word, ids);
      }
    }
    return ids;
  }

  encode(text: string, options: EncodeOptions): Encoded {
    return frame(this, this.tokens(text), options);
  }

  decode(ids: readonly number[]): string {
    return ids.map((id) => this.#strings.get(id) ?? this.#vocabulary.pieces[id]?.text ?? "").join("")
      .replaceAll(SPACE, " ");
  }

  /** Appends the ids of the likeliest split of `word`; neighbouring unknown letters are one unknown. */
  #word(word: string, ids: number[]): void {
    const { pieces, unknownId, byteFallback } = this.#vocabulary;
    const n = word.length;
    // Best path that ends at each position: its score, where its last piece begins, and that piece's id.
    const score = new Float64Array(n + 1).fill(-Infinity);
    const start = new Int32Array(n + 1).fill(-1);
    const piece = new Int32Array(n + 1);
    score[0] = 0;
    for (let at = 0; at < n;) {
      const step = word.codePointAt(at)! > 0xffff ? 2 : 1;
      let covered = false;
      for (let end = at + step; end <= n && end - at <= this.#longest; end++) {
        const id = this.#ids.get(word.slice(at, end));
        if (id === undefined) continue;
        if (end === at + step) covered = true;
        const candidate = score[at] + pieces[id].score;
        if (start[end] < 0 || candidate > score[end]) {
          score[end] = candidate;
          start[end] = at;
          piece[end] = id;
        }
      }
      const end = at + step;
      const candidate = score[at] + this.#unknownScore;
      if (!covered && (start[end] < 0 || candidate > score[end])) {
        score[end] = candidate;
        start[end] = at;
        piece[end] = unknownId;
      }
      at += step;
    }
    const found: { id: number; from: number; to: number }[] = [];
    for (let to = n; to > 0; to = start[to]) {
      const later = found[found.length - 1];
      if (piece[to] === unknownId && later?.id === unknownId) later.from = start[to];
      else found.push({ id: piece[to], from: start[to], to });
    }
    for (const { id, from, to } of found.reverse()) {
      if (id === unknownId && byteFallback) this.#bytes(word.slice(from, to), ids);
      else ids.push(id);
    }
  }

  #bytes(text: string, ids: number[]): void {
    for (const byte of new TextEncoder().encode(text)) {
      const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
      ids.push(this.#ids.get(name) ?? this.#vocabulary.unknownId);
    }
  }
}
