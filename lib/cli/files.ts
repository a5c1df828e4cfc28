/**
 * Files of the local disk as byte sources: the edge that pages do not have.
 *
 * @module
 */

import { join } from "@std/path";
import { LssgenError } from "../errors.ts";
import { type ByteSource, folderOf, type FolderSource } from "../weights/bytes.ts";

/** A local file, opened for each read so that nothing stays open; `undefined` when it does not exist. */
export async function fileSource(path: string): Promise<ByteSource | undefined> {
  let size: number;
  try {
    const stat = await Deno.stat(path);
    if (!stat.isFile) return undefined;
    size = stat.size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw unreadable(path, error);
  }
  return {
    name: path,
    size,
    async read(offset, length, into) {
      if (offset < 0 || offset + length > size) {
        throw new LssgenError(
          "bad_file",
          `"${path}" ends at byte ${size}, bytes ${offset} … ${
            offset + length
          } were asked for; the file may be cut short`,
        );
      }
      using file = await Deno.open(path).catch((error) => {
        throw unreadable(path, error);
      });
      await file.seek(offset, Deno.SeekMode.Start);
      const out = into && into.length >= length ? into.subarray(0, length) : new Uint8Array(length);
      for (let at = 0; at < length;) {
        const n = await file.read(out.subarray(at));
        if (n === null) {
          throw new LssgenError(
            "bad_file",
            `"${path}" ended at byte ${offset + at}, it had ${size} bytes before`,
          );
        }
        at += n;
      }
      return out;
    },
  };
}

/** A local folder. */
export function fileFolder(path: string): FolderSource {
  return folderOf(path, (file) => fileSource(join(path, file)), (folder) => filesOf(join(path, folder)));
}

/** Names of a folder's files, links to files included; none where there is no such folder. */
async function filesOf(path: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) {
      // Hub caches hold links: the files lie elsewhere.
      if (!entry.isDirectory) names.push(entry.name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
      throw unreadable(path, error);
    }
  }
  return names.sort();
}

/** What the system says of a path, without naming it again. */
function unreadable(path: string, cause: unknown): LssgenError {
  const why = cause instanceof Deno.errors.PermissionDenied
    ? "it may not be read by this user"
    : cause instanceof Deno.errors.NotFound
    ? "it is not there any more"
    : (cause as Error).message.replace(/ \(os error \d+\).*$/s, "");
  return new LssgenError("bad_file", `Cannot read "${path}": ${why}`, { cause });
}
