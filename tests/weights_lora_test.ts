/**
 * LoRAs against diffusers' own load_lora_weights (tests/data/lora/make.py made files and pictures): diffusers' and
 * kohya's names, fused modules, convolutions, text encoders, alpha.
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileFolder, fileSource } from "../lib/cli/files.ts";
import { loraSpec } from "../lib/parameters/lora_tags.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, type ByteSource } from "../lib/weights/bytes.ts";
import type { Checkpoint } from "../lib/weights/checkpoint.ts";
import { LoraSet } from "../lib/weights/lora.ts";
import { openSafetensors, writeSafetensors } from "../lib/weights/safetensors.ts";
import { numbers } from "./devices.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;
const file = async (name: string): Promise<ByteSource> =>
  (await fileSource(path(`./data/lora/${name}.safetensors`)))!;
const model = (name: string) => fileFolder(path(`./golden/pipelines/${name}/model`));

const CASES = {
  flux_diffusers: { model: "flux_dev", guidance: 3.5 },
  flux_kohya: { model: "flux_dev", guidance: 3.5 },
  sd3_diffusers: { model: "sd3", guidance: 4 },
  sd3_kohya: { model: "sd3", guidance: 4 },
  sdxl_diffusers: { model: "sdxl", guidance: 4 },
  sdxl_kohya: { model: "sdxl", guidance: 4 },
  sd15_diffusers: { model: "sd15", guidance: 5 },
  sd15_kohya: { model: "sd15", guidance: 5 },
};

for (const [name, { model: folder, guidance }] of Object.entries(CASES)) {
  Deno.test(`the LoRA ${name} draws what diffusers draws with it`, async () => {
    const want = await (await openSafetensors(await file("pictures"))).readF32(name);
    const options = { dtype: "f32" as const, loras: [{ file: await file(name), scale: 0.8 }] };
    await using pipeline = await createPipeline(model(folder), options);
    const { images: [{ rgb }], warnings } = await pipeline.generate({
      prompt: "a small red apple",
      width: 64,
      height: 64,
      steps: 4,
      guidance,
      seed: 5,
      method: "direct",
      rng: "torch-cpu",
      emphasis: false,
    });
    assertEquals(warnings, []);
    let worst = 0;
    rgb.forEach((v, i) => worst = Math.max(worst, Math.abs(v - want[i] * 255)));
    // Rounding to bytes, and the half-precision LoRA merged into weights rather than run beside them. Without the
    // LoRA the pictures are 37 to 190 levels apart.
    assert(worst < 2.5, `off by ${worst} of 255`);
  });
}

/** A safetensors file of f32 tensors. */
function lora(
  tensors: Record<string, readonly [shape: readonly number[], values: Float32Array]>,
): ByteSource {
  const entries = Object.entries(tensors).map(([name, [shape, values]]) => ({
    name,
    shape,
    data: values,
  }));
  return bytesOf("test.safetensors", writeSafetensors(entries));
}

/** A checkpoint of zeros. */
function zeros(tensors: Record<string, readonly number[]>): Checkpoint {
  const size = (name: string) => tensors[name].reduce((a, b) => a * b, 1);
  return {
    name: "zeros",
    names: () => Object.keys(tensors),
    info: (name) => Object.hasOwn(tensors, name) ? { shape: tensors[name], dtype: "BF16" } : undefined,
    read: (name) => Promise.resolve({ bytes: new Uint8Array(2 * size(name)) }),
    readF32: (name, rows) =>
      Promise.resolve(new Float32Array(rows ? rows.count * size(name) / tensors[name][0] : size(name))),
  };
}

Deno.test("a fused module of a first release changes its parts, row by row, and several LoRAs add up", async () => {
  const D = 4;
  const [a, b] = [numbers(2 * D, 1), numbers(7 * D * 2, 2)];
  const one = lora({
    "diffusion_model.single_blocks.0.linear1.lora_A.weight": [[2, D], a],
    "diffusion_model.single_blocks.0.linear1.lora_B.weight": [[7 * D, 2], b],
  });
  const block = "single_transformer_blocks.0";
  const base = zeros({
    [`${block}.attn.to_q.weight`]: [D, D],
    [`${block}.attn.to_k.weight`]: [D, D],
    [`${block}.attn.to_v.weight`]: [D, D],
    [`${block}.proj_mlp.weight`]: [4 * D, D],
  });
  const set = await LoraSet.open([{ file: one }, { file: one, scale: 0.5 }]);
  const changed = set.apply(base, "denoiser");
  assertEquals(set.warnings("test"), []);
  const delta = (row: number, k: number) => 1.5 * (b[row * 2] * a[k] + b[row * 2 + 1] * a[D + k]);
  const parts = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"];
  for (const [i, part] of parts.entries()) {
    const got = await changed.readF32(`${block}.${part}.weight`);
    got.forEach((v, j) => assert(Math.abs(v - delta(i * D + Math.floor(j / D), j % D)) < 1e-6));
  }
  const rows = await changed.readF32(`${block}.proj_mlp.weight`, { first: 3, count: 2 });
  rows.forEach((v, j) => assert(Math.abs(v - delta(3 * D + 3 + Math.floor(j / D), j % D)) < 1e-6));
  // In f32: bfloat16 would round small changes away.
  assertEquals(changed.info(`${block}.attn.to_q.weight`)!.dtype, "F32");
  const { bytes } = await changed.read(`${block}.attn.to_q.weight`);
  assertEquals(new Float32Array(bytes.buffer), await changed.readF32(`${block}.attn.to_q.weight`));
});

