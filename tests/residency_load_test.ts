/** Weights on the GPU: what kernels read is what the file says, whatever the types and sizes. */

import { assertEquals, assertRejects } from "@std/assert";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { Weights } from "../lib/models/weights.ts";
import { packConv } from "../lib/ops/conv2d.ts";
import type { PlainMatrix } from "../lib/ops/linear.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { toF32 } from "../lib/weights/dtypes.ts";
import type { RowRange } from "../lib/weights/safetensors.ts";
import type { Checkpoint } from "../lib/weights/types.ts";
import { numbers } from "./devices.ts";

interface Stored {
  readonly shape: readonly number[];
  readonly dtype: "F32" | "F16" | "BF16" | "Q8_0";
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Tensors in memory, which says which reads there were. */
class Source implements Checkpoint {
  readonly name = "test.safetensors";
  readonly reads: string[] = [];
  constructor(readonly tensors: Readonly<Record<string, Stored>>) {}
  names = () => Object.keys(this.tensors);
  info = (name: string) => this.tensors[name];
  read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    this.reads.push(`${name} ${rows?.first ?? 0}`);
    const { bytes, shape } = this.tensors[name];
    const row = bytes.length / shape[0];
    const part = rows ? bytes.subarray(rows.first * row, (rows.first + rows.count) * row) : bytes;
    if (!into || into.length < part.length) return Promise.resolve({ bytes: part.slice() });
    into.set(part);
    return Promise.resolve({ bytes: into.subarray(0, part.length) });
  }
  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    this.reads.push(`${name} as f32`);
    return toF32((await this.read(name, rows)).bytes, this.tensors[name].dtype);
  }
}

/** Values with signs, zeros, infinities, NaN, subnormals of f16 and ties between its neighbours. */
function values(count: number, seed: number): Float32Array<ArrayBuffer> {
  const v = numbers(count, seed);
  const odd = [
    0,
    -0,
    Infinity,
    -Infinity,
    NaN,
    2 ** -24,
    2 ** -25,
    3 * 2 ** -25,
    -6.1e-5,
    1e-9,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    65504,
  ];
  odd.forEach((value, i) => i * 5 < count && (v[i * 5] = value));
  return v;
}

function stored(dtype: Stored["dtype"], shape: readonly number[], v: Float32Array<ArrayBuffer>): Stored {
  if (dtype === "F32") return { shape, dtype, bytes: new Uint8Array(v.buffer) };
  if (dtype === "F16") return { shape, dtype, bytes: new Uint8Array(new Float16Array(v).buffer) };
  const bits = new Uint32Array(v.buffer);
  return { shape, dtype, bytes: new Uint8Array(Uint16Array.from(bits, (b) => b >>> 16).buffer) };
}

async function bytesOf(device: Device, buffer: GPUBuffer, length: number): Promise<Uint8Array> {
  using r = new Recorder(device);
  const words = await r.read({
    shape: [buffer.size / 4],
    dtype: "f32",
    buffer,
    offset: 0,
    byteLength: buffer.size,
  });
  return new Uint8Array(words.buffer, 0, length);
}

/** A matrix's values; NaN of any bits are one. */
async function rowsOf(device: Device, m: PlainMatrix): Promise<Float32Array> {
  const bytes = await bytesOf(device, m.buffer, m.N * m.stride * (m.type === "f32" ? 4 : 2));
  return toF32(bytes.slice() as Uint8Array<ArrayBuffer>, m.type.toUpperCase());
}

Deno.test("rows of every stored type reach the GPU as rounded once, filled up with zeros", async () => {
  using device = await openDevice();
  for (const dtype of ["F32", "F16", "BF16"] as const) {
    for (const [N, K] of [[5, 8], [7, 13], [3, 16]]) {
      for (const run of ["f16", "f32"] as const) {
        const v = values(N * K, N + K);
        const source = new Source({ "w.weight": stored(dtype, [N, K], v) });
        using store = new WeightStore(source, device, { dtype: run });
        const { weight } = new Weights(store).linear("w", N, K, { bias: false });
        await store.load();
        const m = weight as PlainMatrix;
        const got = await rowsOf(device, m);
        const exact = await source.readF32("w.weight");
        const rounded = m.type === "f16" ? new Float32Array(new Float16Array(exact)) : exact;
        for (let n = 0; n < N; n++) {
          assertEquals(
            got.slice(n * m.stride, n * m.stride + K),
            rounded.slice(n * K, (n + 1) * K),
            `${dtype} ${run} ${K}`,
          );
          assertEquals(got.slice(n * m.stride + K, (n + 1) * m.stride).every((pad) => pad === 0), true);
        }
      }
    }
  }
});

