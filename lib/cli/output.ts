/**
 * Files that commands write: checked before the work starts, whole or not at all.
 *
 * @module
 */

import { basename, dirname, extname, join } from "@std/path";
import { LssgenError } from "../errors.ts";
import { bytesText } from "../hub/selection.ts";
import { WRITTEN_FORMATS } from "../image/picture_writing.ts";
import { freeBytes } from "./disk_space.ts";

/** Where pictures go when nobody says. */
const DEFAULT_OUT = "output.png";

/** The path of a picture, counted from 0: `a.png`, `a_2.png`, `a_3.png` … */
export function suffixed(out: string, i: number): string {
  const extension = extname(out);
  const stem = out.slice(0, out.length - extension.length);
  return i === 0 ? out : `${stem}_${i + 1}${extension}`;
}

/** Where pictures go, and what may be overwritten. */
export interface OutputChoice {
  /** `--out`: a file, a pattern with `%d` or `%03d`, or a folder. */
  readonly out?: string;
  /** Name without it, which becomes the next free one. Default `output.png`. */
  readonly fallback?: string;
  /** Whether files that are there may be overwritten. */
  readonly force?: boolean;
  /** Number of the first picture, where names hold one. Without it the one after the last there is. */
  readonly begin?: number;
  /** Pictures. Default 1. */
  readonly count?: number;
  /** Endings that the name may have. Default all that are written. */
  readonly endings?: readonly string[];
}

/** Files of pictures, one after another. */
export interface PictureOutput {
  /** The name of the next picture, as far as it is known. */
  readonly next: string;
  /**
   * Writes the next picture. A name that somebody took meanwhile is left to him, and the one after it used.
   *
   * @returns The file.
   */
  write(bytes: Uint8Array): Promise<string>;
}

/** A number within a name. */
const NUMBER = /%(0?)(\d*)d/g;
/** What a folder's pictures are called. */
const IN_FOLDER = "output_%04d.png";

/**
 * Finds the files that pictures go to, before any work. A folder whose name ends in a slash is made.
 *
 * @throws {LssgenError} `bad_option` for a file that is there (without `force`), and as {@linkcode checkOutput}.
 */
export async function pictureOutput(choice: OutputChoice): Promise<PictureOutput> {
  const { fallback = DEFAULT_OUT, force = false, begin, count = 1, endings } = choice;
  const named = choice.out !== undefined && choice.out !== "";
  const out = named ? await fileWithin(choice.out) : fallback;
  const patterns = [...out.matchAll(NUMBER)];
  if (patterns.length > 1) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${out}": --out holds ${patterns.length} numbers, expected one`,
    );
  }
  if (begin !== undefined && patterns.length === 0) {
    throw new LssgenError(
      "bad_option",
      `--output-begin-idx is ${begin}, but --out "${out}" holds no number; write it as name_%03d.png, or give a folder`,
    );
  }
  const name = (i: number): string =>
    patterns.length === 0
      ? suffixed(out, i)
      : out.replace(NUMBER, (_, zero, width) => String(i).padStart(Number(width), zero || " "));
  let at = begin ?? 0;
  if (!force && patterns.length > 0 && begin === undefined) at = await afterLast(out, name);
  if (!force && choice.out === undefined) { while (await stat(name(at)) !== undefined) at++; }
  await checkOutput(name(at + count - 1), { endings });
  const hint = patterns.length > 0 ? "" : ", and a name with %d is numbered";
  for (let i = at; i < at + count; i++) await checkFree(name(i), force, hint);
  return {
    get next() {
      return name(at);
    },
    async write(bytes) {
      for (;;) {
        const path = name(at++);
        if (await writeWhole(path, bytes, { keep: !force })) return path;
      }
    },
  };
}

/** A folder as the pattern of its pictures. */
async function fileWithin(out: string): Promise<string> {
  checkLength(out, "--out");
  const folder = /[\\/]$/.test(out);
  if (!folder && !(await stat(out))?.isDirectory) return out;
  if (folder) {
    await Deno.mkdir(out, { recursive: true }).catch((cause) => {
      throw new LssgenError("bad_option", `Cannot make the folder "${out}": ${reasonOf(cause)}`, { cause });
    });
  }
  return join(out, IN_FOLDER);
}

