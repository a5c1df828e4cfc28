/**
 * Strings that stand for one id wherever they occur in a text: `<|endoftext|>`, `<extra_id_0>`, tokens of textual
 * inversion.
 *
 * Source: behaviour as the `tokenizers` library's AddedVocabulary, which transformers 5 uses for CLIP and T5.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** A token that is looked for in texts. */
export interface AddedToken {
  /** Its id. */
  readonly id: number;
  /** The string. */
  readonly content: string;
  /** White space before it belongs to it. */
  readonly lstrip: boolean;
  /** White space behind it belongs to it. */
  readonly rstrip: boolean;
  /** It counts between other words only, not as part of one. */
  readonly singleWord: boolean;
  /** It is looked for in the normalised text (CLIP: in any case), not in the text as it was written. */
  readonly normalized: boolean;
  /** It belongs to the tokenizer's frame, not to the language. */
  readonly special: boolean;
}

/** Bound of the search tree; a folder with a thousand tokens of textual inversion needs some 10 000 nodes. */
const MAX_NODES = 1 << 18;

/** Cuts texts at added tokens. */
export class AddedTokens {
  readonly #normalise: (text: string) => string;
  /** Tokens looked for in the text as written. */
  readonly #written: Node;
  /** Tokens looked for in the normalised text. */
  readonly #normalised: Node;

  /**
   * Builds the search trees.
   *
   * @param tokens The later one of two with the same string counts.
   * @param normalise What the tokenizer does to a text first.
   * @param file File name for messages.
   * @throws {LssgenError} `bad_file` when the tokens are more or longer than any tokenizer's.
   */
  constructor(tokens: readonly AddedToken[], normalise: (text: string) => string, file: string) {
    this.#normalise = normalise;
    this.#written = tree(tokens.filter((token) => !token.normalized), (content) => content, file);
    this.#normalised = tree(tokens.filter((token) => token.normalized), normalise, file);
  }

  /** Normalised strings, and ids of tokens between them. */
  split(text: string): (string | number)[] {
    return cut(text, this.#written).flatMap((part) =>
      typeof part === "number" ? [part] : cut(this.#normalise(part), this.#normalised)
    );
  }
}

interface Node {
  readonly next: Map<string, Node>;
  token?: AddedToken;
}

function tree(tokens: readonly AddedToken[], form: (content: string) => string, file: string): Node {
  const root: Node = { next: new Map() };
  let nodes = 0;
  for (const token of tokens) {
    let node = root;
    for (const unit of form(token.content).split("")) {
      let next = node.next.get(unit);
      if (!next) {
        if (++nodes > MAX_NODES) {
          throw new LssgenError(
            "bad_file",
            `Cannot read "${file}": its added tokens have more than ${MAX_NODES} different letters in all, which no ` +
              "tokenizer of a text encoder has",
          );
        }
        node.next.set(unit, next = { next: new Map() });
      }
      node = next;
    }
    if (node !== root) node.token = token;
  }
  return root;
}

/** Cuts `text` at the tokens of a tree: leftmost first, the longest of those that begin at one place. */
function cut(text: string, root: Node): (string | number)[] {
  if (root.next.size === 0) return text === "" ? [] : [text];
  const parts: (string | number)[] = [];
  /** Where the text that is not in `parts` yet begins. */
  let from = 0;
  for (let at = 0; at < text.length;) {
    const token = longest(text, at, root);
    if (!token) {
      at++;
      continue;
    }
    let start = at;
    let end = at + token.length;
    at = end;
    const { singleWord, lstrip, rstrip, id } = token.token;
    if (singleWord && (endsWithWord(text, start) || startsWithWord(text, end))) continue;
    if (lstrip) { while (start > from && isSpace(text[start - 1])) start--; }
    if (rstrip) { while (end < text.length && isSpace(text[end])) end++; }
    if (from < start) parts.push(text.slice(from, start));
    parts.push(id);
    from = end;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

function longest(text: string, at: number, root: Node): { token: AddedToken; length: number } | undefined {
  let found: { token: AddedToken; length: number } | undefined;
  let node: Node | undefined = root;
  for (let end = at; node && end < text.length; end++) {
    node = node.next.get(text[end]);
    if (node?.token) found = { token: node.token, length: end + 1 - at };
  }
  return found;
}

/** All white space lies in the BMP: one UTF-16 unit tells. */
function isSpace(unit: string): boolean {
  return /\p{White_Space}/u.test(unit);
}

const WORD_LETTER = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

function startsWithWord(text: string, at: number): boolean {
  return at < text.length && WORD_LETTER.test(String.fromCodePoint(text.codePointAt(at)!));
}

function endsWithWord(text: string, end: number): boolean {
  if (end === 0) return false;
  const pair = end > 1 && text.codePointAt(end - 2)! > 0xffff;
  return WORD_LETTER.test(text.slice(end - (pair ? 2 : 1), end));
}
