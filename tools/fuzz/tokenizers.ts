/**
 * Tokenizers of CLIP and T5 from each of their files.
 *
 * @module
 */

import { parsePythonJson } from "../../lib/json.ts";
import { loadTokenizer } from "../../lib/text/load_tokenizer.ts";
import { readSentencePiece, writeSentencePiece } from "../../lib/text/sentencepiece.ts";
import { Different, type Input, seedFolder, type Target, textInput, textOf } from "./target.ts";

const PROMPTS = ["a red <extra_id_3> apple's  caf\u00e9 </s>", "1234 \u{1f98a}\n<|endoftext|>"];

/** Reads a tokenizer, and again with its JSON spelled otherwise: the ids are the same. */
async function load(input: Input): Promise<void> {
  const ids = await idsOf(input);
  const spelled = await idsOf(new Map([...input].map(([name, bytes]) => [name, respelled(name, bytes)])));
  if (`${ids}` !== `${spelled}`) {
    throw new Different("spelling", `the ids are ${ids}, spelled otherwise ${spelled}`);
  }
}

/** JSON that says the same: white space between, a key more that nobody knows, the vocabulary in another order. */
function respelled(name: string, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (!name.endsWith(".json")) return bytes;
  const json = parsePythonJson(new TextDecoder().decode(bytes)) as Record<string, Record<string, unknown>>;
  const backwards = (record: unknown): unknown =>
    typeof record === "object" && record !== null && !Array.isArray(record)
      ? Object.fromEntries(Object.entries(record).reverse())
      : record;
  const said = name === "vocab.json" ? backwards(json) : {
    ...json,
    fuzz_note: 1,
    ...json.model && { model: { ...json.model, vocab: backwards(json.model.vocab) } },
  };
  return new TextEncoder().encode(JSON.stringify(said, null, 1));
}

async function idsOf(input: Input): Promise<number[][]> {
  const all: number[][] = [];
  const tokenizer = await loadTokenizer({
    text: (path) => Promise.resolve(input.has(path) ? textOf(input, path) : undefined),
    bytes: (path) => Promise.resolve(input.get(path)),
  }, "");
  for (const prompt of PROMPTS) {
    const { ids } = tokenizer.encode(prompt, { maxLength: 16 });
    if (!ids.every((id) => id >= 0)) throw new RangeError("a negative id");
    tokenizer.decode([...ids]);
    all.push([...ids]);
  }
  return all;
}

/** A small tokenizer in both spellings. */
async function clipFiles(): Promise<Input> {
  const files = await seedFolder("golden/pipelines/sd15/model/tokenizer", /./);
  const json = JSON.parse(textOf(files, "tokenizer.json"));
  const merges = json.model.merges;
  return new Map([
    ...textInput({
      "tokenizer.json": JSON.stringify(json),
      "vocab.json": JSON.stringify(json.model.vocab),
      "merges.txt": `#version: 0.2\n${
        merges.map((m: string | string[]) => Array.isArray(m) ? m.join(" ") : m).join("\n")
      }\n`,
      "tokenizer_config.json": textOf(files, "tokenizer_config.json"),
    }),
  ]);
}

const without = (input: Input, ...names: string[]): Input =>
  new Map([...input].filter(([name]) => !names.includes(name)));

/** CLIP: vocab.json with merges.txt, and tokenizer.json. */
export const clipTokenizer: Target = {
  name: "clip-tokenizer",
  tokens: [" ", "  ", "\n", "a b\n", "</w>", "#version", "\0", "\u{1f98a}", "\u0120", "th e</w>\n"],
  async seeds() {
    const all = await clipFiles();
    return [without(all, "vocab.json", "merges.txt"), without(all, "tokenizer.json")];
  },
  run: load,
};

/** T5: spiece.model, and tokenizer.json. */
export const t5Tokenizer: Target = {
  name: "t5-tokenizer",
  async seeds() {
    const files = await seedFolder(
      "golden/tokenizers/t5",
      /^(tokenizer\.json|spiece\.model|tokenizer_config\.json)$/,
    );
    const { pieces, charsmap } = readSentencePiece(files.get("spiece.model")!, "spiece.model");
    const model = writeSentencePiece({ pieces: pieces.slice(0, 200), charsmap });
    const bare = writeSentencePiece({ pieces: pieces.slice(0, 200), charsmap: new Uint8Array() });
    const config = textInput({
      "tokenizer_config.json": JSON.stringify({ tokenizer_class: "T5Tokenizer", extra_ids: 100 }),
    });
    const json = JSON.parse(textOf(files, "tokenizer.json"));
    json.model.vocab = json.model.vocab.slice(0, 200);
    json.added_tokens = json.added_tokens.slice(0, 8);
    json.normalizer = null;
    return [
      new Map([...config, ["spiece.model", bare]]),
      new Map([...config, ["spiece.model", model]]),
      new Map([...config, ...textInput({ "tokenizer.json": JSON.stringify(json) })]),
    ];
  },
  run: load,
};
