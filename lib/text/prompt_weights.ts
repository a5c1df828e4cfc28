/**
 * Emphasis in prompts, and prompts longer than an encoder's row.
 *
 * `(word)` weighs 1.1 times its surroundings, `((word))` 1.21; `(word:1.3)` weighs 1.3 whatever stands
 * around it, as in ComfyUI; `[word]` weighs 1/1.1, as in A1111. `\(`, `\)`, `\[`, `\]` and `\\` are the
 * characters themselves (also `\{`, `\}`, `\<`, `\>`, `\|`, `\:` and `\_`), and a bracket without its partner is an
 * ordinary character. `BREAK`, a word of its own in capitals, begins a new row, as in A1111 and stable-diffusion.cpp.
 *
 * An encoder's caller gives weight w to a token's hidden state h as ComfyUI does,
 * `h₀ + w · (h − h₀)`, where h₀ is the state at the same place for the empty prompt.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { BREAK } from "./prompt_syntax.ts";
import { frame, type Tokenizer } from "./tokenizer.ts";

/** A stretch of a prompt with one weight. */
export interface WeightedText {
  /** The text, brackets and escapes resolved. */
  readonly text: string;
  /** 1 is ordinary. */
  readonly weight: number;
}

/** An encoder's row with a weight for each token. */
export interface WeightedRow {
  /** Token ids with frame and padding, [T]. */
  readonly ids: Int32Array<ArrayBuffer>;
  /** 1 for tokens and frame, 0 for padding, [T]. */
  readonly mask: Int32Array<ArrayBuffer>;
  /** Weight of each token, 1 for frame and padding, [T]. */
  readonly weights: Float32Array<ArrayBuffer>;
  /** As in {@linkcode Encoded.cut}; never present in {@linkcode weightedChunks}. */
  readonly cut?: { readonly tokens: number; readonly text: string };
}

/** Factor of a pair of round brackets. */
const EMPHASIS = 1.1;
/** Weights beyond this drown everything else; nobody means them. */
const MAX_WEIGHT = 100;
/** Words from this many tokens on may be cut between two chunks. */
const LONG_WORD_TOKENS = 8;

interface Group {
  readonly open: "(" | "[" | "";
  readonly parts: (string | Group)[];
  /** From `(… :1.3)`. */
  explicit?: number;
}

/**
 * Splits a prompt into stretches of equal weight.
 *
 * @throws {LssgenError} `bad_option` when a weight exceeds ±100.
 */
export function parseWeights(prompt: string): WeightedText[] {
  const root: Group = { open: "", parts: [] };
  const stack: Group[] = [root];
  for (const token of prompt.match(/\\[()[\]{}<>|:_\\]|[()[\]]|[^()[\]\\]+|\\/gu) ?? []) {
    const group = stack[stack.length - 1];
    if (token === "(" || token === "[") {
      const inner: Group = { open: token, parts: [] };
      group.parts.push(inner);
      stack.push(inner);
    } else if ((token === ")" && group.open === "(") || (token === "]" && group.open === "[")) {
      if (token === ")") takeExplicitWeight(group);
      stack.pop();
    } else {
      group.parts.push(token.length === 2 && token[0] === "\\" ? token[1] : token);
    }
  }
  // Groups never closed: their bracket is text, their parts belong to what surrounds them.
  const open = new Set(stack.slice(1));
  const out: { text: string; weight: number }[] = [];
  const walk: { group: Group; at: number; weight: number }[] = [{ group: root, at: 0, weight: 1 }];
  for (let top = walk[0]; top; top = walk[walk.length - 1]) {
    const { group, weight } = top;
    if (top.at === group.parts.length) {
      walk.pop();
      continue;
    }
    const part = group.parts[top.at++];
    if (typeof part === "string") append(out, part, weight);
    else if (open.has(part)) {
      append(out, part.open, weight);
      walk.push({ group: part, at: 0, weight });
    } else {
      const inner = part.explicit ?? (part.open === "(" ? weight * EMPHASIS : weight / EMPHASIS);
      if (Math.abs(inner) > MAX_WEIGHT) {
        throw new LssgenError(
          "bad_option",
          `Cannot weigh a part of the prompt by ${inner}, expected at most ${MAX_WEIGHT}; 0.5 to 1.5 is usual`,
        );
      }
      walk.push({ group: part, at: 0, weight: inner });
    }
  }
  return out;
}

