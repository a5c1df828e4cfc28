/** GGUF files and original names: values as the gguf package computes them, shapes as PyTorch has them. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { bytesOf, type ByteSource, memoryFolder } from "../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint, openCheckpointFile } from "../lib/weights/checkpoint.ts";
import { openGguf } from "../lib/weights/gguf.ts";
import { underDiffusersNames } from "../lib/weights/names/original.ts";
import { GGML_TYPES } from "../lib/weights/ggml_types.ts";
import { dequantise } from "../lib/weights/quants.ts";
import { openSafetensors, writeSafetensors } from "../lib/weights/safetensors.ts";
import { ggufFile } from "./stored_tensors.ts";

const ROOT = new URL("./golden/gguf/", import.meta.url);

async function golden(path: string): Promise<ByteSource> {
  return bytesOf(path, await Deno.readFile(new URL(path, ROOT)));
}

/** A checkpoint in memory whose values count up from 0 in each tensor. */
async function counting(shapes: Record<string, readonly number[]>): Promise<Checkpoint> {
  const entries = Object.entries(shapes).map(([name, shape]) => ({
    name,
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
  }));
  return underDiffusersNames(await openSafetensors(bytesOf("counting", writeSafetensors(entries))));
}

Deno.test("every quantised type has the bits that the gguf package computes", async () => {
  const file = await openGguf(await golden("types/types.gguf"));
  const expected = await openSafetensors(await golden("types/io.safetensors"));
  const types = new Set<string>();
  for (const out of expected.names()) {
    const name = out.slice("out.".length);
    const want = await expected.readF32(out);
    const got = await file.readF32(name);
    assertEquals(file.info(name)!.shape, expected.info(out)!.shape, name);
    assertEquals(new Uint32Array(got.buffer), new Uint32Array(want.buffer), name);
    types.add(file.info(name)!.dtype);
  }
  assertEquals(types.size, 13);
});

Deno.test("header keys keep 64-bit numbers, lists and texts", async () => {
  const { metadata } = await openGguf(await golden("types/types.gguf"));
  assertEquals(metadata.get("golden.answer"), 42);
  assertEquals(metadata.get("golden.neg"), -5);
  assertEquals(metadata.get("golden.big"), 9007199254740993n);
  assertEquals(Array.from(metadata.get("golden.list") as Int32Array), [1, 2, 3]);
  assertEquals(metadata.get("golden.strings"), ["a", "β", ""]);
});

Deno.test("rows of a quantised matrix are those of the whole", async () => {
  const file = await openGguf(await golden("types/types.gguf"));
  for (const name of ["blk.0.q4_0.weight", "blk.0.q6_k.weight", "conv.q8_0.weight"]) {
    const whole = await file.readF32(name);
    const row = whole.length / file.info(name)!.shape[0];
    const part = await file.readF32(name, { first: 1, count: 1 });
    assertEquals(part, whole.slice(row, 2 * row), name);
    const error = await assertRejects(() => file.read(name, { first: 1, count: 100 }), LssgenError, name);
    assertEquals(error.code, "bad_tensor");
  }
});

Deno.test("ggml's other types have the bits that the gguf package computes", async () => {
  const path = new URL("./data/gguf_types.safetensors", import.meta.url);
  const file = await openSafetensors(bytesOf("gguf_types", await Deno.readFile(path)));
  const names = [...file.names()].filter((name) => !name.startsWith("out."));
  assertEquals(names.sort(), ["IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4", "TQ1_0", "TQ2_0"]);
  for (const name of names) {
    const want = await file.readF32(`out.${name}`);
    const got = dequantise((await file.read(name)).bytes, name);
    assertEquals(new Uint32Array(got.buffer), new Uint32Array(want.buffer), name);
  }
});

Deno.test("every type of ggml is read or refused by its name", async () => {
  for (let type = 0; type <= 41; type++) {
    const bytes = ggufFile({ a: { type, shape: [256], bytes: new Uint8Array(2048) } });
    const opened = openGguf(bytesOf("a.gguf", bytes));
    if (GGML_TYPES.has(type)) {
      assertEquals((await (await opened).readF32("a")).length, 256);
      continue;
    }
    const error = await assertRejects(() => opened, LssgenError);
    assertEquals(error.code, "unsupported", `type ${type}: ${error.message}`);
    assert(/stored as (I?Q|IQ)\w+/.test(error.message), error.message);
  }
});

