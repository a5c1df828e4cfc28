/** What is kept between runs may be damaged, and what is measured may be disturbed: neither changes what is drawn. */

import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../lib/gpu/device.ts";
import { kernelLists, storedKernels, storedTunings } from "../lib/gpu/stored.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { least, type MatmulTuning, settled, tuneOnce, tuningOf } from "../lib/gpu/tune.ts";
import { KernelList } from "../lib/gpu/warm.ts";
import { attention } from "../lib/ops/attention.ts";
import { deviceReading, numbers } from "./devices.ts";

/** Restores what a test changes in localStorage. */
function kept(key: string): Disposable {
  const before = localStorage.getItem(key);
  return {
    [Symbol.dispose]: () =>
      before === null ? localStorage.removeItem(key) : localStorage.setItem(key, before),
  };
}

Deno.test("stored tunings that are damaged are measured anew and replaced", async () => {
  using _kept = kept("lssgen.tunings");
  using device = await openDevice();
  const { vendor, architecture, description } = device.info;
  const sound: MatmulTuning = {
    adapter: [vendor, architecture, description].join("|"),
    operands: "texels",
    ms: { texels: 1 },
    tiles: "large",
    tilesMs: {},
    texels: "sampled",
    texelsMs: {},
    arithmetic: "f32",
    arithmeticMs: {},
    reduction: "rows",
    reductionMs: {},
    normLoads: 0,
    normMs: {},
    fewRows: { simple: 8, super: 32 },
  };
  const damaged = [
    ...["toString", "__proto__", "", 5].map((operands) => ({ ...sound, operands })),
    ...["toString", null, 5].map((reduction) => ({ ...sound, reduction })),
    ...["toString", "huge"].map((tiles) => ({ ...sound, tiles })),
    ...[undefined, null, {}, [], { texels: "1" }, { texels: null }].map((ms) => ({ ...sound, ms })),
    { ...sound, normLoads: -1 },
    ...[null, 8, {}, { simple: 8 }, { simple: 8, super: 1e9 }].map((fewRows) => ({ ...sound, fewRows })),
    { ...sound, reductionMs: null },
    null,
    5,
    [],
    { adapter: sound.adapter },
  ];
  localStorage.setItem("lssgen.tunings", JSON.stringify(damaged));
  const { tuning, measured } = await tuneOnce(device);
  assert(measured, "a damaged tuning was taken");
  assertEquals(storedTunings().filter(({ adapter }) => adapter === sound.adapter), [tuning]);

  // What is not damaged is taken as it is, and replaces nothing.
  localStorage.setItem("lssgen.tunings", JSON.stringify([sound]));
  using second = await openDevice();
  assertEquals((await tuneOnce(second)).measured, false);
  assertEquals(tuningOf(second), sound);
  for (const text of ["{", "[", '{"a": 1}', "null", '"x"']) {
    localStorage.setItem("lssgen.tunings", text);
    assertEquals(storedTunings(), []);
  }
});

Deno.test("stored lists of kernels are bounded, and what cannot be a kernel is left out", () => {
  using _kept = kept("lssgen.kernels");
  const many = Array.from({ length: 30_000 }, (_, i) => ({ shader: "pack", constants: { I: i } }));
  const junk = [null, 5, {}, { shader: 5 }, { shader: "pack", types: null }, {
    shader: "pack",
    constants: [1],
  }];
  localStorage.setItem("lssgen.kernels", JSON.stringify([["many", many], ["junk", junk], 5, ["x"], [5, []]]));
  const lists = new Map(kernelLists());
  assertEquals([...lists.keys()], ["many", "junk"]);
  assertEquals(lists.get("many")!.length, 256);
  assertEquals(lists.get("junk"), []);
  new KernelList(storedKernels, "junk", storedKernels.recall("junk")).add([{ spec: { shader: "softmax" } }]);
  assertEquals(storedKernels.recall("junk"), [{ shader: "softmax" }]);
});

Deno.test("twenty tunings on a busy machine choose alike", async () => {
  const truth = { texels: 10, buffers: 40, tiled: 22 };
  const sizes = { large: 10, small: 16, huge: 14 };
  for (const [times, margin] of [[truth, 2 / 3], [sizes, 0.9]] as const) {
    const expected = least<string>(times, margin);
    for (let seed = 1; seed <= 20; seed++) {
      const noise = numbers(10_000, seed);
      let at = 0;
      // Other work takes up to half of the machine all the time, and all of it for a while in every third batch.
      const time = (name: string): Promise<number> => {
        const [share, burst] = [Math.abs(noise[at++]), Math.abs(noise[at++])];
        return Promise.resolve(
          (times as Record<string, number>)[name] * (1 + share / 2) * (burst < 1 / 3 ? 4 : 1),
        );
      };
      const first: Record<string, number> = {};
      for (const name of Object.keys(times)) first[name] = await time(name);
      const ms = await settled<string>(first, time, margin);
      assertEquals(least<string>(ms, margin), expected, `seed ${seed}: ${JSON.stringify(ms)}`);
    }
  }
});

Deno.test("a choice that never stands still ends all the same", async () => {
  let calls = 0;
  await settled({ a: 1, b: 1 }, () => Promise.resolve(1 / ++calls), () => String(calls));
  assert(calls > 4 && calls < 100, `${calls}`);
});

Deno.test("on a processor attention makes the same bits with every size of tiles and way to read textures", async () => {
  const made: [string, Float32Array][] = [];
  for (const [tiles, access] of [["small", "storage"], ["large", "storage"], ["large", "sampled"]] as const) {
    using device = await deviceReading("texels", undefined, "rows", tiles, 0, "f32", access);
    if (!device.info.fallback || (access === "storage" && !device.info.storageTexels)) continue;
    using r = new Recorder(device, "f32");
    const [q, k, v] = [1, 2, 3].map((seed) => ({
      tensor: r.upload([1, 37, 32], numbers(37 * 32, seed)),
      at: 0,
    }));
    made.push([`${tiles}, ${access}`, await r.read(attention(r, q, k, v, { heads: 1, headDim: 32 }))]);
  }
  for (const [choice, values] of made) assertEquals(values, made[0][1], choice);
});
