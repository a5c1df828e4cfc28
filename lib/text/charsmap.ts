/**
 * SentencePiece's precompiled character map (nmt_nfkc and its like): a double-array trie over UTF-8
 * that leads to replacements.
 *
 * Source: Yata, darts-clone (unit layout); SentencePiece's normalizer_spec.precompiled_charsmap; applied
 * to grapheme clusters as the `tokenizers` library does.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** A whole cluster is looked up only below this many bytes; longer ones go letter by letter. */
const WHOLE_CLUSTER_BYTES = 6;

/** A character map; see the module. */
export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;
  readonly #segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();

  /**
   * Reads the map.
   *
   * @param bytes The map: size of the trie in bytes (u32, little-endian), trie, zero-ended replacements.
   * @param file File name for messages.
   * @throws {LssgenError} `bad_file` when the sizes do not fit.
   */
  constructor(bytes: Uint8Array, file: string) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length >= 4 ? view.getUint32(0, true) : 0;
    if (size < 4 || size % 4 !== 0 || size > bytes.length - 4) {
      throw new LssgenError(
        "bad_file",
        `Cannot read "${file}": its character map claims a trie of ${size} bytes, ${bytes.length} are there`,
      );
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#replacements = bytes.subarray(4 + size);
  }

  /** The text with every mapped character replaced. */
  apply(text: string): string {
    let out = "";
    for (const { segment } of this.#segmenter.segment(text)) {
      const bytes = this.#encoder.encode(segment);
      const whole = bytes.length < WHOLE_CLUSTER_BYTES ? this.#replacement(bytes) : undefined;
      if (whole !== undefined) {
        out += whole;
        continue;
      }
      for (const letter of segment) out += this.#replacement(this.#encoder.encode(letter)) ?? letter;
    }
    return out;
  }

  /** Replacement of the shortest mapped prefix of `key`, as the reference takes it, or undefined. */
  #replacement(key: Uint8Array): string | undefined {
    const units = this.#units;
    let node = childBase(units[0]);
    for (const byte of key) {
      if (byte === 0) return undefined;
      node = (node ^ byte) >>> 0;
      // A damaged map leads outside; there nothing matches.
      const unit = units[node] ?? 0;
      if ((unit & 0x800000ff) !== byte) return undefined;
      node = (node ^ childBase(unit)) >>> 0;
      if ((unit >>> 8 & 1) === 1) {
        const from = (units[node] ?? 0) & 0x7fffffff;
        const to = this.#replacements.indexOf(0, from);
        return this.#decoder.decode(this.#replacements.subarray(from, to < 0 ? undefined : to));
      }
    }
    return undefined;
  }
}

/** Where the children of a unit begin, relative to it. */
function childBase(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** The character map of a normalizer of tokenizer.json, where it has one. */
export function charsmapOf(normalizer: unknown, file: string): Charsmap | undefined {
  const map = precompiledMap(normalizer, 0);
  return map ? new Charsmap(fromBase64(map, file), file) : undefined;
}

/** Sequences of sequences: no normalizer nests them deeper. */
const MAX_NESTING = 8;
/** The character map of a normalizer, alone or in a sequence. Its other steps only tidy white space. */
function precompiledMap(normalizer: unknown, depth: number): string | undefined {
  if (typeof normalizer !== "object" || normalizer === null || depth > MAX_NESTING) return undefined;
  if ("precompiled_charsmap" in normalizer && typeof normalizer.precompiled_charsmap === "string") {
    return normalizer.precompiled_charsmap;
  }
  if (!("normalizers" in normalizer) || !Array.isArray(normalizer.normalizers)) return undefined;
  for (const step of normalizer.normalizers) {
    const map = precompiledMap(step, depth + 1);
    if (map) return map;
  }
  return undefined;
}

function fromBase64(text: string, file: string): Uint8Array {
  try {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
    return bytes;
  } catch (cause) {
    throw new LssgenError("bad_file", `Cannot read "${file}": the character map is not base64`, { cause });
  }
}
