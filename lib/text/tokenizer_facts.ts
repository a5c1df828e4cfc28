/**
 * What the files beside a vocabulary say about a tokenizer: tokenizer_config.json, special_tokens_map.json,
 * added_tokens.json and the added tokens of tokenizer.json.
 *
 * Source: transformers 5.24, `PreTrainedTokenizerBase._from_pretrained` and `TokenizersBackend.__init__`;
 * docs/TOKENIZERS.md lists every place and what becomes of it.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import { isRecord } from "../json.ts";
import type { AddedToken } from "./added_tokens.ts";
import { jsonObject, record, type TokenizerFolder } from "./tokenizer_folder.ts";

/** Tokens that have a name of their own. */
const NAMES = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
] as const;
type Name = typeof NAMES[number];

/** Most tokens beside the vocabulary. */
const MAX_ADDED = 1 << 16;

/** A token as a file describes it. */
export interface TokenText {
  /** The string. */
  readonly content: string;
  /** White space before it belongs to it; default false. */
  readonly lstrip?: boolean;
  /** White space behind it belongs to it; default false. */
  readonly rstrip?: boolean;
  /** It counts between other words only; default false. */
  readonly singleWord?: boolean;
  /** It is looked for in the normalised text; default true unless it is special. */
  readonly normalized?: boolean;
  /** It belongs to the frame of a prompt, not to its language. */
  readonly special: boolean;
  /** The file has an object, not a text. */
  readonly object?: true;
}

/** Where each part of a tokenizer is told; see the module. */
export interface TokenizerFacts {
  /** Folder for messages, "." or with a slash at its end. */
  readonly at: string;
  /** tokenizer_config.json; empty when it is missing. */
  readonly config: Readonly<Record<string, unknown>>;
  /** tokenizer.json, when there is one. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
  /** Name of tokenizer.json. */
  readonly jsonFile: string;
  /** Tokens that are listed with ids, in the order of their ids. */
  readonly listed: readonly TokenText[];
  /** `bos_token`, `eos_token` …: null where a file says null. */
  readonly named: ReadonlyMap<string, TokenText | null>;
  /** `extra_special_tokens`, formerly `additional_special_tokens`; undefined when no file has them. */
  readonly extra: readonly TokenText[] | undefined;
  /** `additional_special_tokens` of special_tokens_map.json, which count where there is no `extra`. */
  readonly additional: readonly TokenText[] | undefined;
  /** `model_max_length`; undefined for "no limit". */
  readonly maxLength: number | undefined;
  /** Where padding goes. */
  readonly paddingSide: "left" | "right";
  /** Which end of a long prompt is dropped. */
  readonly truncationSide: "left" | "right";
  /** Special tokens in a prompt are plain text. */
  readonly splitSpecial: boolean;
}

/**
 * Reads the files of a tokenizer but for its vocabulary.
 *
 * @param at The tokenizer's folder with a slash at its end, "" for the folder itself.
 * @throws {LssgenError} `bad_file` naming file and key.
 */