Deno.test("a tensor with a value beyond f16 is loaded as f32, and its neighbours are not", async () => {
  using device = await openDevice();
  const large = values(24, 1);
  large[17] = 65520;
  const source = new Source({
    "a.weight": stored("F32", [3, 8], large),
    "b.weight": stored("F32", [3, 8], values(24, 2)),
    "c.weight": stored("F32", [2, 3, 2, 2], large),
  });
  using store = new WeightStore(source, device, { dtype: "f16" });
  const w = new Weights(store);
  const [a, b] = ["a", "b"].map((name) => w.linear(name, 3, 8, { bias: false }).weight as PlainMatrix);
  const c = w.conv("c", 2, 3, 2, { bias: false });
  await store.load();
  assertEquals([a.type, b.type, c.type], ["f32", "f16", "f32"]);
  assertEquals(await rowsOf(device, a), large);
  assertEquals(store.bytes, 96 + 48 + c.buffer.size);
});

Deno.test("convolutions lie on the GPU as packConv lays them out", async () => {
  using device = await openDevice({ maxBindingBytes: 1 << 20 });
  for (const dtype of ["F16", "F32", "BF16"] as const) {
    for (
      const [Co, Ci, k, transposed] of [
        [70, 6, 3, false],
        [5, 3, 2, false],
        [130, 8, 1, false],
        [
          6,
          5,
          4,
          true,
        ],
        [66, 7, 3, false],
        [72, 16, 3, false],
        [8, 4, 4, false],
        [200, 40, 1, false],
        [80, 320, 3, false],
      ] as const
    ) {
      const v = values(Co * Ci * k * k, Co).map((x) => Number.isNaN(x) ? 0 : x);
      const shape = transposed ? [Ci, Co, k, k] : [Co, Ci, k, k];
      const source = new Source({ "w.weight": stored(dtype, shape, v) });
      using store = new WeightStore(source, device, { dtype: "f16" });
      const got = new Weights(store).conv("w", Co, Ci, k, { bias: false, transposed });
      await store.load();
      const type = dtype === "BF16" ? "bf16" : "f16";
      const want = packConv(device, await source.readF32("w.weight"), {
        Co,
        Ci,
        kh: k,
        kw: k,
        transposed,
        type,
      });
      assertEquals(got.type, want.type);
      const length = want.buffer.size;
      assertEquals(
        await bytesOf(device, got.buffer, length),
        await bytesOf(device, want.buffer, length),
        `${dtype} ${Co}×${Ci}×${k}`,
      );
      want.buffer.destroy();
    }
  }
});

Deno.test("every f16, what lies between two of them, and what is beyond come out as rounded once", async () => {
  using device = await openDevice();
  const [N, K] = [96, 4096];
  const bits = new Uint32Array(N * K);
  const at = new DataView(new ArrayBuffer(2));
  for (let h = 0; h < 1 << 16; h++) {
    at.setUint16(0, h);
    const here = new Uint32Array(Float32Array.of(at.getFloat16(0)).buffer)[0];
    // Itself, the tie with the next one, and the two neighbours of that; below the least, what rounds to it and to zero.
    const step = (here & 0x7fffffff) < 0x38800000 ? 1 << 10 : 1 << 12;
    [here, here + step, here + step - 1, here + step + 1, here + 1, here ^ 0x1fff].forEach((b, i) =>
      bits[6 * h + i] = b
    );
  }
  const v = new Float32Array(bits.buffer);
  // Beyond f16 the whole tensor would stay f32.
  for (let i = 0; i < v.length; i++) if (Number.isFinite(v[i]) && Math.abs(v[i]) >= 65520) v[i] = 0;
  const source = new Source({
    "w.weight": stored("F32", [N, K], v),
    "c.weight": stored("F32", [N, K / 4, 2, 2], v),
  });
  using store = new WeightStore(source, device, { dtype: "f16" });
  const m = new Weights(store).linear("w", N, K, { bias: false }).weight as PlainMatrix;
  const c = new Weights(store).conv("c", N, K / 4, 2, { bias: false });
  await store.load();
  assertEquals([m.type, c.type], ["f16", "f16"]);
  const want = new Float32Array(new Float16Array(v));
  assertEquals((await rowsOf(device, m)).findIndex((x, i) => !Object.is(x, want[i])), -1);
  const packed = packConv(device, v, { Co: N, Ci: K / 4, kh: 2, kw: 2, transposed: false, type: "f16" });
  const half = async (buffer: GPUBuffer) =>
    toF32((await bytesOf(device, buffer, buffer.size)).slice() as Uint8Array<ArrayBuffer>, "F16");
  const [got, wanted] = [await half(c.buffer), await half(packed.buffer)];
  assertEquals(got.findIndex((x, i) => !Object.is(x, wanted[i])), -1);
  packed.buffer.destroy();
});

Deno.test("columns of a matrix whose widths are whole eights, and of one whose are not, are cut out of its rows", async () => {
  using device = await openDevice();
  for (const dtype of ["F32", "F16", "BF16"] as const) {
    for (const K of [[16, 8, 24], [10, 6]]) {
      const width = K.reduce((a, b) => a + b);
      const v = values(5 * width, width);
      const source = new Source({
        "w.weight": stored(dtype, [5, width], v),
        "w.bias": stored("F32", [5], values(5, 1)),
      });
      using store = new WeightStore(source, device, { dtype: "f16" });
      const parts = new Weights(store).linearColumns("w", 5, K).map(({ weight }) => weight as PlainMatrix);
      await store.load();
      const exact = await source.readF32("w.weight");
      const rounded = dtype === "F32" ? new Float32Array(new Float16Array(exact)) : exact;
      let at = 0;
      for (const m of parts) {
        const got = await rowsOf(device, m);
        for (let n = 0; n < 5; n++) {
          assertEquals(
            got.slice(n * m.stride, n * m.stride + m.K),
            rounded.slice(n * width + at, n * width + at + m.K),
          );
        }
        at += m.K;
      }
    }
  }
});

