/** Weights that come to the GPU when they are used: in which order, into which room, and what goes wrong on the way. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Recorder } from "../lib/gpu/recorder.ts";
import { IdleDevice } from "../lib/gpu/rehearsal.ts";
import { Weights } from "../lib/models/weights.ts";
import { linear } from "../lib/ops/linear.ts";
import { HostMemory } from "../lib/residency/host_memory.ts";
import { KeptSource } from "../lib/residency/kept_source.ts";
import { slotBytes, Stream, Unit } from "../lib/residency/stream.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { storedBytes, type Transfer } from "../lib/residency/transfers.ts";
import { USUAL_ADAPTER } from "../lib/pipelines/memory.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import type { Checkpoint } from "../lib/weights/types.ts";
import { randomComponent } from "../tools/synthesize.ts";
import { MODELS } from "../tools/synthesize/models.ts";
import { deviceReading } from "./devices.ts";

/** A unit of so many bytes whose reads and writes are noted. */
function unit(stream: Stream, name: string, bytes: number, notes: string[], fails = false): Unit {
  const made: Unit = new Unit(stream, [bytes], (): Transfer[] => [{
    bytes,
    held: bytes,
    read: () => {
      notes.push(`read ${name}`);
      if (fails) return Promise.reject(new Error(`no ${name}`));
      return Promise.resolve(() => notes.push(`write ${name} at ${made.buffers[0].place!.offset}`));
    },
  }]);
  return made;
}

