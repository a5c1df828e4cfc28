/** Files above 4 GiB, tensors above 2 GiB, tensors of no and of one value, shards in any order. Files are sparse: nothing is written but headers and a few rows. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { Weights } from "../lib/models/weights.ts";
import { WeightStore } from "../lib/residency/store.ts";
import {
  blobSource,
  type ByteSource,
  folderOf,
  type FolderSource,
  memoryFolder,
} from "../lib/weights/bytes.ts";
import { openCheckpoint, openCheckpointFile } from "../lib/weights/checkpoint.ts";
import { type Stored, storedFile } from "./stored_tensors.ts";

/** Rows of 40 000 values of 16 bits: the tensor has 5.28 GB, and what follows it lies beyond 2^32. */
const [N, K] = [66_000, 40_000];
const BIG = N * K * 2;

/** A row's first values, which tell it from all others. */
const mark = (row: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Float16Array.of(row / 64, -1, 2, 0.5).buffer);

/** A file of a header, `size` bytes of zeros, and some bytes at places in them. */
async function sparse(
  path: string,
  header: Uint8Array,
  size: number,
  parts: readonly (readonly [at: number, bytes: Uint8Array])[],
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  await file.truncate(header.length + size);
  for (const [at, bytes] of [[-header.length, header] as const, ...parts]) {
    await file.seek(header.length + at, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  }
}

/** `big` [N, K], then `after` [2, 4], both F16. */
async function safetensors(path: string): Promise<void> {
  const json = new TextEncoder().encode(JSON.stringify({
    big: { dtype: "F16", shape: [N, K], data_offsets: [0, BIG] },
    after: { dtype: "F16", shape: [2, 4], data_offsets: [BIG, BIG + 16] },
  }));
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, 8);
  await sparse(path, header, BIG + 16, marks());
}

/** The same as GGUF, and a row of Q8_0 blocks. */
async function gguf(path: string): Promise<void> {
  const out: number[] = [];
  const put = (v: number | bigint, bytes: number): void => {
    for (let i = 0; i < bytes; i++) out.push(Number(BigInt(v) >> BigInt(8 * i) & 255n));
  };
  put(0x46554747, 4);
  put(3, 4);
  put(3, 8);
  put(0, 8);
  const blocks = Math.ceil((BIG + 16) / 32) * 32;
  for (
    const [name, shape, type, at] of [["big", [N, K], 1, 0], ["after", [2, 4], 1, BIG], [
      "blocks",
      [2, 32],
      8,
      blocks,
    ]] as const
  ) {
    put(name.length, 8);
    for (const byte of new TextEncoder().encode(name)) out.push(byte);
    put(shape.length, 4);
    for (const size of shape.toReversed()) put(size, 8);
    put(type, 4);
    put(at, 8);
  }
  while (out.length % 32 !== 0) out.push(0);
  const quantised = new Uint8Array(68);
  new DataView(quantised.buffer).setFloat16(34, 0.25, true);
  quantised.fill(3, 36);
  await sparse(path, Uint8Array.from(out), blocks + 96, [...marks(), [blocks, quantised]]);
}

function marks(): (readonly [number, Uint8Array])[] {
  return [...[0, 1, 53_687, 65_999].map((row) => [row * K * 2, mark(row)] as const), [BIG, mark(7)], [
    BIG + 8,
    mark(8),
  ]];
}

