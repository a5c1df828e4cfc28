/**
 * What a prompt holds besides words: `<lora:name:0.8>`, and the syntax of other programs that is refused by name here,
 * because an encoder would read it as words.
 *
 * `<lora:name>`, `<lora:name:0.8>`, `<lora:name:TEXT:DENOISER>`, `<lora:name:te=0.5:unet=0.8>` and the same with `lyco`
 * mean what A1111 and Forge mean by them: the first multiplier is the text encoders', the second the denoiser's, and one
 * alone is both's. A LoRA named twice gets the sum, as in stable-diffusion.cpp. `\<`, `\{`, `\|`, `\_` and `\:` are the
 * characters themselves, as `\(` and `\[` are.
 *
 * Source: A1111's modules/extra_networks.py, extensions-builtin/Lora and modules/prompt_parser.py;
 * stable-diffusion.cpp's examples/common; ComfyUI's dynamic prompts.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** A LoRA that a prompt names. */
export interface LoraTag {
  /** Its name: a file's without the ending, perhaps below folders (`styles/ink`). */
  readonly name: string;
  /** Strength in the denoiser. */
  readonly scale: number;
  /** Strength in the text encoders. */
  readonly textScale: number;
}

/** A prompt taken apart. */
export interface ReadPrompt {
  /** The words, with brackets and escapes as they were. */
  readonly text: string;
  /** Each LoRA once, in the order of their first mention. */
  readonly loras: readonly LoraTag[];
  /** What may have been meant otherwise, as sentences. */
  readonly warnings: readonly string[];
}

/** An escaped character, a tag, or the beginning of a tag that is never closed. */
const TAG = /\\[\s\S]|<(\w+):([^<>]*)>|<(?:lora|lyco|hypernet|lycoris):/giu;
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/;
/** Multipliers beyond this are typing errors; the same bound as a LoRA's scale. */
const MAX_MULTIPLIER = 100;

/** Letters, digits and underscores end a word's boundary in every script, as `\b` does in Python. */
const BEFORE = String.raw`(?<![\p{L}\p{N}_])`;
const BEHIND = String.raw`(?![\p{L}\p{N}_])`;

/** `BREAK` as a word of its own, in capitals: the next row of tokens begins here. */
export const BREAK: RegExp = new RegExp(`${BEFORE}BREAK${BEHIND}`, "u");
const AND = new RegExp(`${BEFORE}AND${BEHIND}`, "u");

