/** The fuzzer finds what is planted, makes it small and repeats it; a short run over every reader finds nothing. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { readFailure, writeFailure } from "../tools/fuzz/failure_file.ts";
import { fromStored } from "../lib/cli/request.ts";
import { storedTunings } from "../lib/gpu/stored.ts";
import { createScheduler } from "../lib/schedulers/registry.ts";
import { memoryFolder } from "../lib/weights/bytes.ts";
import { type Checkpoint, openRawFile } from "../lib/weights/checkpoint.ts";
import { readConfig } from "../lib/weights/model_folder.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { caseInput, minimised, runCases, tryInput } from "../tools/fuzz/loop.ts";
import { sameShards, sameTensors, strictGguf, strictSafetensors } from "../tools/fuzz/strict.ts";
import { Different, type Target, textInput, textOf } from "../tools/fuzz/target.ts";
import { TARGETS } from "../tools/fuzz/targets.ts";

const SEED = 19;
/** Inputs of each reader. */
const INPUTS = 300;

/** Pictures take a while: a few, of models that are drawn quickly. */
for (const target of TARGETS) {
  const { smoke } = target;
  if (!smoke) continue;
  Deno.test(`${target.name}: ${smoke.inputs} changed models are refused by name or draw what they should`, async () => {
    const few = { ...target, seeds: async () => (await target.seeds()).filter(smoke.of) };
    const tally = await runCases(few, SEED, 0, { inputs: smoke.inputs });
    assertEquals(tally.failures.filter(({ kind }) => kind !== "slow").map(({ what }) => what), []);
    assert(tally.refused > 0 && tally.read > 0, JSON.stringify(tally.words));
    assertEquals(Object.values(tally.words).reduce((a, b) => a + b), smoke.inputs);
  });
}

for (const target of TARGETS) {
  if (target.smoke) continue;
  Deno.test(`${target.name}: sound inputs are read, ${INPUTS} changed ones are read or refused by name`, async () => {
    const seeds = await target.seeds();
    assert(seeds.length > 0);
    for (const [i, seed] of seeds.entries()) {
      const { outcome, error } = await tryInput(target, seed);
      assertEquals(outcome, "read", `seed ${i}: ${(error as Error)?.message}`);
    }
    const tally = await runCases(target, SEED, 0, { inputs: INPUTS });
    // How long an input takes is looked at by `deno task fuzz`; tests may run on a busy machine.
    assertEquals(tally.failures.filter(({ kind }) => kind !== "slow").map(({ what }) => what), []);
    assertEquals(tally.inputs, INPUTS);
    assert(
      target.name === "tuning-cache" || tally.refused > 0,
      "nothing was refused: the changes change nothing",
    );
    assert(tally.read > 0, "nothing was read: the changes change too much");
  });
}

/** A reader that fails where a text holds "<<" and a list of a config is empty. */
const PLANTED: Target = {
  name: "planted",
  tokens: ["<", "<<", "a"],
  seeds: () =>
    Promise.resolve([
      textInput({ "a.txt": "some words before and behind", "b.json": '{"list": [1, 2, 3], "n": 4}' }),
    ]),
  run(input) {
    const text = textOf(input, "a.txt");
    if (text.includes("<<")) return (undefined as unknown as { length: number }).length;
    if (text.length > 100) throw new LssgenError("bad_file", "too long");
  },
};

