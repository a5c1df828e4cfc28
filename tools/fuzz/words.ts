/**
 * What people type: prompts and command lines.
 *
 * @module
 */

import { optionNamed, OPTIONS, parseOptions, spellings } from "../../lib/cli/options.ts";
import { toEngineChoice, toRequest } from "../../lib/cli/request.ts";
import { loraSpec } from "../../lib/parameters/lora_tags.ts";
import { loadTokenizer } from "../../lib/text/load_tokenizer.ts";
import { readPrompt } from "../../lib/text/prompt_syntax.ts";
import { parseWeights, weightedChunks } from "../../lib/text/prompt_weights.ts";
import type { Tokenizer } from "../../lib/text/tokenizer.ts";
import { Different, seedFolder, type Target, textInput, textOf } from "./target.ts";

/** Options whose values are looked at. */
const ASKED = ["steps", "guidance", "width", "seed"] as const;

let tokenizer: Tokenizer | undefined;

/** Emphasis, tags, BREAK and the syntax of other programs. */
export const prompts: Target = {
  name: "prompts",
  tokens: [
    ..."( ) [ ] { } < > : | \\ , AND BREAK (a:1.3) (a:-1) (a:1e9) [a:b:0.5] [a|b] <lora:x:0.8> <lora: <lyco:a:te=1:unet=2>"
      .split(" "),
    ..."<hypernet:a:1> {a|b} __a__ embedding:x :1.3) .5) 0.0000001 99999999 \\( \\) ((( ))) [[[ ]]]".split(
      " ",
    ),
    " BREAK ",
    " AND ",
    '("a").and(',
    "\0",
    "\ud800",
    "\u200b",
    "\u{1f98a}",
    "e\u0301",
    "\r\n",
  ],
  async seeds() {
    const files = await seedFolder("golden/pipelines/sd15/model/tokenizer", /./);
    tokenizer ??= await loadTokenizer({
      text: (path) => Promise.resolve(files.has(path) ? textOf(files, path) : undefined),
      bytes: (path) => Promise.resolve(files.get(path)),
    }, "");
    return [
      "a (red:1.2) apple, [dull] BREAK on a ((table))",
      "a fox <lora:ink:0.8> <lora:styles/a:0.5:1> \\(1990\\)",
      "",
      "((((masterpiece)))), best quality, 1girl, (sharp focus:1.1), [blurry]",
    ].map((text) => textInput({ "prompt.txt": text }));
  },
  run(input) {
    const { text } = readPrompt(textOf(input, "prompt.txt"));
    for (const { weight } of parseWeights(text)) {
      if (!Number.isFinite(weight)) throw new RangeError(`a weight is ${weight}`);
    }
    for (const { weights } of weightedChunks(tokenizer!, text, 77)) {
      for (const weight of weights ?? []) {
        if (!Number.isFinite(weight)) throw new RangeError(`a weight is ${weight}`);
      }
    }
  },
};

/** A command line, a word a line. */
export const commandLine: Target = {
  name: "command-line",
  tokens: [
    ...OPTIONS.flatMap((
      { name, also = [] },
    ) => [`\n--${name}\n`, `\n--no-${name}\n`, `\n--${name}=`, ...also.map((a) => `\n${a}\n`)]),
    ..."0 -1 0.5 NaN Infinity 1e308 9007199254740992 4294967296 0x10 1,2,,3 -- - --- = --= --__proto__=1 true"
      .split(" ").map((w) => `\n${w}\n`),
    "=",
    "-",
    "\n",
    "\0",
    ":",
    "\u{1f98a}",
  ],
  seeds: () =>
    Promise.resolve(
      [
        "a red apple\n-W\n512\n-H\n512\n--seed\n7\n--out\napple.png",
        "generate\n--model\n./flux\na lighthouse\n--size=1024\n--lora\nink:0.8\n--sigmas\n1,0.5,0.1",
        "plan\n--size\n512\n--json",
        "inspect\n--model\nflux.gguf\n--vae\nae.safetensors",
        "serve\n--port\n7860",
        "compare\na fox\n--methods\nall\n--init-noises\n0.6,0.8",
        "convert\n--model\n./flux\n--out\nb.gguf",
        "download\na/b",
      ].map((line) => textInput({ "line.txt": line })),
    ),
  run(input) {
    const words = textOf(input, "line.txt").split("\n");
    const options = parseOptions(words);
    const request = toRequest(options);
    // What stands once, in two words, is what is asked; behind "--" all is prompt.
    for (const key of options.ask !== undefined || words.includes("--") ? [] : ASKED) {
      const said = spellings(optionNamed(key)!);
      if (words.filter((word) => said.some((name) => word.startsWith(name))).length !== 1) continue;
      const at = words.findIndex((word) => said.includes(word));
      const [name, value] = [words[at], words[at + 1]];
      if (at < 0 || request[key] === undefined || value === "-1") continue;
      if (request[key] !== Number(value)) {
        throw new Different(key, `${name} ${value} asks for ${request[key]}`);
      }
    }
    for (const text of toEngineChoice(options).loras ?? []) loraSpec(text);
  },
};
