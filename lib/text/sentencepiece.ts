/**
 * Reads what a tokenizer needs from a SentencePiece model file, which is one protobuf message, and writes such files.
 *
 * Source: sentencepiece_model.proto (field numbers), the protobuf wire format.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** A piece of a model. */
export interface SentencePiece {
  /** Its text; U+2581 stands for a space. */
  readonly text: string;
  /** Log probability. */
  readonly score: number;
  /** One of {@linkcode PIECE_TYPE}. */
  readonly type: number;
}

/** What a unigram model says. */
export interface SentencePieceModel {
  /** Pieces in the order of their ids. */
  readonly pieces: readonly SentencePiece[];
  /** precompiled_charsmap; empty when the model has none. */
  readonly charsmap: Uint8Array;
}

/** A unigram model as it is read from a file. */
export interface ReadSentencePiece extends SentencePieceModel {
  /** Id of the unknown piece. */
  readonly unknownId: number;
  /** Unknown letters are spelled in bytes. */
  readonly byteFallback: boolean;
}

/** Kinds of pieces: SentencePiece's numbers, which GGUF's `tokenizer.ggml.token_type` shares. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Field numbers of the messages. */
const MODEL = { piece: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, type: 3 } as const;
const TRAINER = { modelType: 3, byteFallback: 35 } as const;
const NORMALIZER = { charsmap: 2 } as const;
const UNIGRAM = 1;
const MODEL_TYPES = ["", "unigram", "BPE", "word", "char"];

/**
 * Reads a unigram model.
 *
 * @param bytes The whole file.
 * @param file File name for messages.
 * @throws {LssgenError} `bad_file` when it is damaged or has no unknown piece, `unsupported` when the
 * model is no unigram model.
 */
export function readSentencePiece(bytes: Uint8Array, file: string): ReadSentencePiece {
  const pieces: SentencePiece[] = [];
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
      let type: number = PIECE_TYPE.normal;
      for (const part of fields(value, file)) {
        if (part.field === PIECE.text && typeof part.value !== "number") text = decoder.decode(part.value);
        else if (part.field === PIECE.score && typeof part.value === "number") score = part.value;
        else if (part.field === PIECE.type && typeof part.value === "number") type = part.value;
      }
      if (type === PIECE_TYPE.unknown) unknownId = pieces.length;
      pieces.push({ text, score, type });
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

/**
 * A model file of these pieces, with what SentencePiece's other fields have by default.
 *
 * @param model Pieces and character map.
 */
export function writeSentencePiece({ pieces, charsmap }: SentencePieceModel): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const texts = pieces.map((piece) => encoder.encode(piece.text));
  // A piece has at most two lengths, three keys, a score and a type beside its text.
  const room = texts.reduce((sum, text) => sum + text.length + 24, charsmap.length + 32);
  const out = new Uint8Array(room);
  const view = new DataView(out.buffer);
  let at = 0;
  const number = (value: number): void => {
    for (; value >= 0x80; value = Math.floor(value / 128)) out[at++] = value % 128 + 0x80;
    out[at++] = value;
  };
  const key = (field: number, kind: number): void => number(8 * field + kind);
  const bytes = (field: number, value: Uint8Array): void => {
    key(field, KIND.bytes);
    number(value.length);
    out.set(value, at);
    at += value.length;
  };
  const lengthOfNumber = (value: number): number =>
    value < 0x80 ? 1 : 1 + lengthOfNumber(Math.floor(value / 128));
  pieces.forEach(({ score, type }, i) => {
    const text = texts[i];
    key(MODEL.piece, KIND.bytes);
    number(1 + lengthOfNumber(text.length) + text.length + 5 + 2);
    bytes(PIECE.text, text);
    key(PIECE.score, KIND.float32);
    view.setFloat32(at, score, true);
    at += 4;
    key(PIECE.type, KIND.number);
    number(type);
  });
  if (charsmap.length > 0) {
    key(MODEL.normalizer, KIND.bytes);
    number(1 + lengthOfNumber(charsmap.length) + charsmap.length);
    bytes(NORMALIZER.charsmap, charsmap);
  }
  return out.slice(0, at);
}

/** How protobuf writes a field. */
const KIND = { number: 0, float64: 1, bytes: 2, float32: 5 } as const;

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
      case KIND.number:
        yield { field, value: varint() };
        break;
      case KIND.float64:
        yield { field, value: view.getFloat64(take(8), true) };
        break;
      case KIND.bytes: {
        const length = varint();
        const from = take(length);
        yield { field, value: bytes.subarray(from, from + length) };
        break;
      }
      case KIND.float32:
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
