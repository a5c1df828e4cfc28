/**
 * Reads a tokenizer from a model folder: CLIP from tokenizer.json, or vocab.json and merges.txt; T5 from tokenizer.json,
 * or spiece.model.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import { Charsmap } from "./charsmap.ts";
import { ClipTokenizer } from "./clip_tokenizer.ts";
import { T5Tokenizer } from "./t5_tokenizer.ts";
import { numberTokens, readTokenizerFacts, type TokenizerFacts, type TokenText } from "./tokenizer_facts.ts";
import { jsonObject, record, type TokenizerFolder } from "./tokenizer_folder.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type { TokenizerFolder } from "./tokenizer_folder.ts";

type Loader = (folder: TokenizerFolder, at: string, facts: TokenizerFacts) => Promise<Tokenizer>;

const LOADERS: Readonly<Record<string, Loader>> = {
  CLIPTokenizer: loadClip,
  CLIPTokenizerFast: loadClip,
  T5Tokenizer: loadT5,
  T5TokenizerFast: loadT5,
};

/** Classes that take what tokenizer.json says. */
const GENERIC: ReadonlySet<unknown> = new Set([
  undefined,
  null,
  "AutoTokenizer",
  "PreTrainedTokenizer",
  "PreTrainedTokenizerFast",
  "TokenizersBackend",
]);

/** Limits taken when a folder states none. */
const CLIP_MAX_LENGTH = 77;
const T5_MAX_LENGTH = 512;
/** Sentinels where a folder states none, and the most that are believed. */
const T5_EXTRA_IDS = 100;
const MAX_EXTRA_IDS = 10_000;

/** A vocabulary's file names, the usual one first. */
const SENTENCEPIECE = ["spiece.model", "tokenizer.model"] as const;

/**
 * The tokenizer in `subfolder` ("" for the folder itself). As in diffusers the class that model_index.json names for the
 * subfolder decides the kind; without one, `tokenizer_class` of tokenizer_config.json; without that, the files.
 *
 * @throws {LssgenError} `unsupported` for another class, by name; `bad_file` for missing or damaged files.
 */
export async function loadTokenizer(folder: TokenizerFolder, subfolder: string): Promise<Tokenizer> {
  const at = subfolder === "" ? "" : `${subfolder}/`;
  const facts = await readTokenizerFacts(folder, at);
  const told = [
    [await classOfIndex(folder, subfolder), `model_index.json, "${subfolder}"`],
    [facts.config.tokenizer_class, `${at}tokenizer_config.json`],
  ].find(([name]) => !GENERIC.has(name));
  if (!told) return await (await loaderOfFiles(folder, at, facts))(folder, at, facts);
  const [name, where] = told;
  if (typeof name !== "string" || !Object.hasOwn(LOADERS, name)) {
    throw new LssgenError(
      "unsupported",
      `Cannot load the tokenizer of ${where}: its class ${shortJson(name)} is not known, expected one of ${
        Object.keys(LOADERS).join(", ")
      }`,
    );
  }
  return await LOADERS[name](folder, at, facts);
}

/** The class that model_index.json names for a component. */
async function classOfIndex(folder: TokenizerFolder, subfolder: string): Promise<unknown> {
  if (subfolder === "") return undefined;
  const text = await folder.text("model_index.json");
  const entry = text === undefined ? undefined : (await jsonObject(text, "model_index.json"))[subfolder];
  return Array.isArray(entry) ? entry[1] : undefined;
}

/** What the files are, where nothing names a class. */
async function loaderOfFiles(folder: TokenizerFolder, at: string, facts: TokenizerFacts): Promise<Loader> {
  if (facts.json) {
    const model = record(facts.json.model, facts.jsonFile, "model");
    if (model.type === "Unigram") return loadT5;
    if (model.type === "BPE" && model.end_of_word_suffix === "</w>") return loadClip;
    throw new LssgenError(
      "unsupported",
      `Cannot load "${facts.jsonFile}": its model is ${shortJson(model.type)}${
        model.type === "BPE" ? ` with end_of_word_suffix ${shortJson(model.end_of_word_suffix)}` : ""
      }, expected T5's "Unigram" or CLIP's "BPE" with "</w>"`,
    );
  }
  for (const name of SENTENCEPIECE) if (await folder.bytes(at + name)) return loadT5;
  if (await folder.text(`${at}merges.txt`) !== undefined) return loadClip;
  throw new LssgenError(
    "bad_file",
    `Cannot load a tokenizer from "${facts.at}": none of tokenizer.json, vocab.json with merges.txt, spiece.model is there`,
  );
}

