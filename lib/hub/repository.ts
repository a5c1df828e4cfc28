/**
 * A model's repository on a hub: its commit, its files, which of them a picture needs, and reading them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { reasonOf } from "../reason_of.ts";
import { isRecord, parseJson, parsePythonJson } from "../json.ts";
import { check, type Kind } from "../option_kinds.ts";
import { type ByteSource, filesIn, folderOf, type FolderSource } from "../weights/bytes.ts";
import { type CachedFolder, cachedFolder, hashedFile } from "../weights/cache.ts";
import { CONFIG_BOUNDS } from "../weights/model_folder.ts";
import { PassingError } from "./answers.ts";
import { HubClient, type HubOptions } from "./client.ts";
import type { HubFile } from "./listing.ts";
import { type HubName, parseHubName, spellHubName } from "./name.ts";
import { checkAnswer } from "./ranges.ts";
import { MODEL_INDEX, selectFiles, type Selection, type Wish } from "./selection.ts";

/** Without a revision. */
export const DEFAULT_REVISION = "main";

/** Largest model_index.json; real ones have less than 2 kB. */
const MAX_INDEX_BYTES = 1 << 20;

/** A repository as it is at one commit. */
export interface Repository {
  /** As it was asked for. */
  readonly name: HubName;
  /** Branch, tag or commit that was asked for. */
  readonly revision: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** Every file. */
  readonly listing: readonly HubFile[];
}

/**
 * Asks the hub what it has.
 *
 * @throws {LssgenError} `bad_file`, with the page to visit: missing, private, gated, no such revision; or the hub cannot be
 * reached.
 */
export async function openRepository(client: HubClient, name: HubName): Promise<Repository> {
  const revision = name.revision ?? DEFAULT_REVISION;
  const commit = await client.commit(name.repo, revision);
  return { name, revision, commit, listing: await client.list(name.repo, commit) };
}

/**
 * Chooses the files that a picture needs, see {@linkcode selectFiles}.
 *
 * @param index Content of model_index.json where it is at hand; fetched without.
 */
export async function chooseFiles(
  client: HubClient,
  repository: Repository,
  wish?: Wish,
  index?: string,
): Promise<Selection> {
  const { listing, name: { repo, file } } = repository;
  const whole: Wish = { file, ...wish };
  const found = listing.find(({ path }) => path === MODEL_INDEX);
  if (!found || whole.file !== undefined || whole.include?.length) {
    return selectFiles(listing, undefined, repo, whole);
  }
  if (found.size > MAX_INDEX_BYTES) {
    throw new LssgenError(
      "bad_file",
      `"${repo}/${MODEL_INDEX}" has ${found.size} bytes, expected at most ${MAX_INDEX_BYTES}`,
    );
  }
  let json: unknown;
  try {
    const text = index ?? await remoteFolder(client, repository, listing).text(MODEL_INDEX) ?? "";
    json = parseJson(`${repo}/${MODEL_INDEX}`, text, CONFIG_BOUNDS, parsePythonJson);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new LssgenError("bad_file", `"${repo}/${MODEL_INDEX}" is no JSON: ${error.message}`);
    }
    throw error;
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new LssgenError("bad_file", `"${repo}/${MODEL_INDEX}" is no JSON object`);
  }
  return selectFiles(listing, json, repo, whole);
}

/**
 * A repository's files, each read from the network when it is asked for: for configs and headers.
 *
 * @param files What the folder has; nothing else exists.
 */
export function remoteFolder(
  client: HubClient,
  repository: Repository,
  files: readonly HubFile[],
): FolderSource {
  const { name: { repo }, commit } = repository;
  return folderOf(repo, (path) => {
    const file = files.find((one) => one.path === path);
    return Promise.resolve(file && remoteFile(client, repo, commit, file));
  }, (path) => Promise.resolve(filesIn(files.map((file) => file.path), path)));
}

