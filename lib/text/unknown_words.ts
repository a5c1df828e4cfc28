/**
 * Words of a prompt that a small model does not know.
 *
 * A tokenizer made for one model gives each word of its captions a piece of its own, and spells all other words. (Tokenizers of
 * large models split words that their models know well, so nothing can be told there.)
 *
 * @module
 */

import type { Tokenizer } from "./tokenizer.ts";

/** Words: letters, with hyphens and apostrophes inside. A single letter is no word. */
const WORD = /\p{L}+(?:['’-]\p{L}+)*/gu;

/**
 * The words of a text that the tokenizer spells, each once, in order of appearance.
 *
 * An ending or two that are spelt ("barrel·s", "star·r·y") still leave a word known.
 *
 * @param text A prompt without brackets and weights.
 */
export function unknownWords(text: string, tokenizer: Tokenizer): string[] {
  const words = new Set((text.match(WORD) ?? []).map((word) => word.toLowerCase()));
  return [...words].filter((word) =>
    word.length > 1 && tokenizer.tokens(word).length > Math.min(3, 1 + word.length / 2)
  );
}

/** What a person is told of words that a model does not know; undefined where it knows all. */
export function unknownWarning(text: string, tokenizer: Tokenizer): string | undefined {
  const words = unknownWords(text, tokenizer);
  return words.length === 0
    ? undefined
    : `This model knows no word of: ${
      words.map((word) => `"${word}"`).join(", ")
    }; they change the picture by chance`;
}
