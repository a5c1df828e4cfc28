/**
 * Where bytes come from: read by ranges, never a whole file. Files of the local disk are injected at
 * the edge (lib/cli/files.ts); everything here runs in Deno and in pages alike.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** Something with a size that is read by ranges. */
export interface ByteSource {
  /** Name for messages. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`; a shorter answer is an error.
   *
   * @param into Memory that may be used for the answer, which then is a view of it: fresh memory costs as much as reading.
   */
  read(offset: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** A folder of files; paths are relative, with slashes. */
export interface FolderSource {
  /** Name for messages. */
  readonly name: string;
  /** A file, or `undefined` when there is none. */
  open(path: string): Promise<ByteSource | undefined>;
  /** A small file's text, or `undefined` when there is none. */
  text(path: string): Promise<string | undefined>;
  /**
   * Names of the files in a folder of it ("" is the folder itself), without their paths; empty where there is none.
   * Absent where files cannot be listed: over HTTP they are opened by name only.
   */
  list?(path: string): Promise<readonly string[]>;
}

/** Bytes in memory. */
export function bytesOf(name: string, data: Uint8Array<ArrayBuffer>): ByteSource {
  return {
    name,
    size: data.byteLength,
    // deno-lint-ignore require-await -- what is wrong is a rejection, as of every other source
    async read(offset, length) {
      checkRange(name, data.byteLength, offset, length);
      return data.slice(offset, offset + length);
    },
  };
}

/** A Blob or File of a page, read by slices. */
export function blobSource(name: string, blob: Blob): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange(name, blob.size, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}

/** Files in memory, by path. */
export function memoryFolder(
  name: string,
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
): FolderSource {
  return folderOf(name, (path) => {
    const data = files.get(path);
    return Promise.resolve(data && bytesOf(`${name}/${path}`, data));
  }, (path) => Promise.resolve(filesIn(files.keys(), path)));
}

/** Of files by their paths, the names of those that lie in a folder. */
export function filesIn(paths: Iterable<string>, folder: string): string[] {
  const at = folder === "" ? "" : `${folder}/`;
  return [...paths].filter((path) => path.startsWith(at)).map((path) => path.slice(at.length))
    .filter((name) => !name.includes("/"));
}

/**
 * A folder from a way to open its files, and a way to list them where there is one. Paths that leave the folder are
 * refused.
 */
export function folderOf(
  name: string,
  open: (path: string) => Promise<ByteSource | undefined>,
  list?: (path: string) => Promise<readonly string[]>,
): FolderSource {
  const check = (path: string): void => {
    if (
      path.startsWith("/") || path.includes("\\") || /^[a-z]+:/i.test(path) || path.split("/").includes("..")
    ) {
      throw new LssgenError("bad_file", `"${name}" names the file "${path}" outside its own folder; refused`);
    }
  };
  const checked = (path: string): Promise<ByteSource | undefined> => {
    check(path);
    return open(path);
  };
  return {
    name,
    open: checked,
    list: list && ((path) => {
      check(path);
      return list(path);
    }),
    async text(path) {
      const source = await checked(path);
      if (!source) return undefined;
      if (source.size > MAX_TEXT) {
        throw new LssgenError(
          "bad_file",
          `"${source.name}" has ${source.size} bytes, expected a text of at most ${MAX_TEXT}`,
        );
      }
      return new TextDecoder().decode(await source.read(0, source.size));
    },
  };
}

/** Largest text file (a tokenizer.json of 32 k pieces has 2.4 MB; a shard index of a large model 0.2 MB). */
const MAX_TEXT = 64 << 20;

/** @throws {LssgenError} `bad_file` for bytes that a file does not have. */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
    throw new LssgenError(
      "bad_file",
      `"${name}" ends at byte ${size}, bytes ${offset} … ${
        offset + length
      } were asked for; the file may be cut short`,
    );
  }
}