Deno.test("a large tensor is read in pieces of whole rows, each once, and never as f32", async () => {
  using device = await openDevice();
  const [N, K] = [3, 4 << 20]; // rows of 8 MiB
  const bytes = new Uint8Array(2 * N * K);
  for (let n = 0; n < N; n++) bytes[2 * n * K] = n + 1;
  const source = new Source({ "w.weight": { shape: [N, K], dtype: "F16", bytes } });
  const seen: [number, number][] = [];
  using store = new WeightStore(source, device, {
    dtype: "f32",
    onProgress: (done, total) => seen.push([done, total]),
  });
  const { weight } = new Weights(store).linear("w", N, K, { bias: false });
  await store.load();
  assertEquals(source.reads, ["w.weight 0", "w.weight 2"]);
  assertEquals(seen, [[16 << 20, 24 << 20], [24 << 20, 24 << 20]]);
  using r = new Recorder(device);
  for (let n = 0; n < N; n++) {
    const tensor = {
      shape: [4],
      dtype: "f32" as const,
      buffer: weight.buffer,
      offset: 2 * n * K,
      byteLength: 16,
    };
    assertEquals(new Uint8Array((await r.read(tensor)).buffer)[0], n + 1);
  }
});

Deno.test("blocks of odd rows, one tensor behind the other, keep their bytes", async () => {
  using device = await openDevice();
  const bytes = (seed: number) => Uint8Array.from({ length: 3 * 34 }, (_, i) => i * 7 + seed);
  const tensors = {
    "a.weight": { shape: [3, 32], dtype: "Q8_0", bytes: bytes(1) },
    "b.weight": { shape: [3, 32], dtype: "Q8_0", bytes: bytes(2) },
  } as const;
  using store = new WeightStore(new Source(tensors), device, { dtype: "f16", keepQuantised: true });
  const { weight } = new Weights(store).linearCat(["a", "b"], [3, 3], 32, { bias: false });
  await store.load();
  assertEquals(await bytesOf(device, weight.buffer, 204), new Uint8Array([...bytes(1), ...bytes(2)]));
});

Deno.test("all buffers are made before a byte is written, since copies that drivers keep would leave holes between them", async () => {
  using device = await openDevice();
  const blocks = { shape: [8, 32], dtype: "Q8_0", bytes: new Uint8Array(8 * 34) } as const;
  const source = new Source({
    "a.weight": stored("F16", [8, 8], values(64, 1)),
    "b.weight": stored("F16", [8, 4, 3, 3], values(288, 2)),
    "c.weight": blocks,
    "d.weight": stored("F32", [8, 8], values(64, 3)),
  });
  using store = new WeightStore(source, device, { dtype: "f16", keepQuantised: true });
  const w = new Weights(store);
  w.linear("a", 8, 8, { bias: false });
  w.conv("b", 8, 4, 3, { bias: false });
  w.linear("c", 8, 32, { bias: false });
  w.table("d.weight", [8, 8]);
  const order: string[] = [];
  const { queue } = device.gpu;
  const write = queue.writeBuffer;
  queue.writeBuffer = (...args: Parameters<GPUQueue["writeBuffer"]>) => {
    order.push("written");
    return write.apply(queue, args);
  };
  const { emptyBuffer } = store;
  store.emptyBuffer = (...args: Parameters<WeightStore["emptyBuffer"]>) => {
    order.push("made");
    return emptyBuffer.apply(store, args);
  };
  try {
    await store.load();
  } finally {
    queue.writeBuffer = write;
  }
  assertEquals(order.slice(0, 5), ["made", "made", "made", "made", "written"]);
  assertEquals(order.lastIndexOf("made"), 3);
});

Deno.test("a load that fails on its way frees what it had made, and the device goes on", async () => {
  using device = await openDevice();
  const source = new Source({
    "a.weight": stored("F16", [8, 8], values(64, 1)),
    "b.weight": stored("F16", [8, 8], values(64, 2)),
  });
  const broken: Checkpoint = {
    name: source.name,
    names: source.names,
    info: source.info,
    readF32: (name) => source.readF32(name),
    read: (name, rows) => name === "b.weight" ? Promise.reject(new Error("disk")) : source.read(name, rows),
  };
  const load = async (from: Checkpoint) => {
    using store = new WeightStore(from, device, { dtype: "f16" });
    for (const name of ["a", "b"]) new Weights(store).linear(name, 8, 8, { bias: false });
    try {
      await store.load();
    } finally {
      bytes = store.bytes;
    }
  };
  let bytes = -1;
  await assertRejects(() => load(broken), Error, "disk");
  assertEquals(bytes, 0);
  await load(source);
  assertEquals(bytes, 256);
});
