/**
 * Files read a second time, strictly and by other code than the library's: what it reads has to be what they say.
 *
 * @module
 */

import { parsePythonJson } from "../../lib/json.ts";
import type { Checkpoint } from "../../lib/weights/checkpoint.ts";
import { Different, equal, type Input, textOf } from "./target.ts";

/** A tensor as a header describes it. */
interface Strict {
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Tensors of a safetensors file by its header, of which every offset counts from its end. */
export function strictSafetensors(file: Uint8Array): Map<string, Strict> {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header: Record<string, { shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(file.subarray(8, 8 + length)),
  );
  const data = file.subarray(8 + length);
  const tensors = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return new Map(
    tensors.map(([name, { shape, data_offsets: [begin, end] }]) =>
      [name, { shape, bytes: data.subarray(begin, end) }] as const
    ),
  );
}

/** Bytes of GGUF's scalars, and of its blocks: values and bytes, by number. */
const SCALARS = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const BLOCKS: Readonly<Record<number, readonly [values: number, bytes: number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  24: [1, 1],
  25: [1, 2],
  26: [1, 4],
  27: [1, 8],
  28: [1, 8],
  30: [1, 2],
};

/** Tensors of a GGUF file; those of types that are not listed above are left out. Source: ggml's docs/gguf.md. */
export function strictGguf(file: Uint8Array): Map<string, Strict> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 24;
  let alignment = 32;
  const u32 = (): number => view.getUint32((at += 4) - 4, true);
  const u64 = (): number => Number(view.getBigUint64((at += 8) - 8, true));
  const text = (): string => {
    const length = u64();
    return new TextDecoder().decode(file.subarray(at, at += length));
  };
  const skip = (type: number): void => {
    if (type === 8) return void text();
    if (type !== 9) return void (at += SCALARS[type]);
    const inner = u32();
    for (let n = u64(); n > 0; n--) skip(inner);
  };
  const [tensors, keys] = [Number(view.getBigUint64(8, true)), Number(view.getBigUint64(16, true))];
  for (let i = 0; i < keys; i++) {
    const [key, type] = [text(), u32()];
    if (key !== "general.alignment") skip(type);
    // Whatever whole number it is; all are little-endian.
    else {
      const size = SCALARS[type];
      alignment = file.subarray(at, at += size).reduceRight((value, byte) => value * 256 + byte, 0);
    }
  }
  const listed = Array.from({ length: tensors }, () => {
    const name = text();
    const shape = Array.from({ length: u32() }, u64).reverse();
    return { name, shape, type: u32(), offset: u64() };
  });
  const begin = Math.ceil(at / alignment) * alignment;
  return new Map(
    listed.filter(({ type }) => type in BLOCKS).map(({ name, shape, type, offset }) => {
      const [values, bytes] = BLOCKS[type];
      const length = shape.reduce((a, b) => a * b, 1) / values * bytes;
      return [name, { shape, bytes: file.subarray(begin + offset, begin + offset + length) }] as const;
    }),
  );
}

/**
 * Fails unless a file's tensors have the bytes and the shapes that a strict reading gives them, and no other names.
 *
 * @throws {Different}
 */
export async function sameTensors(file: Checkpoint, strict: ReadonlyMap<string, Strict>): Promise<void> {
  for (const name of file.names()) {
    const want = strict.get(name);
    const info = file.info(name)!;
    // What has scales beside it is not what its bytes say; some shapes have keys of their own.
    if (!want || / |^N[FV]|^MXFP/.test(info.dtype) || file.metadata?.has(`comfy.gguf.orig_shape.${name}`)) {
      continue;
    }
    const { bytes } = await file.read(name);
    if (!equal(bytes, want.bytes)) {
      throw new Different("bytes", `"${name}" has other bytes than its header names`);
    }
    if (`${info.shape}` !== `${want.shape}`) {
      throw new Different("shape", `"${name}" is [${info.shape}], its header says [${want.shape}]`);
    }
  }
}

/**
 * Fails unless each tensor comes from the file that the index names for it.
 *
 * @throws {Different}
 */
export async function sameShards(checkpoint: Checkpoint, input: Input, index: string): Promise<void> {
  const { weight_map: map } = parsePythonJson(textOf(input, index)) as { weight_map: Record<string, string> };
  const files = new Map<string, ReadonlyMap<string, Strict>>();
  for (const name of checkpoint.names()) {
    if (!Object.hasOwn(map, name)) throw new Different("index", `"${name}" is read and stands in no index`);
    const path = map[name];
    if (!files.has(path)) files.set(path, strictSafetensors(input.get(path)!));
    const { bytes } = await checkpoint.read(name);
    const want = files.get(path)!.get(name)?.bytes ?? new Uint8Array();
    if (!equal(bytes, want)) {
      throw new Different("shard", `"${name}" is not read from "${path}"`);
    }
  }
}