/** Lets everything that waits for nothing run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function open(slots: number, size: number): { device: IdleDevice; stream: Stream } {
  const device = new IdleDevice(USUAL_ADAPTER);
  const stream = Stream.of(device);
  stream.join(device, { largest: size, total: slots * size, slots, least: 0 });
  return { device, stream };
}

Deno.test("a slot is filled again only when the launches that use it were handed over", async () => {
  const { device, stream } = open(2, 512);
  using _ = device;
  const notes: string[] = [];
  const units = ["a", "b", "c", "d", "e"].map((name) => unit(stream, name, 256, notes));
  const bringing = stream.begin(units.map((u) => [u]), undefined);
  await bringing.ready(3);
  await settle();
  assertEquals(
    notes.filter((note) => note.startsWith("write")),
    ["write a at 0", "write b at 256", "write c at 0", "write d at 256"],
  );
  bringing.submitted(1); // a is used, b in the same slot is not
  await settle();
  assert(!bringing.isReady(4));
  bringing.submitted(2);
  await bringing.ready(4);
  assertEquals(notes.at(-1), "write e at 0");
  await bringing.end();
});

Deno.test("what launches use in a row is read once, what they use again later is read again", async () => {
  const { device, stream } = open(2, 256);
  using _ = device;
  const notes: string[] = [];
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => unit(stream, name, 256, notes));
  const launches = [[a], [a], [b], [a], [], [c], [d], [a]];
  const bringing = stream.begin(launches, undefined);
  for (let i = 0; i < launches.length; i++) {
    await bringing.ready(i);
    bringing.place(i);
    for (const { buffers } of launches[i]) assert(buffers[0].place);
    bringing.submitted(i + 1);
  }
  await bringing.end();
  assertEquals(notes.filter((note) => note.startsWith("read")).map((note) => note.slice(5)), [..."abcda"]);
  assertEquals(a.buffers[0].place, undefined);
});

Deno.test("a launch finds its weight where it was put for it, though it was put elsewhere for a later one", async () => {
  const { device, stream } = open(2, 2048);
  using _ = device;
  const [a, b, c] = ["a", "b", "c"].map((name) => unit(stream, name, 256, []));
  const bringing = stream.begin([[a], [b], [c], [a]], undefined);
  await bringing.ready(3);
  bringing.place(0);
  assertEquals(a.buffers[0].place!.offset, 0);
  bringing.place(3);
  assertEquals(a.buffers[0].place!.offset, 768);
  await bringing.end();
});

Deno.test("a read that fails is told to the launch that waits for it, and what came before is used", async () => {
  const { device, stream } = open(2, 256);
  using _ = device;
  const notes: string[] = [];
  const [a, b] = [unit(stream, "a", 256, notes), unit(stream, "b", 256, notes, true)];
  const bringing = stream.begin([[a], [b]], undefined);
  await bringing.ready(0);
  await assertRejects(() => bringing.ready(1), Error, "no b");
  await bringing.end();
});

Deno.test("an end in the middle reads nothing further", async () => {
  const { device, stream } = open(2, 256);
  using _ = device;
  const notes: string[] = [];
  const units = [..."abcdefgh"].map((name) => unit(stream, name, 256, notes));
  const bringing = stream.begin(units.map((u) => [u]), undefined);
  await bringing.ready(0);
  await bringing.end();
  assert(!notes.includes("write d at 0"), notes.join());
});

Deno.test("slots belong to those who need them: as large as the largest unit, counted as weights, gone with the last", () => {
  const device = new IdleDevice(USUAL_ADAPTER);
  using _ = device;
  const stream = Stream.of(device);
  const [first, second] = [{}, {}];
  stream.join(first, { largest: 1024, total: 1 << 20, slots: 2, least: 4096 });
  assertEquals([stream.bytes, device.memory.use().weights], [8192, 8192]);
  stream.join(second, { largest: 1 << 20, total: 1 << 20, slots: 3, least: 4096 });
  assertEquals([stream.bytes, device.memory.use().weights], [3 << 20, 3 << 20]);
  stream.leave(second);
  assertEquals(stream.bytes, 8192);
  stream.leave(first);
  assertEquals([stream.bytes, device.memory.use().weights], [0, 0]);
  assertEquals(slotBytes({ largest: 256, total: 1000, slots: 3, least: 1 << 20 }), 512);
});

Deno.test("streamed matrices that f16 does not hold are f32, as those that stay, and products are the same to the bit", async () => {
  using device = await deviceReading("buffers");
  const [N, K] = [24, 20];
  const values = (layer: number): Float32Array<ArrayBuffer> =>
    Float32Array.from(
      { length: N * K },
      (_, i) => Math.sin(i + 100 * layer) * (layer === 1 && i === 7 ? 1e6 : 1),
    );
  const source: Checkpoint = {
    name: "test",
    names: () => ["l0.weight", "l1.weight", "l2.weight"],
    info: (name) => name.endsWith("weight") ? { shape: [N, K], dtype: "F32" } : undefined,
    read: (name) => Promise.resolve({ bytes: new Uint8Array(values(Number(name[1])).buffer) }),
    readF32: (name) => Promise.resolve(values(Number(name[1]))),
  };
  const outputs: Float32Array[][] = [];
  const types: string[][] = [];
  for (const resident of [Infinity, 0]) {
    using store = new WeightStore(source, device, {
      dtype: "f16",
      streaming: { resident: () => resident, slots: 2, slotBytes: 0 },
    });
    const w = new Weights(store);
    const layers = [0, 1, 2].map((i) => w.linear(`l${i}`, N, K, { bias: false }));
    await store.load();
    types.push(layers.map(({ weight }) => weight.blocks ? "" : weight.type));
    assertEquals(store.streamed > 0, resident === 0);
    using r = new Recorder(device, "f32");
    const x = r.upload([1, 40, K], Float32Array.from({ length: 40 * K }, (_, i) => Math.cos(i)));
    // Twice through all of them: nothing stays.
    const made = [...layers, ...layers].map((layer) => linear(r, x, layer, { dtype: "f32" }));
    outputs.push(await Promise.all(made.map((y) => r.read(y))));
  }
  assertEquals(types[0], ["f16", "f32", "f16"]);
  assertEquals(types[1], types[0]);
  assertEquals(outputs[1], outputs[0]);
  assertEquals(Stream.of(device).bytes, 0);
});

Deno.test("SD3.5's table of positions stays where all else streams: a step reads little of it, and slots need not hold it", async () => {
  using device = new IdleDevice(USUAL_ADAPTER);
  const { build, config } = MODELS["sd3.5-medium"].components.transformer;
  const source = randomComponent("transformer", { build, config, class: ["", ""] }, "F16", 0);
  using store = new WeightStore(source, device, {
    dtype: "f16",
    streaming: { resident: () => 0, slots: 2, slotBytes: 0 },
  });
  build!(new Weights(store), new ConfigReader("config.json", config));
  await store.pretend();
  const table = storedBytes(source.info("pos_embed.pos_embed")!);
  assert(store.bytes > table, `${store.bytes} bytes stay`);
  assert(Stream.of(device).bytes < table, `${Stream.of(device).bytes} bytes of slots`);
});

Deno.test("host memory keeps what was read until it is full, and never what a caller lends", async () => {
  let reads = 0;
  const lent = new Uint8Array(64);
  const source: Checkpoint = {
    name: "test",
    names: () => ["a", "b"],
    info: () => ({ shape: [64], dtype: "F32" }),
    read: (name, _rows, into) => {
      reads++;
      const bytes = (into ?? new Uint8Array(64)).subarray(0, 64).fill(name.charCodeAt(0));
      return Promise.resolve({ bytes });
    },
    readF32: () => Promise.resolve(new Float32Array(64)),
  };
  const memory = new HostMemory(100);
  const kept = new KeptSource(source, memory);
  await kept.read("a", undefined, lent);
  lent.fill(0);
  assertEquals((await kept.read("a", undefined, lent)).bytes[0], "a".charCodeAt(0));
  assertEquals([reads, memory.used], [1, 64]);
  await kept.read("b");
  await kept.read("b");
  assertEquals([reads, memory.used], [3, 64]);
  // Another part of a tensor is another piece.
  await kept.read("a", { first: 0, count: 8 });
  assertEquals(reads, 4);
  kept[Symbol.dispose]();
  assertEquals(memory.used, 0);
});