/** The number after the highest that a file of this pattern has, 0 without any. */
async function afterLast(pattern: string, name: (i: number) => string): Promise<number> {
  const [before, after] = basename(pattern).split(/%0?\d*d/);
  let last = -1;
  try {
    for await (const { name: file } of Deno.readDir(dirname(pattern))) {
      if (!file.startsWith(before) || !file.endsWith(after)) continue;
      const digits = file.slice(before.length, file.length - after.length).trim();
      const number = /^\d+$/.test(digits) ? Number(digits) : -1;
      if (number <= 1e9 && basename(name(number)) === file) last = Math.max(last, number);
    }
  } catch {
    // A folder that is missing or cannot be listed: what is there is found when it is written.
  }
  return last + 1;
}

/** What is known of a file before the work starts. */
export interface PlannedOutput {
  /** Its option, for messages. Default `--out`. */
  readonly option?: string;
  /** Bytes that a file may have: so many have to fit on the disk. Default 64 KiB. */
  readonly bytes?: number;
  /** Endings that the name may have. Default those of {@linkcode WRITTEN_FORMATS}. */
  readonly endings?: readonly string[];
}

/** Longest name of a file that Linux, macOS and Windows take, in bytes. */
const MAX_NAME_BYTES = 255;

/** Refuses a name that the system would not even look for. */
function checkLength(path: string, option: string): void {
  const name = basename(path);
  const length = new TextEncoder().encode(name).length;
  if (length <= MAX_NAME_BYTES) return;
  throw new LssgenError(
    "bad_option",
    `Cannot write "${name}": the name has ${length} bytes, at most ${MAX_NAME_BYTES} are possible; give a shorter ${option}`,
  );
}

/**
 * Finds out before any work whether `out` can be written: a file of its size is written beside it and removed. Files that
 * dead processes left half-written in the folder are removed.
 *
 * @throws {LssgenError} `bad_option` when its ending is none that is written, it is a folder, too long, or in a folder that
 * does not exist, may not be written, or has no room.
 */
export async function checkOutput(
  out: string,
  { bytes = 2 ** 16, option = "--out", endings = Object.keys(WRITTEN_FORMATS) }: PlannedOutput = {},
): Promise<void> {
  if (!endings.includes(extname(out).toLowerCase())) {
    throw new LssgenError(
      "bad_option",
      `Cannot write "${out}": ${option} expects a name that ends in ${endings.join(" or ")}` +
        (endings.length > 1 ? `, or a folder: "${out.replace(/[\\/]+$/, "")}/" makes one` : ""),
    );
  }
  checkLength(out, option);
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
 * @param how `keep`: a file that is there already stays, and nothing is written. `aside`: folder on the same disk for the
 * temporary file, by default the file's own.
 * @returns Whether it was written.
 * @throws {LssgenError} `bad_file`, with the system's reason; nothing is left then.
 */
export async function writeWhole(
  path: string,
  content: Uint8Array | { readonly copyOf: string },
  { keep = false, aside = dirname(path) }: { keep?: boolean; aside?: string } = {},
): Promise<boolean> {
  const part = partIn(aside);
  try {
    if (content instanceof Uint8Array) await writeLocked(part, content);
    else await copyLocked(content.copyOf, part);
    if (!keep) await Deno.rename(part, path);
    else if (!await nameIfFree(part, path)) {
      await Deno.remove(part).catch(() => {});
      return false;
    }
    return true;
  } catch (cause) {
    await Deno.remove(part).catch(() => {});
    throw new LssgenError("bad_file", `Cannot write "${path}": ${reasonOf(cause)}`, { cause });
  }
}

/** Gives a file a name that none has, in one step where the disk knows links. */
async function nameIfFree(aside: string, path: string): Promise<boolean> {
  try {
    await Deno.link(aside, path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    if (await stat(path) !== undefined) return false;
    await Deno.rename(aside, path);
    return true;
  }
  await Deno.remove(aside).catch(() => {});
  return true;
}

/**
 * Refuses a file that is there already.
 *
 * @param hint What else can be done, for the message.
 * @throws {LssgenError} `bad_option`.
 */
export async function checkFree(path: string, force = false, hint = ""): Promise<void> {
  if (force || await stat(path) === undefined) return;
  throw new LssgenError(
    "bad_option",
    `Cannot write "${path}": it is there already; --force overwrites it, --out takes another name${hint}`,
  );
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
