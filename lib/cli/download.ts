/**
 * `download`, and models that other commands name as `ORG/NAME`: fetched from a hub into its cache on disk.
 *
 * @module
 */

import { resolve } from "@std/path";
import { AbortedError, LssgenError } from "../errors.ts";
import { NO_MODEL, PassingError } from "../hub/answers.ts";
import { HubClient, type HubOptions } from "../hub/client.ts";
import { type HubName, parseHubName } from "../hub/name.ts";
import {
  chooseFiles,
  DEFAULT_REVISION,
  openRepository,
  remoteFolder,
  type Repository,
} from "../hub/repository.ts";
import { bytesText, MODEL_INDEX, selectFiles, type Selection, type Wish } from "../hub/selection.ts";
import { readModelInfo } from "../pipelines/text_to_image.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { parseJson, parsePythonJson } from "../json.ts";
import { CONFIG_BOUNDS } from "../weights/model_folder.ts";
import { BytesProgress } from "./bytes_progress.ts";
import { WEIGHTS_NAME } from "./file_names.ts";
import { fileFolder } from "./files.ts";
import {
  cachedSnapshot,
  HubCache,
  hubEndpoint,
  type HubEnvironment,
  LocalFolder,
  type Placement,
  readHubEnvironment,
  unlessMissing,
} from "./hub_cache.ts";
import { transfer, type TransferOptions } from "./hub_transfer.ts";
import type { Parsed } from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** How a model is fetched. */
export interface FetchOptions {
  /** Which files, in place of those that a picture needs. */
  readonly wish?: Wish;
  /** Folder to put the files in, in place of the hub's cache. */
  readonly localDir?: string;
  /** Stops it. */
  readonly signal?: AbortSignal;
  /** Sentences and progress; silent without. */
  readonly show?: BytesProgress;
  /** What the environment says; read without. */
  readonly environment?: HubEnvironment;
  /** Further settings of the transfer. */
  readonly transfer?: Pick<TransferOptions, "connections" | "pieces" | "freeBytes">;
  /** Further settings of requests. */
  readonly requests?: Pick<HubOptions, "pauseMs" | "stallMs">;
}

