/** A judge of a few hundred weights, for tests. */

import { ggufFile, type StoredGguf } from "./stored_tensors.ts";

/** Writes a small judge whose weights are sines: of convolutions [outputs, inputs, 3, 3], which the file has with the inputs last. */
export async function writeJudge(folder: string): Promise<void> {
  const sines = (shape: readonly number[], place: (i: number) => number, from: number): StoredGguf => {
    const values = Float32Array.from(
      { length: shape.reduce((a, b) => a * b) },
      (_, i) => Math.sin(1.7 * place(i) + from),
    );
    return { type: 0, shape, bytes: new Uint8Array(values.buffer) };
  };
  const plain = (shape: readonly number[], from: number): StoredGguf => sines(shape, (i) => i, from);
  const convolution = (outputs: number, inputs: number, from: number): StoredGguf =>
    sines([outputs, 9 * inputs], (i) => {
      const [o, tap, c] = [Math.floor(i / (9 * inputs)), Math.floor(i / inputs) % 9, i % inputs];
      return (o * inputs + c) * 9 + tap;
    }, from);
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
    `${folder}/judge.gguf`,
    ggufFile({
      "convs.0.weight": convolution(4, 3, 0),
      "convs.0.bias": plain([4], 10),
      "convs.1.weight": convolution(4, 4, 1),
      "convs.1.bias": plain([4], 11),
      "noun.weight": plain([5, 4], 20),
      "noun.bias": plain([5], 30),
      "style.weight": plain([3, 4], 40),
      "style.bias": plain([3], 45),
      "ground.weight": plain([3, 4], 50),
      "ground.bias": plain([3], 55),
      "tint.weight": plain([3, 4], 60),
      "tint.bias": plain([3], 65),
      "real.features": plain([2, 4], 70),
    }),
  );
}
