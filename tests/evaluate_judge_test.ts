/** The judge of `deno task evaluate`: it agrees with PyTorch, and its statistics are what their names say. */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { interval, Judge, kernelDistance, manner } from "../lib/judging/judge.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { readEntries } from "../lib/judging/score.ts";
import { writeJudge } from "./small_judge.ts";

Deno.test("the judge sees in a picture what PyTorch sees with the same weights", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeJudge(folder);
    const judge = await Judge.load(fileFolder(folder));
    const data = Uint8Array.from({ length: 192 }, (_, i) => (i * 37 + (i >> 7) * 11) % 256);
    const seen = judge.look({ width: 8, height: 8, channels: 3, data }, 2);
    [0.4193, 1.3761, 1.4977, 0.5301].forEach((v, i) =>
      assertAlmostEquals(seen.features[i], v, 2e-4, `feature ${i}`)
    );
    assertEquals(seen.nouns, ["c", "b"]);
    assertEquals([seen.style, seen.ground, seen.tint], ["x", "z", "x"]);
    assertEquals(judge.real.length, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a judge's folder that is none is refused by file and by what was expected", async () => {
  const folder = await Deno.makeTempDir();
  const load = () => Judge.load(fileFolder(folder));
  const entries = () => readEntries(fileFolder(folder));
  try {
    await assertRejects(
      load,
      LssgenError,
      "has no judge.json, expected a judge's folder: train in a checkout",
    );
    await assertRejects(entries, LssgenError, 'unseen.json" is not there');
    for (
      const text of [
        "",
        "[]",
        "null",
        '{"nouns":[],"side":96}',
        '{"nouns":["a"],"side":1e9}',
        "[[[[[[[[[[1]]]]]]]]]]",
      ]
    ) {
      await Deno.writeTextFile(`${folder}/judge.json`, text);
      await Deno.writeTextFile(`${folder}/unseen.json`, text);
      assertEquals((await assertRejects(load, LssgenError)).code, "bad_file", text);
      assertEquals((await assertRejects(entries, LssgenError)).code, "bad_file", text);
    }
    await writeJudge(folder);
    const names = JSON.parse(await Deno.readTextFile(`${folder}/judge.json`));
    for (
      const [changed, words] of [
        [{ nouns: ["a"] }, '"noun.weight" is [5,4], expected [1,4]'],
        [{ strides: [2, 1, 1] }, '"convs.2.weight" is not there'],
        [{ strides: [2] }, undefined],
      ] as const
    ) {
      await Deno.writeTextFile(`${folder}/judge.json`, JSON.stringify({ ...names, ...changed }));
      if (words) await assertRejects(load, LssgenError, words);
      else await load(); // the first layer alone has as many features here
    }
    await Deno.remove(`${folder}/judge.gguf`);
    await assertRejects(load, LssgenError, "has no judge.gguf");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("eight of ten right is 49 to 94 % by Wilson's interval, and nothing asked is anything", () => {
  const [low, high] = interval(8, 10);
  assertAlmostEquals(low, 0.4902, 1e-4);
  assertAlmostEquals(high, 0.9433, 1e-4);
  assertEquals(interval(0, 0), [0, 1]);
});

Deno.test("two samples of one distribution are no distance apart, of two they are", () => {
  let state = 1;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const sample = (shift: number): Float32Array[] =>
    Array.from({ length: 60 }, () => Float32Array.from({ length: 8 }, () => shift + random()));
  const near = kernelDistance(sample(0), sample(0)), far = kernelDistance(sample(0.5), sample(0));
  assert(Math.abs(near) < 0.1 * far, `${near} and ${far}`);
});

Deno.test("a grey picture has no saturation, one full step among three columns is a third of sharpness", () => {
  const width = 4, height = 3, data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.fill(i % width < 2 ? 0 : 255, 3 * i, 3 * i + 3);
  const [sharpness, saturation] = manner({ width, height, channels: 3, data });
  assertAlmostEquals(sharpness, 1 / 3, 1e-6);
  assertEquals(saturation, 0);
});
