/**
 * Fetches files of a hub to the disk: several at once, each in ranges, going on where an earlier run was cut, and under
 * their final names only after their hashes were checked.
 *
 * While a content is fetched, two files lie beside its final name: `HASH.lssgen.incomplete` with the bytes at their places,
 * and `HASH.lssgen.blocks` with a 1 for each block that is there. huggingface_hub takes neither for a file of its own.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname } from "@std/path";
import { AbortedError, LssgenError } from "../errors.ts";
import { PassingError } from "../hub/answers.ts";
import type { HubClient, OpenAnswer } from "../hub/client.ts";
import type { HubFile } from "../hub/listing.ts";
import {
  blockBytes,
  blockCount,
  checkAnswer,
  markedBytes,
  missingRanges,
  PIECES,
  type PieceSizes,
  type Range,
} from "../hub/ranges.ts";
import { bytesText } from "../hub/selection.ts";
import { freeBytes } from "./disk_space.ts";
import { type Placement, sizeOf, unlessMissing, withLock } from "./hub_cache.ts";

/** What is fetched from where. */
export interface TransferJob {
  /** `ORG/NAME`. */
  readonly repo: string;
  /** Commit. */
  readonly commit: string;
  /** Files, in the order in which they appear under their final names. */
  readonly files: readonly HubFile[];
}

/** How a transfer is watched and stopped. */
export interface TransferOptions {
  /** Stops it; what is there stays for the next run. */
  readonly signal?: AbortSignal;
  /** Called with bytes on the disk, of bytes in all, and with the file that is being checked, if one is. */
  readonly onProgress?: (done: number, total: number, checking?: string) => void;
  /** A sentence for the user. */
  readonly onNote?: (text: string) => void;
  /** Requests at a time; 8 without. */
  readonly connections?: number;
  /** Sizes of blocks and ranges. */
  readonly pieces?: PieceSizes;
  /** Free bytes of the disk that holds a folder; asks the system without. */
  readonly freeBytes?: (folder: string) => Promise<number | undefined>;
}

/** Files at a time. More would only spread the same connections thinner. */
const FILES_AT_ONCE = 4;
const READ_BYTES = 4 << 20;

/**
 * Fetches what is missing and puts it in its place.
 *
 * @throws {LssgenError} `bad_file` when the disk is too small (before anything is fetched), or the server's data is not what
 * the listing says; the bad data is removed.
 * @throws {AbortedError} When the signal fires.
 */
export async function transfer(
  client: HubClient,
  job: TransferJob,
  place: Placement,
  options: TransferOptions = {},
): Promise<void> {
  const missing: HubFile[] = [];
  for (const file of job.files) {
    if (!await place.has(file.path, file.digest.hex, file.size)) missing.push(file);
  }
  // One content under two names is fetched once.
  const contents = [...new Map(missing.map((file) => [file.digest.hex, file])).values()];
  const blobs = new Map<string, BlobFetch>();
  for (const file of contents) {
    if (await sizeOf(place.blobPath(file.digest.hex)) === file.size) continue;
    const blob = new BlobFetch(client, job, file, place, options, () => report());
    await blob.look();
    blobs.set(file.digest.hex, blob);
  }
  const fetches = [...blobs.values()];
  const total = job.files.reduce((sum, { size }) => sum + size, 0);
  const there = total - fetches.reduce((sum, { file }) => sum + file.size, 0);
  let checking: string | undefined;
  const report = (): void =>
    options.onProgress?.(there + fetches.reduce((sum, blob) => sum + blob.done, 0), total, checking);
  await checkSpace(fetches.reduce((sum, { file, done }) => sum + file.size - done, 0), place, options);
  report();

  const failure = new Failure();
  const connections = new Slots(options.connections ?? 8);
  const queue = [...fetches];
  const worker = async (): Promise<void> => {
    for (let blob = queue.shift(); blob && !failure.signal.aborted; blob = queue.shift()) {
      await blob.fetch(connections, failure, (name) => {
        checking = name;
        report();
      });
    }
  };
  await failure.all(Array.from({ length: FILES_AT_ONCE }, worker), options.signal);

  for (const [i, file] of missing.entries()) {
    const { hex } = file.digest;
    const more = missing.slice(i + 1).some((other) => other.digest.hex === hex);
    await place.put(file.path, hex, blobs.has(hex) && !more);
  }
  await place.finish();
}

/** Compares what is to be fetched with what the disk has left. */
async function checkSpace(needed: number, place: Placement, options: TransferOptions): Promise<void> {
  if (needed === 0) return;
  const folder = dirname(place.blobPath("0"));
  const free = await (options.freeBytes ?? freeBytes)(folder);
  if (free === undefined || free >= needed) return;
  throw new LssgenError(
    "bad_file",
    `The disk of "${folder}" has ${bytesText(free)} left, ${
      bytesText(needed)
    } are to be fetched: make room, or choose ` +
      "another disk with HF_HUB_CACHE",
  );
}