/** Takes `:1.3` off the end of a group, when text stands before it. */
function takeExplicitWeight(group: Group): void {
  const { parts } = group;
  const last = parts[parts.length - 1];
  if (typeof last !== "string") return;
  const colon = last.lastIndexOf(":");
  const number = last.slice(colon + 1).trim();
  if (colon < 0 || (colon === 0 && parts.length === 1) || !/^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(number)) return;
  group.explicit = Number(number);
  parts[parts.length - 1] = last.slice(0, colon);
}

function append(out: { text: string; weight: number }[], text: string, weight: number): void {
  const last = out[out.length - 1];
  if (last?.weight === weight) last.text += text;
  else if (text !== "") out.push({ text, weight });
}

/** A word as tokens. */
interface Word {
  readonly tokens: readonly number[];
  readonly weight: number;
  /** `BREAK`, which has no tokens. */
  readonly newRow?: boolean;
}

/** Tokens of a prompt word by word, each word with its weight. */
function weightedWords(tokenizer: Tokenizer, prompt: string): Word[] {
  return parseWeights(prompt).flatMap(({ text, weight }) =>
    text.split(BREAK).flatMap((part, i): Word[] => [
      ...(i > 0 ? [{ tokens: [], weight, newRow: true }] : []),
      ...part.split(/\p{White_Space}+/u).filter((word) => word !== "").map((word) => ({
        tokens: tokenizer.tokens(word),
        weight,
      })),
    ])
  );
}

/** Whether a prompt wants more than one row, however short it is. */
export function breaks(parts: readonly WeightedText[]): boolean {
  return parts.some(({ text }) => BREAK.test(text));
}

/**
 * A prompt of any length as rows of `maxLength` tokens for an encoder of fixed length (CLIP: 77, so 75
 * tokens of text a row). Words stay whole unless they have 8 tokens or more. At least one row, and none without text:
 * `BREAK` at either end, or twice in a row, adds none, as in stable-diffusion.cpp.
 *
 * @throws {LssgenError} `bad_option` as {@linkcode parseWeights} and {@linkcode Tokenizer.encode}.
 */
export function weightedChunks(tokenizer: Tokenizer, prompt: string, maxLength: number): WeightedRow[] {
  const room = maxLength - (tokenizer.startId === undefined ? 1 : 2);
  const rows: WeightedRow[] = [];
  let tokens: number[] = [];
  let weights: number[] = [];
  const flush = () => {
    rows.push(weightedFrame(tokenizer, tokens, weights, maxLength));
    tokens = [];
    weights = [];
  };
  if (room < 1) flush(); // throws, and says why
  for (const word of weightedWords(tokenizer, prompt)) {
    if (word.newRow && tokens.length > 0) flush();
    let rest = word.tokens;
    while (rest.length > 0) {
      const free = room - tokens.length;
      // A word longer than a row is cut even when short by the rule, or it would never fit.
      const divisible = rest.length >= Math.min(LONG_WORD_TOKENS, room + 1);
      const taken = rest.length <= free ? rest.length : divisible ? free : 0;
      for (const id of rest.slice(0, taken)) {
        tokens.push(id);
        weights.push(word.weight);
      }
      rest = rest.slice(taken);
      if (rest.length > 0) flush();
    }
  }
  if (tokens.length > 0 || rows.length === 0) flush();
  return rows;
}

/**
 * A prompt as one row for an encoder without a fixed length (T5), cut at `maxLength` and padded to it. `BREAK` parts
 * words, as white space does.
 *
 * @throws {LssgenError} `bad_option` as {@linkcode parseWeights} and {@linkcode Tokenizer.encode}.
 */
export function weightedRow(tokenizer: Tokenizer, prompt: string, maxLength: number): WeightedRow {
  const words = weightedWords(tokenizer, prompt);
  const tokens = words.flatMap((word) => [...word.tokens]);
  const weights = words.flatMap((word) => word.tokens.map(() => word.weight));
  return weightedFrame(tokenizer, tokens, weights, maxLength);
}

function weightedFrame(
  tokenizer: Tokenizer,
  tokens: readonly number[],
  weights: readonly number[],
  maxLength: number,
): WeightedRow {
  const row = frame(tokenizer, tokens, { maxLength });
  const first = tokenizer.startId === undefined ? 0 : 1;
  const out = new Float32Array(row.ids.length).fill(1);
  out.set(weights.slice(0, maxLength - 1 - first), first);
  return { ...row, weights: out };
}
