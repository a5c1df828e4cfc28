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
  if (!file) throw await noFile(path, option);
  return file;
}

/** Bytes of a file that is read whole: no picture of a size that is read has more. */
const MAX_WHOLE_BYTES = 2 ** 29;

/**
 * Reads a whole file, a picture. Devices and pipes, which may never end, are no files.
 *
 * @param path As typed.
 * @param option The option's spelling, for messages.
 * @throws {LssgenError} `bad_file` when it cannot be read, is no regular file, or has more than 512 MiB.
 */
export async function readBytes(path: string, option: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await fileSource(path);
  if (!file) throw await noFile(path, option);
  if (file.size > MAX_WHOLE_BYTES) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${path}" (${option}): it has ${file.size} bytes, expected at most ${MAX_WHOLE_BYTES}`,
    );
  }
  return await file.read(0, file.size);
}

/** Whether there is such a file or folder. */
export async function onDisk(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function noFile(path: string, option: string): Promise<LssgenError> {
  const info = await Deno.stat(path).catch(() => undefined);
  const what = !info
    ? option === "--model"
      ? "there is no such file or folder here, and a hub's model is named ORG/NAME"
      : "there is no such file"
    : info.isDirectory
    ? "it is a folder"
    : "it is no regular file";
  return new LssgenError("bad_file", `Cannot read "${path}" (${option}): ${what}`);
}

function unreadable(path: string, option: string, cause: unknown): LssgenError {
  const why = cause instanceof Deno.errors.NotFound ? "it does not exist" : (cause as Error).message;
  return new LssgenError("bad_file", `Cannot read "${path}" (${option}): ${why}`, { cause });
}
