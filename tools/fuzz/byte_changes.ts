/**
 * Changes of files of bytes: bits, lengths, pieces cut out, doubled or moved; checksums are set right again where they would
 * end every test at the door.
 *
 * @module
 */

import { changedJson } from "./json_changes.ts";
import type { Draws } from "./random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Numbers that stand where lengths do. */
const LENGTHS: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  255n,
  256n,
  65_535n,
  1n << 20n,
  (1n << 31n) - 1n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 53n,
  (1n << 61n) + 1n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
  (1n << 64n) - 32n,
];

/** Where a format keeps numbers that decide what is read. */
interface Fields {
  readonly at: readonly (readonly [offset: number, bytes: 1 | 2 | 4 | 8])[];
  readonly little: boolean;
}

const fieldsOf = new WeakMap<Bytes, Fields>();

/** A file with one to four changes. */
export function changedBytes(bytes: Bytes, draws: Draws): Bytes {
  const png = isPng(bytes);
  if (!fieldsOf.has(bytes)) {
    fieldsOf.set(bytes, png ? pngFields(bytes) : ggufFields(bytes) ?? anyFields(bytes));
  }
  const fields = fieldsOf.get(bytes)!;
  let out = bytes.slice();
  for (let n = draws.oneIn(2) ? 1 + draws.below(4) : 1; n > 0; n--) out = change(out, fields, draws);
  if (png && !draws.oneIn(8)) mendChecksums(out);
  return out;
}

/** A safetensors file with a changed header whose length is right, or with changed bytes. */
export function changedSafetensors(bytes: Bytes, draws: Draws): Bytes {
  if (bytes.length < 8 || draws.oneIn(4)) return changedBytes(bytes, draws);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  const changed = changedJson(header, draws);
  if (changed === undefined) return changedBytes(bytes, draws);
  const text = new TextEncoder().encode(changed);
  const out = new Uint8Array(8 + text.length + Math.max(0, bytes.length - 8 - length));
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(bytes.subarray(8 + length), 8 + text.length);
  return out;
}

function change(bytes: Bytes, fields: Fields, draws: Draws): Bytes {
  const size = bytes.length;
  if (size === 0) return Uint8Array.of(draws.below(256));
  const at = draws.below(size);
  const length = 1 + draws.below(Math.min(size - at, draws.oneIn(3) ? 1024 : 16));
  switch (draws.below(9)) {
    case 0:
      bytes[at] ^= 1 << draws.below(8);
      return bytes;
    case 1:
      bytes[at] = draws.of([0, 1, 127, 128, 255]);
      return bytes;
    case 2:
      return bytes.slice(0, draws.oneIn(2) ? at : Math.max(0, size - length)); // cut short
    case 3:
      return spliced(bytes, at, length, new Uint8Array());
    case 4:
      return spliced(bytes, at, 0, bytes.slice(at, at + length));
    case 5: {
      const from = draws.below(size);
      bytes.set(bytes.slice(from, Math.min(from + length, size - at + from)), at);
      return bytes;
    }
    default: {
      if (fields.at.length === 0) return bytes;
      const [offset, width] = draws.of(fields.at);
      if (offset + width > size) return bytes;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      let value = draws.of(LENGTHS);
      if (draws.oneIn(3)) {
        value = BigInt(bytes[offset + (fields.little ? 0 : width - 1)] + draws.below(5) - 2);
      }
      for (let i = 0; i < width; i++) {
        const place = fields.little ? offset + i : offset + width - 1 - i;
        view.setUint8(place, Number(BigInt.asUintN(64, value) >> BigInt(8 * i) & 255n));
      }
      return bytes;
    }
  }
}

function spliced(bytes: Bytes, at: number, drop: number, insert: Bytes): Bytes {
  const out = new Uint8Array(bytes.length - drop + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + drop), at + insert.length);
  return out;
}

/** Of a format without a walker here: every place near the beginning may be a length. */
function anyFields(bytes: Bytes): Fields {
  const at: [number, 1 | 2 | 4 | 8][] = [];
  for (let i = 0; i < Math.min(bytes.length, 512); i++) {
    for (const width of [1, 2, 4, 8] as const) at.push([i, width]);
  }
  return { at, little: bytes[0] !== 0xff };
}

/** Bytes of GGUF's scalar types, by number. */
const SCALARS: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** Counts, lengths, types, axes and offsets of a GGUF file. */
function ggufFields(bytes: Bytes): Fields | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 24 || view.getUint32(0, true) !== 0x46554747) return undefined;
  const at: [number, 1 | 2 | 4 | 8][] = [[4, 4], [8, 8], [16, 8]];
  let p = 24;
  const u32 = (): number => (at.push([p, 4]), p += 4, view.getUint32(p - 4, true));
  const u64 = (): number => (at.push([p, 8]), p += 8, Number(view.getBigUint64(p - 8, true)));
  const text = (): void => {
    p += u64();
  };
  const value = (type: number): void => {
    if (type === 8) return text();
    if (type !== 9) return void (at.push([p, 1]), p += SCALARS[type] ?? 0);
    const inner = u32();
    const count = u64();
    if (inner < 8 || inner > 9) p += count * (SCALARS[inner] ?? 0);
    else for (let i = 0; i < count && i < 1000; i++) value(inner);
  };
  try {
    const [tensors, keys] = [Number(view.getBigUint64(8, true)), Number(view.getBigUint64(16, true))];
    for (let i = 0; i < keys; i++) text(), value(u32());
    for (let i = 0; i < tensors; i++) {
      text();
      for (let axes = u32(); axes > 0; axes--) u64();
      u32(), u64();
    }
  } catch {
    // What was found so far will do.
  }
  return { at, little: true };
}

const isPng = (bytes: Bytes): boolean => bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e;

/** Where each chunk of a PNG begins. */
function chunks(bytes: Bytes): [start: number, length: number][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: [number, number][] = [];
  for (let p = 8; p + 12 <= bytes.length;) {
    const length = view.getUint32(p);
    found.push([p, length]);
    p += 12 + length;
  }
  return found;
}

function pngFields(bytes: Bytes): Fields {
  const header = ([[16, 4], [20, 4], [24, 1], [25, 1], [26, 1], [27, 1], [28, 1]] as const).slice();
  return {
    at: [...header, ...chunks(bytes).flatMap(([p]) => [[p, 4], [p + 4, 4], [p + 8, 1]] as const)],
    little: false,
  };
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1;
  return n;
});

/** Writes the checksum of each chunk that lies within the file. */
function mendChecksums(bytes: Bytes): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [start, length] of chunks(bytes)) {
    if (start + 12 + length > bytes.length) return;
    let crc = ~0;
    for (let i = start + 4; i < start + 8 + length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ crc >>> 8;
    view.setUint32(start + 8 + length, ~crc >>> 0);
  }
}