function remoteFile(client: HubClient, repo: string, commit: string, file: HubFile): ByteSource {
  const { path, size } = file;
  const asked = client.asked(repo, commit, path);
  const read = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
    const range = { from: offset, to: offset + length };
    if (!(offset >= 0 && length >= 0 && range.to <= size)) {
      throw new LssgenError(
        "bad_file",
        `"${repo}/${path}" ends at byte ${size}, bytes ${offset} … ${range.to} were asked for`,
      );
    }
    if (length === 0) return new Uint8Array(0);
    return await client.persist(async () => {
      const { response, url } = await client.open(client.fileUrl(repo, commit, path), asked, [
        range.from,
        range.to,
      ]);
      const { host } = new URL(url);
      let at = checkAnswer(response, range, file, host).from;
      const out = new Uint8Array(length);
      for await (const piece of client.body(response, url)) {
        // A server without ranges sends everything.
        const inside = piece.subarray(Math.max(0, offset - at), Math.max(0, range.to - at));
        if (inside.length > 0) out.set(inside, Math.max(0, at - offset));
        at += piece.length;
        if (at >= range.to) return out;
      }
      throw new PassingError(`The connection to ${host} was lost`);
    });
  };
  return { name: `${repo}/${path}`, size, read };
}

/** A model of a hub as a folder. */
export interface HubFolder extends CachedFolder {
  /** Which repository and commit. */
  readonly repository: Repository;
  /** What is fetched, and what was chosen. */
  readonly selection: Selection;
  /** The same files, read by ranges and not kept: headers, before the rest is fetched. */
  readonly remote: FolderSource;
}

/** Which hub, which files and which cache. */
export interface HubFolderOptions extends HubOptions {
  /** Files, in place of those that pipelines need. */
  readonly wish?: Wish;
  /** Name of the cache; that of all weights without. */
  readonly cacheName?: string;
}

const OPTIONS: Readonly<Record<keyof HubFolderOptions, Kind>> = {
  endpoint: "a text",
  token: "a text",
  signal: "an AbortSignal",
  fetch: "a function",
  pauseMs: "a number",
  stallMs: "a number",
  onRetry: "a function",
  wish: "an object",
  cacheName: "a text",
};

/**
 * Opens a model of a hub for a page: the listing is read, no weights. Files are kept in the browser's Cache API as they are
 * read, or all at once by `download`; `bytes` says beforehand how much that is.
 *
 * @param name `ORG/NAME` or another spelling that {@linkcode parseHubName} reads.
 * @param options Which hub, files and cache. With a token all reads go to the network: nothing private is kept.
 * @throws {LssgenError} `bad_option` when it is no name; `bad_file`, with the page to visit. The signal's `reason` when it fires.
 */
export async function openHubFolder(
  name: string | HubName,
  options: HubFolderOptions = {},
): Promise<HubFolder> {
  check("The options of openHubFolder", options, OPTIONS);
  const { wish, cacheName } = options;
  const parsed = typeof name === "string"
    ? parseHubName(name, options.endpoint)
    : isRecord(name) && typeof name.repo === "string"
    ? name
    : undefined;
  if (!parsed) throw new LssgenError("bad_option", `"${name}" names no model on the hub, expected ORG/NAME`);
  const client = new HubClient(options);
  const [repository, selection] = await listed(client, parsed, wish).catch((error) => {
    throw reasonOf(error, options.signal);
  });
  const remote = remoteFolder(client, repository, selection.files);
  if (options.token !== undefined) {
    return {
      ...remote,
      remote,
      bytes: selection.bytes,
      stored: () => Promise.resolve(0),
      download: () => Promise.resolve(),
      repository,
      selection,
    };
  }
  const { repo } = parsed;
  const folder = cachedFolder(
    `${client.endpoint}/${repo}/resolve/${repository.commit}`,
    selection.files.map(({ path, size, digest }) => hashedFile(path, size, digest)),
    cacheName,
    `${client.endpoint}/${repo}`,
  );
  return { ...folder, name: spellHubName(parsed), repository, selection, remote };
}

async function listed(
  client: HubClient,
  name: HubName,
  wish: Wish | undefined,
): Promise<[Repository, Selection]> {
  const repository = await openRepository(client, name);
  return [repository, await chooseFiles(client, repository, wish)];
}

/** A model of a hub as a folder that asks the hub when a file is asked for. */
export function hubFolder(name: HubName, options: HubFolderOptions = {}): FolderSource {
  let opened: Promise<HubFolder> | undefined;
  const folder = async (): Promise<HubFolder> => {
    opened ??= openHubFolder(name, options);
    // A network that failed is asked again.
    opened.catch(() => opened = undefined);
    return await opened;
  };
  return folderOf(
    spellHubName(name),
    async (path) => await (await folder()).open(path),
    async (path) => await (await folder()).list?.(path) ?? [],
  );
}
