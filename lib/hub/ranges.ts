/**
 * What of a file is still missing, in ranges that are fetched side by side. A file is counted in blocks: one mark each says
 * that a block's bytes are there, so that an interrupted download loses less than a block for each connection.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { HubFile } from "./listing.ts";

/** Sizes of the pieces of a download. */
export interface PieceSizes {
  /** Bytes of a block. */
  readonly block: number;
  /** Bytes of a range, whole blocks: what one request fetches. */
  readonly range: number;
}

/** A block is written at once; a range is long enough that a request's delay does not matter. */
export const PIECES: PieceSizes = { block: 1 << 20, range: 64 << 20 };

/** Bytes from `from` up to `to`. */
export interface Range {
  /** First byte, at a block's beginning. */
  readonly from: number;
  /** Byte after the last. */
  readonly to: number;
}

/** Blocks that a file of `size` bytes has. */
export function blockCount(size: number, { block }: PieceSizes = PIECES): number {
  return Math.ceil(size / block);
}

/** Bytes of one block; the last may be short. */
export function blockBytes(index: number, size: number, { block }: PieceSizes = PIECES): number {
  return Math.min(block, size - index * block);
}

/** Bytes that marked blocks hold. */
export function markedBytes(marks: Uint8Array, size: number, pieces: PieceSizes = PIECES): number {
  return marks.reduce((sum, mark, i) => sum + (mark === 1 ? blockBytes(i, size, pieces) : 0), 0);
}

/** Runs of blocks without a mark, cut into ranges. */
export function missingRanges(marks: Uint8Array, size: number, pieces: PieceSizes = PIECES): Range[] {
  const { block, range } = pieces;
  const ranges: Range[] = [];
  const most = Math.max(1, Math.floor(range / block));
  for (let i = 0; i < marks.length;) {
    if (marks[i] === 1) {
      i++;
      continue;
    }
    const first = i;
    while (i < marks.length && marks[i] !== 1 && i - first < most) i++;
    ranges.push({ from: first * block, to: Math.min(i * block, size) });
  }
  return ranges;
}

/** Where the data of an answer begins. */
export interface Beginning {
  /** Byte of the file that the body begins with: 0 when the server sends everything. */
  readonly from: number;
  /** Byte after its last. */
  readonly to: number;
}

/**
 * Compares an answer's status and headers with what was asked for.
 *
 * @param range What was asked for.
 * @throws {LssgenError} `bad_file` when the server has a file of another length, or sends another part.
 */
export function checkAnswer(
  response: Response,
  range: Range,
  { path, size }: HubFile,
  host: string,
): Beginning {
  const { status, headers } = response;
  const wrong = (what: string): LssgenError =>
    new LssgenError("bad_file", `${host} ${what}; the listing says that "${path}" has ${size} bytes`);
  const length = headers.has("content-encoding") ? null : headers.get("content-length");
  if (status === 200) {
    if (length !== null && Number(length) !== size) throw wrong(`sends ${length} bytes`);
    return { from: 0, to: size };
  }
  if (status !== 206) throw wrong(`answered ${status}`);
  const [, from, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ??
    [];
  // A page cannot see this header where the host does not let it.
  if (from === undefined) {
    if (headers.has("content-range")) throw wrong(`answered the range "${headers.get("content-range")}"`);
    return range;
  }
  if (total !== "*" && Number(total) !== size) throw wrong(`has ${total} bytes`);
  if (Number(from) !== range.from || Number(last) !== range.to - 1) {
    throw wrong(`sends bytes ${from} to ${last} in place of ${range.from} to ${range.to - 1}`);
  }
  if (length !== null && Number(length) !== range.to - range.from) {
    throw wrong(`announces ${length} bytes for ${range.to - range.from}`);
  }
  return range;
}
