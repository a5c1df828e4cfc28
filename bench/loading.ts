/**
 * Weights from a file to the GPU, beside a plain read and one upload of the same bytes in pieces of 16 MiB. The file is in the
 * page cache: what is timed is the way, not the disk.
 *
 * @module
 */

import { basename } from "@std/path";
import { fileFolder } from "../lib/cli/files.ts";
import type { Device } from "../lib/gpu/device.ts";
import { Weights } from "../lib/models/weights.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { openCheckpointFile } from "../lib/weights/checkpoint.ts";
import { partFile } from "../lib/cli/output.ts";
import { convertCheckpoint } from "../lib/weights/convert.ts";
import type { WritableType } from "../lib/weights/quantise.ts";
import { RandomCheckpoint } from "../tools/synthesize/random_checkpoint.ts";
import type { Bench, BenchCase } from "./harness.ts";

/** Layers of a file of a quarter of a gigabyte in 16 bits. */
const SAFETENSORS = {
  "matrices 2560×2560": { shape: [2560, 2560], count: 20, bytes: 2, dtype: "F16" },
  "convolutions 1280×1280×3×3": { shape: [1280, 1280, 3, 3], count: 9, bytes: 2, dtype: "F16" },
  "f32 to f16, matrices 2560×2560": { shape: [2560, 2560], count: 10, bytes: 4, dtype: "F32" },
} as const;

/** The same of GGUF, whose blocks stay as they are. */
const GGUF = {
  "Q8_0 in GGUF, matrices 2560×2560": { shape: [2560, 2560], count: 36, type: "Q8_0" },
  "Q4_K in GGUF, matrices 2560×2560": { shape: [2560, 2560], count: 68, type: "Q4_K" },
  "F16 in GGUF, matrices 2560×2560": { shape: [2560, 2560], count: 20, type: "F16" },
} as const;

const KINDS = { ...SAFETENSORS, ...GGUF };

const PIECE = 16 << 20;

/** A file of layers `l0.weight`, `l1.weight`, … in a folder of its own. */
export async function layersFile(
  { shape, count, bytes, dtype }: {
    readonly shape: readonly number[];
    readonly count: number;
    readonly bytes: number;
    readonly dtype: string;
  },
): Promise<{ folder: string; path: string; size: number }> {
  const one = shape.reduce((a, b) => a * b, 1) * bytes;
  const tensors = Array.from({ length: count }, (_, i) => [
    `l${i}.weight`,
    { dtype, shape, data_offsets: [i * one, (i + 1) * one] },
  ]);
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(tensors)));
  const folder = await Deno.makeTempDir();
  const path = `${folder}/model.safetensors`;
  using file = await Deno.open(path, { write: true, create: true });
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, header.length, true);
  for (const part of [length, header, ...Array<Uint8Array>(count).fill(new Uint8Array(one))]) {
    for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
  }
  return { folder, path, size: 8 + header.length + count * one };
}

/** A GGUF file of layers as {@linkcode layersFile} names them. */
async function ggufFile(
  { shape, count, type }: {
    readonly shape: readonly number[];
    readonly count: number;
    readonly type: WritableType;
  },
): Promise<{ folder: string; path: string; size: number }> {
  const layers = Array.from({ length: count }, (_, i) => ({ name: `l${i}.weight`, shape }));
  const folder = await Deno.makeTempDir();
  const path = `${folder}/model.gguf`;
  await using file = await partFile(path);
  const source = new RandomCheckpoint("layers", layers, () => type, 0);
  const { bytes: size } = await convertCheckpoint(source, file, { format: "gguf", type, rules: [] });
  await file.finish();
  return { folder, path, size };
}

/** Reads a file in pieces and uploads each, one after the other. */
export async function plainUpload(device: Device, path: string, size: number): Promise<void> {
  using open = await Deno.open(path);
  const buffer = device.gpu.createBuffer({ size: Math.ceil(size / PIECE) * PIECE, usage: 0x80 | 0x08 });
  const piece = new Uint8Array(PIECE);
  for (let at = 0; at < size; at += PIECE) {
    for (let got = 0; got < Math.min(PIECE, size - at);) got += (await open.read(piece.subarray(got)))!;
    device.gpu.queue.writeBuffer(buffer, at, piece);
    if (at / PIECE % 4 === 3) {
      device.gpu.queue.submit([]);
      await device.idle();
    }
  }
  device.gpu.queue.submit([]);
  await device.idle();
  buffer.destroy();
}

async function make(device: Device, name: keyof typeof KINDS): Promise<BenchCase> {
  const { shape, count } = KINDS[name];
  const kind = KINDS[name];
  const { folder, path, size } = "type" in kind ? await ggufFile(kind) : await layersFile(kind);
  const load = async (): Promise<void> => {
    const source = await openCheckpointFile(fileFolder(folder), basename(path));
    using store = new WeightStore(source, device, { dtype: "f16", keepQuantised: true });
    const w = new Weights(store);
    for (let i = 0; i < count; i++) {
      if (shape.length === 4) w.conv(`l${i}`, shape[0], shape[1], shape[2], { bias: false });
      else w.linear(`l${i}`, shape[0], shape[1], { bias: false });
    }
    await store.load();
  };
  const times = (work: () => Promise<void>) => async (n: number) => {
    for (let i = 0; i < n; i++) await work();
  };
  return {
    flops: 0,
    bytes: size,
    contenders: [
      { label: "from the file to the GPU", submit: times(load) },
      { label: "plain read and upload", kind: "plain", submit: times(() => plainUpload(device, path, size)) },
    ],
    dispose: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Loading of weights. */
export const loading: Bench = {
  name: "loading",
  cases: (Object.keys(KINDS) as (keyof typeof KINDS)[]).map((name) => ({
    name,
    make: (device) => make(device, name),
  })),
};
