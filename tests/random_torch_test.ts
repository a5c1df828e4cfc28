import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { TorchCpuGenerator, TorchCudaGenerator } from "../lib/random_torch.ts";

const GOLDEN = new URL("./golden/", import.meta.url);

/** Bits of torch 2.13's randn of 3, 20 and 2 numbers, one after the other, from the seed 2^40 + 7. */
const MIXED_DRAWS = [
  "be165174",
  "3f49408e",
  "3f7262e7",
  "be34ac25",
  "3fe005a6",
  "3ff70acb",
  "3f7c71d3",
  "bfa6cfce",
  "3db327dd",
  "bfb1466a",
  "3f00e990",
  "bdab10d9",
  "bcc054cb",
  "3e328f74",
  "4013180c",
  "3f8c3bfb",
  "3ef6f720",
  "3fb30fc2",
  "3fb3f2fd",
  "bfb35c30",
  "3fa60f1a",
  "3fd20a1a",
  "bf87416d",
  "bf8ea2d3",
  "beea673d",
];
/** FNV-1a of the bytes of torch 2.13's randn of 100 000 numbers from the seed 12345. */
const LONG_DRAW = "6767d14a";

function fnv1a(values: Float32Array): string {
  let h = 0x811c9dc5;
  for (const byte of new Uint8Array(values.buffer)) h = Math.imul(h ^ byte, 0x01000193);
  return (h >>> 0).toString(16).padStart(8, "0");
}

/** All f32 tensors of a safetensors file whose names begin with "in.noise.", in order. */
async function goldenNoise(path: string): Promise<Float32Array[]> {
  const bytes = await Deno.readFile(new URL(path, GOLDEN));
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header: Record<string, { data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, start)),
  );
  const names = Object.keys(header).filter((name) => name.startsWith("in.noise."));
  names.sort((a, b) => Number(a.slice(9)) - Number(b.slice(9)));
  return names.map((name) => {
    const [from, to] = header[name].data_offsets;
    return new Float32Array(bytes.slice(start + from, start + to).buffer);
  });
}

Deno.test("TorchCpuGenerator draws the noise of the golden cases bit for bit", async () => {
  let compared = 0;
  for (const group of ["pipelines", "lssgen"]) {
    const cases = await Array.fromAsync(Deno.readDir(new URL(`${group}/`, GOLDEN))).catch(() => []);
    for (const { name } of cases) {
      // Python writes -Infinity into some of these files, so they are no JSON.
      const text = await Deno.readTextFile(new URL(`${group}/${name}/case.json`, GOLDEN)).catch(() => "");
      const seed = /"generator_seed": (\d+)/.exec(text)?.[1];
      if (seed === undefined) continue;
      const generator = new TorchCpuGenerator(BigInt(seed));
      for (const [i, noise] of (await goldenNoise(`${group}/${name}/io.safetensors`)).entries()) {
        assertEquals(generator.randn(noise.length), noise, `${group}/${name} in.noise.${i}`);
        compared++;
      }
    }
  }
  assert(compared > 0, "no golden noise found");
});

Deno.test("TorchCpuGenerator gives torch's bits for short, long and mixed draws", () => {
  const generator = new TorchCpuGenerator(2n ** 40n + 7n);
  const mixed = Float32Array.from([3, 20, 2].flatMap((count) => [...generator.randn(count)]));
  const bits = Array.from(new Uint32Array(mixed.buffer), (w) => w.toString(16).padStart(8, "0"));
  assertEquals(bits, MIXED_DRAWS);
  assertEquals(fnv1a(new TorchCpuGenerator(12345).randn(100_000)), LONG_DRAW);
});

Deno.test("TorchCudaGenerator gives what GPUs gave", () => {
  // The widely quoted first numbers of seed 0, as in A1111's notes on its own copy of the generator.
  const published = [-0.92466259, -0.42534415, -2.6438457, 0.14518388];
  new TorchCudaGenerator(0).randn(4).forEach((v, i) => assertAlmostEquals(v, published[i], 1e-6));

  // github.com/pytorch/pytorch/issues/158398: randn([1, 64, 2048]) of seed 42, printed to four digits.
  const rows = new TorchCudaGenerator(42).randn(64 * 2048);
  const printed = (from: number) => [...rows.slice(from, from + 3)].map((v) => v.toFixed(4));
  assertEquals(printed(0), ["0.1940", "2.1614", "-0.1721"]);
  assertEquals(printed(2045), ["1.4540", "-2.7733", "-0.8932"]);
  assertEquals(printed(2048), ["-0.4574", "0.8063", "0.1580"]);
  assertEquals(printed(3 * 2048 - 3), ["-1.0001", "-1.1552", "-0.6955"]);
});

Deno.test("TorchCudaGenerator follows a GPU's threads once a draw exceeds them", () => {
  // github.com/pytorch/pytorch/issues/143086: the last numbers of one long draw on an H100 and an A100.
  for (
    const [threads, last] of [[132 * 2048, ["-0.6970", "-0.7780", "0.3267"]], [108 * 2048, [
      "0.1549",
      "-0.6797",
      "-0.1656",
    ]]] as const
  ) {
    const draw = new TorchCudaGenerator(1, threads).randn(49 * 12 * 112 * 144);
    assertEquals([...draw.slice(-3)].map((v) => v.toFixed(4)), [...last]);
  }
});

Deno.test("Successive draws of TorchCudaGenerator share no numbers", () => {
  const generator = new TorchCudaGenerator(3, 256);
  const seen = new Set([...generator.randn(3000), ...generator.randn(10), ...generator.randn(3000)]);
  assertEquals(seen.size, 6010);
});

Deno.test("Torch generators refuse seeds, counts and GPUs that do not exist", () => {
  assertThrows(() => new TorchCpuGenerator(-1), LssgenError, "Seed -1");
  assertThrows(() => new TorchCudaGenerator(1.5), LssgenError, "Seed 1.5");
  assertThrows(() => new TorchCpuGenerator(1).randn(2.5), LssgenError, "draw 2.5");
  assertThrows(() => new TorchCudaGenerator(1, 1000), LssgenError, "1000 threads");
  assertEquals(new TorchCudaGenerator(1).randn(0).length, 0);
});
