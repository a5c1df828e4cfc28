/**
 * Reads what a tokenizer needs from a SentencePiece model file, which is one protobuf message.
 *
 * Source: sentencepiece_model.proto (field numbers), the protobuf wire format.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** A unigram model. */
export interface SentencePieceModel {
  /** Pieces in the order of their ids, with log probabilities. */
  readonly pieces: readonly { readonly text: string; readonly score: number }[];
  /** Id of the unknown piece. */
  readonly unknownId: number;
  /** Unknown letters are spelled in bytes. */
  readonly byteFallback: boolean;
  /** precompiled_charsmap; empty when the model has none. */
  readonly charsmap: Uint8Array;
}

/** Field numbers of the messages. */
const MODEL = { piece: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, type: 3 } as const;
const TRAINER = { modelType: 3, byteFallback: 35 } as const;
const NORMALIZER = { charsmap: 2 } as const;
const UNIGRAM = 1;
const UNKNOWN_PIECE = 2;
const MODEL_TYPES = ["", "unigram", "BPE", "word", "char"];

/**
 * Reads a unigram model.
 *
 * @param bytes The whole file.
 * @param file File name for messages.
 * @throws {LssgenError} `bad_file` when it is damaged or has no unknown piece, `unsupported` when the
 * model is no unigram model.
 */
export function readSentencePiece(bytes: Uint8Array, file: string): SentencePieceModel {
  const pieces: { text: string; score: number }[] = [];
  let unknownId = -1;
  let modelType = UNIGRAM;
  let byteFallback = false;
  let charsmap: Uint8Array = new Uint8Array(0);
  const decoder = new TextDecoder();
  for (const { field, value } of fields(bytes, file)) {
    if (typeof value === "number") continue;
    if (field === MODEL.piece) {
      let text = "";
      let score = 0;
      for (const part of fields(value, file)) {
        if (part.field === PIECE.text && typeof part.value !== "number") text = decoder.decode(part.value);
        else if (part.field === PIECE.score && typeof part.value === "number") score = part.value;
        else if (part.field === PIECE.type && part.value === UNKNOWN_PIECE) unknownId = pieces.length;
      }
      pieces.push({ text, score });
    } else if (field === MODEL.trainer) {
      for (const part of fields(value, file)) {
        if (part.field === TRAINER.modelType) modelType = Number(part.value);
        else if (part.field === TRAINER.byteFallback) byteFallback = part.value === 1;
      }
    } else if (field === MODEL.normalizer) {
      for (const part of fields(value, file)) {
        if (part.field === NORMALIZER.charsmap && typeof part.value !== "number") charsmap = part.value;
      }
    }
  }
  if (modelType !== UNIGRAM) {
    const name = MODEL_TYPES[modelType] ?? modelType;
    throw new LssgenError("unsupported", `Cannot load "${file}": a ${name} model, expected a unigram model`);
  }
  if (unknownId < 0) throw broken(file, "it has no piece for unknown letters");
  return { pieces, unknownId, byteFallback, charsmap };
}

/** The fields of a message; 32-bit values are read as floats, the only kind that the format uses. */
function* fields(bytes: Uint8Array, file: string): Generator<{ field: number; value: number | Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= bytes.length) throw broken(file, "it is cut short");
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw broken(file, "a number in it never ends");
  };
  const take = (length: number): number => {
    if (length > bytes.length - at) {
      throw broken(file, `a field claims ${length} bytes, ${bytes.length - at} are left`);
    }
    at += length;
    return at - length;
  };
  while (at < bytes.length) {
    const key = varint();
    const field = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        yield { field, value: varint() };
        break;
      case 1:
        yield { field, value: view.getFloat64(take(8), true) };
        break;
      case 2: {
        const length = varint();
        const from = take(length);
        yield { field, value: bytes.subarray(from, from + length) };
        break;
      }
      case 5:
        yield { field, value: view.getFloat32(take(4), true) };
        break;
      default:
        throw broken(file, `field ${field} has an unknown kind, this is no SentencePiece model`);
    }
  }
}

function broken(file: string, what: string): LssgenError {
  return new LssgenError("bad_file", `Cannot read "${file}" as a SentencePiece model: ${what}`);
}
