/**
 * The hub's cache on disk, in the layout that Python's huggingface_hub reads and writes:
 *
 *     models--ORG--NAME/blobs/HASH             contents, one file each whatever it is called
 *     models--ORG--NAME/snapshots/COMMIT/PATH  links to them
 *     models--ORG--NAME/refs/REVISION          the commit of a branch or tag
 *     .locks/models--ORG--NAME/HASH.lock       held while a blob is being fetched
 *
 * @module
 */

import { dirname, join, relative } from "@std/path";
import { LssgenError } from "../errors.ts";
import { PUBLIC_HUB } from "../hub/name.ts";
import { removeLeftParts, writeWhole } from "./output.ts";
import { environmentVariable } from "./permissions.ts";

/** What the environment says about hubs, read as huggingface_hub reads it. */
export interface HubEnvironment {
  /** `HF_ENDPOINT`. */
  readonly endpoint: string;
  /** `HF_TOKEN`, or the content of the token file. */
  readonly token?: string;
  /** `HF_HUB_CACHE`, or `hub` in `HF_HOME`. */
  readonly cache: string;
  /** `HF_HUB_OFFLINE`: nothing is fetched. */
  readonly offline: boolean;
  /** `HF_HUB_DISABLE_SYMLINKS`: snapshots hold files, not links. */
  readonly noLinks: boolean;
}

/** `HF_ENDPOINT`, or the public hub. */
export function hubEndpoint(env: (name: string) => string | undefined = environmentVariable): string {
  return (env("HF_ENDPOINT") || PUBLIC_HUB).replace(/\/+$/, "");
}

/**
 * Reads the environment and the token file.
 *
 * @param env Looks up a variable.
 */
export async function readHubEnvironment(
  env: (name: string) => string | undefined = environmentVariable,
): Promise<HubEnvironment> {
  const yes = (name: string): boolean => ["1", "ON", "YES", "TRUE"].includes((env(name) ?? "").toUpperCase());
  const home = env("HOME") ?? env("USERPROFILE") ?? ".";
  const path = (text: string): string =>
    text.replace(/^~(?=$|[/\\])/, home).replace(/\$\{(\w+)\}|\$(\w+)/g, (all, a, b) => env(a ?? b) ?? all);
  const hfHome = path(env("HF_HOME") ?? join(env("XDG_CACHE_HOME") ?? join(home, ".cache"), "huggingface"));
  const clean = (text: string | undefined): string | undefined =>
    text?.replace(/[\r\n]/g, "").trim() || undefined;
  let token: string | undefined;
  if (!yes("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
    token = clean(env("HF_TOKEN")) ?? clean(env("HUGGING_FACE_HUB_TOKEN")) ??
      clean(
        await smallText(path(env("HF_TOKEN_PATH") ?? join(hfHome, "token"))).catch(() => undefined),
      );
  }
  return {
    endpoint: hubEndpoint(env),
    token,
    cache: path(env("HF_HUB_CACHE") ?? env("HUGGINGFACE_HUB_CACHE") ?? join(hfHome, "hub")),
    offline: yes("HF_HUB_OFFLINE") || yes("TRANSFORMERS_OFFLINE"),
    noLinks: yes("HF_HUB_DISABLE_SYMLINKS"),
  };
}

/** Files that a download writes: each is whole under its final name or not there. */
export interface Placement {
  /** Where a file ends up. */
  finalPath(path: string): string;
  /** Where a content is kept under its hash; made final by {@linkcode Placement.put}. */
  blobPath(hex: string): string;
  /** File that is locked while a content is fetched. */
  lockPath(hex: string): string;
  /** Whether a file is there already. */
  has(path: string, hex: string, size: number): Promise<boolean>;
  /** Puts a content that was checked under a file's final name. `fresh`: fetched in this run. */
  put(path: string, hex: string, fresh: boolean): Promise<void>;
  /** Called when all files are in their place. */
  finish(): Promise<void>;
}

/** See the module. */
export class HubCache implements Placement {
  private readonly root: string;

  /**
   * @param environment Folder of the cache, and whether links are wanted.
   * @param repo `ORG/NAME`.
   * @param commit Which snapshot.
   * @param revision What it was asked for by.
   */
  constructor(
    private readonly environment: Pick<HubEnvironment, "cache" | "noLinks">,
    repo: string,
    private readonly commit: string,
    private readonly revision: string,
  ) {
    this.root = join(environment.cache, repoFolder(repo));
  }

  /** Folder that holds the repository's files as they are named there. */
  get snapshot(): string {
    return join(this.root, "snapshots", this.commit);
  }

  finalPath(path: string): string {
    return join(this.snapshot, ...path.split("/"));
  }

  blobPath(hex: string): string {
    return join(this.root, "blobs", hex);
  }

  lockPath(hex: string): string {
    const { cache } = this.environment;
    return join(cache, ".locks", relative(cache, this.root), `${hex}.lock`);
  }

  async has(path: string, _hex: string, size: number): Promise<boolean> {
    return await sizeOf(this.finalPath(path)) === size;
  }

  async put(path: string, hex: string, fresh: boolean): Promise<void> {
    const to = this.finalPath(path);
    const blob = this.blobPath(hex);
    await Deno.mkdir(dirname(to), { recursive: true });
    // A link to nothing, or a file of another size: it would have counted as there otherwise.
    await Deno.remove(to).catch(unlessMissing);
    if (!this.environment.noLinks) {
      try {
        await Deno.symlink(relative(dirname(to), blob), to);
        return;
      } catch (error) {
        if (error instanceof Deno.errors.AlreadyExists) return; // Another process was faster.
        // Windows without developer mode, disks without links, Deno without full permissions: files in their place.
      }
    }
    if (fresh) return await Deno.rename(blob, to);
    await writeWhole(to, { copyOf: blob }, { aside: this.root });
  }

  /** Writes down which commit the revision stands for. */
  async finish(): Promise<void> {
    await tagCache(this.environment.cache);
    await removeLeftParts(this.root);
    if (this.revision === this.commit) return;
    const ref = join(this.root, "refs", ...this.revision.split("/"));
    if (await smallText(ref) === this.commit) return;
    await Deno.mkdir(dirname(ref), { recursive: true });
    // Not beside the reference, where half a file would be read as another reference.
    await writeWhole(ref, new TextEncoder().encode(this.commit), { aside: this.root });
  }
}

/** Files in a folder of the user's, as huggingface_hub's `local_dir` keeps them: bookkeeping lies in `.cache/huggingface`. */
export class LocalFolder implements Placement {
  private readonly books: string;

  /** @param folder Where to. @param commit Which commit its files are of. */
  constructor(private readonly folder: string, private readonly commit: string) {
    this.books = join(folder, ".cache", "huggingface", "download");
  }

  finalPath(path: string): string {
    return join(this.folder, ...path.split("/"));
  }

  blobPath(hex: string): string {
    return join(this.books, hex);
  }

  lockPath(hex: string): string {
    return join(this.books, `${hex}.lock`);
  }

  async has(path: string, hex: string, size: number): Promise<boolean> {
    if (await sizeOf(this.finalPath(path)) !== size) return false;
    const known = await smallText(this.metadataPath(path)) ?? "";
    return known.split("\n")[1] === hex;
  }

  async put(path: string, hex: string, fresh: boolean): Promise<void> {
    const to = this.finalPath(path);
    await Deno.mkdir(dirname(to), { recursive: true });
    await Deno.mkdir(dirname(this.metadataPath(path)), { recursive: true });
    // The same content under two names was moved to the first.
    if (fresh) await Deno.rename(this.blobPath(hex), to);
    else await writeWhole(to, { copyOf: this.blobPath(hex) }, { aside: this.books });
    const metadata = `${this.commit}\n${hex}\n${Date.now() / 1000}\n`;
    await writeWhole(this.metadataPath(path), new TextEncoder().encode(metadata), { aside: this.books });
  }

  async finish(): Promise<void> {
    await removeLeftParts(this.books);
  }

  private metadataPath(path: string): string {
    return join(this.books, ...path.split("/")) + ".metadata";
  }
}

/** A repository's folder in the cache. */
export function repoFolder(repo: string): string {
  return `models--${repo.replaceAll("/", "--")}`;
}

/**
 * The snapshot that the cache has of a revision.
 *
 * @returns Its commit and its files by path with their sizes; undefined when there is none.
 */
export async function cachedSnapshot(
  cache: string,
  repo: string,
  revision: string,
): Promise<{ commit: string; folder: string; files: { path: string; size: number }[] } | undefined> {
  const root = join(cache, repoFolder(repo));
  const commit = /^[0-9a-f]{40}$/.test(revision)
    ? revision
    : (await smallText(join(root, "refs", ...revision.split("/"))))?.trim();
  if (commit === undefined || !/^[0-9a-f]{40}$/.test(commit)) return undefined;
  const folder = join(root, "snapshots", commit);
  const files = await walk(folder, "");
  return files.length === 0 ? undefined : { commit, folder, files };
}

async function walk(folder: string, at: string): Promise<{ path: string; size: number }[]> {
  const found: { path: string; size: number }[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(join(folder, at))) {
      const path = at === "" ? name : `${at}/${name}`;
      if (isDirectory) found.push(...await walk(folder, path));
      else {
        const size = await sizeOf(join(folder, path));
        if (size !== undefined) found.push({ path, size });
      }
    }
  } catch (error) {
    unlessMissing(error);
  }
  return found;
}

