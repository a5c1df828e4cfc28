/** Writing checkpoints: blocks as ggml's own quantisers make them, files that readers take, nothing lost on the way. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import type { Checkpoint } from "../lib/weights/checkpoint.ts";
import {
  convertCheckpoint,
  type ConvertOptions,
  planConversion,
  typeRules,
  writableType,
} from "../lib/weights/convert.ts";
import { openGguf } from "../lib/weights/gguf.ts";
import { quantise, WRITABLE_TYPES, type WritableType } from "../lib/weights/quantise.ts";
import { dequantise } from "../lib/weights/quants.ts";
import { openSafetensors, writeSafetensors } from "../lib/weights/safetensors.ts";

const read = async (path: string) =>
  await openSafetensors(bytesOf(path, await Deno.readFile(new URL(path, import.meta.url))));

/** A checkpoint in memory. */
async function checkpoint(tensors: Record<string, [shape: number[], value: (i: number) => number]>) {
  const entries = Object.entries(tensors).map(([name, [shape, value]]) => ({
    name,
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i)),
  }));
  return await openSafetensors(bytesOf("made", writeSafetensors(entries))) as Checkpoint;
}

/** Bytes of a conversion. */
async function converted(source: Checkpoint, options: ConvertOptions) {
  let bytes = new Uint8Array(0);
  const report = await convertCheckpoint(source, {
    write(at, part) {
      if (at + part.length > bytes.length) {
        const larger = new Uint8Array(at + part.length);
        larger.set(bytes);
        bytes = larger;
      }
      bytes.set(part, at);
      return Promise.resolve();
    },
  }, options);
  return { bytes, report };
}

const wave = (i: number): number => 0.02 * Math.sin(1 + 12.9898 * i) + 0.01 * Math.cos(78.233 * i);

Deno.test("quantise() writes the bytes of ggml's reference quantisers, for every type", async () => {
  const expected = await read("./data/quantise/expected.safetensors");
  const values = await expected.readF32("values");
  for (const type of WRITABLE_TYPES.filter((t) => t.startsWith("Q"))) {
    assertEquals(quantise(values, type), (await expected.read(type)).bytes, type);
  }
});

Deno.test("quantise() rounds bf16 to even and refuses what f16 cannot hold", () => {
  const bf16 = quantise(Float32Array.of(1, 1.00390625, 1.01171875), "BF16")!;
  // 1 + 2⁻⁸ lies between two bf16 numbers and goes to the even one below; 1 + 3·2⁻⁸ to the even one above.
  assertEquals(dequantise(bf16, "BF16"), Float32Array.of(1, 1, 1.015625));
  assertEquals(quantise(Float32Array.of(65504, 70000), "F16"), undefined);
  assertEquals(quantise(new Float32Array(32).fill(1e9), "Q8_0"), undefined);
});

Deno.test("a part of a block is refused by the type", () => {
  const error = assertThrows(() => quantise(new Float32Array(100), "Q4_K"), LssgenError, "multiple of 256");
  assertEquals(error.code, "bad_tensor");
});

Deno.test("a converted GGUF file holds every tensor, within its type's rounding", async () => {
  const source = await checkpoint({
    "double_blocks.0.img_attn.proj.weight": [[64, 512], wave],
    "double_blocks.0.img_attn.proj.bias": [[64], wave],
    "img_in.weight": [[512, 64], wave],
    "conv.weight": [[40, 16, 3, 3], wave],
    "odd.weight": [[64, 96], wave],
  });
  // Half a step of the coarsest block: f16's rounding beside it is small.
  const steps: Partial<Record<WritableType, number>> = {
    F16: 2 ** -11,
    BF16: 2 ** -8,
    Q8_0: 1 / 127,
    Q6_K: 1 / 28,
  };
  for (const type of WRITABLE_TYPES) {
    const { bytes, report } = await converted(source, { format: "gguf", type });
    const file = await openGguf(bytesOf("out.gguf", bytes));
    assertEquals(bytes.length, report.bytes, type);
    assertEquals(file.metadata.get("general.architecture"), "flux");
    assertEquals(file.metadata.get("general.quantization_version"), 2);
    assertEquals([...file.names()], [...source.names()], type);
    assertEquals(file.info("double_blocks.0.img_attn.proj.weight")!.dtype, type);
    for (const name of source.names()) {
      const want = await source.readF32(name);
      const got = await file.readF32(name);
      assertEquals(file.info(name)!.shape, source.info(name)!.shape, name);
      const off = want.reduce((most, v, i) => Math.max(most, Math.abs(v - got[i])), 0);
      const tolerance = 0.03 * (steps[type] ?? (type === "F32" ? 0 : 1 / 2));
      assert(off <= tolerance, `${type} ${name}: off by ${off}, ${tolerance} allowed`);
    }
  }
});