async function loadClip(folder: TokenizerFolder, at: string, facts: TokenizerFacts): Promise<Tokenizer> {
  const { vocab, merges, file, mergesFile } = await clipVocabulary(folder, at, facts);
  const { added, ids } = numberTokens(facts, (content) => vocab.get(content), vocab.size, {
    bos_token: "<|startoftext|>",
    eos_token: "<|endoftext|>",
    unk_token: "<|endoftext|>",
    pad_token: "<|endoftext|>",
  });
  return new ClipTokenizer({
    vocab,
    merges,
    added,
    startId: ids.get("bos_token")!,
    endId: ids.get("eos_token")!,
    padId: ids.get("pad_token")!,
    unknownId: ids.get("unk_token")!,
    maxLength: facts.maxLength ?? CLIP_MAX_LENGTH,
    paddingSide: facts.paddingSide,
    truncationSide: facts.truncationSide,
    file,
    mergesFile,
  });
}

interface ClipFiles {
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
  readonly file: string;
  readonly mergesFile: string;
}

/** tokenizer.json wins over vocab.json and merges.txt, as in transformers 5. */
async function clipVocabulary(
  folder: TokenizerFolder,
  at: string,
  { json, jsonFile }: TokenizerFacts,
): Promise<ClipFiles> {
  if (json) {
    const model = record(json.model, jsonFile, "model");
    if (model.type !== undefined && model.type !== "BPE") {
      throw new LssgenError(
        "unsupported",
        `Cannot load "${jsonFile}": model type ${shortJson(model.type)}, expected "BPE"`,
      );
    }
    const suffix = model.end_of_word_suffix;
    if (suffix !== undefined && suffix !== null && suffix !== "</w>") {
      throw new LssgenError(
        "unsupported",
        `Cannot load "${jsonFile}": end_of_word_suffix is ${shortJson(suffix)}, CLIP has "</w>"`,
      );
    }
    if (!Array.isArray(model.merges)) {
      throw new LssgenError("bad_file", `Cannot read "${jsonFile}": model.merges is not a list`);
    }
    return {
      vocab: vocabularyMap(record(model.vocab, jsonFile, "model.vocab"), jsonFile),
      merges: model.merges.map((merge) => mergePair(merge, jsonFile)),
      file: jsonFile,
      mergesFile: jsonFile,
    };
  }
  const file = `${at}vocab.json`;
  const mergesFile = `${at}merges.txt`;
  const [vocab, merges] = await Promise.all([folder.text(file), folder.text(mergesFile)]);
  if (vocab === undefined || merges === undefined) {
    throw new LssgenError(
      "bad_file",
      `Cannot load a CLIP tokenizer from "${at || "."}": ${
        vocab === undefined && merges === undefined
          ? "neither vocab.json with merges.txt nor tokenizer.json is there"
          : `${vocab === undefined ? "vocab.json" : "merges.txt"} is missing`
      }`,
    );
  }
  const lines = merges.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
  return {
    vocab: vocabularyMap(await jsonObject(vocab, file), file),
    merges: lines.map((line) => mergePair(line, mergesFile)),
    file,
    mergesFile,
  };
}

async function loadT5(folder: TokenizerFolder, at: string, facts: TokenizerFacts): Promise<Tokenizer> {
  const sentinels = sentinelsOf(facts, `${at}tokenizer_config.json`);
  const model = facts.json
    ? unigramOfJson(facts.json, facts.jsonFile)
    : await unigramOfSentencePiece(folder, at, sentinels);
  const { pieces, file, listed } = model;
  const idOf = new Map(pieces.map(({ text }, id) => [text, id]));
  const { added, ids } = numberTokens(
    facts,
    (content) => idOf.get(content),
    pieces.length,
    { eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" },
    facts.json && facts.additional
      ? withSentinels(facts.additional, sentinels, at)
      : [...listed, ...sentinels],
  );
  return new T5Tokenizer({
    pieces,
    unknownId: model.unknownId,
    byteFallback: model.byteFallback,
    charsmap: model.charsmap,
    added,
    endId: ids.get("eos_token")!,
    padId: ids.get("pad_token")!,
    maxLength: facts.maxLength ?? T5_MAX_LENGTH,
    paddingSide: facts.paddingSide,
    truncationSide: facts.truncationSide,
    file,
  });
}

interface Unigram {
  readonly pieces: readonly { readonly text: string; readonly score: number }[];
  readonly unknownId: number;
  readonly byteFallback: boolean;
  readonly charsmap: Charsmap | undefined;
  /** Tokens that the model lists beside its pieces. */
  readonly listed: readonly TokenText[];
  readonly file: string;
}

/** `<extra_id_0>` …, which T5 has behind its pieces. */
function sentinelsOf({ config }: TokenizerFacts, file: string): TokenText[] {
  const count = config.extra_ids ?? T5_EXTRA_IDS;
  if (typeof count !== "number" || !Number.isInteger(count) || count > MAX_EXTRA_IDS) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${file}": extra_ids is ${
        shortJson(count)
      }, expected a whole number of at most ${MAX_EXTRA_IDS}`,
    );
  }
  return Array.from(
    { length: Math.max(0, count) },
    (_, i): TokenText => ({ content: `<extra_id_${i}>`, special: true }),
  );
}

/** special_tokens_map.json lists all sentinels or none. */
function withSentinels(
  tokens: readonly TokenText[],
  sentinels: readonly TokenText[],
  at: string,
): readonly TokenText[] {
  const listed = tokens.filter(({ content }) => content.includes("<extra_id_")).length;
  if (listed === 0) return [...tokens, ...sentinels];
  if (sentinels.length > 0 && listed !== sentinels.length) {
    throw new LssgenError(
      "bad_file",
      `Cannot use the tokenizer in "${
        at || "."
      }": special_tokens_map.json lists ${listed} tokens "<extra_id_…>", extra_ids ` +
        `of tokenizer_config.json is ${sentinels.length}`,
    );
  }
  return tokens;
}