/** Bytes of a text that is kept beside files: a commit, a token, a hash and a time. */
const MOST_TEXT = 1 << 16;

/** Such a text; undefined where there is no regular file of that size. A pipe or a device might never end. */
async function smallText(path: string): Promise<string | undefined> {
  const size = await sizeOf(path);
  return size === undefined || size > MOST_TEXT
    ? undefined
    : await Deno.readTextFile(path).catch(unlessMissing);
}

/** A file's bytes, through links; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const info = await Deno.stat(path).catch(unlessMissing);
  return info?.isFile ? info.size : undefined;
}

/** Swallows that something does not exist. */
export function unlessMissing(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
  throw error;
}

/** Backup programs leave folders with this file alone (https://bford.info/cachedir/). */
async function tagCache(cache: string): Promise<void> {
  const text = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache and may be deleted.\n";
  try {
    await Deno.writeTextFile(join(cache, "CACHEDIR.TAG"), text, { createNew: true });
  } catch {
    // It is there already, or the folder is somebody else's.
  }
}

/**
 * Runs `work` while a file is locked for this process, as Python's filelock locks it.
 *
 * @param onWait Called once when another process has it.
 */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  onWait: () => void,
  work: () => Promise<T>,
): Promise<T> {
  await Deno.mkdir(dirname(path), { recursive: true });
  using file = await Deno.open(path, { create: true, write: true, read: true, mode: 0o664 });
  let waited = false;
  while (!await file.tryLock(true).catch(() => true)) {
    if (!waited) onWait();
    waited = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
    if (signal?.aborted) {
      throw new LssgenError("aborted", "Stopped while another program fetched the same file");
    }
  }
  // Where a disk knows no locks, two programs fetch the same file twice: each checks the content before it is final.
  return await work();
}

const LOCK_POLL_MS = 200;
