/**
 * The tokenizer that a T5 encoder brings in the header of its GGUF file, as the files of a tokenizer folder.
 *
 * Source: the keys that llama.cpp's converter writes for T5 (`tokenizer.ggml.*`), and GGUF's
 * `tokenizer.huggingface.json`.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { PIECE_TYPE, writeSentencePiece } from "./sentencepiece.ts";

/** File name → content; a folder that `loadTokenizer` reads. */
export type TokenizerFiles = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** Most tokens that are believed: T5 has 32 128, mT5 250 112. */
const MAX_TOKENS = 1 << 20;
/** T5's sentinels, which llama.cpp writes only where a folder had an added_tokens.json. */
const SENTINELS = 100;

/**
 * The tokenizer in a GGUF header, or undefined when there is none (files of text encoders that stable-diffusion.cpp
 * wrote have none).
 *
 * @param metadata Keys of the header.
 * @param file File name for messages.
 * @throws {LssgenError} `unsupported` for a kind of tokenizer that no text encoder here uses, `bad_file` when its lists
 * do not fit together.
 */
export function ggufTokenizer(
  metadata: ReadonlyMap<string, unknown>,
  file: string,
): TokenizerFiles | undefined {
  const json = metadata.get("tokenizer.huggingface.json");
  if (typeof json === "string") return new Map([["tokenizer.json", encode(json)]]);
  const kind = metadata.get("tokenizer.ggml.model");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (kind === undefined || tokens === undefined) return undefined;
  if (kind !== "t5") {
    throw new LssgenError(
      "unsupported",
      `"${file}": its tokenizer (tokenizer.ggml.model) is of kind ${JSON.stringify(kind)}, expected "t5"; ` +
        "is this a text encoder of an image model?",
    );
  }
  const bad = (key: string, what: string): LssgenError =>
    new LssgenError("bad_file", `"${file}": key "tokenizer.ggml.${key}" ${what}`);
  if (!Array.isArray(tokens) || tokens.length === 0 || tokens.length > MAX_TOKENS) {
    throw bad("tokens", `is not a list of 1 to ${MAX_TOKENS} texts`);
  }
  const n = tokens.length;
  const column = (key: string): ArrayLike<number> => {
    const list = metadata.get(`tokenizer.ggml.${key}`);
    if (!isNumbers(list)) throw bad(key, "is not a list of numbers");
    if (list.length !== n) throw bad(key, `has ${list.length} entries, there are ${n} tokens`);
    return list;
  };
  const scores = column("scores");
  const types = column("token_type");
  const charsmap = metadata.get("tokenizer.ggml.precompiled_charsmap");
  if (charsmap !== undefined && !(charsmap instanceof Uint8Array || charsmap instanceof Int8Array)) {
    throw bad("precompiled_charsmap", "is not a list of bytes");
  }
  for (const [key, only] of [["add_space_prefix", true], ["remove_extra_whitespaces", true]] as const) {
    const value = metadata.get(`tokenizer.ggml.${key}`);
    if (value !== undefined && value !== only) {
      throw new LssgenError(
        "unsupported",
        `"${file}": key "tokenizer.ggml.${key}" is ${value}, a T5 tokenizer has ${only}`,
      );
    }
  }

  const special = (key: string): string | undefined => {
    const id = metadata.get(`tokenizer.ggml.${key}`);
    if (id === undefined) return undefined;
    if (typeof id !== "number" || !(id >= 0 && id < n)) throw bad(key, `is ${id}, there are ${n} tokens`);
    return tokens[id];
  };
  // The file fills up to the width of the embedding with unused tokens; T5's sentinels stand among them.
  let end = n;
  while (end > 0 && types[end - 1] === PIECE_TYPE.unused) end--;
  const unknown = metadata.get("tokenizer.ggml.unknown_token_id");
  const pieces = Array.from({ length: end }, (_, id) => {
    if (typeof tokens[id] !== "string") throw bad("tokens", `has no text at ${id}`);
    return { text: tokens[id], score: scores[id], type: id === unknown ? PIECE_TYPE.unknown : types[id] };
  });
  if (unknown !== undefined && !(typeof unknown === "number" && unknown >= 0 && unknown < end)) {
    throw bad("unknown_token_id", `is ${unknown}, there are ${end} tokens in use`);
  }
  const listed = pieces.some(({ text }) => text === "<extra_id_0>");
  const config = {
    tokenizer_class: "T5Tokenizer",
    eos_token: special("eos_token_id"),
    pad_token: special("padding_token_id"),
    unk_token: special("unknown_token_id"),
    model_max_length: 512,
    extra_ids: listed ? 0 : Math.min(SENTINELS, n - end),
    add_bos_token: metadata.get("tokenizer.ggml.add_bos_token"),
    add_eos_token: metadata.get("tokenizer.ggml.add_eos_token") ?? true,
  };
  return new Map([
    ["tokenizer_config.json", encode(JSON.stringify(config))],
    [
      "spiece.model",
      writeSentencePiece({
        pieces,
        charsmap: charsmap ? new Uint8Array(charsmap) : new Uint8Array(0),
      }),
    ],
  ]);
}

function isNumbers(value: unknown): value is ArrayLike<number> {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array) &&
    !(value instanceof BigUint64Array);
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
