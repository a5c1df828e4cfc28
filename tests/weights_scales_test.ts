/**
 * Weights whose scales are tensors of their own, or stand in the header: the values that the libraries which write them
 * compute (tests/data/make_quantised.py), and a name for what is not read.
 */

import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { bytesOf, memoryFolder } from "../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint, openCheckpointFile } from "../lib/weights/checkpoint.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { openSafetensors, type SafetensorsFile } from "../lib/weights/safetensors.ts";
import { checkQuantization, withScales } from "../lib/weights/scales.ts";
import { type Stored, storedFile } from "./stored_tensors.ts";

async function data(): Promise<SafetensorsFile> {
  const path = new URL("./data/quantised.safetensors", import.meta.url);
  return await openSafetensors(bytesOf("quantised.safetensors", await Deno.readFile(path)));
}

async function opened(
  tensors: Readonly<Record<string, Stored>>,
  metadata?: Record<string, string>,
): Promise<Checkpoint> {
  const folder = memoryFolder("m", new Map([["a.safetensors", storedFile(tensors, metadata)]]));
  return await openCheckpointFile(folder, "a.safetensors");
}

const LAYOUTS: Readonly<Record<string, [dtype: string, tolerance: number]>> = {
  fp8: ["F8_E4M3 scaled", 0],
  fp8_e5m2: ["F8_E5M2 scaled", 0],
  fp8_rows: ["F8_E4M3 scaled", 0],
  fp8_blocks: ["F8_E4M3 scaled", 0],
  int8: ["I8 scaled", 0],
  rotated: ["I8 scaled", 1e-6], // sums in another order
  llm_int8: ["I8 scaled", 1e-6], // 1/127 is rounded there
  nvfp4: ["NVFP4", 0],
  mxfp8: ["MXFP8", 0],
  nf4: ["NF4", 0],
  nf4_nested: ["NF4", 1e-7],
  fp4: ["FP4", 0],
  fp4_nested: ["FP4", 1e-7],
};

for (const [layer, [dtype, tolerance]] of Object.entries(LAYOUTS)) {
  Deno.test(`the layout ${layer} has the values that its own library computes, whole and by rows`, async () => {
    const file = await data();
    const checkpoint = await withScales(file);
    const name = `${layer}.weight`;
    const { shape, dtype: found } = checkpoint.info(name)!;
    assertEquals(found, dtype);
    const some = ["nvfp4", "mxfp8"].includes(layer);
    const rows: number[] = some
      ? JSON.parse(file.metadata.get("rows")!)
      : Array.from({ length: shape[0] }, (_, i) => i);
    assertEquals(file.info(`out.${layer}`)!.shape, [rows.length, shape[1]]);
    const want = await file.readF32(`out.${layer}`);
    const whole = await checkpoint.readF32(name);
    assertEquals(whole.length, shape[0] * shape[1]);
    for (const [i, row] of rows.entries()) {
      const part = await checkpoint.readF32(name, { first: row, count: 1 });
      assertEquals(part, whole.slice(row * shape[1], (row + 1) * shape[1]), `row ${row} alone`);
      for (let k = 0; k < shape[1]; k++) {
        assertAlmostEquals(part[k], want[i * shape[1] + k], tolerance, `row ${row}, column ${k}`);
      }
    }
    const error = await assertRejects(() => checkpoint.readF32(name, { first: 1, count: 1000 }), LssgenError);
    assertEquals(error.code, "bad_tensor");
  });
}

Deno.test("what stands beside scaled weights does not show, and other tensors stay", async () => {
  const file = await data();
  const names = [...(await withScales(file)).names()].filter((name) => !name.startsWith("out."));
  assertEquals(
    names.sort(),
    [...Object.keys(LAYOUTS).map((l) => `${l}.weight`), "plain.bias", "plain.weight"].sort(),
  );
});

