/**
 * Prompts without syntax: most of them.
 *
 * @module
 */

/** Characters and words that mean something to prompt_syntax.ts or prompt_weights.ts. */
const SYNTAX = /[\\()[\]{}<>|:_]|BREAK|AND/;

/** Whether a prompt is nothing but words: what reads its syntax would leave it as it is, at weight 1. */
export function isPlain(prompt: string): boolean {
  return !SYNTAX.test(prompt);
}
