/** A judge of a few hundred weights, for tests. */

import { type TensorEntry, writeSafetensors } from "../lib/weights/safetensors.ts";

/** Writes a small judge whose weights are sines, [outputs, inputs, 3, 3] and [outputs, inputs]. */
export async function writeJudge(folder: string): Promise<void> {
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
