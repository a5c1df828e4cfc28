/**
 * Files that commands write: checked before the work starts, whole or not at all.
 *
 * @module
 */

import { basename, dirname, extname, join } from "@std/path";
import { LssgenError } from "../errors.ts";

/** Paths of `count` pictures: `a.png`, `a_2.png`, `a_3.png` … */
export function outputPaths(out: string, count: number): string[] {
  const extension = extname(out);
  const stem = out.slice(0, out.length - extension.length);
  return Array.from({ length: count }, (_, i) => i === 0 ? out : `${stem}_${i + 1}${extension}`);
}

/** What is known of a file before the work starts. */
export interface PlannedOutput {
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
  { count = 1, bytes = 2 ** 16 }: PlannedOutput = {},
): Promise<void> {
  if (extname(out).toLowerCase() !== ".png") {
    throw new LssgenError("bad_option", `Cannot write "${out}": --out expects a name that ends in .png`);
  }
  const last = basename(outputPaths(out, count).at(-1)!);
  const length = new TextEncoder().encode(last).length;
  if (length > MAX_NAME_BYTES) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${last}": the name has ${length} bytes, at most ${MAX_NAME_BYTES} are possible; give a shorter --out`,
    );
  }
  if ((await stat(out))?.isDirectory) {
    throw new LssgenError("bad_option", `Cannot write "${out}": it is a folder, --out expects a file`);
  }
  const folder = dirname(out);
  if (!(await stat(folder))?.isDirectory) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${out}": the folder "${folder}" does not exist, make it first`,
    );
  }
  await removeLeftParts(folder);
  const probe = partBeside(out);
  try {
    await writeLocked(probe, new Uint8Array(bytes));
  } catch (cause) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${out}": ${
        reasonOf(cause)
      } (tried with ${bytes} bytes in "${folder}"); give another --out`,
      { cause },
    );
  } finally {
    await Deno.remove(probe).catch(() => {});
  }
}

/** Writes under a temporary name in the same folder, then renames: nobody sees half a file. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const aside = partBeside(path);
  try {
    await writeLocked(aside, bytes);
    await Deno.rename(aside, path);
  } catch (cause) {
    await Deno.remove(aside).catch(() => {});
    throw new LssgenError("bad_file", `Cannot write "${path}": ${reasonOf(cause)}`, { cause });
  }
}

/** A file that grows piece by piece under a temporary name, and gets its own when it is whole. */
export interface PartFile extends AsyncDisposable {
  /** Writes at a byte of the file. */
  write(at: number, bytes: Uint8Array): Promise<void>;
  /** Gives the file its name. Without it, leaving removes what was written. */
  finish(): Promise<void>;
}

/**
 * Begins a file; the folder's half-written files of processes that are no more are removed first.
 *
 * @throws {LssgenError} `bad_file` when the folder may not be written to; from `write` when the disk is full.
 */
export async function partFile(path: string): Promise<PartFile> {
  const refused = (cause: unknown): LssgenError =>
    new LssgenError("bad_file", `Cannot write "${path}": ${reasonOf(cause)}`, { cause });
  await removeLeftParts(dirname(path));
  const aside = partBeside(path);
  const file = await Deno.open(aside, { write: true, create: true, truncate: true }).catch((cause) => {
    throw refused(cause);
  });
  await file.lock(true).catch(() => {}); // some network disks know no locks
  let open = true;
  return {
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
function partBeside(path: string): string {
  return join(dirname(path), `.lssgen-${Deno.pid}-${parts++}.part`);
}

/** Names that this module gives, and those of versions before. */
const PART = /^\.lssgen-\d+-\d+\.part$|\.png\.\d+\.part$/i;

/** Writes a file that is locked meanwhile: a lock ends with its process, however that ends. */
async function writeLocked(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  // Some network disks know no locks.
  await file.lock(true).catch(() => {});
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Removes half-written files whose process is no more: the ones that nobody holds a lock on. */
async function removeLeftParts(folder: string): Promise<void> {
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !PART.test(name)) continue;
      const path = join(folder, name);
      const mine = name.includes(`-${Deno.pid}-`) || name.includes(`.${Deno.pid}.`);
      if (!mine && await unlocked(path)) await Deno.remove(path).catch(() => {});
    }
  } catch {
    // A folder that cannot be listed may still be written to.
  }
}

async function unlocked(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path, { read: true, write: true });
    // Between its making and its lock a file is a moment old.
    const { mtime } = await file.stat();
    if (mtime === null || Date.now() - mtime.getTime() < 1000) return false;
    return await file.tryLock(true);
  } catch {
    return false;
  }
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