async function unigramOfSentencePiece(
  folder: TokenizerFolder,
  at: string,
  sentinels: readonly TokenText[],
): Promise<Unigram> {
  const { PIECE_TYPE, readSentencePiece } = await import("./sentencepiece.ts");
  for (const name of SENTENCEPIECE) {
    const file = at + name;
    const bytes = await folder.bytes(file);
    if (!bytes) continue;
    const { pieces, charsmap, unknownId, byteFallback } = readSentencePiece(bytes, file);
    return {
      // T5 numbers its sentinels downwards behind the pieces.
      pieces: [...pieces, ...sentinels.map(({ content }) => ({ text: content, score: 0 })).reverse()],
      unknownId,
      byteFallback,
      charsmap: charsmap.length > 0 ? new Charsmap(charsmap, file) : undefined,
      listed: pieces
        .filter(({ type }) => type === PIECE_TYPE.control || type === PIECE_TYPE.userDefined)
        .map(({ text, type }): TokenText => ({
          content: text,
          normalized: false,
          special: type === PIECE_TYPE.control,
          object: true,
        })),
      file,
    };
  }
  throw new LssgenError(
    "bad_file",
    `Cannot load a T5 tokenizer from "${at || "."}": neither tokenizer.json nor spiece.model is there`,
  );
}

function unigramOfJson(json: Readonly<Record<string, unknown>>, file: string): Unigram {
  const model = record(json.model, file, "model");
  if (model.type !== undefined && model.type !== "Unigram") {
    throw new LssgenError(
      "unsupported",
      `Cannot load "${file}": model type ${shortJson(model.type)}, expected "Unigram"`,
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
  const map = precompiledMap(json.normalizer, 0);
  return {
    pieces,
    unknownId: Number(model.unk_id),
    byteFallback: model.byte_fallback === true,
    charsmap: map ? new Charsmap(fromBase64(map, file), file) : undefined,
    listed: [],
    file,
  };
}

/** Sequences of sequences: no normalizer nests them deeper. */
const MAX_NESTING = 8;

/** The character map of a normalizer, alone or in a sequence. Its other steps only tidy white space. */
function precompiledMap(normalizer: unknown, depth: number): string | undefined {
  if (typeof normalizer !== "object" || normalizer === null || depth > MAX_NESTING) return undefined;
  if ("precompiled_charsmap" in normalizer && typeof normalizer.precompiled_charsmap === "string") {
    return normalizer.precompiled_charsmap;
  }
  if (!("normalizers" in normalizer) || !Array.isArray(normalizer.normalizers)) return undefined;
  for (const step of normalizer.normalizers) {
    const map = precompiledMap(step, depth + 1);
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
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 24) {
      throw new LssgenError(
        "bad_file",
        `Cannot read "${file}": the id of ${shortJson(token)} is ${shortJson(id)}, expected a number below ${
          2 ** 24
        }`,
      );
    }
    map.set(token, id);
  }
  return map;
}

/** A merge as "a b" (merges.txt, older tokenizer.json) or as a list of two. */
function mergePair(merge: unknown, file: string): [string, string] {
  const parts = typeof merge === "string" ? merge.split(" ") : merge;
  if (!Array.isArray(parts) || parts.length !== 2 || parts.some((p) => typeof p !== "string" || p === "")) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${file}": ${shortJson(merge)} is not a merge of two tokens; is the file cut short?`,
    );
  }
  return [parts[0], parts[1]];
}