Deno.test("a matrix that was reshaped for its blocks' sake has its own shape, and its rows across blocks", async () => {
  const values = Float16Array.from({ length: 2 * 256 }, (_, i) => i - 200);
  // Q8_0 of 256 columns: 8 blocks a stored row, of 34 bytes with the scale 1.
  const q8 = new Uint8Array(16 * 34);
  const view = new DataView(q8.buffer);
  for (let b = 0; b < 16; b++) {
    view.setFloat16(b * 34, 1, true);
    for (let j = 0; j < 32; j++) view.setInt8(b * 34 + 2 + j, (b * 32 + j) % 100 - 50);
  }
  const file = await openGguf(bytesOf(
    "a.gguf",
    ggufFile({
      plain: { type: 1, shape: [2, 256], bytes: new Uint8Array(values.buffer) },
      blocks: { type: 8, shape: [2, 256], bytes: q8 },
    }, {
      "comfy.gguf.orig_shape.plain": [8, 4, 4, 4],
      "comfy.gguf.orig_shape.blocks": [32, 16],
      "comfy.gguf.orig_shape.gone": [3],
    }),
  ));
  assertEquals(file.info("plain")!.shape, [8, 4, 4, 4]);
  assertEquals(
    await file.readF32("plain", { first: 3, count: 2 }),
    Float32Array.from(values.slice(192, 320)),
  );
  assertEquals(file.info("blocks")!.shape, [32, 16]);
  const whole = await file.readF32("blocks");
  assertEquals(await file.readF32("blocks", { first: 5, count: 4 }), whole.slice(80, 144));
  assertEquals((await file.read("blocks", { first: 2, count: 4 })).bytes, q8.slice(34, 3 * 34));
  const error = await assertRejects(() => file.read("blocks", { first: 1, count: 2 }), LssgenError, "blocks");
  assertEquals(error.code, "unsupported");
});

Deno.test("an original shape of another size is refused by its key", async () => {
  for (const shape of [[3, 3], [], [-2, -2], [1, 1, 1, 1, 1, 1, 1, 1, 4]]) {
    const bytes = ggufFile({ a: { type: 0, shape: [4], bytes: new Uint8Array(16) } }, {
      "comfy.gguf.orig_shape.a": shape,
    });
    await assertRejects(() => openGguf(bytesOf("a.gguf", bytes)), LssgenError, "comfy.gguf.orig_shape.a");
  }
});

Deno.test("a GGUF file that is a LoRA, a vision encoder or of an old quantisation is refused by name", async () => {
  const q8 = { a: { type: 8, shape: [32], bytes: new Uint8Array(34) } };
  const cases: [metadata: Record<string, string | number>, says: string][] = [
    [{ "general.type": "adapter" }, "LoRA"],
    [{ "general.type": "mmproj" }, "vision encoder"],
    [{ "general.quantization_version": 1 }, "version 1"],
  ];
  for (const [metadata, says] of cases) {
    const error = await assertRejects(
      () => openGguf(bytesOf("a.gguf", ggufFile(q8, metadata))),
      LssgenError,
      says,
    );
    assertEquals(error.code, "unsupported");
  }
  await openGguf(
    bytesOf("a.gguf", ggufFile(q8, { "general.type": "model", "general.quantization_version": 2 })),
  );
});

Deno.test("a GGUF file that is part of a set opens with the others, and says so where they are not there", async () => {
  const part = (no: number, count: number): Uint8Array<ArrayBuffer> =>
    ggufFile({ [`t${no}`]: { type: 0, shape: [1], bytes: new Uint8Array(4) } }, {
      "split.no": no,
      "split.count": count,
    });
  const named = (no: number): string => `transformer/flux-Q8_0-0000${no + 1}-of-00002.gguf`;
  const set = memoryFolder("m", new Map([[named(0), part(0, 2)], [named(1), part(1, 2)]]));
  assertEquals([...(await openCheckpoint(set, "transformer")).names()], ["t0", "t1"]);
  const alone = memoryFolder("m", new Map([["transformer/flux.gguf", part(1, 2)]]));
  await assertRejects(() => openCheckpoint(alone, "transformer"), LssgenError, "part 2 of 2");
  const swapped = memoryFolder("m", new Map([[named(0), part(1, 2)], [named(1), part(0, 2)]]));
  await assertRejects(() => openCheckpoint(swapped, "transformer"), LssgenError, "part 2 of 2");
});

Deno.test("a part of a block is refused", () => {
  const error = assertThrows(() => dequantise(new Uint8Array(35), "Q8_0"), LssgenError, "34");
  assertEquals(error.code, "bad_tensor");
});

Deno.test("FLUX as .gguf shows the names and shapes of diffusers", async () => {
  const source = await golden("flux_gguf_mixed/flux.gguf");
  const bytes = await source.read(0, source.size);
  const checkpoint = await openCheckpointFile(memoryFolder("m", new Map([["a.gguf", bytes]])), "a.gguf");
  const D = 32;
  for (
    const [name, shape] of Object.entries({
      "transformer_blocks.0.attn.add_k_proj.weight": [D, D],
      "single_transformer_blocks.1.attn.to_v.bias": [D],
      "single_transformer_blocks.1.proj_mlp.weight": [4 * D, D],
      "single_transformer_blocks.1.attn.norm_k.weight": [16],
      "norm_out.linear.weight": [2 * D, D],
    })
  ) assertEquals(checkpoint.info(name)?.shape, shape, name);
  for (const name of checkpoint.names()) {
    assert(!/double_blocks|^single_blocks|qkv|final_layer/.test(name), `${name} is an original name`);
  }
});

