/**
 * Files that commands write: checked before the work starts, whole or not at all.
 *
 * @module
 */

import { basename, dirname, extname, join } from "@std/path";
import { LssgenError } from "../errors.ts";
import { bytesText } from "../hub/selection.ts";
import { freeBytes } from "./disk_space.ts";

/** Paths of `count` pictures: `a.png`, `a_2.png`, `a_3.png` … */
export function outputPaths(out: string, count: number): string[] {
  const extension = extname(out);
  const stem = out.slice(0, out.length - extension.length);
  return Array.from({ length: count }, (_, i) => i === 0 ? out : `${stem}_${i + 1}${extension}`);
}

/** What is known of a file before the work starts. */
export interface PlannedOutput {
  /** Its option, for messages. Default `--out`. */
  readonly option?: string;
  /** Pictures, whose names {@linkcode outputPaths} numbers. Default 1. */
  readonly count?: number;
  /** Bytes that a file may have: so many have to fit on the disk. Default 64 KiB. */
  readonly bytes?: number;
}

/** Longest name of a file that Linux, macOS and Windows take, in bytes. */
const MAX_NAME_BYTES = 255;

/**
 * Finds out before any work whether `out` can be written: a file of its size is written beside it and removed. Files that
 * dead processes left half-written in the folder are removed.
 *
 * @throws {LssgenError} `bad_option` when it is no .png name, a folder, too long, or in a folder that does not exist, may not
 * be written, or has no room.
 */
