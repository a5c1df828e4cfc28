/**
 * Tokenizers of folders that have no tokenizer.json, or that do not say what they are.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import { Charsmap } from "./charsmap.ts";
import { PIECE_TYPE, readSentencePiece } from "./sentencepiece.ts";
import type { TokenizerFacts, TokenText } from "./tokenizer_facts.ts";
import { jsonObject, record, type TokenizerFolder } from "./tokenizer_folder.ts";
import { type ClipFiles, mergePair, type Unigram, vocabularyMap } from "./vocabulary_entries.ts";

/** A vocabulary's file names, the usual one first. */
const SENTENCEPIECE = ["spiece.model", "tokenizer.model"] as const;

/** What the files are, where nothing names a class. */
export async function kindOfFiles(
  folder: TokenizerFolder,
  at: string,
  facts: TokenizerFacts,
): Promise<"CLIPTokenizer" | "T5Tokenizer"> {
  if (facts.json) {
    const model = record(facts.json.model, facts.jsonFile, "model");
    if (model.type === "Unigram") return "T5Tokenizer";
    if (model.type === "BPE" && model.end_of_word_suffix === "</w>") return "CLIPTokenizer";
    throw new LssgenError(
      "unsupported",
      `Cannot load "${facts.jsonFile}": its model is ${shortJson(model.type)}${
        model.type === "BPE" ? ` with end_of_word_suffix ${shortJson(model.end_of_word_suffix)}` : ""
      }, expected T5's "Unigram" or CLIP's "BPE" with "</w>"`,
    );
  }
  for (const name of SENTENCEPIECE) if (await folder.bytes(at + name)) return "T5Tokenizer";
  if (await folder.text(`${at}merges.txt`) !== undefined) return "CLIPTokenizer";
  throw new LssgenError(
    "bad_file",
    `Cannot load a tokenizer from "${facts.at}": none of tokenizer.json, vocab.json with merges.txt, spiece.model is there`,
  );
}

/** CLIP's vocab.json and merges.txt. */
export async function clipOfTables(folder: TokenizerFolder, at: string): Promise<ClipFiles> {
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

/** T5's spiece.model. */
export async function unigramOfSentencePiece(
  folder: TokenizerFolder,
  at: string,
  sentinels: readonly TokenText[],
): Promise<Unigram> {
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
