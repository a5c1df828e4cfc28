/**
 * Reads a tokenizer from a model folder: CLIP from vocab.json and merges.txt or tokenizer.json, T5 from
 * tokenizer.json or spiece.model.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { Charsmap } from "./charsmap.ts";
import { ClipTokenizer } from "./clip_tokenizer.ts";
import { readSentencePiece } from "./sentencepiece.ts";
import { T5Tokenizer } from "./t5_tokenizer.ts";
import {
  addedTokens,
  parseJson,
  record,
  type SpecialToken,
  type Tokenizer,
  tokenString,
} from "./tokenizer.ts";

/** The little that is asked of a model folder; paths are relative, with slashes. */
export interface TokenizerFolder {
  /** A file's text, or undefined when there is no such file. */
  text(path: string): Promise<string | undefined>;
  /** A file's bytes, or undefined when there is no such file. */
  bytes(path: string): Promise<Uint8Array | undefined>;
}

type Config = Record<string, unknown>;

const LOADERS: Readonly<
  Record<string, (folder: TokenizerFolder, at: string, config: Config) => Promise<Tokenizer>>
> = { CLIPTokenizer: loadClip, CLIPTokenizerFast: loadClip, T5Tokenizer: loadT5, T5TokenizerFast: loadT5 };

/** Limit taken when a folder states none. */
const CLIP_MAX_LENGTH = 77;
const T5_MAX_LENGTH = 512;
const T5_EXTRA_IDS = 100;

/**
 * The tokenizer in `subfolder` ("" for the folder itself); `tokenizer_class` of its
 * tokenizer_config.json decides the kind.
 *
 * @throws {LssgenError} `unsupported` for another class, by name; `bad_file` for missing or damaged files.
 */
export async function loadTokenizer(folder: TokenizerFolder, subfolder: string): Promise<Tokenizer> {
  const at = subfolder === "" ? "" : `${subfolder}/`;
  const file = `${at}tokenizer_config.json`;
  const text = await folder.text(file);
  if (text === undefined) {
    throw new LssgenError("bad_file", `Cannot load the tokenizer: "${file}" is missing`);
  }
  const config = parseJson(text, file);
  const name = String(config.tokenizer_class);
  if (!Object.hasOwn(LOADERS, name)) {
    throw new LssgenError(
      "unsupported",
      `Cannot load "${file}": tokenizer class "${name}" is not known, expected one of ${
        Object.keys(LOADERS).join(", ")
      }`,
    );
  }
  return await LOADERS[name](folder, at, config);
}

async function loadClip(folder: TokenizerFolder, at: string, config: Config): Promise<Tokenizer> {
  const common = {
    start: tokenString(config.bos_token) ?? "<|startoftext|>",
    end: tokenString(config.eos_token) ?? "<|endoftext|>",
    pad: tokenString(config.pad_token) ?? "<|endoftext|>",
    unknown: tokenString(config.unk_token) ?? "<|endoftext|>",
    maxLength: maxLengthOf(config, CLIP_MAX_LENGTH),
  };
  const vocabText = await folder.text(`${at}vocab.json`);
  const mergesText = await folder.text(`${at}merges.txt`);
  if (vocabText !== undefined && mergesText !== undefined) {
    const file = `${at}vocab.json`;
    const vocab = vocabularyMap(parseJson(vocabText, file), file);
    const lines = mergesText.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
    const merges = lines.map((line) => mergePair(line, `${at}merges.txt`));
    return new ClipTokenizer({ ...common, vocab, merges, special: [], file });
  }
  const file = `${at}tokenizer.json`;
  const text = await folder.text(file);
  if (text === undefined) {
    throw new LssgenError(
      "bad_file",
      `Cannot load a CLIP tokenizer from "${
        at || "."
      }": neither vocab.json with merges.txt nor tokenizer.json`,
    );
  }
  const json = parseJson(text, file);
  const model = record(json.model, file, "model");
  if (!Array.isArray(model.merges)) {
    throw new LssgenError("bad_file", `Cannot read "${file}": model.merges is not a list`);
  }
  return new ClipTokenizer({
    ...common,
    vocab: vocabularyMap(record(model.vocab, file, "model.vocab"), file),
    merges: model.merges.map((merge) => mergePair(merge, file)),
    special: addedTokens(json, file),
    file,
  });
}