Deno.test("a component folder may hold its weights as .gguf", async () => {
  const source = await golden("types/types.gguf");
  const bytes = await source.read(0, source.size);
  const folder = memoryFolder("m", new Map([["transformer/diffusion_pytorch_model.gguf", bytes]]));
  const checkpoint = await openCheckpoint(folder, "transformer");
  assertEquals(checkpoint.info("vec.bias")?.shape, [11]);
});

Deno.test("fused rows are cut in order, and shift and scale change places", async () => {
  const D = 2;
  const checkpoint = await counting({
    "double_blocks.0.img_attn.qkv.weight": [3 * D, D],
    "single_blocks.7.linear1.weight": [3 * D + 5, D],
    "single_blocks.7.linear1.bias": [3 * D + 5],
    "final_layer.adaLN_modulation.1.weight": [2 * D, D],
    "final_layer.adaLN_modulation.1.bias": [2 * D],
  });
  const values = async (name: string) => Array.from(await checkpoint.readF32(name));
  assertEquals(await values("transformer_blocks.0.attn.to_k.weight"), [4, 5, 6, 7]);
  assertEquals(await values("single_transformer_blocks.7.attn.to_v.bias"), [4, 5]);
  assertEquals(await values("single_transformer_blocks.7.proj_mlp.bias"), [6, 7, 8, 9, 10]);
  assertEquals(await values("norm_out.linear.bias"), [2, 3, 0, 1]);
  assertEquals(await values("norm_out.linear.weight"), [4, 5, 6, 7, 0, 1, 2, 3]);
  assertEquals(Array.from(await checkpoint.readF32("norm_out.linear.bias", { first: 1, count: 2 })), [3, 0]);
  const { bytes } = await checkpoint.read("norm_out.linear.bias");
  assertEquals(Array.from(new Float32Array(bytes.buffer)), [2, 3, 0, 1]);
});

Deno.test("SD3's last block swaps shift and scale of its text, the others keep six parts in order", async () => {
  const D = 2;
  const checkpoint = await counting({
    "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": [3 * D, D],
    "model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.weight": [6 * D, D],
    "model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias": [6 * D],
    "model.diffusion_model.joint_blocks.1.context_block.adaLN_modulation.1.weight": [2 * D, D],
    "model.diffusion_model.joint_blocks.1.context_block.adaLN_modulation.1.bias": [2 * D],
    "model.diffusion_model.pos_embed": [1, 4, D],
    "first_stage_model.decoder.conv_in.bias": [4],
  });
  assertEquals(
    Array.from(await checkpoint.readF32("transformer_blocks.1.norm1_context.linear.bias")),
    [2, 3, 0, 1],
  );
  assertEquals((await checkpoint.readF32("transformer_blocks.0.norm1_context.linear.bias"))[0], 0);
  assertEquals(checkpoint.info("pos_embed.pos_embed")?.shape, [1, 4, D]);
  assertEquals([...checkpoint.names()].filter((n) => n.includes("first_stage")), []);
});

Deno.test("a fused tensor that cannot be cut is refused by name", async () => {
  const qkv = "double_blocks.0.img_attn.qkv.weight";
  const cases: Record<string, number[]>[] = [
    { [qkv]: [4, 2] },
    { [qkv]: [6, 2], "single_blocks.0.linear1.weight": [5, 2] },
    { [qkv]: [6, 2], "single_blocks.0.linear1.bias": [8] },
  ];
  for (const shapes of cases) {
    const error = await assertRejects(() => counting(shapes), LssgenError, "cannot be cut");
    assertEquals(error.code, "bad_tensor");
  }
});

Deno.test("the latent-diffusion UNet's blocks are counted by their resamplers", async () => {
  const checkpoint = await openSafetensors(
    await golden("sdxl_unet_single_file_ldm/sdxl_unet_ldm.safetensors"),
  );
  const names = new Set(underDiffusersNames(checkpoint).names());
  for (
    const name of [
      "conv_in.weight",
      "add_embedding.linear_1.bias",
      "down_blocks.0.downsamplers.0.conv.weight",
      "down_blocks.2.resnets.0.conv_shortcut.weight",
      "down_blocks.2.attentions.1.transformer_blocks.1.ff.net.2.bias",
      "mid_block.attentions.0.proj_in.weight",
      "up_blocks.0.upsamplers.0.conv.bias",
      "up_blocks.2.resnets.2.time_emb_proj.weight",
      "conv_norm_out.bias",
    ]
  ) assert(names.has(name), `${name} is missing`);
  const original = /model\.|_blocks\.\d+\.\d|in_layers|out_layers|emb_layers/;
  assertEquals([...names].filter((n) => original.test(n)), []);
});
