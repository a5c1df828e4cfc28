/**
 * CLIP's byte-pair encoding: lower-cased text, words split by CLIP's rule, bytes merged by rank.
 *
 * Source: Radford et al., "Learning transferable visual models from natural language supervision"
 * (2021); behaviour as transformers 5's CLIPTokenizer (no ftfy, no HTML entities).
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import {
  type Encoded,
  type EncodeOptions,
  frame,
  type SpecialToken,
  splitSpecial,
  type Tokenizer,
} from "./tokenizer.ts";

/** What a CLIP tokenizer is made of. */
export interface ClipVocabulary {
  /** Token string → id; word ends carry `</w>`. */
  readonly vocab: ReadonlyMap<string, number>;
  /** Pairs of token strings, the most wanted merge first. */
  readonly merges: readonly (readonly [string, string])[];
  /** Special token in front of the text. */
  readonly start: string;
  /** Special token behind it. */
  readonly end: string;
  /** Token that fills a row. */
  readonly pad: string;
  /** Token for bytes outside the vocabulary. */
  readonly unknown: string;
  /** Further strings that stand for one id. */
  readonly special: readonly SpecialToken[];
  /** `model_max_length`, normally 77. */
  readonly maxLength: number;
  /** File name for messages. */
  readonly file: string;
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
  readonly #unknownId: number;
  readonly #split: (text: string) => (string | number)[];
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
   * @throws {LssgenError} `bad_file` when a merge or a special token is not in the vocabulary.
   */
  constructor(vocabulary: ClipVocabulary) {
    const { vocab, merges, file } = vocabulary;
    const idOf = (token: string): number => {
      const id = vocab.get(token);
      if (id === undefined || id < 0 || id >= 2 ** 24) {
        throw new LssgenError("bad_file", `Cannot read "${file}": token "${token}" has no usable id`);
      }
      return id;
    };
    const { start, end, pad, unknown } = vocabulary;
    this.maxLength = vocabulary.maxLength;
    const special = new Map(vocabulary.special.map((t) => [t.content, t.id]));
    const specialId = (token: string) => special.get(token) ?? idOf(token);
    this.startId = specialId(start);
    this.endId = specialId(end);
    this.padId = specialId(pad);
    this.#unknownId = specialId(unknown);
    // The padding token counts as special too: with SDXL's second tokenizer, "!" in a prompt is id 0.
    const framing = [start, end, pad, unknown].map((content) => ({ content, id: specialId(content) }));
    this.#split = splitSpecial([...framing, ...vocabulary.special]);

    this.#strings = new Map([...vocab].map(([token, id]) => [id, token]));
    this.#byteIds = Int32Array.from(BYTE_LETTERS, (c) => vocab.get(c) ?? this.#unknownId);
    this.#lastByteIds = Int32Array.from(BYTE_LETTERS, (c) => vocab.get(c + END_OF_WORD) ?? this.#unknownId);
    const table = new Map<number, { rank: number; id: number }>();
    merges.forEach(([left, right], rank) => {
      const key = idOf(left) * 2 ** 24 + idOf(right);
      if (!table.has(key)) table.set(key, { rank, id: idOf(left + right) });
    });
    this.#merges = table;
  }

  tokens(text: string): number[] {
    const ids: number[] = [];
    for (const part of this.#split(text)) {
      if (typeof part === "number") {
        ids.push(part);
        continue;
      }
      for (const word of normalise(part).match(WORD) ?? []) {
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
  const spaced = text.normalize("NFC").replace(/\p{White_Space}+/gu, " ");
  return Array.from(spaced, (c) => c.toLowerCase()).join("");
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