/** A model on the disk. */
export interface FetchedModel {
  /** The folder, or the file where one was named or is the only one. */
  readonly path: string;
  /** Commit. */
  readonly commit: string;
  /** Files by path in the repository. */
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Runs the command. */
export async function download(options: Parsed, terminal: Terminal): Promise<void> {
  const { words, text, texts, flag } = options;
  const named = text.model !== undefined ? [...words, text.model] : words;
  if (named.length !== 1) {
    throw new LssgenError(
      "bad_option",
      named.length === 0
        ? "A model is missing: cli.ts download ORG/NAME"
        : `\`download\` takes one model, got ${named.join(", ")}`,
    );
  }
  const environment = await readHubEnvironment();
  const name = parseHubName(named[0], environment.endpoint);
  if (!name) {
    throw new LssgenError(
      "bad_option",
      `"${named[0]}" names no model on a hub, expected ORG/NAME or its address`,
    );
  }
  const show = flag.quiet ? undefined : new BytesProgress("download", terminal);
  const { path, commit, files } = await fetchModel(
    { ...name, ...text.revision !== undefined && { revision: text.revision } },
    {
      wish: { include: texts.include, exclude: texts.exclude },
      localDir: text.localDir,
      signal: terminal.signal,
      show,
      environment,
    },
  );
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (flag.json) terminal.print(JSON.stringify({ repo: name.repo, commit, path, bytes, files }));
  else terminal.print(path);
}

/** Models of this run by what was typed: each is looked up once. */
const fetched = new Map<string, Promise<FetchedModel>>();

/**
 * The path of a model that may be a hub's: what exists on the disk is taken as it is; a hub's name is fetched first.
 *
 * @param text As typed.
 * @throws {LssgenError} As {@linkcode fetchModel} does.
 */
export async function localPath(text: string, terminal: Terminal): Promise<string> {
  const name = await hubNameOf(text);
  if (!name) return text;
  let model = fetched.get(text);
  if (!model) {
    model = fetchModel(name, { signal: terminal.signal, show: new BytesProgress("download", terminal) });
    fetched.set(text, model);
  }
  return (await model.catch((error) => neither(text, error))).path;
}

/**
 * A model of a hub by its configs and headers, nothing kept.
 *
 * @returns undefined for what is no hub's name, or where the cache has to do.
 */
export async function remoteModel(
  text: string | undefined,
  signal: AbortSignal,
): Promise<FolderSource | undefined> {
  const name = text === undefined ? undefined : await hubNameOf(text);
  if (!name) return undefined;
  const environment = await readHubEnvironment();
  if (environment.offline) return undefined;
  const client = new HubClient({ endpoint: environment.endpoint, token: environment.token, signal });
  const repository = await openRepository(client, name).catch((error) => neither(text!, error));
  return remoteFolder(client, repository, (await chooseFiles(client, repository)).files);
}

/** A name that nobody knows, or whose hub does not answer, may have been meant as a path. */
function neither(text: string, error: unknown): never {
  const unknown = error instanceof LssgenError &&
    (error.message.startsWith(NO_MODEL) || error.cause instanceof PassingError && !text.includes("://"));
  if (!unknown) throw error;
  throw new LssgenError(error.code, `There is no file or folder "${text}" here. ${error.message}`, {
    cause: error,
  });
}

/** `FOLDER/FILE`, which looks like a hub's name: the weights' ending says what was meant. */
const FILE_IN_FOLDER = /^[^:@/]+\/[^:@/]+$/;

/** A hub's name, unless there is such a file or folder, or it can only be meant as one. */
async function hubNameOf(text: string): Promise<HubName | undefined> {
  if (FILE_IN_FOLDER.test(text) && WEIGHTS_NAME.test(text)) return undefined;
  const name = parseHubName(text, hubEndpoint());
  if (!name) return undefined;
  return await Deno.stat(text).then(() => true, unlessMissing) ? undefined : name;
}

/**
 * Fetches what is missing of a model, into the cache that it shares with Python's huggingface_hub.
 *
 * @throws {LssgenError} `bad_file`, with the page to visit; `unsupported` for pipelines that are not built here, before
 * anything large is fetched.
 * @throws {AbortedError} When the signal fires.
 */
export async function fetchModel(name: HubName, options: FetchOptions = {}): Promise<FetchedModel> {
  const environment = options.environment ?? await readHubEnvironment();
  const { wish = {}, signal, show, localDir } = options;
  try {
    if (environment.offline) return await fromCache(name, environment, wish, "HF_HUB_OFFLINE is set");
    const client = new HubClient({
      ...options.requests,
      endpoint: environment.endpoint,
      token: environment.token,
      signal,
      onRetry: (text) => show?.note(text),
    });
    if (environment.token !== undefined && isOpenWire(client.endpoint)) {
      show?.note(`The token goes to ${client.endpoint} unencrypted`);
    }
    let repository: Repository;
    try {
      repository = await openRepository(client, name);
    } catch (error) {
      // What is in the cache serves where nobody answers.
      if (!(error instanceof LssgenError && error.cause instanceof PassingError) || localDir !== undefined) {
        throw error;
      }
      const cached = await fromCache(name, environment, wish, error.message).catch(() => undefined);
      if (!cached) throw error;
      show?.note(`${error.message}. Using what the cache has`);
      return cached;
    }
    return await fetchRepository(client, repository, environment, options);
  } catch (error) {
    if (signal?.aborted) throw new AbortedError("The download was stopped; it goes on from there next time");
    if (error instanceof LssgenError || !(error instanceof Error)) throw error;
    const isDisk = Object.values(Deno.errors).some((kind) => error instanceof kind);
    if (!isDisk) throw error;
    throw new LssgenError("bad_file", `Cannot keep "${name.repo}" on the disk: ${error.message}`, {
      cause: error,
    });
  } finally {
    show?.end();
  }
}

async function fetchRepository(
  client: HubClient,
  repository: Repository,
  environment: HubEnvironment,
  { wish, signal, show, localDir, transfer: settings }: FetchOptions,
): Promise<FetchedModel> {
  const { name: { repo }, commit, revision } = repository;
  const cache = new HubCache(environment, repo, commit, revision);
  const folder = localDir === undefined ? cache.snapshot : resolve(localDir);
  const place: Placement = localDir === undefined ? cache : new LocalFolder(folder, commit);
  const index = await fileFolder(folder).text(MODEL_INDEX);
  // A folder of the user's may hold another version's.
  const selection = await chooseFiles(client, repository, wish, localDir === undefined ? index : undefined);
  const { files, single } = selection;
  const there = await Promise.all(files.map(({ path, digest, size }) => place.has(path, digest.hex, size)));
  const missing = files.filter((_, i) => !there[i]);
  if (missing.length > 0) {
    // What is not built here is said before minutes are spent on it.
    if (!wish?.include?.length && files.some(({ path }) => path === MODEL_INDEX)) {
      await readModelInfo(remoteFolder(client, repository, files));
    }
    for (const note of selection.notes) show?.note(note);
    const bytes = bytesText(missing.reduce((sum, { size }) => sum + size, 0));
    show?.note(
      `${missing.length === 1 ? missing[0].path : `${missing.length} files`}, ${bytes}, from ` +
        `${client.endpoint}/${repo} (${revision === commit ? "" : `${revision}, `}commit ${
          commit.slice(0, 7)
        })`,
    );
  }
  await transfer(client, { repo, commit, files }, place, {
    ...settings,
    signal,
    onNote: (text) => show?.note(text),
    onProgress: missing.length > 0
      ? (done, total, checking) => show?.show(done, total, checking && `checking ${checking}`)
      : undefined,
  });
  return { path: single === undefined ? folder : place.finalPath(single), commit, files };
}

/** What the cache has of a model, without a request. */
async function fromCache(
  { repo, revision = DEFAULT_REVISION, file }: HubName,
  { cache }: HubEnvironment,
  wish: Wish,
  why: string,
): Promise<FetchedModel> {
  const snapshot = await cachedSnapshot(cache, repo, revision);
  if (!snapshot) {
    throw new LssgenError("bad_file", `"${repo}" (${revision}) is not in the cache "${cache}", and ${why}`);
  }
  const { commit, folder, files } = snapshot;
  const listing = files.map((one) => ({ ...one, digest: { kind: "sha256" as const, hex: "" } }));
  const text = await fileFolder(folder).text(MODEL_INDEX);
  let selection: Selection;
  try {
    const index = text === undefined
      ? undefined
      : parseJson(MODEL_INDEX, text, CONFIG_BOUNDS, parsePythonJson);
    selection = selectFiles(listing, index, repo, { file, ...wish });
  } catch (error) {
    throw new LssgenError(
      "bad_file",
      `The cache does not have all of "${repo}" (${
        error instanceof Error ? error.message : error
      }), and ${why}`,
      { cause: error },
    );
  }
  const { single } = selection;
  return { path: single === undefined ? folder : `${folder}/${single}`, commit, files: selection.files };
}

/** Whether what is sent can be read on the way. */
function isOpenWire(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === "http:" && !/^(localhost|127\.|\[::1\])/.test(hostname);
}