async function loadT5(folder: TokenizerFolder, at: string, config: Config): Promise<Tokenizer> {
  const common = {
    end: tokenString(config.eos_token) ?? "</s>",
    pad: tokenString(config.pad_token) ?? "<pad>",
    maxLength: maxLengthOf(config, T5_MAX_LENGTH),
  };
  const file = `${at}tokenizer.json`;
  const text = await folder.text(file);
  if (text !== undefined) return unigramFromJson(parseJson(text, file), file, common);

  const modelFile = `${at}spiece.model`;
  const bytes = await folder.bytes(modelFile);
  if (bytes === undefined) {
    throw new LssgenError(
      "bad_file",
      `Cannot load a T5 tokenizer from "${at || "."}": neither tokenizer.json nor spiece.model is there`,
    );
  }
  const model = readSentencePiece(bytes, modelFile);
  const extra = Number.isSafeInteger(config.extra_ids) ? config.extra_ids as number : T5_EXTRA_IDS;
  // T5 numbers its sentinels downwards behind the pieces.
  const sentinels = Array.from({ length: extra }, (_, i): SpecialToken => ({
    content: `<extra_id_${i}>`,
    id: model.pieces.length + extra - 1 - i,
  }));
  const unknown = { content: model.pieces[model.unknownId].text, id: model.unknownId };
  return new T5Tokenizer({
    ...common,
    pieces: model.pieces,
    unknownId: model.unknownId,
    byteFallback: model.byteFallback,
    special: [unknown, ...sentinels],
    charsmap: model.charsmap.length > 0 ? new Charsmap(model.charsmap, modelFile) : undefined,
    file: modelFile,
  });
}

function unigramFromJson(
  json: Record<string, unknown>,
  file: string,
  common: { end: string; pad: string; maxLength: number },
): Tokenizer {
  const model = record(json.model, file, "model");
  if (model.type !== undefined && model.type !== "Unigram") {
    throw new LssgenError(
      "unsupported",
      `Cannot load "${file}": model type "${model.type}", expected "Unigram"`,
    );
  }
  if (!Array.isArray(model.vocab)) {
    throw new LssgenError("bad_file", `Cannot read "${file}": model.vocab is not a list`);
  }
  const pieces = model.vocab.map((entry: unknown, id) => {
    const [text, score] = Array.isArray(entry) ? entry : [];
    if (typeof text !== "string" || typeof score !== "number") {
      throw new LssgenError("bad_file", `Cannot read "${file}": piece ${id} is not a text with a score`);
    }
    return { text, score };
  });
  const map = precompiledMap(json.normalizer);
  return new T5Tokenizer({
    ...common,
    pieces,
    unknownId: Number(model.unk_id),
    byteFallback: model.byte_fallback === true,
    special: addedTokens(json, file),
    charsmap: map ? new Charsmap(fromBase64(map, file), file) : undefined,
    file,
  });
}

/** The character map of a normalizer, alone or in a sequence. Its other steps only tidy white space. */
function precompiledMap(normalizer: unknown): string | undefined {
  if (typeof normalizer !== "object" || normalizer === null) return undefined;
  if ("precompiled_charsmap" in normalizer && typeof normalizer.precompiled_charsmap === "string") {
    return normalizer.precompiled_charsmap;
  }
  if (!("normalizers" in normalizer) || !Array.isArray(normalizer.normalizers)) return undefined;
  for (const step of normalizer.normalizers) {
    const map = precompiledMap(step);
    if (map) return map;
  }
  return undefined;
}

function fromBase64(text: string, file: string): Uint8Array {
  try {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
    return bytes;
  } catch (cause) {
    throw new LssgenError("bad_file", `Cannot read "${file}": the character map is not base64`, { cause });
  }
}

function vocabularyMap(json: Record<string, unknown>, file: string): Map<string, number> {
  const map = new Map<string, number>();
  for (const [token, id] of Object.entries(json)) {
    if (!Number.isSafeInteger(id)) {
      throw new LssgenError("bad_file", `Cannot read "${file}": token ${JSON.stringify(token)} has no id`);
    }
    map.set(token, id as number);
  }
  return map;
}

/** A merge as "a b" (merges.txt, older tokenizer.json) or as a list of two. */
function mergePair(merge: unknown, file: string): [string, string] {
  const parts = typeof merge === "string" ? merge.split(" ") : merge;
  if (!Array.isArray(parts) || parts.length !== 2 || parts.some((p) => typeof p !== "string" || p === "")) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${file}": ${JSON.stringify(merge)} is not a merge of two`,
    );
  }
  return [parts[0], parts[1]];
}

/** `model_max_length`; folders write 1e30 for "no limit". */
function maxLengthOf(config: Config, otherwise: number): number {
  const value = config.model_max_length;
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : otherwise;
}