/** The first failure of many things done at once: it is the reason, and ends the others. */
class Failure {
  private readonly controller = new AbortController();
  private reason: unknown;

  /** Fires at the first failure. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Waits for all of some work; a part that fails ends all others. */
  async all(work: readonly Promise<void>[], stop: AbortSignal | undefined): Promise<void> {
    await Promise.all(work.map((one) =>
      one.catch((error) => {
        if (!this.signal.aborted) this.reason = error;
        this.controller.abort();
      })
    ));
    if (stop?.aborted) throw new AbortedError("The download was stopped; it goes on from there next time");
    if (this.signal.aborted) throw this.reason;
  }
}

/** A number of places; who finds none waits in a row. */
class Slots {
  private readonly waiting: (() => void)[] = [];
  constructor(private free: number) {}

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}

/** One content on its way to the disk. */
class BlobFetch {
  /** Bytes on the disk. */
  done = 0;
  private readonly path: string;
  private readonly part: string;
  private readonly marksPath: string;
  private readonly pieces: PieceSizes;
  private marks: Uint8Array<ArrayBuffer>;
  /** Where the hub redirected to, for further ranges. */
  private location: string | undefined;

  constructor(
    private readonly client: HubClient,
    private readonly job: TransferJob,
    readonly file: HubFile,
    private readonly place: Placement,
    private readonly options: TransferOptions,
    private readonly changed: () => void,
  ) {
    this.path = place.blobPath(file.digest.hex);
    this.part = `${this.path}.lssgen.incomplete`;
    this.marksPath = `${this.path}.lssgen.blocks`;
    this.pieces = options.pieces ?? PIECES;
    this.marks = new Uint8Array(blockCount(file.size, this.pieces));
  }

  /** Finds out what an earlier run has left. */
  async look(): Promise<void> {
    const { file, pieces, marks } = this;
    const known = await this.storedMarks();
    const bytes = await sizeOf(this.part) ?? 0;
    marks.fill(0);
    if (known) {
      for (let i = 0; i < marks.length; i++) {
        if (known[i] === 1 && i * pieces.block + blockBytes(i, file.size, pieces) <= bytes) marks[i] = 1;
      }
    }
    this.done = markedBytes(marks, file.size, pieces);
  }

  /** Fetches, checks, renames. */
  async fetch(connections: Slots, failure: Failure, onCheck: (name?: string) => void): Promise<void> {
    const { file: { path, digest, size }, options } = this;
    const wait = (): void => options.onNote?.(`Another program is fetching "${path}"; waiting for it`);
    await withLock(this.place.lockPath(digest.hex), options.signal, wait, async () => {
      if (await sizeOf(this.path) === size) {
        this.done = size;
        return this.changed();
      }
      await Deno.mkdir(dirname(this.path), { recursive: true });
      const check = async (): Promise<string> => {
        await this.fetchAll(connections, failure);
        onCheck(path);
        const hex = await hashOf(this.part, this.file);
        onCheck();
        return hex;
      };
      try {
        await this.look();
        const resumed = this.done > 0;
        let hex = await check();
        if (hex !== digest.hex && resumed) {
          // The remains of an earlier run were not sound (a lost power supply, another server): once more from nothing.
          options.onNote?.(`What an earlier run left of "${path}" is damaged; fetching it anew`);
          await this.discard();
          hex = await check();
        }
        if (hex !== digest.hex) {
          await this.discard();
          throw new LssgenError(
            "bad_file",
            `"${path}" of "${this.job.repo}" came with the hash ${hex}, the listing says ${digest.hex} (${digest.kind}); ` +
              "it was removed, try again",
          );
        }
      } catch (error) {
        if (this.done === 0) await this.discard();
        throw error;
      }
      await Deno.rename(this.part, this.path).catch(async (error) => {
        // Where the disk knows no locks, another process may have been here.
        if (await sizeOf(this.path) !== size) throw error;
      });
      await Deno.remove(this.marksPath).catch(unlessMissing);
    });
  }

  /** The marks on the disk; undefined for those of blocks of another size, which mean nothing, and for what is no file. */
  private async storedMarks(): Promise<Uint8Array | undefined> {
    if (await sizeOf(this.marksPath) !== this.marks.length) return undefined;
    const marks = await Deno.readFile(this.marksPath).catch(unlessMissing);
    return marks?.length === this.marks.length ? marks : undefined;
  }

  private async discard(): Promise<void> {
    await Deno.remove(this.marksPath).catch(unlessMissing);
    await Deno.remove(this.part).catch(unlessMissing);
    this.marks.fill(0);
    this.done = 0;
    this.changed();
  }