/** A folder whose files are blobs: what is read of them is what slices ask for. */
function asBlobs(folder: FolderSource): FolderSource {
  const blobOf = (file: ByteSource, from = 0, to = file.size): Blob =>
    ({
      size: to - from,
      slice: (a: number, b: number) => blobOf(file, from + a, from + b),
      arrayBuffer: async () => (await file.read(from, to - from)).slice().buffer,
    }) as unknown as Blob;
  return folderOf(folder.name, async (path) => {
    const file = await folder.open(path);
    return file && blobSource(path, blobOf(file));
  });
}

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await work(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("rows beyond 4 GiB are found in safetensors and GGUF files, from a disk and by slices of a blob", () =>
  inFolder(async (path) => {
    await safetensors(`${path}/a.safetensors`);
    await gguf(`${path}/a.gguf`);
    for (const folder of [fileFolder(path), asBlobs(fileFolder(path))]) {
      for (const name of ["a.safetensors", "a.gguf"]) {
        const file = await openCheckpointFile(folder, name);
        for (const row of [0, 1, 53_687, 65_999]) {
          const { bytes } = await file.read("big", { first: row, count: 1 });
          assertEquals(bytes.length, 2 * K);
          assertEquals(bytes.slice(0, 8), mark(row), `${name} ${row}`);
        }
        assertEquals((await file.read("after")).bytes, new Uint8Array([...mark(7), ...mark(8)]));
        assertEquals((await file.readF32("after", { first: 1, count: 1 }))[0], 8 / 64);
        if (name.endsWith("gguf")) {
          assertEquals((await file.readF32("blocks", { first: 1, count: 1 })).every((v) => v === 0.75), true);
        }
      }
    }
  }));

Deno.test("a file above 4 GiB that was cut, by a byte or in its middle, is refused", () =>
  inFolder(async (path) => {
    for (const [name, make] of [["a.safetensors", safetensors], ["a.gguf", gguf]] as const) {
      await make(`${path}/${name}`);
      const { size } = await Deno.stat(`${path}/${name}`);
      for (const left of [size - 65, 2 ** 32 + 5, 2 ** 31]) {
        await Deno.truncate(`${path}/${name}`, left);
        const error = await assertRejects(() => openCheckpointFile(fileFolder(path), name), LssgenError);
        assertEquals(error.code, "bad_file", `${name} ${left}`);
      }
    }
  }));

Deno.test("a tensor larger than the adapter's buffers is refused by its name, and nothing is read", () =>
  inFolder(async (path) => {
    await safetensors(`${path}/a.safetensors`);
    using device = await openDevice();
    const small = {
      gpu: device.gpu,
      memory: device.memory,
      info: { ...device.info, maxBufferBytes: 2 ** 31 - 1 },
    } as unknown as Device;
    const file = await openCheckpointFile(fileFolder(path), "a.safetensors");
    const renamed = {
      name: file.name,
      names: () => ["x.weight"],
      info: () => file.info("big"),
      read: () => Promise.reject(new Error("was read")),
      readF32: () => Promise.reject(new Error("was read")),
    };
    using store = new WeightStore(renamed, small, { dtype: "f16" });
    const error = assertThrows(() => new Weights(store).linear("x", N, K, { bias: false }), LssgenError);
    assertEquals(error.code, "out_of_memory");
    assertEquals(
      error.message.slice(error.message.indexOf('tensor "')),
      'tensor "x.weight" [66000,40000] takes 5280000000 bytes, more than this adapter\'s largest buffer (2147483647); take a 16-bit or quantised file of the model',
    );
  }));

Deno.test("a convolution larger than a binding is refused by its name before anything is loaded", async () => {
  using device = await openDevice({ maxBindingBytes: 1 << 20 });
  const folder = memoryFolder(
    "m",
    new Map([[
      "a.safetensors",
      storedFile({
        "c.weight": { dtype: "F16", shape: [256, 256, 3, 3], bytes: new Uint8Array(256 * 256 * 18) },
      }),
    ]]),
  );
  using store = new WeightStore(await openCheckpointFile(folder, "a.safetensors"), device, { dtype: "f16" });
  const error = assertThrows(() => new Weights(store).conv("c", 256, 256, 3, { bias: false }), LssgenError);
  assertEquals(error.code, "out_of_memory");
  assertEquals(
    /tensor "c\.weight" .* more than this adapter binds to a kernel \(1048576\)/.test(error.message),
    true,
    error.message,
  );
});

Deno.test("tensors of no value and of one are read, and those of one reach the GPU", async () => {
  const one = (shape: number[], value: number): Stored => ({
    dtype: "F32",
    shape,
    bytes: new Uint8Array(Float32Array.of(value).buffer),
  });
  const none = (shape: number[]): Stored => ({ dtype: "F16", shape, bytes: new Uint8Array(0) });
  const tensors = {
    "none": none([0]),
    "rows.none": none([0, 8]),
    "m.weight": one([1, 1], 3),
    "m.bias": one([1], 4),
    "none.width": none([8, 0]),
    "c.weight": one([1, 1, 1, 1], 5),
    "scalar": one([], 6),
    "last": none([2, 0, 3]),
  };
  const folder = memoryFolder("m", new Map([["a.safetensors", storedFile(tensors)]]));
  const file = await openCheckpointFile(folder, "a.safetensors");
  for (const name of ["none", "rows.none", "none.width", "last"]) {
    assertEquals((await file.read(name)).bytes.length, 0);
    assertEquals((await file.readF32(name)).length, 0);
    assertEquals((await file.read(name, { first: 0, count: 0 })).bytes.length, 0);
  }
  assertEquals(await file.readF32("scalar"), Float32Array.of(6));
  using device = await openDevice();
  using store = new WeightStore(file, device, { dtype: "f16" });
  const w = new Weights(store);
  for (const name of ["none", "rows.none", "none.width", "last", "scalar"]) w.ignore(name);
  const { weight, bias } = w.linear("m", 1, 1);
  const c = w.conv("c", 1, 1, 1, { bias: false });
  await store.load();
  using r = new Recorder(device);
  const first = async (buffer: GPUBuffer, type: string): Promise<number> => {
    const { buffer: bytes } = await r.read({ shape: [1], dtype: "f32", buffer, offset: 0, byteLength: 4 });
    return type === "f16" ? new Float16Array(bytes)[0] : new Float32Array(bytes)[0];
  };
  assertEquals(await first(weight.buffer, "f16"), 3);
  assertEquals(await first(bias!.buffer, "f32"), 4);
  assertEquals(await first(c.buffer, c.type), 5);
});

Deno.test("shards in any order, some of them empty, are one checkpoint, and a tensor in two of them is refused", async () => {
  const tensor = (value: number): Stored => ({
    dtype: "F32",
    shape: [1],
    bytes: new Uint8Array(Float32Array.of(value).buffer),
  });
  const index = (map: Record<string, string>) =>
    new TextEncoder().encode(JSON.stringify({ weight_map: map }));
  const files = (second: Record<string, Stored>): Map<string, Uint8Array<ArrayBuffer>> =>
    new Map([
      ["model-00001-of-00003.safetensors", storedFile({ z: tensor(1), b: tensor(2) })],
      ["model-00002-of-00003.safetensors", storedFile(second)],
      ["model-00003-of-00003.safetensors", storedFile({ a: tensor(3) })],
    ]);
  const indexed = files({});
  const shard = (i: number): string => `model-0000${i}-of-00003.safetensors`;
  indexed.set("model.safetensors.index.json", index({ a: shard(3), b: shard(1), z: shard(1) }));
  for (const folder of [memoryFolder("m", files({})), memoryFolder("m", indexed)]) {
    const file = await openCheckpoint(folder, "");
    assertEquals([...file.names()].sort(), ["a", "b", "z"]);
    const values = await Promise.all(["a", "b", "z"].map(async (name) => (await file.readF32(name))[0]));
    assertEquals(values, [3, 2, 1]);
  }
  const error = await assertRejects(
    () => openCheckpoint(memoryFolder("m", files({ a: tensor(9) })), ""),
    LssgenError,
  );
  assertEquals(error.code, "bad_tensor");
  assertEquals(/00002.*00003.*both hold "a"/.test(error.message), true, error.message);
});
