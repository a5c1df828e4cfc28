/**
 * Reads ahead of uploads: while one piece of a file goes to the GPU, the next ones are read.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { QUANTISED } from "../ops/quantised.ts";
import { elements, PLAIN_BYTES, type PlainType } from "../tensor.ts";
import type { RowRange } from "../weights/safetensors.ts";
import type { StoredForm } from "../weights/stored_form.ts";
import type { Checkpoint } from "../weights/types.ts";
import { PIECE, type Stored, type Upload } from "./upload.ts";

/** Something to read and hand to the GPU. */
export interface Transfer {
  /** Bytes of the file. */
  readonly bytes: number;
  /** Bytes in memory between reading and handing over. */
  readonly held: number;
  /**
   * Reads.
   *
   * @param into Memory that may be used, of {@linkcode PIECE} bytes.
   * @returns What hands it over.
   */
  read(into: Uint8Array<ArrayBuffer>): Promise<(upload: Upload) => void>;
}

/** How far reads are ahead of the GPU. */
export interface Ahead {
  /** Reads under way or waiting for the GPU. */
  readonly reads: number;
  /** Bytes that they hold; a single transfer may hold more. */
  readonly bytes: number;
}

/** Reads below this get memory of their own. */
const SMALL = 1 << 20;
const NONE = new Uint8Array(0);

/**
 * Begins the reads of transfers ahead of their turns. Ends, also where the caller leaves early, when no read is under way.
 *
 * @param items Transfers in their order, with what the caller knows of each.
 * @returns Each item in its turn with its read; its memory is used again when the next one is asked for.
 */
export async function* readAhead<T extends { readonly transfer: Transfer }>(
  items: Iterable<T>,
  ahead: Ahead,
): AsyncGenerator<{ readonly item: T; readonly job: ReturnType<Transfer["read"]> }> {
  const spare: Uint8Array<ArrayBuffer>[] = [];
  const waiting: { item: T; into: Uint8Array<ArrayBuffer>; job: ReturnType<Transfer["read"]> }[] = [];
  const coming = items[Symbol.iterator]();
  let next = coming.next();
  let held = 0;
  try {
    for (;;) {
      while (!next.done && waiting.length < ahead.reads) {
        const item = next.value;
        const { transfer } = item;
        if (waiting.length > 0 && held + transfer.held > ahead.bytes) break;
        // Fresh memory costs as much as reading: it is used again.
        const own = transfer.held <= PIECE && transfer.held > SMALL;
        const into = own ? spare.pop() ?? new Uint8Array(PIECE) : NONE;
        const job = transfer.read(into);
        job.catch(() => {}); // told when its turn comes
        waiting.push({ item, into, job });
        held += transfer.held;
        next = coming.next();
      }
      if (waiting.length === 0) return;
      const { item, into, job } = waiting[0];
      yield { item, job };
      waiting.shift();
      held -= item.transfer.held;
      if (into.length > 0) spare.push(into);
    }
  } finally {
    await Promise.allSettled(waiting.map(({ job }) => job));
  }
}

/** Ahead of a load, in which nothing computes. */
const LOADING: Ahead = { reads: 6, bytes: 3 * PIECE };

/**
 * Runs transfers in their order.
 *
 * @param onProgress Called after each with its bytes of the file.
 * @throws {AbortedError} when the signal fired.
 */
export async function runTransfers(
  transfers: readonly Transfer[],
  upload: Upload,
  signal: AbortSignal | undefined,
  onProgress: (bytes: number) => void,
): Promise<void> {
  const items = transfers.map((transfer) => ({ transfer }));
  for await (const { item, job } of readAhead(items, LOADING)) {
    if (signal?.aborted) throw new AbortedError();
    (await job)(upload);
    await upload.pace();
    onProgress(item.transfer.bytes);
  }
  await upload.finish();
}

/** Stored types that the GPU converts. */
const STORED: Readonly<Record<string, PlainType>> = { F32: "f32", F16: "f16", BF16: "bf16" };

/** The type of a tensor's values as they are read: stored ones, where the GPU can convert them, else f32. */
export function typeOnTheWay(source: Checkpoint, name: string): PlainType {
  return STORED[source.info(name)?.dtype ?? ""] ?? "f32";
}

/** Bytes of a tensor in the file; of types that are known to few, about. */
export function storedBytes({ shape, dtype }: { shape: readonly number[]; dtype: string }): number {
  const count = elements(shape);
  const plain = STORED[dtype];
  if (plain) return count * PLAIN_BYTES[plain];
  const blocks = Object.hasOwn(QUANTISED, dtype) ? QUANTISED[dtype as keyof typeof QUANTISED] : undefined;
  return blocks ? Math.ceil(count / blocks.values) * blocks.bytes : count;
}

/**
 * A tensor's values in pieces of whole rows.
 *
 * @param rows Rows of its first axis, or those that it would have without axes of size 1.
 * @param unit Pieces are multiples of so many rows.
 * @param write Takes `count` rows from `first` on.
 */
export function valueTransfers(
  source: Checkpoint,
  name: string,
  rows: number,
  unit: number,
  write: (upload: Upload, stored: Stored, first: number, count: number) => void,
): Transfer[] {
  const info = source.info(name)!;
  const from = typeOnTheWay(source, name);
  const plain = info.dtype in STORED;
  const rowBytes = elements(info.shape) / rows * PLAIN_BYTES[from];
  return cut(source, name, rows, rowBytes, unit).map(({ first, count, range }) => ({
    bytes: storedBytes(info) * count / rows,
    held: rowBytes * count,
    read: async (into) => {
      let bytes: Uint8Array<ArrayBuffer>;
      if (plain) bytes = (await source.read(name, range, into)).bytes;
      else {
        const values = await source.readF32(name, range);
        bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      }
      return (upload) => write(upload, { bytes, from }, first, count);
    },
  }));
}

/** A matrix's bytes as stored, in pieces of whole rows; `write` takes those from byte `at` of it on. */
export function byteTransfers(
  form: StoredForm,
  { name, rows, rowBytes, wholeOnly }: {
    name: string;
    rows: number;
    rowBytes: number;
    wholeOnly: boolean;
  },
  write: (upload: Upload, bytes: Uint8Array<ArrayBuffer>, at: number) => void,
): Transfer[] {
  return pieces(rows, rowBytes, 2, wholeOnly).map(({ first, count, range }) => ({
    bytes: rowBytes * count,
    held: rowBytes * count,
    read: async (into) => {
      const { bytes } = await form.read(range, into);
      if (bytes.length !== rowBytes * count) {
        throw new LssgenError(
          "internal",
          `"${name}": ${bytes.length} bytes were read, expected ${rowBytes * count}`,
        );
      }
      return (upload) => write(upload, bytes, first * rowBytes);
    },
  }));
}

/** Rows of a tensor, a piece at a time. */
function cut(
  source: Checkpoint,
  name: string,
  rows: number,
  rowBytes: number,
  unit: number,
): { first: number; count: number; range?: RowRange }[] {
  const { shape } = source.info(name)!;
  return pieces(rows, rowBytes, unit, shape[0] !== rows || (source.wholeOnly?.(name) ?? false));
}

/** Rows a piece at a time. */
function pieces(
  rows: number,
  rowBytes: number,
  unit: number,
  wholeOnly: boolean,
): { first: number; count: number; range?: RowRange }[] {
  const step = Math.max(unit, Math.floor(PIECE / rowBytes / unit) * unit);
  if (step >= rows || wholeOnly) return [{ first: 0, count: rows }];
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => {
    const range = { first: i * step, count: Math.min(step, rows - i * step) };
    return { ...range, range };
  });
}