  /** All missing ranges. The first alone: it tells whether the server knows ranges, and where the data is. */
  private async fetchAll(connections: Slots, failure: Failure): Promise<void> {
    using _ = await Deno.open(this.part, { create: true, write: true });
    const written = await this.storedMarks();
    if (!written || written.some((mark, i) => mark !== this.marks[i])) {
      await Deno.writeFile(this.marksPath, this.marks);
    }
    const queue = missingRanges(this.marks, this.file.size, this.pieces);
    if (queue.length === 0) return;
    const begun = Promise.withResolvers<void>();
    const lane = async (): Promise<void> => {
      for (let range = queue.shift(); range; range = queue.shift()) {
        const one = range;
        await connections.use(() => this.fetchRange(one, failure.signal, begun.resolve, queue));
      }
    };
    const first = lane();
    await Promise.race([first, begun.promise]);
    const others = Array.from({ length: Math.min(queue.length, (this.options.connections ?? 8) - 1) }, lane);
    await failure.all([first, ...others], this.options.signal);
  }

  /** One range, from where it stopped after each dropped connection. */
  private async fetchRange(
    range: Range,
    failed: AbortSignal,
    onBegun: () => void,
    queue: Range[],
  ): Promise<void> {
    const { client, file, job, pieces } = this;
    const asked = client.asked(job.repo, job.commit, file.path);
    const { signal } = this.options;
    const stop = signal ? AbortSignal.any([signal, failed]) : failed;
    using data = await Deno.open(this.part, { write: true });
    using marks = await Deno.open(this.marksPath, { write: true });
    let { from, to } = range;
    await client.persist(async (progress) => {
      if (failed.aborted) throw cancelled();
      const url = this.location ?? client.fileUrl(job.repo, job.commit, file.path);
      let answer: OpenAnswer;
      try {
        answer = await client.open(url, asked, [from, to], stop);
      } catch (error) {
        this.location = undefined;
        throw error;
      }
      const { response, linkedEtag } = answer;
      const host = new URL(answer.url).host;
      if (linkedEtag !== undefined && file.digest.kind === "sha256" && linkedEtag !== file.digest.hex) {
        await response.body?.cancel();
        throw new LssgenError(
          "bad_file",
          `${host} has another "${file.path}" than the listing says: hash ${linkedEtag}`,
        );
      }
      let at = await checkedBeginning(response, { from, to }, file, host);
      this.location = answer.url;
      if (response.status === 200) {
        // The server sends everything whatever is asked for: this connection takes what the others would.
        queue.length = 0;
        to = file.size;
      }
      onBegun();
      const block = new Uint8Array(pieces.block);
      let filled = 0;
      for await (const piece of client.body(response, answer.url, stop)) {
        if (failed.aborted) throw cancelled();
        for (let rest = piece.subarray(Math.min(piece.length, Math.max(0, from - at))); rest.length > 0;) {
          const index = Math.floor(from / pieces.block);
          if (from >= to) {
            throw new LssgenError(
              "bad_file",
              `${host} sends more than the ${to - range.from} bytes of "${file.path}"`,
            );
          }
          const wanted = blockBytes(index, file.size, pieces);
          const taken = Math.min(wanted - filled, rest.length);
          block.set(rest.subarray(0, taken), filled);
          filled += taken;
          rest = rest.subarray(taken);
          if (filled < wanted) break;
          if (this.marks[index] !== 1) {
            await this.write(data, from, block.subarray(0, wanted));
            await this.write(marks, index, new Uint8Array([1]));
            this.marks[index] = 1;
            this.done += wanted;
            this.changed();
          }
          from += wanted;
          filled = 0;
          progress();
        }
        at += piece.length;
      }
      if (from < to) throw new PassingError(`The connection to ${host} was lost`);
    }, stop);
  }

  private async write(to: Deno.FsFile, at: number, bytes: Uint8Array): Promise<void> {
    try {
      await to.seek(at, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += await to.write(bytes.subarray(done));
    } catch (cause) {
      const why = /ENOSPC|no space/i.test(String(cause)) ? "the disk is full" : (cause as Error).message;
      throw new LssgenError("bad_file", `Cannot write "${this.part}": ${why}`, { cause });
    }
  }
}

function cancelled(): AbortedError {
  return new AbortedError("Another file's failure ended this one");
}

async function checkedBeginning(
  response: Response,
  range: Range,
  file: HubFile,
  host: string,
): Promise<number> {
  try {
    return checkAnswer(response, range, file, host).from;
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
}

/** Hash of a file as the listing has it; what is written is on the disk before it counts as read. */
async function hashOf(path: string, { size, digest }: HubFile): Promise<string> {
  const hash = createHash(digest.kind === "sha256" ? "sha256" : "sha1");
  if (digest.kind === "git-sha1") hash.update(`blob ${size}\0`);
  using file = await Deno.open(path, { read: true, write: true });
  await file.syncData();
  const buffer = new Uint8Array(Math.min(READ_BYTES, Math.max(1, size)));
  for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) {
    hash.update(buffer.subarray(0, n));
  }
  return hash.digest("hex");
}
