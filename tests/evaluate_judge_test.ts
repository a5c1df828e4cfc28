/** The judge of `deno task evaluate`: it agrees with PyTorch, and its statistics are what their names say. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { interval, Judge, kernelDistance, manner } from "../lib/judging/judge.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { type TensorEntry, writeSafetensors } from "../lib/weights/safetensors.ts";

/** Writes a small judge whose weights are sines, [outputs, inputs, 3, 3] and [outputs, inputs]. */
async function writeJudge(folder: string): Promise<void> {
  const entry = (name: string, shape: number[], from: number): TensorEntry => {
    const count = shape.reduce((a, b) => a * b);
    return { name, shape, data: Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + from)) };
  };
  const names = {
    nouns: ["a", "b", "c", "d", "e"],
    styles: ["x", "y", "z"],
    grounds: ["x", "y", "z"],
    tints: ["x", "y", "z"],
    side: 8,
    strides: [2, 1],
    manner: {},
    right: {},
  };
  await Deno.writeTextFile(`${folder}/judge.json`, JSON.stringify(names));
  await Deno.writeFile(
    `${folder}/judge.safetensors`,
    writeSafetensors([
      entry("convs.0.weight", [4, 3, 3, 3], 0),
      entry("convs.0.bias", [4], 10),
      entry("convs.1.weight", [4, 4, 3, 3], 1),
      entry("convs.1.bias", [4], 11),
      entry("noun.weight", [5, 4], 20),
      entry("noun.bias", [5], 30),
      entry("style.weight", [3, 4], 40),
      entry("style.bias", [3], 45),
      entry("ground.weight", [3, 4], 50),
      entry("ground.bias", [3], 55),
      entry("tint.weight", [3, 4], 60),
      entry("tint.bias", [3], 65),
      entry("real.features", [2, 4], 70),
    ]),
  );
}

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
