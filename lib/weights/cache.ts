/**
 * A model behind a URL, kept in the browser's Cache API: downloaded once, in parts that are checked and
 * stored one by one, then read without network. An interrupted download goes on where it stopped.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { type ByteSource, filesIn, folderOf, type FolderSource } from "./bytes.ts";
import type { FileDigest } from "./whole_hash.ts";

export type { FileDigest } from "./whole_hash.ts";

/**
 * Bytes of a part. Small enough to be checked and held in memory, large enough that a model of 24 GB has
 * fewer than a thousand.
 */
export const PART_BYTES: number = 32 << 20;

/** Name of the cache, without another. */
export const WEIGHTS_CACHE = "lssgen-weights";

/** A file as a page's list knows it: whoever publishes the files makes the list, with {@linkcode listFile}. */
export interface ListedFile {
  /** Path inside the folder. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of every {@linkcode PART_BYTES} bytes, in hexadecimal; with `digest` only what parts are kept under. */
  readonly parts: readonly string[];
  /** Hash of the whole, where those of the parts are not known: it is compared when all parts are there. */
  readonly digest?: FileDigest;
}

/** How a download is watched and stopped. */
export interface DownloadOptions {
  /** Stops it; what is stored already stays. */
  readonly signal?: AbortSignal;
  /** Called with bytes that are there, of bytes in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A folder whose files come from the cache where they are in it. */
export interface CachedFolder extends FolderSource {
  /** Bytes of all files together. */
  readonly bytes: number;
  /** Bytes of this folder that need no network. */
  stored(): Promise<number>;
  /**
   * Fetches what is missing. Where the browser refuses to store (private windows, a full disk), it stops
   * quietly, and files are read from the network by ranges.
   *
   * @throws {LssgenError} `bad_file` when the server's files are not those of the list.
   * @throws {AbortedError} When the signal fires.
   */
  download(options?: DownloadOptions): Promise<void>;
}

/** Adds a file to a list. */
export async function listFile(path: string, source: ByteSource): Promise<ListedFile> {
  const parts: string[] = [];
  for (let at = 0; at < source.size; at += PART_BYTES) {
    parts.push(await sha256(await source.read(at, Math.min(PART_BYTES, source.size - at))));
  }
  return { path, size: source.size, parts };
}

/** A file of which only the whole's hash is known, for a list. */
export function hashedFile(path: string, size: number, digest: FileDigest): ListedFile {
  const count = Math.ceil(size / PART_BYTES);
  return { path, size, digest, parts: Array.from({ length: count }, () => digest.hex) };
}

/**
 * A folder behind `base` whose files are kept in the Cache API.
 *
 * @param base URL of the folder.
 * @param files All of its files. What is not listed does not exist: no request is made for it.
 * @param cacheName Which cache; {@linkcode WEIGHTS_CACHE} without.
 * @param keys URL that entries are kept under in place of `base`, where several versions of a folder share files; then
 * files that are not listed stay in the cache.
 */
export function cachedFolder(
  base: string | URL,
  files: readonly ListedFile[],
  cacheName: string = WEIGHTS_CACHE,
  keys: string | URL = base,
): CachedFolder {
  const slashed = (url: string | URL): string => String(url).replace(/\/*$/, "/");
  return new PartCache(slashed(base), files, cacheName, slashed(keys)).folder();
}

/** Bytes that a cache holds, of any model and version. */
export async function storedBytes(cacheName: string = WEIGHTS_CACHE): Promise<number> {
  return (await storedEntries(cacheName)).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What a cache holds: addresses of parts, under their folder's, and their bytes. */
export async function storedEntries(
  cacheName: string = WEIGHTS_CACHE,
): Promise<{ readonly url: string; readonly bytes: number }[]> {
  if (!globalThis.caches || !await caches.has(cacheName)) return [];
  const cache = await keyed(cacheName);
  const entries = [];
  for (const key of await cache.keys()) entries.push({ url: key.url, bytes: sizeOf(await cache.match(key)) });
  return entries;
}

/**
 * Deletes a cache with all that is in it, or one folder of it.
 *
 * @param under Address of the folder; all without.
 */
export async function forgetStored(cacheName: string = WEIGHTS_CACHE, under: string = ""): Promise<void> {
  if (!globalThis.caches) return;
  if (under === "") {
    await caches.delete(cacheName);
    return;
  }
  const cache = await keyed(cacheName);
  for (const { url } of await cache.keys()) if (url.startsWith(under)) await cache.delete(url);
}

/** Cache as browsers have it; Deno's lacks `keys`. */
type KeyedCache = Cache & { keys(): Promise<readonly Request[]> };

async function keyed(name: string): Promise<KeyedCache> {
  return await caches.open(name) as KeyedCache;
}

/** Blobs of parts kept at hand: tensors are read in order, a few parts at a time. */
const OPEN_PARTS = 4;
/** Header that says how long a part is, so that sums need no bodies. */
const BYTES_HEADER = "x-lssgen-bytes";

class PartCache {
  private readonly byPath: ReadonlyMap<string, ListedFile>;
  private readonly open = new Map<string, Blob>();
  /** Set when the browser refused to store: from then on the network is read by ranges. */
  private refused = false;

  constructor(
    private readonly base: string,
    private readonly files: readonly ListedFile[],
    private readonly cacheName: string,
    private readonly keys: string,
  ) {
    this.byPath = new Map(files.map((file) => [file.path, file]));
  }

  folder(): CachedFolder {
    return {
      ...folderOf(
        this.base,
        (path) => this.source(path),
        (path) => Promise.resolve(filesIn(this.byPath.keys(), path)),
      ),
      bytes: this.files.reduce((sum, file) => sum + file.size, 0),
      stored: () => this.stored(),
      download: (options) => this.download(options),
    };
  }

  private url(file: ListedFile, base: string = this.base): string {
    return new URL(file.path.split("/").map(encodeURIComponent).join("/"), base).href;
  }

  /** The hash is part of the key: another version of a file is another entry. */
  private key(file: ListedFile, part: number): string {
    return `${this.url(file, this.keys)}?part=${part}&sha256=${file.parts[part]}`;
  }

  /** Entry without content that says: the parts together have the file's hash. */
  private checkedKey(file: ListedFile): string {
    return `${this.url(file, this.keys)}?checked=${file.digest!.hex}`;
  }

  private async cache(): Promise<Cache | undefined> {
    if (this.refused || !globalThis.caches) return undefined;
    try {
      return await caches.open(this.cacheName);
    } catch {
      this.refused = true;
      return undefined;
    }
  }

  private async stored(): Promise<number> {
    const cache = await this.cache();
    let bytes = 0;
    for (const file of this.files) {
      for (const part of file.parts.keys()) {
        if (await cache?.match(this.key(file, part))) bytes += partSize(file, part);
      }
    }
    return bytes;
  }

  private async source(path: string): Promise<ByteSource | undefined> {
    const file = this.byPath.get(path);
    if (!file) return undefined;
    if (!await this.fetchFile(file)) {
      // Browsers that store nothing read ranges from the server each time.
      const { httpSource } = await import("./http_source.ts");
      return await httpSource(this.url(file));
    }
    const read = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
      if (!(offset >= 0 && length >= 0 && offset + length <= file.size)) {
        throw new LssgenError(
          "bad_file",
          `"${this.base}${path}" ends at byte ${file.size}, bytes ${offset} … ${
            offset + length
          } were asked for`,
        );
      }
      const out = new Uint8Array(length);
      for (let at = offset; at < offset + length;) {
        const part = Math.floor(at / PART_BYTES);
        const inside = at - part * PART_BYTES;
        const count = Math.min(offset + length - at, PART_BYTES - inside);
        const blob = await this.part(file, part);
        out.set(new Uint8Array(await blob.slice(inside, inside + count).arrayBuffer()), at - offset);
        at += count;
      }
      return out;
    };
    return { name: this.url(file), size: file.size, read };
  }

  private async part(file: ListedFile, part: number): Promise<Blob> {
    const key = this.key(file, part);
    let blob = this.open.get(key);
    if (!blob) {
      let found = await (await this.cache())?.match(key);
      // Deleted since (the user may do that at any time): once more from the network.
      if (!found && await this.fetchFile(file)) found = await (await this.cache())?.match(key);
      if (!found) {
        throw new LssgenError(
          "bad_file",
          `"${this.url(file)}" is no longer stored in this browser; try again`,
        );
      }
      blob = await found.blob();
      this.open.set(key, blob);
      if (this.open.size > OPEN_PARTS) this.open.delete(this.open.keys().next().value!);
    }
    return blob;
  }

  private async download({ signal, onProgress }: DownloadOptions = {}): Promise<void> {
    const total = this.files.reduce((sum, file) => sum + file.size, 0);
    let before = 0;
    for (const file of this.files) {
      const start = before;
      if (!await this.fetchFile(file, signal, (done) => onProgress?.(start + done, total))) return;
      before += file.size;
      onProgress?.(before, total);
    }
    if (this.keys === this.base) await this.dropOthers();
  }

  /** Former versions of this folder's files are of no use any more. */
  private async dropOthers(): Promise<void> {
    const cache = await this.cache() as KeyedCache | undefined;
    if (!cache?.keys) return;
    const ours = new Set(this.files.flatMap((file) => file.parts.map((_, part) => this.key(file, part))));
    for (const { url } of await cache.keys()) {
      if (url.startsWith(this.base) && !ours.has(url)) await cache.delete(url);
    }
  }

  /** Fetches the missing parts of a file; false when the browser will not store them. */
  private async fetchFile(
    file: ListedFile,
    signal?: AbortSignal,
    onBytes?: (done: number) => void,
  ): Promise<boolean> {
    const cache = await this.cache();
    if (!cache) return false;
    let first = 0;
    while (first < file.parts.length && await cache.match(this.key(file, first))) first++;
    const whole = file.digest && !await cache.match(this.checkedKey(file))
      ? await (await import("./whole_hash.ts")).wholeHash(file, PART_BYTES)
      : undefined;
    if (first === file.parts.length && !whole) return true;
    try {
      for (let part = 0; whole && part < first; part++) {
        whole.update(new Uint8Array(await (await cache.match(this.key(file, part)))!.arrayBuffer()));
      }
      for await (const { part, bytes } of this.stream(file, first, signal, onBytes)) {
        whole?.update(bytes);
        const response = new Response(bytes, { headers: { [BYTES_HEADER]: String(bytes.length) } });
        try {
          await cache.put(this.key(file, part), response);
        } catch {
          this.refused = true;
          return false;
        }
      }
      if (whole) {
        const hex = await whole.hex();
        if (hex !== file.digest!.hex) {
          for (const part of file.parts.keys()) await cache.delete(this.key(file, part));
          throw new LssgenError(
            "bad_file",
            `"${this.url(file)}" came with the hash ${hex}, expected ${
              file.digest!.hex
            }; it was removed, try again`,
          );
        }
        await cache.put(
          this.checkedKey(file),
          new Response(new Uint8Array(0), { headers: { [BYTES_HEADER]: "0" } }),
        );
      }
    } catch (error) {
      if (signal?.aborted) {
        throw new AbortedError("The download was stopped; it goes on from there next time");
      }
      if (error instanceof LssgenError) throw error;
      throw new LssgenError(
        "bad_file",
        `Cannot fetch "${this.url(file)}": ${(error as Error).message}; check the connection and try again`,
        { cause: error },
      );
    }
    return true;
  }

  /** The parts of a file from the network, from `first` on, each checked. */
  private async *stream(
    file: ListedFile,
    first: number,
    signal: AbortSignal | undefined,
    onBytes: ((done: number) => void) | undefined,
  ): AsyncGenerator<{ part: number; bytes: Uint8Array<ArrayBuffer> }> {
    if (first === file.parts.length) return;
    const url = this.url(file);
    const from = first * PART_BYTES;
    // Not through the HTTP cache as well: it would hold everything twice, and Firefox aborts large streams in it.
    const response = await fetch(url, {
      cache: "no-store",
      signal,
      headers: from > 0 ? { Range: `bytes=${from}-` } : {},
    });
    if (!response.ok || !response.body) {
      throw new LssgenError("bad_file", `Cannot fetch "${url}": the server answered ${response.status}`);
    }
    if (/^text\/html\b/i.test(response.headers.get("content-type") ?? "") && !/\.html?$/i.test(file.path)) {
      await response.body.cancel();
      throw new LssgenError("bad_file", `"${url}" is a web page: a network's log-in page, or a proxy's`);
    }
    // A server that knows no ranges sends everything: what is stored already is skipped.
    let skip = response.status === 206 ? 0 : from;
    let part = first;
    let bytes = new Uint8Array(partSize(file, part));
    let filled = 0;
    for await (const piece of pieces(response.body)) {
      let rest = piece;
      while (rest.length > 0) {
        if (skip > 0) {
          const taken = Math.min(skip, rest.length);
          skip -= taken;
          rest = rest.subarray(taken);
          continue;
        }
        if (part === file.parts.length) throw changed(url);
        const taken = Math.min(bytes.length - filled, rest.length);
        bytes.set(rest.subarray(0, taken), filled);
        filled += taken;
        rest = rest.subarray(taken);
        onBytes?.(part * PART_BYTES + filled);
        if (filled < bytes.length) continue;
        if (!file.digest && await sha256(bytes) !== file.parts[part]) throw changed(url);
        yield { part, bytes };
        part++;
        filled = 0;
        bytes = new Uint8Array(part < file.parts.length ? partSize(file, part) : 0);
      }
    }
    if (part < file.parts.length) {
      throw new LssgenError(
        "bad_file",
        `"${url}" ended after ${part * PART_BYTES + filled} of ${file.size} bytes; try again`,
      );
    }
  }
}

/** A stream's pieces: Safari's streams have no iterator of their own. */
async function* pieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function partSize(file: ListedFile, part: number): number {
  return Math.min(PART_BYTES, file.size - part * PART_BYTES);
}

function changed(url: string): LssgenError {
  return new LssgenError(
    "bad_file",
    `"${url}" is not the file that this page expects: a newer version may be there, reload the page`,
  );
}

function sizeOf(response: Response | undefined): number {
  return Number(response?.headers.get(BYTES_HEADER) ?? 0);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hexOf(await crypto.subtle.digest("SHA-256", bytes));
}

function hexOf(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