Deno.test("first and last layers, vectors, convolutions and odd rows keep types that suit them", async () => {
  const source = await checkpoint({
    "double_blocks.0.img_attn.qkv.weight": [[96, 256], wave],
    "double_blocks.0.img_attn.qkv.bias": [[96], wave],
    "img_in.weight": [[256, 256], wave],
    "final_layer.linear.weight": [[64, 256], wave],
    "odd.weight": [[64, 96], wave],
    "conv.weight": [[40, 16, 3, 3], wave],
  });
  const types = (options: { type: WritableType; rules?: string }) =>
    Object.fromEntries(
      planConversion(source, { format: "gguf", type: options.type, rules: typeRules(options.rules ?? "") })
        .map(({ name, to }) => [name, to]),
    );
  assertEquals(types({ type: "Q4_K" }), {
    "double_blocks.0.img_attn.qkv.weight": "Q4_K",
    "double_blocks.0.img_attn.qkv.bias": "F32",
    "img_in.weight": "F32",
    "final_layer.linear.weight": "F32",
    "odd.weight": "Q5_0", // 96 is no multiple of 256
    "conv.weight": "F16",
  });
  const ruled = types({ type: "Q4_0", rules: "img_in=q8_0,qkv=f16" });
  assertEquals(ruled["img_in.weight"], "Q8_0");
  assertEquals(ruled["double_blocks.0.img_attn.qkv.weight"], "F16");
});

Deno.test("a value beyond f16 keeps its tensor in f32, and the report says so", async () => {
  const source = await checkpoint({
    "a.weight": [[4, 256], (i) => i === 700 ? 1e9 : 1],
    "b.weight": [[4, 256], wave],
  });
  for (const [format, type] of [["gguf", "F16"], ["gguf", "Q8_0"], ["safetensors", "F16"]] as const) {
    const { bytes, report } = await converted(source, { format, type, rules: typeRules(`a=${type}`) });
    const file = await (format === "gguf" ? openGguf : openSafetensors)(bytesOf("out", bytes));
    assertEquals(report.beyondF16, ["a.weight"], `${format} ${type}`);
    assertEquals((await file.readF32("a.weight"))[700], 1e9, `${format} ${type}`);
    assertEquals((await file.readF32("b.weight")).length, 1024);
  }
});

Deno.test("large tensors go in pieces, and progress ends at the whole", async () => {
  const source = await checkpoint({ "w.weight": [[3000, 4096], wave] });
  const seen: number[] = [];
  const { bytes } = await converted(source, {
    format: "safetensors",
    type: "BF16",
    lanes: 3,
    onProgress: ({ done, total }) => seen.push(done / total),
  });
  assert(seen.length > 2 && seen.at(-1) === 1, `${seen}`);
  const file = await openSafetensors(bytesOf("out", bytes));
  const got = (await file.read("w.weight", { first: 2999, count: 1 })).bytes;
  const want = (await source.readF32("w.weight")).subarray(2999 * 4096);
  assertEquals(got, quantise(want, "BF16"));
});

Deno.test("values that are not finite are refused by the tensor's name", async () => {
  const source = await checkpoint({ "bad.weight": [[2, 256], (i) => i === 300 ? NaN : 1] });
  const error = await assertRejects(
    () => converted(source, { format: "gguf", type: "Q8_0", rules: typeRules("bad=q8_0") }),
    LssgenError,
    "bad.weight",
  );
  assertEquals(error.code, "numeric");
});

Deno.test("types and rules that do not exist are refused by their text", () => {
  assertEquals(writableType("q4_k"), "Q4_K");
  assertThrows(() => writableType("iq4_xs"), LssgenError, "q4_k");
  assertThrows(() => typeRules("attn"), LssgenError, "REGEX=TYPE");
  assertThrows(() => typeRules("(=q8_0"), LssgenError, "regular expression");
});

Deno.test("safetensors files cannot hold quantised blocks, and the error names the way out", async () => {
  const source = await checkpoint({ "w.weight": [[64, 256], wave] });
  const error = await assertRejects(
    () => converted(source, { format: "safetensors", type: "Q8_0" }),
    LssgenError,
    ".gguf",
  );
  assertEquals(error.code, "unsupported");
});

Deno.test("headers larger than any first guess hold thousands of tensors", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 3000 }, (_, i) => [`some.rather.long.name.of.a.block.${i}.weight`, [[1, 2], wave]]),
  ) as Record<string, [number[], (i: number) => number]>;
  const source = await checkpoint(many);
  const { bytes } = await converted(source, { format: "gguf", type: "F32" });
  const file = await openGguf(bytesOf("out.gguf", bytes));
  assertEquals(
    await file.readF32("some.rather.long.name.of.a.block.2999.weight"),
    Float32Array.of(wave(0), wave(1)),
  );
});
