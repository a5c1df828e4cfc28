/**
 * The two vocabularies that travel with this library, packed into columns of bytes that gzip well, and unpacked
 * to the files of a diffusers tokenizer folder. `tools/pack_tokenizers.ts` writes them.
 *
 * CLIP (`clip.bin`): a u32 M, then M merges as four columns of M bytes: low and high byte of the left id, low and high
 * byte of the right id. The vocabulary follows from the merges: 256 letters, the same at a word's end, one
 * token a merge, `<|startoftext|>`, `<|endoftext|>`.
 *
 * T5 (`t5.bin`): u32 counts of pieces P, text bytes T, trie units U and replacement bytes R; T bytes of piece texts,
 * joined by line ends; P bytes of piece types; the f32 scores as differences of their bit patterns, P numbers; the
 * units of the character map, U numbers; R bytes of replacements. Numbers are four columns, the lowest bytes first.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { BYTE_LETTERS, END_OF_WORD } from "./clip_tokenizer.ts";
import { type SentencePieceModel, writeSentencePiece } from "./sentencepiece.ts";

/** Both files unpack to less than 1 MB; more is not ours. */
const MAX_UNPACKED = 4 << 20;

/** A merge table as a folder's files. */
export interface ClipFiles {
  /** vocab.json. */
  readonly vocab: string;
  /** merges.txt. */
  readonly merges: string;
}

/** Ids of the left and the right token of each merge, the most wanted merge first. */
export type MergeIds = readonly (readonly [left: number, right: number])[];

/** Packs the merges of a CLIP vocabulary; gzip is left to the caller. */
export function packClip(merges: MergeIds): Uint8Array<ArrayBuffer> {
  const m = merges.length;
  const out = new Uint8Array(4 + 4 * m);
  new DataView(out.buffer).setUint32(0, m, true);
  merges.forEach(([left, right], i) => {
    [left & 255, left >> 8, right & 255, right >> 8].forEach((byte, column) =>
      out[4 + column * m + i] = byte
    );
  });
  return out;
}

/**
 * Unpacks `clip.bin` to vocab.json and merges.txt.
 *
 * @param packed The file, gzipped.
 * @throws {LssgenError} `bad_file` when it is damaged.
 */
export async function unpackClip(packed: Uint8Array<ArrayBuffer>, file: string): Promise<ClipFiles> {
  const bytes = await gunzip(packed, file);
  const m = bytes.length < 4 ? 0 : new DataView(bytes.buffer).getUint32(0, true);
  if (m === 0 || bytes.length !== 4 + 4 * m) throw damaged(file);
  const tokens = [...BYTE_LETTERS, ...BYTE_LETTERS.map((letter) => letter + END_OF_WORD)];
  // The alphabet of CLIP's files: printable letters first, then the stand-ins of other bytes.
  tokens.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const lines = ["#version: 0.2"];
  for (let i = 0; i < m; i++) {
    const [left, right] = [0, 2].map((column) =>
      tokens[bytes[4 + column * m + i] + 256 * bytes[4 + (column + 1) * m + i]]
    );
    if (left === undefined || right === undefined) throw damaged(file);
    lines.push(`${left} ${right}`);
    tokens.push(left + right);
  }
  tokens.push("<|startoftext|>", "<|endoftext|>");
  return {
    vocab: `{${tokens.map((token, id) => `${JSON.stringify(token)}:${id}`).join(",")}}`,
    merges: lines.join("\n") + "\n",
  };
}

/** Packs a unigram model; gzip is left to the caller. */
export function packT5(model: SentencePieceModel): Uint8Array<ArrayBuffer> {
  const { pieces, charsmap } = model;
  const text = new TextEncoder().encode(pieces.map((piece) => piece.text).join("\n"));
  const trie = charsmap.length < 4
    ? 0
    : new DataView(charsmap.buffer, charsmap.byteOffset).getUint32(0, true) / 4;
  const units = new Uint32Array(charsmap.slice(4, 4 + 4 * trie).buffer);
  const replacements = charsmap.subarray(4 + 4 * trie);
  const bits = new Uint32Array(Float32Array.from(pieces, (piece) => piece.score).buffer);
  const counts = Uint32Array.of(pieces.length, text.length, trie, replacements.length);
  const parts = [
    new Uint8Array(counts.buffer),
    text,
    Uint8Array.from(pieces, (piece) => piece.type),
    columns(bits.map((b, i) => i === 0 ? b : b - bits[i - 1])),
    columns(units),
    replacements,
  ];
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * Unpacks `t5.bin` to spiece.model.
 *
 * @param packed The file, gzipped.
 * @throws {LssgenError} `bad_file` when it is damaged.
 */
export async function unpackT5(
  packed: Uint8Array<ArrayBuffer>,
  file: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await gunzip(packed, file);
  if (bytes.length < 16) throw damaged(file);
  const [p, t, u, r] = new Uint32Array(bytes.buffer, 0, 4);
  if (bytes.length !== 16 + t + 5 * p + 4 * u + r) throw damaged(file);
  const from = {
    types: 16 + t,
    scores: 16 + t + p,
    units: 16 + t + 5 * p,
    replacements: 16 + t + 5 * p + 4 * u,
  };
  const texts = new TextDecoder().decode(bytes.subarray(16, from.types)).split("\n");
  if (texts.length !== p) throw damaged(file);
  const bits = rows(bytes.subarray(from.scores, from.units), p);
  for (let i = 1; i < p; i++) bits[i] += bits[i - 1];
  const scores = new Float32Array(bits.buffer);
  const charsmap = new Uint8Array(4 + 4 * u + r);
  new DataView(charsmap.buffer).setUint32(0, 4 * u, true);
  charsmap.set(new Uint8Array(rows(bytes.subarray(from.units, from.replacements), u).buffer), 4);
  charsmap.set(bytes.subarray(from.replacements), 4 + 4 * u);
  return writeSentencePiece({
    pieces: texts.map((text, i) => ({ text, score: scores[i], type: bytes[from.types + i] })),
    charsmap: u === 0 ? new Uint8Array(0) : charsmap,
  });
}

/** Numbers as four columns of bytes, the lowest first; little-endian machines only, as WebGPU itself. */
function columns(numbers: Uint32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(numbers.buffer);
  const n = numbers.length;
  return Uint8Array.from({ length: 4 * n }, (_, at) => bytes[4 * (at % n) + Math.floor(at / n)]);
}

/** The inverse of {@linkcode columns}. */
function rows(columns: Uint8Array, n: number): Uint32Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * n);
  for (let i = 0; i < n; i++) {
    for (let column = 0; column < 4; column++) bytes[4 * i + column] = columns[column * n + i];
  }
  return new Uint32Array(bytes.buffer);
}

/** Unpacked bytes, never more than {@linkcode MAX_UNPACKED}. */
async function gunzip(packed: Uint8Array<ArrayBuffer>, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    for (const reader = stream.getReader();;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
      if (size > MAX_UNPACKED) {
        await reader.cancel();
        throw damaged(file);
      }
    }
  } catch (cause) {
    throw cause instanceof LssgenError ? cause : damaged(file, cause);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function damaged(file: string, cause?: unknown): LssgenError {
  return new LssgenError(
    "bad_file",
    `Cannot read "${file}": it is not a vocabulary of this library, or damaged; install the package again, or check what ` +
      "the server answers for it",
    { cause },
  );
}