export async function checkOutput(
  out: string,
  { count = 1, bytes = 2 ** 16, option = "--out" }: PlannedOutput = {},
): Promise<void> {
  if (extname(out).toLowerCase() !== ".png") {
    throw new LssgenError("bad_option", `Cannot write "${out}": ${option} expects a name that ends in .png`);
  }
  const last = basename(outputPaths(out, count).at(-1)!);
  const length = new TextEncoder().encode(last).length;
  if (length > MAX_NAME_BYTES) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${last}": the name has ${length} bytes, at most ${MAX_NAME_BYTES} are possible; give a shorter ${option}`,
    );
  }
  if ((await stat(out))?.isDirectory) {
    throw new LssgenError("bad_option", `Cannot write "${out}": it is a folder, ${option} expects a file`);
  }
  const folder = dirname(out);
  if (!(await stat(folder))?.isDirectory) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${out}": the folder "${folder}" does not exist, make it first`,
    );
  }
  await removeLeftParts(folder);
  const probe = partIn(folder);
  try {
    await writeLocked(probe, new Uint8Array(bytes));
  } catch (cause) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${out}": ${
        reasonOf(cause)
      } (tried with ${bytes} bytes in "${folder}"); give another ${option}`,
      { cause },
    );
  } finally {
    await Deno.remove(probe).catch(() => {});
  }
}

/**
 * Writes under a temporary name, then renames: nobody sees half a file.
 *
 * @param content Its bytes, or a file that is copied.
 * @param aside Folder on the same disk for the temporary file. Default the file's own.
 * @throws {LssgenError} `bad_file`, with the system's reason; nothing is left then.
 */
export async function writeWhole(
  path: string,
  content: Uint8Array | { readonly copyOf: string },
  aside: string = dirname(path),
): Promise<void> {
  const part = partIn(aside);
  try {
    if (content instanceof Uint8Array) await writeLocked(part, content);
    else await copyLocked(content.copyOf, part);
    await Deno.rename(part, path);
  } catch (cause) {
    await Deno.remove(part).catch(() => {});
    throw new LssgenError("bad_file", `Cannot write "${path}": ${reasonOf(cause)}`, { cause });
  }
}

/** A file that grows piece by piece under a temporary name, and gets its own when it is whole. */
export interface PartFile extends AsyncDisposable {
  /** Finds out whether a file of so many bytes can be made, before it is. */
  begin(bytes: number): Promise<void>;
  /** Writes at a byte of the file. */
  write(at: number, bytes: Uint8Array): Promise<void>;
  /** Gives the file its name. Without it, leaving removes what was written. */
  finish(): Promise<void>;
}

/**
 * Begins a file; the folder's half-written files of processes that are no more are removed first.
 *
 * @throws {LssgenError} `bad_file` when the folder may not be written to; from `begin` and `write` when the disk is full.
 */
export async function partFile(path: string): Promise<PartFile> {
  const refused = (cause: unknown): LssgenError =>
    new LssgenError("bad_file", `Cannot write "${path}": ${reasonOf(cause)}`, { cause });
  await removeLeftParts(dirname(path));
  const aside = partIn(dirname(path));
  const file = await lockedFile(aside).catch((cause) => {
    throw refused(cause);
  });
  let open = true;
  return {
    async begin(bytes) {
      const free = await freeBytes(dirname(path));
      if (free !== undefined && free < bytes) {
        throw refused(`it will have ${bytesText(bytes)}, the disk has ${bytesText(free)} left`);
      }
      try {
        // No file may be longer than the system's own limits allow.
        await file.truncate(bytes);
        await file.truncate(0);
      } catch (cause) {
        throw refused(cause);
      }
    },
    async write(at, bytes) {
      try {
        await file.seek(at, Deno.SeekMode.Start);
        for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      } catch (cause) {
        throw refused(cause);
      }
    },
    async finish() {
      file.close();
      open = false;
      await Deno.rename(aside, path).catch((cause) => {
        throw refused(cause);
      });
    },
    async [Symbol.asyncDispose]() {
      if (open) file.close();
      await Deno.remove(aside).catch(() => {});
    },
  };
}

let parts = 0;

/** A temporary name that does not grow with the file's, which may be as long as names can be. */
function partIn(folder: string): string {
  return join(folder, `.lssgen-${Deno.pid}-${parts++}.part`);
}

/** Names that this module gives, and those of versions before. */
const PART = /^\.lssgen-\d+-\d+\.part$|\.png\.\d+\.part$/i;

/** Makes a file that is locked until it is closed: a lock ends with its process, however that ends. */
async function lockedFile(path: string): Promise<Deno.FsFile> {
  while (true) {
    const file = await Deno.open(path, { write: true, create: true, truncate: true });
    // Some network disks know no locks.
    await file.lock(true).catch(() => {});
    // Before its lock another process may have taken it for a dead one's and removed it.
    const mine = await file.stat();
    const there = await Deno.stat(path).catch((error) =>
      error instanceof Deno.errors.NotFound ? undefined : mine
    );
    if (mine.ino === null || mine.ino === there?.ino) return file;
    file.close();
  }
}

async function writeLocked(path: string, bytes: Uint8Array): Promise<void> {
  using file = await lockedFile(path);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Bytes that are copied at a time. */
const COPY_BYTES = 4 << 20;

async function copyLocked(from: string, to: string): Promise<void> {
  using source = await Deno.open(from);
  using file = await lockedFile(to);
  const buffer = new Uint8Array(COPY_BYTES);
  for (let n = await source.read(buffer); n !== null; n = await source.read(buffer)) {
    for (let at = 0; at < n;) at += await file.write(buffer.subarray(at, n));
  }
}

/** Removes half-written files whose process is no more: the ones that nobody holds a lock on. */
export async function removeLeftParts(folder: string): Promise<void> {
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !PART.test(name)) continue;
      const mine = name.includes(`-${Deno.pid}-`) || name.includes(`.${Deno.pid}.`);
      if (!mine) await removeUnlocked(join(folder, name)).catch(() => {});
    }
  } catch {
    // A folder that cannot be listed may still be written to.
  }
}

/** Removes a file while holding its lock, so that nobody begins to write to it meanwhile. */
async function removeUnlocked(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  if (await file.tryLock(true)) await Deno.remove(path);
}

/** What the system says, without the path that stands before it already. */
function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.NotCapable) return `${cause.message}`;
  if (cause instanceof Deno.errors.PermissionDenied) return "the folder may not be written to";
  const said = cause instanceof Error ? cause.message : String(cause);
  return said.replace(/, open '.*'$| \(os error \d+\).*$/s, "");
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new LssgenError(
      "bad_option",
      `Cannot look at "${path}": ${error instanceof Error ? error.message : error}`,
    );
  }
}
