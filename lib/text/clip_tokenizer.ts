/**
 * CLIP's byte-pair encoding: lower-cased text, words split by CLIP's rule, bytes merged by rank.
 *
 * Source: Radford et al., "Learning transferable visual models from natural language supervision"
 * (2021); behaviour as transformers 5's CLIPTokenizer (no ftfy, no HTML entities).
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import { type AddedToken, AddedTokens } from "./added_tokens.ts";
import { type Encoded, type EncodeOptions, frame, type Tokenizer } from "./tokenizer.ts";

/** What a CLIP tokenizer is made of. */
export interface ClipVocabulary {
  /** Token string → id; word ends carry `</w>`. */
  readonly vocab: ReadonlyMap<string, number>;
  /** Pairs of token strings, the most wanted merge first. */
  readonly merges: readonly (readonly [string, string])[];
  /** Strings that stand for one id, the tokens of the frame among them. */
  readonly added: readonly AddedToken[];
  /** Id in front of the text. */
  readonly startId: number;
  /** Id behind it. */
  readonly endId: number;
  /** Id that fills a row. */
  readonly padId: number;
  /** Id for bytes outside the vocabulary. */
  readonly unknownId: number;
  /** `model_max_length`, normally 77. */
  readonly maxLength: number;
  /** Where padding goes. */
  readonly paddingSide: "left" | "right";
  /** Which end of a long prompt is dropped. */
  readonly truncationSide: "left" | "right";
  /** File of the vocabulary, for messages. */
  readonly file: string;
  /** File of the merges, for messages. */
  readonly mergesFile: string;
}

/** Marks the last letter of a word. */
export const END_OF_WORD = "</w>";

/** CLIP's words. A special token spelled in capitals arrives here in lower case and is no id any more. */
const WORD =
  /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;
const LOWERED_SPECIAL = /^<\|(startoftext|endoftext)\|>$/;

/** Longest word whose ids are remembered; prompts repeat words, not walls of letters. */
const CACHED_WORD_LENGTH = 64;
const CACHED_WORDS = 10_000;

/** CLIP's tokenizer; see the module. */
export class ClipTokenizer implements Tokenizer {
  readonly maxLength: number;
  readonly startId: number;
  readonly endId: number;
  readonly padId: number;
  readonly paddingSide: "left" | "right";
  readonly truncationSide: "left" | "right";
  readonly #added: AddedTokens;
  readonly #strings: ReadonlyMap<number, string>;
  /** Id of each byte, alone and at a word's end. */
  readonly #byteIds: Int32Array;
  readonly #lastByteIds: Int32Array;
  /** left · 2^24 + right → rank and merged id. */
  readonly #merges: ReadonlyMap<number, { rank: number; id: number }>;
  readonly #cache = new Map<string, number[]>();