Deno.test("a planted fault is found, made small, and repeated from its file and from its number", async () => {
  const tally = await runCases(PLANTED, 7, 0, { inputs: 500 });
  assertEquals(tally.failures.length, 1); // of many alike, one
  const [failure] = tally.failures;
  assertEquals(failure.kind, "crash");
  assert(tally.faults > 1 && failure.what.startsWith("TypeError"));
  assertEquals([...failure.input].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]), [[
    "a.txt",
    "<<",
  ]]);

  const drawn = caseInput(PLANTED, await PLANTED.seeds(), 7, failure.case);
  assertEquals((await tryInput(PLANTED, drawn)).fault?.signature, failure.signature);
  assertEquals(drawn, caseInput(PLANTED, await PLANTED.seeds(), 7, failure.case));

  const folder = await Deno.makeTempDir();
  try {
    const { input, target } = await readFailure(await writeFailure(folder, failure));
    assertEquals(target, "planted");
    assertEquals((await tryInput(PLANTED, input)).fault?.signature, failure.signature);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an input that takes far more memory than its size is a fault, and is made small", async () => {
  const greedy: Target = {
    ...PLANTED,
    name: "greedy",
    run(input) {
      if (textOf(input, "a.txt").includes("<")) new Uint8Array(100 * 2 ** 20);
    },
  };
  const { failures } = await runCases(greedy, 3, 0, { inputs: 64 });
  assertEquals(failures.map(({ kind }) => kind), ["memory"]);
  assertEquals(textOf(failures[0].input, "a.txt"), "<");
  const again = await minimised(greedy, failures[0].input, failures[0]);
  assertEquals(again, failures[0].input);
});

// What the fuzzer found.

Deno.test("a scheduler's class that is no text is refused, whatever stands in its place", () => {
  for (const text of ['{"toString": null}', "[[]]", "5", "null", '{"__proto__": null}']) {
    const config = JSON.parse(`{"_class_name": ${text}, "beta_start": -1}`);
    assertThrows(() => createScheduler(config), LssgenError, "_class_name");
  }
});

Deno.test("brackets within brackets are not parsed beyond what a config, a picture's parameters or a cache has", async () => {
  // Parsed, each bracket costs thirty bytes.
  const nest = "[".repeat(2 ** 20) + "]".repeat(2 ** 20);
  assertThrows(() => fromStored(`{"width": ${nest}}`, "a.png"), LssgenError, "characters");
  const folder = memoryFolder("m", new Map([["config.json", new TextEncoder().encode(`{"a": ${nest}}`)]]));
  await assertRejects(() => readConfig(folder, "config.json"), LssgenError, "characters");

  const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
  const sound = '{"adapter": "a", "operands": "texels"}';
  const keep = (text: string): void => {
    Object.defineProperty(globalThis, "localStorage", { value: { getItem: () => text }, configurable: true });
  };
  try {
    keep(`[${sound}]`);
    assertEquals(storedTunings().length, 1);
    keep(`[${sound}${" ".repeat(2 ** 23)}]`);
    assertEquals(storedTunings(), []);
  } finally {
    if (before) Object.defineProperty(globalThis, "localStorage", before);
  }
});

Deno.test("a tensor that is read from another place, or under another shape, than its header says is a fault", async () => {
  const file = writeSafetensors([
    { name: "a", shape: [2, 1], data: Float32Array.of(1, 2) },
    { name: "b", shape: [2, 1], data: Float32Array.of(3, 4) },
  ]);
  const folder = memoryFolder("m", new Map([["a.safetensors", file]]));
  const sound = await openRawFile(folder, "a.safetensors");
  const strict = strictSafetensors(file);
  await sameTensors(sound, strict);
  const other: Checkpoint = {
    name: "other",
    names: () => sound.names(),
    info: (name) => sound.info(name),
    read: (name) => sound.read(name === "a" ? "b" : name),
    readF32: (name) => sound.readF32(name),
  };
  await assertRejects(() => sameTensors(other, strict), Different, '"a"');
  const flat: Checkpoint = {
    ...other,
    info: () => ({ shape: [2], dtype: "F32" }),
    read: (name) => sound.read(name),
  };
  await assertRejects(() => sameTensors(flat, strict), Different, "its header says [2,1]");

  const gguf = await Deno.readFile(new URL("./golden/gguf/types/types.gguf", import.meta.url));
  const raw = await openRawFile(memoryFolder("m", new Map([["a.gguf", gguf]])), "a.gguf");
  assert(strictGguf(gguf).size > 5);
  await sameTensors(raw, strictGguf(gguf));

  const index = JSON.stringify({ weight_map: { a: "x.safetensors", b: "x.safetensors" } });
  const files = new Map([...textInput({ "i.json": index }), ["x.safetensors", file]]);
  await sameShards(sound, files, "i.json");
  await assertRejects(() => sameShards(other, files, "i.json"), Different, "x.safetensors");
});