export async function readTokenizerFacts(folder: TokenizerFolder, at: string): Promise<TokenizerFacts> {
  const json = async (name: string): Promise<Record<string, unknown> | undefined> => {
    const text = await folder.text(at + name);
    return text === undefined ? undefined : await jsonObject(text, at + name);
  };
  const configFile = `${at}tokenizer_config.json`;
  const config = await json("tokenizer_config.json") ?? {};
  const jsonName = newestTokenizerJson(config.fast_tokenizer_files, configFile);
  const tokenizerJson = await json(jsonName);
  const jsonFile = at + jsonName;

  const named = new Map<string, TokenText | null>();
  const tokenList = (list: unknown, file: string): TokenText[] | undefined => {
    if (list === undefined || list === null) return undefined;
    if (isRecord(list)) {
      for (const [key, value] of Object.entries(list)) named.set(key, tokenText(value, true, file, key));
      return undefined;
    }
    return entries(list, file, "extra_special_tokens").map((value) =>
      tokenText(value, true, file, "an entry of extra_special_tokens")
    );
  };
  const readNames = (source: Readonly<Record<string, unknown>>, file: string): void => {
    for (const [key, value] of Object.entries(source)) {
      // A token of any name, as tokenizers with an `image_token` have. `add_bos_token` is a boolean.
      if (!key.endsWith("_token") || typeof value === "boolean") continue;
      if (value === null) named.set(key, null);
      else if (isName(key) || typeof value === "string" || (isRecord(value) && "__type" in value)) {
        const token = tokenText(value, true, file, key);
        // No text is found by it, and its id would be that of no token.
        if (token.content === "") throw bad(file, `${key} is empty, expected a token`);
        named.set(key, token);
      }
    }
  };
  readNames(config, configFile);
  const { extra_special_tokens: extras, additional_special_tokens: formerly } = config;
  let extra = tokenList(isFilled(extras) ? extras : formerly ?? extras, configFile);
  let additional: TokenText[] | undefined;

  const listed = new Map<number, TokenText>();
  if (config.added_tokens_decoder !== undefined) {
    const decoder = record(config.added_tokens_decoder, configFile, "added_tokens_decoder");
    for (const [id, value] of Object.entries(decoder)) {
      const where = `added_tokens_decoder["${id}"]`;
      listed.set(
        tokenId(/^\d+$/.test(id) ? Number(id) : id, configFile, where),
        tokenText(value, false, configFile, where),
      );
    }
  } else {
    // Older folders: what later versions gather in added_tokens_decoder stands in files of its own.
    const map = await json("special_tokens_map.json");
    if (map) {
      const file = `${at}special_tokens_map.json`;
      readNames(map, file);
      const more = tokenList(map.extra_special_tokens, file);
      if (more) extra = [...extra ?? [], ...more];
      additional = tokenList(map.additional_special_tokens, file);
    }
    const special = new Set(
      [...NAMES.map((name) => named.get(name)), ...extra ?? []].map((token) => token?.content),
    );
    for (const [content, id] of Object.entries(await json("added_tokens.json") ?? {})) {
      const known = special.has(content);
      const number = tokenId(id, `${at}added_tokens.json`, JSON.stringify(content.slice(0, 60)));
      listed.set(number, { content, special: known, normalized: !known });
    }
    for (const value of entries(tokenizerJson?.added_tokens, jsonFile, "added_tokens")) {
      const entry = record(value, jsonFile, "an entry of added_tokens");
      listed.set(
        tokenId(entry.id, jsonFile, "an id of added_tokens"),
        tokenText(entry, false, jsonFile, "added_tokens"),
      );
    }
  }
  if (listed.size > MAX_ADDED) {
    throw bad(configFile, `has ${listed.size} added tokens, at most ${MAX_ADDED} are read`);
  }

  const padding = isRecord(tokenizerJson?.padding) ? tokenizerJson.padding : {};
  const truncation = isRecord(tokenizerJson?.truncation) ? tokenizerJson.truncation : {};
  return {
    at: at === "" ? "." : at,
    config,
    json: tokenizerJson,
    jsonFile,
    listed: [...listed].sort(([a], [b]) => a - b).map(([, token]) => token),
    named,
    extra,
    additional,
    maxLength: maxLengthOf(config, configFile),
    paddingSide: side(config.padding_side ?? padding.direction, configFile, "padding_side"),
    truncationSide: side(config.truncation_side ?? truncation.direction, configFile, "truncation_side"),
    splitSpecial: config.split_special_tokens === true,
  };
}

/** A vocabulary with the tokens that stand beside it. */
export interface Tokens {
  /** All tokens to be found in texts, with ids. */
  readonly added: readonly AddedToken[];
  /** Id of each named token that is not null. */
  readonly ids: ReadonlyMap<string, number>;
}

/**
 * Ids of all tokens, as transformers 5 gives them: a string that the vocabulary has keeps its id, others are numbered
 * behind it, those with ids in their order first. (Ids in the files are not taken: a gap in them closes.)
 *
 * @param idOf The vocabulary.
 * @param size How many tokens it has.
 * @param defaults Named tokens where the files name none.
 * @param extra Further tokens where the files list none.
 * @throws {LssgenError} `bad_file` when a named token is null, or one that no file names is not in the vocabulary.
 */