/** Syntax of other programs outside of brackets, what it does there, and what can be done here. */
const FOREIGN: readonly (readonly [pattern: RegExp, what: string, instead: string])[] = [
  [
    new RegExp(`${BEFORE}embedding:[^\\s,()<>:]+`, "u"),
    "names a textual inversion (ComfyUI); such embeddings are not supported",
    String.raw`leave it out, or write "embedding\:" for the characters`,
  ],
  [
    new RegExp(`${BEFORE}__[\\p{L}\\p{N}*][\\p{L}\\p{N}_*/. -]{0,80}?__${BEHIND}`, "u"),
    "is a wildcard, a line drawn from a file of an extension; wildcards are not supported",
    String.raw`write out what is meant, or "\__" for the characters`,
  ],
  [
    /["')]\s*\.(?:blend|swap|and)\s*\(/u,
    "blends or swaps prompts (compel, InvokeAI); that is not supported",
    "write one prompt with weights, (word:1.3)",
  ],
];

/**
 * Takes a prompt apart.
 *
 * @param prompt As the user wrote it.
 * @param field Its name for messages: `prompt`, `negativePrompt`, `prompt2` …
 * @throws {LssgenError} `bad_option` for a tag that cannot be read or stands in another field than `prompt`;
 * `unsupported` for other networks and for the syntax of other programs. The message quotes what was found.
 */
export function readPrompt(prompt: string, field = "prompt"): ReadPrompt {
  const loras = new Map<string, LoraTag>();
  const text = prompt.replace(TAG, (found: string, kind: string | undefined, rest: string | undefined) => {
    if (found[0] === "\\") return found;
    const tag = readTag(found, kind?.toLowerCase(), rest, field);
    const known = loras.get(tag.name);
    loras.set(tag.name, {
      name: tag.name,
      scale: tag.scale + (known?.scale ?? 0),
      textScale: tag.textScale + (known?.textScale ?? 0),
    });
    return "";
  });
  // Escaped characters mean nothing; they keep their places so that what is found can be quoted.
  const bare = text.replace(/\\[\s\S]/g, "\0\0");
  refuseBrackets(bare, text, field);
  for (const [pattern, what, instead] of FOREIGN) {
    const found = pattern.exec(bare);
    if (found) throw refused(text.slice(found.index, found.index + found[0].length), field, what, instead);
  }
  // In A1111 AND joins two prompts into one picture. A prompt all in capitals means the word.
  const and = AND.test(bare) && /\p{Ll}/u.test(bare);
  return {
    text,
    loras: [...loras.values()],
    warnings: and
      ? [
        `"AND" in ${field} is read as a word: several prompts guiding one picture, as A1111 reads it, are not supported`,
      ]
      : [],
  };
}

function readTag(found: string, kind: string | undefined, rest: string | undefined, field: string): LoraTag {
  if (rest === undefined) {
    throw new LssgenError(
      "bad_option",
      `"${found}" in ${field} has no closing ">", expected for example <lora:style:0.8>`,
    );
  }
  if (kind !== "lora" && kind !== "lyco") {
    const what = kind === "hypernet" ? "hypernetworks are not supported" : `"${kind}" is not known`;
    throw refused(
      found,
      field,
      `is no <lora:name:0.8>, and ${what}`,
      String.raw`leave it out, or write "\<" for the character`,
    );
  }
  if (field !== "prompt") {
    throw new LssgenError(
      "bad_option",
      `"${found}" stands in ${field}: a LoRA changes the model for the whole picture; move it into the prompt`,
    );
  }
  const [name, ...parts] = rest.split(":").map((part) => part.trim());
  const bad = (what: string): LssgenError =>
    new LssgenError(
      "bad_option",
      `"${found}" in ${field}: ${what}, expected for example <lora:style:0.8> or <lora:style:te=0.5:unet=0.8>`,
    );
  if (name === "") throw bad("the name is missing");
  const number = (text: string): number => {
    const value = Number(text);
    if (!NUMBER.test(text) || Math.abs(value) > MAX_MULTIPLIER) {
      throw bad(`"${text}" is no multiplier from -${MAX_MULTIPLIER} to ${MAX_MULTIPLIER}`);
    }
    return value;
  };
  const plain = parts.filter((part) => !part.includes("="));
  if (plain.length > 2) throw bad(`"${plain[2]}" is one part too many`);
  let textScale = plain.length > 0 ? number(plain[0]) : 1;
  const named = new Map(
    parts.filter((part) => part.includes("=")).map((part) => part.split("=", 2) as [string, string]),
  );
  for (const key of named.keys()) if (key !== "te" && key !== "unet") throw bad(`"${key}=" is not supported`);
  const te = named.get("te");
  if (te !== undefined) textScale = number(te);
  const unet = named.get("unet") ?? plain[1];
  return { name, textScale, scale: unet === undefined ? textScale : number(unet) };
}

const PARTNERS: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/** A1111's `[from:to:when]` and `[a|b]`, and `{a|b}` of dynamic prompts: found by one walk over the brackets. */
function refuseBrackets(bare: string, text: string, field: string): void {
  const stack: { open: string; at: number; own: string }[] = [];
  for (let at = 0; at < bare.length; at++) {
    const c = bare[at];
    const top = stack[stack.length - 1];
    if (c === "(" || c === "[" || c === "{") stack.push({ open: c, at, own: "" });
    else if (top && PARTNERS[c] === top.open) {
      stack.pop();
      const found = text.slice(top.at, at + 1);
      if (top.open === "{" && top.own.includes("|")) {
        throw refused(
          found,
          field,
          "is a choice by chance (dynamic prompts); that is not supported",
          String.raw`write out one, or "\{" for the character`,
        );
      }
      if (top.open === "[" && top.own.includes("|")) {
        throw refused(
          found,
          field,
          "changes the words from step to step (A1111); that is not supported",
          String.raw`write one of them, or "\[" for the character`,
        );
      }
      if (top.open === "[" && /:\s*\d*\.?\d+\s*$/.test(top.own)) {
        throw refused(
          found,
          field,
          "changes the prompt at a step (A1111's [from:to:when]); that is not supported",
          String.raw`(word:0.8) weighs a word, and "\[" is the character`,
        );
      }
    } else if (top) top.own += c;
  }
}

function refused(found: string, field: string, what: string, instead: string): LssgenError {
  const shown = found.length > 60 ? `${found.slice(0, 60)}…` : found;
  return new LssgenError(
    "unsupported",
    `"${shown}" in ${field} ${what}: ${instead}; --no-emphasis takes all literally`,
  );
}