const f32 = (...values: number[]): Stored => ({
  dtype: "F32",
  shape: [values.length],
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const raw = (dtype: string, shape: readonly number[], ...bytes: number[]): Stored => ({
  dtype,
  shape,
  bytes: Uint8Array.from(bytes),
});
const text = (value: unknown): Stored => {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return { dtype: "U8", shape: [bytes.length], bytes };
};

Deno.test("a header that lists layers says their layouts, with the denoiser's prefix or without", async () => {
  for (const key of ["model.diffusion_model.a", "a"]) {
    const layers = { [key]: { format: "int8_tensorwise" }, "not.there": { format: "nvfp4" } };
    const checkpoint = await opened({
      "model.diffusion_model.a.weight": raw("I8", [2, 2], 1, 255, 2, 254),
      "model.diffusion_model.a.weight_scale": f32(0.5, 2),
    }, { _quantization_metadata: JSON.stringify({ layers }) });
    assertEquals(
      await checkpoint.readF32("model.diffusion_model.a.weight"),
      Float32Array.of(0.5, -0.5, 4, -4),
    );
  }
});

Deno.test("a header's layout may be a word, and one that lists nothing is refused", async () => {
  const tensors = { "a.weight": raw("I8", [1, 2], 3, 4), "a.weight_scale": f32(2) };
  const noted = { _quantization_metadata: '{"layers":{"a":"int8_tensorwise"}}' };
  assertEquals(await (await opened(tensors, noted)).readF32("a.weight"), Float32Array.of(6, 8));
  for (const broken of ["{", "{}", "[]"]) {
    await assertRejects(
      () => opened(tensors, { _quantization_metadata: broken }),
      LssgenError,
      "_quantization_metadata",
    );
  }
});

Deno.test("blocks of 128 at the edges of a matrix are cut", async () => {
  const [rows, width] = [130, 129];
  const checkpoint = await opened({
    "a.weight": { dtype: "F8_E4M3", shape: [rows, width], bytes: new Uint8Array(rows * width).fill(0x38) },
    "a.weight_scale_inv": { ...f32(1, 2, 3, 4), shape: [2, 2] },
  });
  const values = await checkpoint.readF32("a.weight");
  const at = (row: number, column: number) => values[row * width + column];
  assertEquals([at(0, 0), at(127, 127), at(127, 128), at(128, 127), at(129, 128)], [1, 1, 2, 3, 4]);
});

Deno.test("a fused layer's parts have their own rows' scales", async () => {
  const D = 2;
  const checkpoint = await opened({
    "double_blocks.0.img_attn.qkv.weight": raw("F8_E4M3", [3 * D, D], ...Array(3 * D * D).fill(0x38)),
    "double_blocks.0.img_attn.qkv.weight_scale": f32(1, 2, 3, 4, 5, 6),
  });
  assertEquals(checkpoint.info("transformer_blocks.0.attn.to_k.weight"), {
    tensor: "double_blocks.0.img_attn.qkv.weight",
    rows: [{ first: 2, count: 2 }],
    shape: [D, D],
    dtype: "F8_E4M3 scaled",
  } as unknown as { shape: number[]; dtype: string });
  assertEquals(
    await checkpoint.readF32("transformer_blocks.0.attn.to_k.weight"),
    Float32Array.of(3, 3, 4, 4),
  );
});

Deno.test("scales may lie in another file of the set than their weight", async () => {
  const files = new Map([
    ["x-00001-of-00002.safetensors", storedFile({ "a.weight": raw("F8_E4M3", [1, 2], 0x38, 0xb8) })],
    ["x-00002-of-00002.safetensors", storedFile({ "a.scale_weight": f32(3) })],
  ]);
  const checkpoint = await openCheckpoint(memoryFolder("m", files), "");
  assertEquals(await checkpoint.readF32("a.weight"), Float32Array.of(3, -3));
});

const packed = raw("I32", [1, 1], 1, 2, 3, 4);
const UNREAD: Readonly<Record<string, [tensors: Record<string, Stored>, says: string]>> = {
  "GPTQ": [{ "a.qweight": packed, "a.g_idx": packed }, "GPTQ"],
  "AWQ": [{ "a.qweight": packed, "a.qzeros": packed }, "AWQ"],
  "SVDQuant": [{ "a.qweight": packed, "a.wscales": packed }, "SVDQuant"],
  "compressed-tensors": [{ "a.weight_packed": packed }, "compressed-tensors"],
  "optimum-quanto": [{ "a.weight._data": packed }, "quanto"],
  "asym_w4a8_int8": [{ "a.weight": raw("I8", [1, 1], 1), "a.weight_s_rel": packed }, "asym_w4a8_int8"],
  "convrot_w4a4": [
    { "a.weight": raw("I8", [1, 1], 1), "a.comfy_quant": text({ format: "convrot_w4a4" }) },
    "convrot",
  ],
  "a layout of tomorrow": [
    { "a.weight": raw("U8", [1, 1], 1), "a.comfy_quant": text({ format: "int3_x" }) },
    "int3_x",
  ],
  "ModelOpt's NVFP4": [
    {
      "a.weight": raw("U8", [1, 8], ...Array(8).fill(1)),
      "a.weight_scale": f32(1),
      "a.weight_scale_2": f32(1),
    },
    "ModelOpt",
  ],
  "smoothed inputs": [{ "a.weight": f32(1), "a.pre_quant_scale": f32(1) }, "pre_quant_scale"],
  "integers without a scale": [{ "a.weight": raw("I8", [1, 1], 1) }, "stored as I8"],
  "packed floats of 4 bits": [{ "a.weight": raw("F4", [2], 1) }, "stored as F4"],
};

for (const [what, [tensors, says]] of Object.entries(UNREAD)) {
  Deno.test(`weights as ${what} are refused by name, before they are read`, async () => {
    const error = await assertRejects(() => opened(tensors), LssgenError, says);
    assertEquals(error.code, "unsupported");
    assert(error.message.includes("a.safetensors") && error.message.includes("GGUF"), error.message);
  });
}

const BROKEN: Readonly<Record<string, Record<string, Stored>>> = {
  "scales of another length": {
    "a.weight": raw("F8_E4M3", [2, 2], 1, 2, 3, 4),
    "a.weight_scale": f32(1, 2, 3),
  },
  "no scale for INT8": {
    "a.weight": raw("I8", [1, 1], 1),
    "a.comfy_quant": text({ format: "int8_tensorwise" }),
  },
  "a rotation that does not divide a row": {
    "a.weight": raw("I8", [1, 2], 1, 2),
    "a.weight_scale": f32(1),
    "a.comfy_quant": text({ format: "int8_tensorwise", convrot: true, convrot_groupsize: 16 }),
  },
  "a rotation of no power of 4": {
    "a.weight": raw("I8", [1, 8], 1, 2, 3, 4, 5, 6, 7, 8),
    "a.weight_scale": f32(1),
    "a.comfy_quant": text({ format: "int8_tensorwise", convrot: true, convrot_groupsize: 8 }),
  },
  "a layout of another type": { "a.weight": f32(1), "a.comfy_quant": text({ format: "nvfp4" }) },
  "a quant_state without a shape": {
    "a.weight": raw("U8", [1, 1], 1),
    "a.weight.absmax": f32(1),
    "a.weight.quant_map": f32(...Array(16).fill(0)),
    "a.weight.quant_state.bitsandbytes__nf4": text({ blocksize: 64 }),
  },
  "a quant_state of a larger matrix": {
    "a.weight": raw("U8", [1, 1], 1),
    "a.weight.absmax": f32(1),
    "a.weight.quant_map": f32(...Array(16).fill(0)),
    "a.weight.quant_state.bitsandbytes__nf4": text({ shape: [4, 4], blocksize: 64 }),
  },
};

for (const [what, tensors] of Object.entries(BROKEN)) {
  Deno.test(`scaled weights with ${what} are refused by name`, async () => {
    const error = await assertRejects(() => opened(tensors), LssgenError, "a.weight");
    assertEquals(error.code, "bad_tensor");
  });
}

Deno.test("files in TensorFlow's, Flax's or MLX's layout are refused by name, PyTorch's and flat ones of MLX open", async () => {
  const flat = { "a.weight": f32(1, 2) };
  const conv = { "a.weight": { ...f32(1, 2), shape: [1, 1, 1, 2] } };
  for (const [tensors, format] of [[flat, "tf"], [flat, "flax"], [conv, "mlx"]] as const) {
    const error = await assertRejects(() => opened(tensors, { format }), LssgenError, `format ${format}`);
    assertEquals(error.code, "unsupported");
  }
  for (const format of ["pt", "np", "mlx"]) await opened(flat, { format });
});

Deno.test("a header's texts are there under every view, for what they say of the model", async () => {
  const checkpoint = await opened({
    "model.decoder.mid.block_1.conv1.weight": raw("F8_E4M3", [1], 0x38),
    "model.decoder.mid.block_1.conv1.scale_weight": f32(1),
  }, { "modelspec.prediction_type": "v" });
  assertEquals([...checkpoint.names()], ["decoder.mid_block.resnets.0.conv1.weight"]);
  assertEquals(checkpoint.metadata?.get("modelspec.prediction_type"), "v");
});

Deno.test("a config that names a quantisation which is not read is refused by the method's name", () => {
  const config = (quantization_config: unknown) => new ConfigReader("m/config.json", { quantization_config });
  for (const quant_method of ["gptq", "awq", "torchao", "quanto", "sdnq", 7]) {
    const error = assertThrows(
      () => checkQuantization(config({ quant_method })),
      LssgenError,
      String(quant_method),
    );
    assertEquals(error.code, "unsupported");
    assert(error.message.includes("m/config.json"), error.message);
  }
  for (const quant_method of ["bitsandbytes", "fp8", undefined]) checkQuantization(config({ quant_method }));
  checkQuantization(config(undefined));
  checkQuantization(config(null));
});

Deno.test("8-bit floats of AMD's kind have their own bias and no minus zero", async () => {
  const checkpoint = await opened({ "a": raw("F8_E4M3FNUZ", [4], 0x40, 0xc0, 0x80, 0x01) });
  assertEquals(await checkpoint.readF32("a"), Float32Array.of(1, -1, NaN, 2 ** -10));
});
