/**
 * LoRA files of other tools and other algorithms, against the weights that diffusers, PEFT and LyCORIS merge
 * (tests/data/lora/make_variants.py), and against the published formulas. No GPU.
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileFolder, fileSource } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { bytesOf, type ByteSource } from "../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint } from "../lib/weights/checkpoint.ts";
import { LoraSet } from "../lib/weights/lora.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";
import { numbers } from "./devices.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;

/** Tensors by name: shape and values. */
type Tensors = Record<string, readonly [shape: readonly number[], values: ArrayLike<number>]>;

/** A safetensors file with a header of its own. F8 values are given as their bits. */
function lora(
  tensors: Tensors,
  metadata: Record<string, string> = {},
  dtype: "F32" | "F16" | "BF16" | "F8_E4M3" = "F32",
): ByteSource {
  const bytes = (values: ArrayLike<number>): Uint8Array<ArrayBuffer> => {
    if (dtype === "F32") return new Uint8Array(Float32Array.from(values).buffer);
    if (dtype === "F16") return new Uint8Array(Float16Array.from(values).buffer);
    if (dtype === "F8_E4M3") return Uint8Array.from(values);
    const bits = new Uint32Array(Float32Array.from(values).buffer);
    return new Uint8Array(Uint16Array.from(bits, (v) => v >>> 16).buffer);
  };
  const directory: Record<string, unknown> = { __metadata__: metadata };
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const [name, [shape, values]] of Object.entries(tensors)) {
    const data = bytes(values);
    directory[name] = { dtype, shape, data_offsets: [at, at += data.length] };
    parts.push(data);
  }
  const header = new TextEncoder().encode(JSON.stringify(directory));
  const out = new Uint8Array(8 + header.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  let offset = 8 + header.length;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return bytesOf("test.safetensors", out);
}

/** A checkpoint in memory. */
function checkpoint(tensors: Tensors, dtype = "F32"): Checkpoint {
  const rows = (name: string, range?: { first: number; count: number }): Float32Array<ArrayBuffer> => {
    const [shape, values] = tensors[name];
    const all = Float32Array.from(values);
    if (!range) return all;
    const width = all.length / shape[0];
    return all.slice(range.first * width, (range.first + range.count) * width);
  };
  return {
    name: "base",
    names: () => Object.keys(tensors),
    info: (name) => Object.hasOwn(tensors, name) ? { shape: tensors[name][0], dtype } : undefined,
    read: (name, range) => Promise.resolve({ bytes: new Uint8Array(rows(name, range).buffer) }),
    readF32: (name, range) => Promise.resolve(rows(name, range)),
  };
}

const random = (shape: readonly number[], seed: number): [readonly number[], Float32Array] => {
  return [shape, numbers(shape.reduce((a, b) => a * b, 1), seed)];
};

/** The largest difference, relative to the largest value. */
function difference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  assertEquals(got.length, want.length);
  let [worst, size] = [0, 0];
  for (let i = 0; i < got.length; i++) {
    worst = Math.max(worst, Math.abs(got[i] - want[i]));
    size = Math.max(size, Math.abs(want[i]));
  }
  return worst / size;
}

const variants = await openSafetensors((await fileSource(path("./data/lora/variants.safetensors")))!);
const CASES = JSON.parse(variants.metadata.get("cases")!) as Record<
  string,
  { model: string; scale: number; metadata: Record<string, string>; by: string }
>;
const PARTS = ["transformer", "unet", "text_encoder", "text_encoder_2", "text_encoder_3"];
const partOf = (folder: string) => folder === "transformer" || folder === "unet" ? "denoiser" : folder;

for (const [name, { model, scale, metadata, by }] of Object.entries(CASES)) {
  Deno.test(`the LoRA variant ${name} changes the weights that ${by} changes, as it does`, async () => {
    const tensors: Tensors = {};
    const want = new Map<string, string>();
    for (const tensor of variants.names()) {
      if (tensor.startsWith(`${name}/lora/`)) {
        const { shape } = variants.info(tensor)!;
        tensors[tensor.slice(name.length + 6)] = [shape, await variants.readF32(tensor)];
      } else if (tensor.startsWith(`${name}/want/`)) want.set(tensor.slice(name.length + 6), tensor);
    }
    const { "adapter_config.json": config, ...header } = metadata;
    const set = await LoraSet.open([{ file: lora(tensors, header), scale, config }]);
    const folder = fileFolder(path(`./golden/pipelines/${model}/model`));
    const changed = new Set<string>();
    for (const part of PARTS) {
      const base = await openCheckpoint(folder, part).catch(() => undefined);
      if (!base) continue;
      const merged = set.apply(base, partOf(part));
      if (merged === base) continue;
      for (const tensor of base.names()) {
        const [before, after] = [await base.readF32(tensor), await merged.readF32(tensor)];
        if (before.every((v, i) => v === after[i])) continue;
        const key = `${part}/${tensor}`;
        changed.add(key);
        assert(want.has(key), `changes ${key}, ${by} does not`);
        assertEquals(merged.info(tensor)!.shape, base.info(tensor)!.shape);
        const off = difference(after, await variants.readF32(want.get(key)!));
        assert(off < 2e-6, `${key} is off by ${off} of its largest value`);
        // Rows read apart are the same rows.
        const [rows] = base.info(tensor)!.shape;
        const width = after.length / rows;
        const some = await merged.readF32(tensor, { first: 1, count: rows - 2 });
        assertEquals(difference(some, after.subarray(width, (rows - 1) * width)), 0);
      }
    }
    assertEquals([...changed].sort(), [...want.keys()].sort());
    const warned = set.warnings(model);
    if (name === "twice") {
      assertEquals(warned.length, 1);
      assert(warned[0].includes("1 changes are in the file twice, under two names"), warned[0]);
    } else assertEquals(warned, []);
  });
}