Deno.test("kohya's names of text encoders find their modules, with and without text_model", async () => {
  const base = zeros({ "text_model.encoder.layers.1.self_attn.q_proj.weight": [4, 4] });
  for (
    const name of [
      "lora_te2_text_model_encoder_layers_1_self_attn_q_proj",
      "lora_te2_encoder_layers_1_self_attn_q_proj",
    ]
  ) {
    const set = await LoraSet.open([{
      file: lora({
        [`${name}.lora_down.weight`]: [[1, 4], new Float32Array(4).fill(1)],
        [`${name}.lora_up.weight`]: [[4, 1], new Float32Array(4).fill(3)],
        [`${name}.alpha`]: [[1], new Float32Array(1).fill(0.5)],
      }),
    }]);
    assertEquals(set.apply(base, "text_encoder"), base); // te2 is the second one
    const changed = set.apply(base, "text_encoder_2");
    assertEquals((await changed.readF32("text_model.encoder.layers.1.self_attn.q_proj.weight"))[5], 1.5);
    assertEquals(set.warnings("m"), []);
  }
});

Deno.test("what matches nothing is listed, and a LoRA of another model, kind or size is refused by name", async () => {
  const pair = { shape: [2, 4] as const, values: new Float32Array(8).fill(1) };
  const of = (module: string, out = 4) => ({
    [`${module}.lora_down.weight`]: [pair.shape, pair.values] as const,
    [`${module}.lora_up.weight`]: [[out, 2], new Float32Array(2 * out)] as const,
  });
  const base = zeros({ "attn.to_q.weight": [4, 4] });
  const some = await LoraSet.open([{
    file: lora({ ...of("lora_unet_attn_to_q"), ...of("lora_unet_nowhere") }),
  }]);
  some.apply(base, "denoiser");
  assertEquals(some.warnings("m"), [
    'LoRA "test.safetensors": 1 of 2 changes match nothing in m and were left out: lora_unet_nowhere',
  ]);

  const none = await LoraSet.open([{ file: lora(of("lora_unet_nowhere")) }]);
  none.apply(base, "denoiser");
  assertThrows(() => none.warnings("m"), LssgenError, "fits no part of m");

  const large = await LoraSet.open([{ file: lora(of("lora_unet_attn_to_q", 8)) }]);
  assertThrows(() => large.apply(base, "denoiser"), LssgenError, '"attn.to_q.weight" of "zeros" is [4,4]');

  const refused: [Record<string, readonly [readonly number[], Float32Array]>, string][] = [
    [{ "lora_unet_x.hada_w1_a": [[2, 4], pair.values] }, 'without "lora_unet_x.hada_w2_a"'],
    [{ "x.lora_A.weight": [[2, 4], pair.values] }, 'without "x.lora_B.weight"'],
    [{ "x.lora_A.weight": [[2, 4], pair.values], "x.lora_B.weight": [[4, 2, 1], pair.values.slice()] }, ""],
    [{ "x.weight": [[2, 4], pair.values] }, "holds no LoRA"],
    [
      { "x.lora_A.weight": [[2, 4], pair.values], "x.lora_B.weight": [[2, 4], pair.values] },
      "expected [rank, in]",
    ],
  ];
  for (const [tensors, words] of refused) {
    if (words === "") await LoraSet.open([{ file: lora(tensors) }]); // a 1-wide tail is a convolution's
    else await assertRejects(() => LoraSet.open([{ file: lora(tensors) }]), LssgenError, words);
  }
  await assertRejects(() => LoraSet.open([{ file: lora(of("x")), scale: NaN }]), LssgenError, "scale is NaN");

  using device = await openDevice();
  await assertRejects(
    async () => createPipeline(model("sd15"), { device, loras: [{ file: await file("flux_kohya") }] }),
    LssgenError,
    "fits no part",
  );
});

Deno.test("only a number behind the last colon is a scale", () => {
  assertEquals(loraSpec("a.safetensors"), { path: "a.safetensors", scale: 1 });
  assertEquals(loraSpec("a.safetensors:0.8"), { path: "a.safetensors", scale: 0.8 });
  assertEquals(loraSpec("C:\\x\\a.safetensors"), { path: "C:\\x\\a.safetensors", scale: 1 });
  assertEquals(loraSpec("C:a.safetensors:-1"), { path: "C:a.safetensors", scale: -1 });
});
