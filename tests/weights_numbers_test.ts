/** Numbers beside weights that no tool writes: scales, ranks, flags, settings. Each is refused by its name. */

import { assertEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf, memoryFolder } from "../lib/weights/bytes.ts";
import { openCheckpointFile } from "../lib/weights/checkpoint.ts";
import { LoraSet } from "../lib/weights/lora.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { goldenModel } from "./poisoned_models.ts";
import { type Stored, storedFile } from "./stored_tensors.ts";

const f32 = (shape: readonly number[], ...values: number[]): Stored => ({
  dtype: "F32",
  shape,
  bytes: new Uint8Array(new Float32Array(values).buffer),
});
const u8 = (shape: readonly number[], ...values: number[]): Stored => ({
  dtype: "U8",
  shape,
  bytes: Uint8Array.from(values),
});

async function read(tensors: Record<string, Stored>): Promise<Float32Array> {
  const folder = memoryFolder("m", new Map([["a.safetensors", storedFile(tensors)]]));
  return await (await openCheckpointFile(folder, "a.safetensors")).readF32("a.weight");
}

Deno.test("scales that are not finite, below 0, or 0 for a whole layer are refused by tensor and value", async () => {
  const weight: Stored = { dtype: "F8_E4M3", shape: [2, 8], bytes: new Uint8Array(16).fill(0x38) };
  assertEquals([...new Set(await read({ "a.weight": weight, "a.scale_weight": f32([1], 0.5) }))], [0.5]);
  for (const scale of [NaN, Infinity, -Infinity, -1, 0]) {
    await assertRejects(
      () => read({ "a.weight": weight, "a.scale_weight": f32([1], scale) }),
      LssgenError,
      `has the scale ${scale} ("a.scale_weight"`,
    );
  }
  for (const scale of [NaN, -1]) {
    const scales = f32([2], 1, scale);
    await assertRejects(() => read({ "a.weight": weight, "a.weight_scale": scales }), LssgenError, "value 2");
  }
  // Also of weights that stay quantised on the GPU, whose scales are handed on as they are.
  const kept = memoryFolder(
    "m",
    new Map([["a.safetensors", storedFile({ "a.weight": weight, "a.weight_scale": f32([2], 1, NaN) })]]),
  );
  const { scales } = (await openCheckpointFile(kept, "a.safetensors")).stored!("a.weight")!;
  await assertRejects(() => scales!.values(), LssgenError, 'has the scale NaN ("a.weight_scale", value 2)');
  // A row of zeros has the scale 0 in some tools.
  await read({ "a.weight": weight, "a.weight_scale": f32([2], 1, 0) });
});

Deno.test("4-bit scales and codes that are no numbers are refused by tensor", async () => {
  const state = (json: unknown): Stored => {
    const bytes = new TextEncoder().encode(JSON.stringify(json));
    return { dtype: "U8", shape: [bytes.length], bytes };
  };
  const layer = (absmax: number, code = 1, more = {}): Record<string, Stored> => ({
    "a.weight": u8([64, 1], ...Array(64).fill(0x11)),
    "a.weight.absmax": f32([2], 1, absmax),
    "a.weight.quant_map": f32([16], ...Array.from({ length: 16 }, (_, i) => i === 3 ? code : i / 16)),
    "a.weight.quant_state.bitsandbytes__nf4": state({ shape: [2, 64], blocksize: 64, ...more }),
  });
  assertEquals((await read(layer(2))).length, 128);
  for (const absmax of [NaN, Infinity, -1]) {
    await assertRejects(() => read(layer(absmax)), LssgenError, "a.weight.absmax");
  }
  await assertRejects(() => read(layer(2, NaN)), LssgenError, "a.weight.quant_map");
});

Deno.test("ranks and flags of a PEFT config that none has are refused by their keys", async () => {
  const file = bytesOf(
    "a.safetensors",
    writeSafetensors([
      { name: "unet.a.lora_A.weight", shape: [1, 2], data: new Float32Array(2) },
      { name: "unet.a.lora_B.weight", shape: [2, 1], data: new Float32Array(2) },
    ]),
  );
  const open = (config: unknown): Promise<unknown> =>
    LoraSet.open([{ file, config: JSON.stringify(config) }]);
  await open({ r: 1, lora_alpha: 2, use_rslora: false, use_dora: null, rank_pattern: { a: 1 } });
  for (const r of [0, -1, 0.5, 1e308, "4", [], {}, true]) {
    await assertRejects(() => open({ r }), LssgenError, "r is ");
    await assertRejects(() => open({ rank_pattern: { a: r } }), LssgenError, "rank_pattern");
  }
  for (const flag of [1, "true", [], {}]) {
    await assertRejects(() => open({ use_rslora: flag }), LssgenError, "use_rslora");
    await assertRejects(() => open({ use_dora: flag }), LssgenError, "use_dora");
  }
  for (const alpha of [null, "8", [8], {}]) {
    await assertRejects(() => open({ lora_alpha: alpha }), LssgenError, "lora_alpha");
  }
});

Deno.test("a spectrum in lssgen.json that no latents have is refused by its key", async () => {
  const clean = goldenModel("sd15");
  const info = (settings: unknown): ReturnType<typeof readModelInfo> => {
    const bytes = new TextEncoder().encode(JSON.stringify(settings));
    return readModelInfo(
      folderOf(
        "m",
        (path) => path === "lssgen.json" ? Promise.resolve(bytesOf(path, bytes)) : clean.open(path),
      ),
    );
  };
  assertEquals((await info({ spectrum_a: 20, spectrum_beta: 1.9 })).spectrum, { a: 20, beta: 1.9 });
  for (const value of [-1, 1e308, null, "", []]) {
    await assertRejects(() => info({ spectrum_a: value, spectrum_beta: 1.9 }), LssgenError, "spectrum_a");
    await assertRejects(() => info({ spectrum_beta: value }), LssgenError, "spectrum_beta");
  }
});
