/**
 * Reads a tokenizer from a model folder: CLIP from tokenizer.json, or vocab.json and merges.txt; T5 from tokenizer.json,
 * or spiece.model.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import { ClipTokenizer } from "./clip_tokenizer.ts";
import { T5Tokenizer } from "./t5_tokenizer.ts";
import { numberTokens, readTokenizerFacts, type TokenizerFacts, type TokenText } from "./tokenizer_facts.ts";
import { jsonObject, record, type TokenizerFolder } from "./tokenizer_folder.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type ClipFiles, mergePair, type Unigram, vocabularyMap } from "./vocabulary_entries.ts";

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
  if (!told) {
    const { kindOfFiles } = await import("./tokenizer_files.ts");
    return await LOADERS[await kindOfFiles(folder, at, facts)](folder, at, facts);
  }
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
  const { clipOfTables } = await import("./tokenizer_files.ts");
  return await clipOfTables(folder, at);
}

async function loadT5(folder: TokenizerFolder, at: string, facts: TokenizerFacts): Promise<Tokenizer> {
  const sentinels = sentinelsOf(facts, `${at}tokenizer_config.json`);
  const model = facts.json
    ? await unigramOfJson(facts.json, facts.jsonFile)
    : await (await import("./tokenizer_files.ts")).unigramOfSentencePiece(folder, at, sentinels);
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

async function unigramOfJson(json: Readonly<Record<string, unknown>>, file: string): Promise<Unigram> {
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
  const { normalizer } = json;
  return {
    pieces,
    unknownId: Number(model.unk_id),
    byteFallback: model.byte_fallback === true,
    charsmap: normalizer ? (await import("./charsmap.ts")).charsmapOf(normalizer, file) : undefined,
    listed: [],
    file,
  };
}
