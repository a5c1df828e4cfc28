/**
 * Files and folders that options name: found, or refused by the option's name.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource, FolderSource } from "../weights/bytes.ts";
import { localPath } from "./download.ts";
import { fileFolder, fileSource } from "./files.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Opens a folder, of the disk or of a hub (`ORG/NAME`), which is fetched first.
 *
 * @param typed As typed; undefined stays undefined.
 * @param option The option's spelling, for messages.
 * @param terminal Where a download shows.
 * @throws {LssgenError} `bad_file` when there is no such folder.
 */
export async function openFolder(
  typed: string | undefined,
  option: string,
  terminal: Terminal,
): Promise<FolderSource | undefined> {
  if (typed === undefined) return undefined;
  const path = await localPath(typed, terminal);
  const info = await Deno.stat(path).catch((cause) => {
    throw unreadable(path, option, cause);
  });
  if (!info.isDirectory) {
    throw new LssgenError("bad_file", `Cannot read "${path}" (${option}): it is a file, expected a folder`);
  }
  return fileFolder(path);
}

/**
 * Opens a file that is read in parts.
 *
 * @param path As typed.
 * @param option The option's spelling, for messages.
 * @throws {LssgenError} `bad_file` when there is no such file.
 */
export async function openFile(path: string, option: string): Promise<ByteSource> {
  const file = await fileSource(path);
  if (!file) throw new LssgenError("bad_file", `Cannot read "${path}" (${option}): there is no such file`);
  return file;
}

/**
 * Reads a whole file.
 *
 * @param path As typed.
 * @param option The option's spelling, for messages.
 * @throws {LssgenError} `bad_file` when it cannot be read.
 */
export async function readBytes(path: string, option: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    throw unreadable(path, option, cause);
  }
}

function unreadable(path: string, option: string, cause: unknown): LssgenError {
  const why = cause instanceof Deno.errors.NotFound ? "it does not exist" : (cause as Error).message;
  return new LssgenError("bad_file", `Cannot read "${path}" (${option}): ${why}`, { cause });
}