  /**
   * Builds the tables of a vocabulary.
   *
   * @throws {LssgenError} `bad_file` when a merge is not in the vocabulary, or a token of the vocabulary is made by no
   * merge: then one of the two files is not whole, or not the other's.
   */
  constructor(vocabulary: ClipVocabulary) {
    const { vocab, added, unknownId, file } = vocabulary;
    this.maxLength = vocabulary.maxLength;
    this.startId = vocabulary.startId;
    this.endId = vocabulary.endId;
    this.padId = vocabulary.padId;
    this.paddingSide = vocabulary.paddingSide;
    this.truncationSide = vocabulary.truncationSide;
    this.#added = new AddedTokens(added, normalise, file);
    this.#strings = new Map([
      ...Array.from(vocab, ([token, id]): [number, string] => [id, token]),
      ...added.map(({ id, content }): [number, string] => [id, content]),
    ]);
    this.#byteIds = Int32Array.from(BYTE_LETTERS, (c) => vocab.get(c) ?? unknownId);
    this.#lastByteIds = Int32Array.from(BYTE_LETTERS, (c) => vocab.get(c + END_OF_WORD) ?? unknownId);
    this.#merges = mergeTable(vocabulary);
  }

  tokens(text: string): number[] {
    const ids: number[] = [];
    for (const part of this.#added.split(text)) {
      if (typeof part === "number") {
        ids.push(part);
        continue;
      }
      for (const word of part.match(WORD) ?? []) {
        const lowered = LOWERED_SPECIAL.exec(word);
        for (const piece of lowered ? ["<|", lowered[1], "|>"] : [word]) {
          for (const id of this.#word(piece)) ids.push(id);
        }
      }
    }
    return ids;
  }

  encode(text: string, options: EncodeOptions): Encoded {
    return frame(this, this.tokens(text), options);
  }

  decode(ids: readonly number[]): string {
    const letters = ids.map((id) => this.#strings.get(id) ?? "").join("").replaceAll(END_OF_WORD, " ");
    const bytes: number[] = [];
    for (const letter of letters) {
      const byte = LETTER_BYTES.get(letter);
      if (byte !== undefined) bytes.push(byte);
      else if (letter === " ") bytes.push(0x20);
    }
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  #word(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known) return known;
    const bytes = new TextEncoder().encode(word);
    const ids = Array.from(bytes, (b, i) => i === bytes.length - 1 ? this.#lastByteIds[b] : this.#byteIds[b]);
    const merged = mergePairs(ids, this.#merges);
    if (word.length <= CACHED_WORD_LENGTH && this.#cache.size < CACHED_WORDS) this.#cache.set(word, merged);
    return merged;
  }
}

/** NFC, runs of white space to one space, lower case letter by letter (no final sigma, as in Rust). */
function normalise(text: string): string {
  const composed = text.split(LATER_MARKS).map((part, i) => i % 2 === 0 ? part.normalize("NFC") : part).join(
    "",
  );
  return Array.from(composed.replace(/\p{White_Space}+/gu, " "), (c) => c.toLowerCase()).join("");
}

/**
 * Marks that NFC moves or joins since Unicode 10: the `tokenizers` library has older tables, in which they stand by
 * themselves. Found by comparing all code points with tokenizers 0.23.
 */
const LATER_MARKS =
  /([\u07fd\u0897-\u089f\u08ca-\u08d3\u09fe\u0c3c\u0d3b\u0d3c\u0eba\u1715\u1abf-\u1ace\u1df6-\u1dfa\ua82c\u{105c0}-\u{105ff}\u{10d24}-\u{10d27}\u{10d69}-\u{10d6d}\u{10eab}\u{10eac}\u{10efd}-\u{10eff}\u{10f46}-\u{10f50}\u{10f82}-\u{10f85}\u{11070}\u{1133b}\u{11380}-\u{113ff}\u{1145e}\u{11839}\u{1183a}\u{11930}-\u{11943}\u{119e0}\u{11a34}\u{11a47}\u{11a99}\u{11d42}\u{11d44}\u{11d45}\u{11d97}\u{11f41}\u{11f42}\u{16100}-\u{1613f}\u{16d40}-\u{16d7f}\u{16ff0}\u{16ff1}\u{1e08f}\u{1e130}-\u{1e136}\u{1e2ae}\u{1e2ec}-\u{1e2ef}\u{1e4ec}-\u{1e4ef}\u{1e5ee}\u{1e5ef}]+)/u;

/** left · 2^24 + right → rank and merged id; the first of two equal merges counts. */
function mergeTable(
  { vocab, merges, added, file, mergesFile }: ClipVocabulary,
): Map<number, { rank: number; id: number }> {
  const idOf = (token: string): number => {
    const id = vocab.get(token);
    if (id === undefined) {
      throw new LssgenError(
        "bad_file",
        `Cannot use "${mergesFile}": it merges ${
          shortJson(token)
        }, which "${file}" has not; are both of one tokenizer, and ` +
          "whole?",
      );
    }
    return id;
  };
  const table = new Map<number, { rank: number; id: number }>();
  const made = new Set<string>();
  merges.forEach(([left, right], rank) => {
    const key = idOf(left) * 2 ** 24 + idOf(right);
    made.add(left + right);
    if (!table.has(key)) table.set(key, { rank, id: idOf(left + right) });
  });
  const listed = new Set(added.map(({ content }) => content));
  const letters = new Set([...BYTE_LETTERS, ...BYTE_LETTERS.map((letter) => letter + END_OF_WORD)]);
  const lost = [...vocab.keys()].filter((token) => {
    // Written into vocab.json by hand: nothing makes such a token, here or in other programs.
    const bracketed = /^<.*>$/.test(token) && !token.endsWith(END_OF_WORD);
    return !made.has(token) && !letters.has(token) && !listed.has(token) && !bracketed;
  });
  if (lost.length > 0) {
    throw new LssgenError(
      "bad_file",
      `Cannot use "${mergesFile}": none of its ${merges.length} merges makes ${shortJson(lost[0])}` +
        `${
          lost.length > 1 ? ` and ${lost.length - 1} more tokens` : ""
        } of "${file}"; it is cut short, or another tokenizer's. ` +
        "Download it again",
    );
  }
  return table;
}

/**
 * Merges neighbours, lowest rank first, leftmost among equals, until no pair is in the table. A heap
 * over a linked list: n·log n, so a wall of letters without a space cannot stall the program.
 */
function mergePairs(
  ids: number[],
  table: ReadonlyMap<number, { rank: number; id: number }>,
): number[] {
  const n = ids.length;
  const next = Int32Array.from({ length: n }, (_, i) => i + 1);
  const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
  const heap = new PairHeap();
  const offer = (left: number, right: number) => {
    if (left < 0 || right >= n) return;
    const merge = table.get(ids[left] * 2 ** 24 + ids[right]);
    if (merge) heap.push({ rank: merge.rank, left, leftId: ids[left], rightId: ids[right], id: merge.id });
  };
  for (let i = 0; i + 1 < n; i++) offer(i, i + 1);
  for (let pair = heap.pop(); pair; pair = heap.pop()) {
    const { left } = pair;
    const right = next[left];
    // Stale when either side was merged since.
    if (ids[left] !== pair.leftId || right >= n || ids[right] !== pair.rightId) continue;
    ids[left] = pair.id;
    ids[right] = GONE;
    next[left] = next[right];
    if (next[left] < n) previous[next[left]] = left;
    offer(previous[left], left);
    offer(left, next[left]);
  }
  return ids.filter((id) => id !== GONE);
}

/** Mark of a symbol that was merged into its left neighbour. */
const GONE = -1;

interface Pair {
  readonly rank: number;
  readonly left: number;
  readonly leftId: number;
  readonly rightId: number;
  readonly id: number;
}

/** Binary heap: lowest rank first, then leftmost. */
class PairHeap {
  readonly #items: Pair[] = [];

  push(pair: Pair): void {
    const items = this.#items;
    let at = items.push(pair) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(pair, items[parent])) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = pair;
  }

  pop(): Pair | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1], items[child])) child++;
      if (!before(items[child], last)) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = last;
    return top;
  }
}

function before(a: Pair, b: Pair): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.left < b.left);
}

/** GPT-2's letter for each byte: printable Latin-1 stands for itself, the rest follow from U+0100 on. */
export const BYTE_LETTERS: readonly string[] = byteLetters();
const LETTER_BYTES: ReadonlyMap<string, number> = new Map(BYTE_LETTERS.map((letter, byte) => [letter, byte]));

function byteLetters(): string[] {
  let spare = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : spare++);
  });
}