export function numberTokens(
  facts: TokenizerFacts,
  idOf: (content: string) => number | undefined,
  size: number,
  defaults: Readonly<Partial<Record<Name, string>>>,
  extra: readonly TokenText[] = facts.additional ?? [],
): Tokens {
  const named = new Map(facts.named);
  for (const [name, content] of Object.entries(defaults)) {
    const told = named.get(name);
    if (told === null && name !== "unk_token") {
      throw new LssgenError(
        "bad_file",
        `Cannot use the tokenizer in "${facts.at}": its ${name} is null, expected a token`,
      );
    }
    if (told) continue;
    if (idOf(content) === undefined && !facts.listed.some((token) => token.content === content)) {
      throw new LssgenError(
        "bad_file",
        `Cannot use the tokenizer in "${facts.at}": its vocabulary has no "${content}", and no file names another ${name}`,
      );
    }
    named.set(name, { content, special: true });
  }
  const frame = [...new Set([...NAMES, ...named.keys()])].flatMap((name) => named.get(name) ?? []);
  const names = new Set(frame.map(({ content }) => content));
  const listed = new Set(facts.listed.map(({ content }) => content));
  // Of two with the same string the later one counts, unless it was there before, word for word.
  const seen = new Set<string>();
  const behind = [...frame, ...facts.extra ?? extra].filter((token) => {
    const key = JSON.stringify(token);
    return !listed.has(token.content) && !seen.has(key) && seen.add(key);
  });
  const known = new Map<string, AddedToken>();
  let next = size;
  for (const token of [...facts.listed, ...behind]) {
    const { content } = token;
    if (content === "") continue;
    const before = known.get(content);
    const id = idOf(content) ?? before?.id ?? next;
    if (id >= next) next = id + 1;
    const special = token.special || names.has(content);
    known.set(content, {
      content,
      id,
      lstrip: token.lstrip === true,
      rstrip: token.rstrip === true,
      singleWord: token.singleWord === true,
      normalized: token.normalized ?? !special,
      special: special || before?.special === true,
    });
  }
  const ids = new Map<string, number>();
  for (const [name, token] of named) {
    const id = token && known.get(token.content)?.id;
    if (id !== undefined && id !== null) ids.set(name, id);
  }
  const added = [...known.values()].filter((token) => !(facts.splitSpecial && token.special));
  return { added, ids };
}

/** A token as a text, or as an object with `content` and its rules. */
function tokenText(value: unknown, special: boolean, file: string, where: string): TokenText {
  if (typeof value === "string") return { content: value, special };
  if (!isRecord(value) || typeof value.content !== "string") {
    throw bad(file, `${where} is ${shortJson(value)}, expected a text or an object with "content"`);
  }
  const flag = (key: string): boolean | undefined => {
    const told = value[key] ?? undefined;
    if (told === undefined || typeof told === "boolean") return told;
    throw bad(file, `${where}: ${key} is ${shortJson(told)}, expected true or false`);
  };
  return {
    content: value.content,
    lstrip: flag("lstrip"),
    rstrip: flag("rstrip"),
    singleWord: flag("single_word"),
    normalized: flag("normalized"),
    special: flag("special") ?? false,
    object: true,
  };
}

function tokenId(value: unknown, file: string, where: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 2 ** 24) {
    throw bad(file, `${where} is ${shortJson(value)}, expected an id below ${2 ** 24}`);
  }
  return value;
}

function entries(value: unknown, file: string, where: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_ADDED) {
    throw bad(file, `${where} is not a list of at most ${MAX_ADDED}`);
  }
  return value;
}

/** `model_max_length`, formerly `max_len`; folders write 1e30 for "no limit". */
function maxLengthOf(config: Readonly<Record<string, unknown>>, file: string): number | undefined {
  const value = config.model_max_length ?? config.max_len;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value > 2)) {
    throw bad(file, `model_max_length is ${shortJson(value)}, expected a number above 2`);
  }
  if (value > MAX_LENGTH) return undefined;
  if (!Number.isInteger(value)) throw bad(file, `model_max_length is ${value}, expected a whole number`);
  return value;
}

/** More tokens than any text encoder reads: "no limit". */
const MAX_LENGTH = 1e6;

function side(value: unknown, file: string, key: string): "left" | "right" {
  const told = typeof value === "string" ? value.toLowerCase() : value ?? "right";
  if (told !== "left" && told !== "right") {
    throw bad(file, `${key} is ${shortJson(value)}, expected "left" or "right"`);
  }
  return told;
}

/** tokenizer.json, or the newest of its versions that transformers 5 takes: tokenizer.4.0.0.json and the like. */
function newestTokenizerJson(list: unknown, file: string): string {
  let name = "tokenizer.json";
  let newest = 0;
  for (const entry of entries(list, file, "fast_tokenizer_files")) {
    const version = typeof entry === "string" ? /^tokenizer\.(\d+)\.(\d+)\.(\d+)\.json$/.exec(entry) : null;
    const order = version ? Number(version[1]) * 1e6 + Number(version[2]) * 1e3 + Number(version[3]) : 0;
    if (!version || order <= newest || Number(version[1]) > TRANSFORMERS) continue;
    newest = order;
    name = version[0];
  }
  return name;
}

/** Major version of transformers whose behaviour this follows. */
const TRANSFORMERS = 5;

function isName(key: string): key is Name {
  return (NAMES as readonly string[]).includes(key);
}

/** A list or an object with something in it. */
function isFilled(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function bad(file: string, what: string): LssgenError {
  return new LssgenError("bad_file", `Cannot read "${file}": ${what}`);
}
