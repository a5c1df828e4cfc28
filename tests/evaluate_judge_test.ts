/** The judge of `deno task evaluate`: it agrees with PyTorch, and its statistics are what their names say. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { interval, Judge, kernelDistance, manner } from "../tools/evaluate/judge.ts";

const TRAIN = new URL("../train", import.meta.url).pathname;

Deno.test("the judge finds in a picture the features that PyTorch finds", async () => {
  const judge = await Judge.load(TRAIN), { side, example } = judge.names;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 37 + (i >> 7) * 11) % 256);
  const seen = judge.look({ width: side, height: side, channels: 3, data }, 2);
  assertEquals(seen.features.length, example.length);
  const scale = Math.max(...example);
  seen.features.forEach((v, i) => assertAlmostEquals(v, example[i], 1e-3 * scale, `feature ${i}`));
  assertEquals(new Set(seen.nouns).size, 2);
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
