/**
 * LoRA files of other tools and other algorithms, against the weights that diffusers, PEFT and LyCORIS merge
 * (tests/data/lora/make_variants.py), and against the published formulas. No GPU.
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileFolder, fileSource } from "../lib/cli/files.ts";
import { openLora } from "../lib/cli/lora_file.ts";
import { LssgenError } from "../lib/errors.ts";
import { bytesOf, type ByteSource } from "../lib/weights/bytes.ts";
import { type Checkpoint, openCheckpoint } from "../lib/weights/checkpoint.ts";
import { LoraSet } from "../lib/weights/lora.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";
import { numbers } from "./devices.ts";
import { storedFile } from "./stored_tensors.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;

/** Tensors by name: shape and values. */
type Tensors = Record<string, readonly [shape: readonly number[], values: ArrayLike<number>]>;

/** A safetensors file with a header of its own. F8 values are given as their bits. */
function lora(
  tensors: Tensors,
  metadata: Record<string, string> = {},
  dtype: "F32" | "F16" | "BF16" | "F8_E4M3" = "F32",
): ByteSource {
  const bytes = (values: ArrayLike<number>): Uint8Array<ArrayBuffer> => {
    if (dtype === "F32") return new Uint8Array(Float32Array.from(values).buffer);
    if (dtype === "F16") return new Uint8Array(Float16Array.from(values).buffer);
    if (dtype === "F8_E4M3") return Uint8Array.from(values);
    const bits = new Uint32Array(Float32Array.from(values).buffer);
    return new Uint8Array(Uint16Array.from(bits, (v) => v >>> 16).buffer);
  };
  const stored = Object.entries(tensors).map(([name, [shape, values]]) =>
    [name, { dtype, shape, bytes: bytes(values) }] as const
  );
  return bytesOf("test.safetensors", storedFile(Object.fromEntries(stored), metadata));
}

/** A checkpoint in memory. */
function checkpoint(tensors: Tensors, dtype = "F32"): Checkpoint {
  const rows = (name: string, range?: { first: number; count: number }): Float32Array<ArrayBuffer> => {
    const [shape, values] = tensors[name];
    const all = Float32Array.from(values);
    if (!range) return all;
    const width = all.length / shape[0];
    return all.slice(range.first * width, (range.first + range.count) * width);
  };
  return {
    name: "base",
    names: () => Object.keys(tensors),
    info: (name) => Object.hasOwn(tensors, name) ? { shape: tensors[name][0], dtype } : undefined,
    read: (name, range) => Promise.resolve({ bytes: new Uint8Array(rows(name, range).buffer) }),
    readF32: (name, range) => Promise.resolve(rows(name, range)),
  };
}

const random = (shape: readonly number[], seed: number): [readonly number[], Float32Array] => {
  return [shape, numbers(shape.reduce((a, b) => a * b, 1), seed)];
};

/** The largest difference, relative to the largest value. */
function difference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  assertEquals(got.length, want.length);
  let [worst, size] = [0, 0];
  for (let i = 0; i < got.length; i++) {
    worst = Math.max(worst, Math.abs(got[i] - want[i]));
    size = Math.max(size, Math.abs(want[i]));
  }
  return worst / size;
}

const variants = await openSafetensors((await fileSource(path("./data/lora/variants.safetensors")))!);
const CASES = JSON.parse(variants.metadata.get("cases")!) as Record<
  string,
  { model: string; scale: number; metadata: Record<string, string>; by: string }
>;
const PARTS = ["transformer", "unet", "text_encoder", "text_encoder_2", "text_encoder_3"];
const partOf = (folder: string) => folder === "transformer" || folder === "unet" ? "denoiser" : folder;

for (const [name, { model, scale, metadata, by }] of Object.entries(CASES)) {
  Deno.test(`the LoRA variant ${name} changes the weights that ${by} changes, as it does`, async () => {
    const tensors: Tensors = {};
    const want = new Map<string, string>();
    for (const tensor of variants.names()) {
      if (tensor.startsWith(`${name}/lora/`)) {
        const { shape } = variants.info(tensor)!;
        tensors[tensor.slice(name.length + 6)] = [shape, await variants.readF32(tensor)];
      } else if (tensor.startsWith(`${name}/want/`)) want.set(tensor.slice(name.length + 6), tensor);
    }
    const { "adapter_config.json": config, ...header } = metadata;
    const set = await LoraSet.open([{ file: lora(tensors, header), scale, config }]);
    const folder = fileFolder(path(`./golden/pipelines/${model}/model`));
    const changed = new Set<string>();
    for (const part of PARTS) {
      const base = await openCheckpoint(folder, part).catch(() => undefined);
      if (!base) continue;
      const merged = set.apply(base, partOf(part));
      if (merged === base) continue;
      for (const tensor of base.names()) {
        const [before, after] = [await base.readF32(tensor), await merged.readF32(tensor)];
        if (before.every((v, i) => v === after[i])) continue;
        const key = `${part}/${tensor}`;
        changed.add(key);
        assert(want.has(key), `changes ${key}, ${by} does not`);
        assertEquals(merged.info(tensor)!.shape, base.info(tensor)!.shape);
        const off = difference(after, await variants.readF32(want.get(key)!));
        assert(off < 2e-6, `${key} is off by ${off} of its largest value`);
        // Rows read apart are the same rows.
        const [rows] = base.info(tensor)!.shape;
        const width = after.length / rows;
        const some = await merged.readF32(tensor, { first: 1, count: rows - 2 });
        assertEquals(difference(some, after.subarray(width, (rows - 1) * width)), 0);
      }
    }
    assertEquals([...changed].sort(), [...want.keys()].sort());
    const warned = set.warnings(model);
    if (name === "twice") {
      assertEquals(warned.length, 1);
      assert(warned[0].includes("1 changes are in the file twice, under two names"), warned[0]);
    } else assertEquals(warned, []);
  });
}

/** W + B·A of a pair, in double precision. */
function plus(
  base: ArrayLike<number>,
  b: ArrayLike<number>,
  a: ArrayLike<number>,
  { rank, width, factor = 1, first = 0 }: { rank: number; width: number; factor?: number; first?: number },
): Float64Array {
  return Float64Array.from({ length: base.length }, (_, i) => {
    const [row, k] = [first + Math.floor(i / width), i % width];
    let sum = base[i];
    for (let j = 0; j < rank; j++) sum += factor * b[row * rank + j] * a[j * width + k];
    return sum;
  });
}

/** Components of tiny models by their tensors' names, all matrices of one size. */
const N = 6;
const square = (names: readonly string[]): Tensors =>
  Object.fromEntries(names.map((name, i) => [`${name}.weight`, random([N, N], 100 + i)]));
const CLIP = square([
  "text_model.encoder.layers.0.self_attn.q_proj",
  "text_model.encoder.layers.0.self_attn.out_proj",
  "text_model.encoder.layers.0.mlp.fc1",
]);
const CLIP_G = { ...CLIP, ...square(["text_projection"]) };
const T5 = square(["encoder.block.0.layer.0.SelfAttention.q", "encoder.block.0.layer.1.DenseReluDense.wi_0"]);
const FLUX: Tensors = {
  ...square([
    ...["to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"]
      .map((name) => `transformer_blocks.0.attn.${name}`),
    ...["attn.to_q", "attn.to_k", "attn.to_v"].map((name) => `single_transformer_blocks.0.${name}`),
    "x_embedder",
  ]),
  "single_transformer_blocks.0.proj_mlp.weight": random([4 * N, N], 7),
  "norm_out.linear.weight": random([2 * N, N], 8),
  "transformer_blocks.0.attn.norm_q.weight": random([N], 9),
};
const SD3 = square([
  ...["to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0"].map((name) =>
    `transformer_blocks.0.attn.${name}`
  ),
  "pos_embed.proj",
]);
const UNET: Tensors = {
  ...square([
    ...["attn1.to_q", "attn1.to_out.0", "attn2.to_k", "ff.net.0.proj"]
      .map((name) => `down_blocks.1.attentions.0.transformer_blocks.0.${name}`),
    "down_blocks.1.attentions.0.proj_in",
    "time_embedding.linear_1",
  ]),
  "down_blocks.0.resnets.0.conv1.weight": random([N, N, 3, 3], 4),
  "down_blocks.0.resnets.1.conv1.weight": random([N, N, 3, 3], 6),
  "down_blocks.1.resnets.0.conv1.weight": random([N, N, 3, 3], 4),
  "down_blocks.0.downsamplers.0.conv.weight": random([N, N, 3, 3], 5),
  "conv_in.weight": random([N, N, 3, 3], 5),
};
const MODELS: Record<string, Record<string, Tensors>> = {
  flux: { denoiser: FLUX, text_encoder: CLIP, text_encoder_2: T5 },
  sd3: { denoiser: SD3, text_encoder: CLIP_G, text_encoder_2: CLIP_G, text_encoder_3: T5 },
  sdxl: { denoiser: UNET, text_encoder: CLIP, text_encoder_2: CLIP_G },
  sd15: { denoiser: UNET, text_encoder: CLIP },
  refiner: { denoiser: UNET, text_encoder_2: CLIP_G },
  pixart: {
    denoiser: square([
      ...["attn1.to_q", "attn1.to_k", "attn1.to_v", "attn2.to_k", "attn2.to_v", "ff.net.2"]
        .map((name) => `transformer_blocks.0.${name}`),
      "caption_projection.linear_1",
    ]),
    text_encoder: T5,
  },
};

/** Every key style: model, key, and the tensor that it changes. */
const KEYS: readonly (readonly [model: string, key: string, part: string, tensor: string])[] = [
  // diffusers and PEFT.
  ["flux", "transformer.transformer_blocks.0.attn.to_q", "denoiser", "transformer_blocks.0.attn.to_q"],
  ["flux", "transformer_blocks.0.attn.to_q", "denoiser", "transformer_blocks.0.attn.to_q"],
  [
    "flux",
    "transformer._orig_mod.transformer_blocks.0.attn.to_q",
    "denoiser",
    "transformer_blocks.0.attn.to_q",
  ],
  ["flux", "base_model.model.transformer_blocks.0.attn.to_q", "denoiser", "transformer_blocks.0.attn.to_q"],
  ["sd15", "unet.base_model.model.time_embedding.linear_1", "denoiser", "time_embedding.linear_1"],
  [
    "sdxl",
    "text_encoder_2.text_model.encoder.layers.0.mlp.fc1",
    "text_encoder_2",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "sdxl",
    "text_encoder_2.encoder.layers.0.mlp.fc1",
    "text_encoder_2",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "sd3",
    "text_encoder_3.encoder.block.0.layer.0.SelfAttention.q",
    "text_encoder_3",
    "encoder.block.0.layer.0.SelfAttention.q",
  ],
  [
    "sd15",
    "base_model.model.text_model.encoder.layers.0.mlp.fc1",
    "text_encoder",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  // ComfyUI, ai-toolkit, fal.
  ["flux", "diffusion_model.double_blocks.0.img_attn.proj", "denoiser", "transformer_blocks.0.attn.to_out.0"],
  [
    "flux",
    "base_model.model.double_blocks.0.txt_attn.proj",
    "denoiser",
    "transformer_blocks.0.attn.to_add_out",
  ],
  [
    "sd3",
    "diffusion_model.joint_blocks.0.x_block.attn.proj",
    "denoiser",
    "transformer_blocks.0.attn.to_out.0",
  ],
  [
    "sdxl",
    "diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k",
    "denoiser",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
  ],
  [
    "flux",
    "text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1",
    "text_encoder",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "sdxl",
    "text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1",
    "text_encoder_2",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "flux",
    "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
    "text_encoder_2",
    "encoder.block.0.layer.0.SelfAttention.q",
  ],
  [
    "sd3",
    "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
    "text_encoder_3",
    "encoder.block.0.layer.0.SelfAttention.q",
  ],
  // kohya.
  ["flux", "lora_unet_double_blocks_0_img_attn_proj", "denoiser", "transformer_blocks.0.attn.to_out.0"],
  [
    "flux",
    "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
    "text_encoder",
    "text_model.encoder.layers.0.self_attn.q_proj",
  ],
  [
    "flux",
    "lora_te3_encoder_block_0_layer_1_DenseReluDense_wi_0",
    "text_encoder_2",
    "encoder.block.0.layer.1.DenseReluDense.wi_0",
  ],
  [
    "sd3",
    "lora_te2_text_model_encoder_layers_0_mlp_fc1",
    "text_encoder_2",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  ["sd3", "lora_te2_text_projection", "text_encoder_2", "text_projection"],
  [
    "sd3",
    "lora_te3_encoder_block_0_layer_0_SelfAttention_q",
    "text_encoder_3",
    "encoder.block.0.layer.0.SelfAttention.q",
  ],
  [
    "sd15",
    "lora_te_text_model_encoder_layers_0_mlp_fc1",
    "text_encoder",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "refiner",
    "lora_te_text_model_encoder_layers_0_mlp_fc1",
    "text_encoder_2",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "sd15",
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_out_0",
    "denoiser",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0",
  ],
  [
    "sdxl",
    "lora_unet_input_blocks_4_1_transformer_blocks_0_ff_net_0_proj",
    "denoiser",
    "down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj",
  ],
  ["sdxl", "lora_unet_input_blocks_4_1_proj_in", "denoiser", "down_blocks.1.attentions.0.proj_in"],
  ["sdxl", "lora_unet_time_embed_0", "denoiser", "time_embedding.linear_1"],
  // OneTrainer, SimpleTuner's LyCORIS, the Open Model Initiative.
  ["flux", "lora_transformer_transformer_blocks_0_attn_to_q", "denoiser", "transformer_blocks.0.attn.to_q"],
  [
    "flux",
    "lora_te2_encoder_block_0_layer_0_SelfAttention_q",
    "text_encoder_2",
    "encoder.block.0.layer.0.SelfAttention.q",
  ],
  ["sd3", "lora_transformer_pos_embed_proj", "denoiser", "pos_embed.proj"],
  ["flux", "lycoris_transformer_blocks_0_attn_to_q", "denoiser", "transformer_blocks.0.attn.to_q"],
  ["flux", "transformer.double_blocks.0.img_attn.qkv.1", "denoiser", "transformer_blocks.0.attn.to_k"],
  ["flux", "transformer.double_blocks.0.txt_attn.qkv.2", "denoiser", "transformer_blocks.0.attn.add_v_proj"],
  ["flux", "transformer.single_blocks.0.linear1.2", "denoiser", "single_transformer_blocks.0.attn.to_v"],
  ["flux", "transformer.img_in.proj", "denoiser", "x_embedder"],
  [
    "sd3",
    "transformer.joint_blocks.0.context_block.attn.qkv.0",
    "denoiser",
    "transformer_blocks.0.attn.add_q_proj",
  ],
  [
    "sd3",
    "clip_g.text_model.encoder.layers.0.mlp.fc1",
    "text_encoder_2",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "flux",
    "clip_l.text_model.encoder.layers.0.mlp.fc1",
    "text_encoder",
    "text_model.encoder.layers.0.mlp.fc1",
  ],
  [
    "flux",
    "t5.encoder.block.0.layer.0.SelfAttention.q",
    "text_encoder_2",
    "encoder.block.0.layer.0.SelfAttention.q",
  ],
  ["sdxl", "unet.input_blocks.4.1.proj_in", "denoiser", "down_blocks.1.attentions.0.proj_in"],
  ["pixart", "lora_unet_blocks_0_mlp_fc2", "denoiser", "transformer_blocks.0.ff.net.2"],
  ["pixart", "lora_unet_y_embedder_y_proj_fc1", "denoiser", "caption_projection.linear_1"],
  ["pixart", "transformer.blocks.0.attn.qkv.2", "denoiser", "transformer_blocks.0.attn1.to_v"],
  ["pixart", "transformer.blocks.0.cross_attn.kv_linear.1", "denoiser", "transformer_blocks.0.attn2.to_v"],
  // PixArt's T5 is its only encoder.
  [
    "pixart",
    "lora_te_encoder_block_0_layer_0_SelfAttention_q",
    "text_encoder",
    "encoder.block.0.layer.0.SelfAttention.q",
  ],
  ["pixart", "lora_transformer_caption_projection_linear_1", "denoiser", "caption_projection.linear_1"],
];

/** Endings of a pair by tool. */
const ENDINGS = [
  [".lora_A.weight", ".lora_B.weight"],
  [".lora_A.default.weight", ".lora_B.default.weight"],
  [".lora_A.my_style-1.weight", ".lora_B.my_style-1.weight"],
  [".lora_A", ".lora_B"],
  [".lora_down.weight", ".lora_up.weight"],
  [".lora.down.weight", ".lora.up.weight"],
  [".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"],
] as const;

const PART_NAMES = ["denoiser", "text_encoder", "text_encoder_2", "text_encoder_3"];

/** What a set changes of a model: values by "part/tensor". */
async function changesOf(set: LoraSet, model: Record<string, Tensors>): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const part of PART_NAMES) {
    if (!model[part]) continue;
    const base = checkpoint(model[part]);
    const merged = set.apply(base, part);
    for (const name of base.names()) {
      const values = await merged.readF32(name);
      if (!values.every((v, i) => v === Math.fround(model[part][name][1][i]))) {
        found.set(`${part}/${name}`, values);
      }
    }
  }
  return found;
}

for (const name of Object.keys(MODELS)) {
  Deno.test(`every tool's key for a module of ${name} changes that module and no other`, async () => {
    for (const [i, [model, key, part, tensor]] of KEYS.entries()) {
      if (model !== name) continue;
      const [down, up] = ENDINGS[i % ENDINGS.length];
      const [[, a], [, b]] = [random([2, N], 1), random([N, 2], 2)];
      const set = await LoraSet.open([{
        file: lora({ [key + down]: [[2, N], a], [key + up]: [[N, 2], b] }),
      }]);
      const changes = await changesOf(set, MODELS[model]);
      assertEquals([...changes.keys()], [`${part}/${tensor}.weight`], key);
      const want = plus(MODELS[model][part][`${tensor}.weight`][1], b, a, { rank: 2, width: N });
      assert(difference(changes.get(`${part}/${tensor}.weight`)!, want) < 1e-6, key);
      assertEquals(set.warnings(model), [], key);
    }
  });
}

Deno.test("of a module given twice under names of the first release, the first counts", async () => {
  const pair = (key: string, seed: number): Tensors => ({
    [`${key}.lora_down.weight`]: random([2, N], seed),
    [`${key}.lora_up.weight`]: random([N, 2], seed + 1),
  });
  const [one, two] = [
    pair("lora_unet_double_blocks_0_img_attn_proj", 1),
    pair("diffusion_model.double_blocks.0.img_attn.proj", 5),
  ];
  const both = await LoraSet.open([{ file: lora({ ...one, ...two }) }]);
  const first = await LoraSet.open([{ file: lora(one) }]);
  assertEquals(await changesOf(both, MODELS.flux), await changesOf(first, MODELS.flux));
  assert(both.warnings("FLUX")[0].includes("were taken once: lora_unet_double"));
});

Deno.test("every ending of a pair is read as that pair", async () => {
  for (const [down, up] of ENDINGS) {
    const key = "transformer.x_embedder";
    const [[, a], [, b]] = [random([2, N], 1), random([N, 2], 2)];
    const set = await LoraSet.open([{ file: lora({ [key + down]: [[2, N], a], [key + up]: [[N, 2], b] }) }]);
    assertEquals([...(await changesOf(set, MODELS.flux)).keys()], ["denoiser/x_embedder.weight"], down);
  }
});

Deno.test("kohya's final layer of FLUX changes scale and shift in diffusers' order, with its alpha", async () => {
  const key = "lora_unet_final_layer_adaLN_modulation_1";
  const [[, a], [, b]] = [random([2, N], 1), random([2 * N, 2], 2)];
  const set = await LoraSet.open([{
    file: lora({
      [`${key}.lora_down.weight`]: [[2, N], a],
      [`${key}.lora_up.weight`]: [[2 * N, 2], b],
      [`${key}.alpha`]: [[], [1]],
    }),
  }]);
  const swapped = [...b.subarray(2 * N), ...b.subarray(0, 2 * N)];
  const want = plus(FLUX["norm_out.linear.weight"][1], swapped, a, { rank: 2, width: N, factor: 0.5 });
  const changes = await changesOf(set, MODELS.flux);
  assert(difference(changes.get("denoiser/norm_out.linear.weight")!, want) < 1e-6);
});

Deno.test("kohya's T5 of FLUX is the same under te2 and te3", async () => {
  const file = (te: string): ByteSource => {
    const key = `lora_${te}_encoder_block_0_layer_0_SelfAttention_q`;
    return lora({
      [`${key}.lora_down.weight`]: random([2, N], 1),
      [`${key}.lora_up.weight`]: random([N, 2], 2),
    });
  };
  const [two, three] = await Promise.all(
    ["te2", "te3"].map(async (te) => await changesOf(await LoraSet.open([{ file: file(te) }]), MODELS.flux)),
  );
  assertEquals(two, three);
});

Deno.test("changes that need a whole weight find it where it is cut into query, key and value", async () => {
  // OFT's blocks of 9 rows cross from query to key, DoRA's lengths of input channels run over all three.
  const block = "double_blocks.0.img_attn.qkv";
  const parts = ["to_q", "to_k", "to_v"].map((name) => `transformer_blocks.0.attn.${name}.weight`);
  const whole = Float32Array.from(parts.flatMap((name) => [...Array.from(FLUX[name][1])]));
  const fused = { denoiser: { [`${block}.weight`]: [[3 * N, N], whole] as const } };
  const tensors: Record<string, Tensors> = {
    oft: { ".oft_blocks": random([2, 9, 9], 3) },
    dora: {
      ".lora_down.weight": random([2, N], 1),
      ".lora_up.weight": random([3 * N, 2], 2),
      ".dora_scale": [[1, N], numbers(N, 4).map((v) => Math.abs(v) + 1)],
    },
  };
  for (const [name, its] of Object.entries(tensors)) {
    const open = (prefix: string): Promise<LoraSet> =>
      LoraSet.open([{
        file: lora(Object.fromEntries(Object.entries(its).map(([end, t]) => [`${prefix}${block}${end}`, t]))),
        scale: 0.7,
      }]);
    const want = (await changesOf(await open("diffusion_model."), fused)).get(`denoiser/${block}.weight`)!;
    const changes = await changesOf(await open("diffusion_model."), MODELS.flux);
    assertEquals([...changes.keys()].sort(), parts.map((p) => `denoiser/${p}`).sort(), name);
    parts.forEach((part, i) =>
      assertEquals(changes.get(`denoiser/${part}`), want.slice(i * N * N, (i + 1) * N * N), name)
    );
  }
});

Deno.test("a strength lies outside of dora_scale and inside of PEFT's magnitude vector", async () => {
  const [[, a], [, b], [, m]] = [random([2, N], 1), random([N, 2], 2), random([N], 3)];
  const key = "x_embedder";
  const w = FLUX["x_embedder.weight"][1];
  const pair: Tensors = { [`${key}.lora_down.weight`]: [[2, N], a], [`${key}.lora_up.weight`]: [[N, 2], b] };
  const lengths = (v: Float64Array): Float64Array =>
    v.map((x, i) => {
      const row = Math.floor(i / N);
      return x * m[row] / Math.hypot(...v.subarray(row * N, (row + 1) * N));
    });
  const outside = lengths(plus(w, b, a, { rank: 2, width: N })).map((v, i) => w[i] + 0.6 * (v - w[i]));
  const inside = lengths(plus(w, b, a, { rank: 2, width: N, factor: 0.6 }));
  for (
    const [tensor, shape, want] of [["dora_scale", [N, 1], outside], [
      "lora_magnitude_vector",
      [N],
      inside,
    ]] as const
  ) {
    const set = await LoraSet.open([{
      file: lora({ ...pair, [`${key}.${tensor}`]: [shape, m] }),
      scale: 0.6,
    }]);
    const got = (await changesOf(set, MODELS.flux)).get("denoiser/x_embedder.weight")!;
    assert(difference(got, want) < 1e-5, tensor);
  }
});

Deno.test("whole differences change weights, biases and norms, set_weight replaces", async () => {
  const model: Record<string, Tensors> = {
    denoiser: {
      ...FLUX,
      "transformer_blocks.0.attn.to_q.bias": random([N], 11),
      "transformer_blocks.0.attn.to_k.bias": random([N], 12),
      "transformer_blocks.0.attn.to_v.bias": random([N], 13),
    },
  };
  const [d, bias, norm, set] = [random([N, N], 1), random([3 * N], 2), random([N], 3), random([N, N], 4)];
  const qkv = "diffusion_model.double_blocks.0.img_attn.qkv";
  const file = lora({
    "diffusion_model.double_blocks.0.img_attn.proj.diff": d,
    [`${qkv}.lora_A.weight`]: random([1, N], 5),
    [`${qkv}.lora_B.weight`]: [[3 * N, 1], new Float32Array(3 * N)],
    [`${qkv}.diff_b`]: bias,
    "diffusion_model.double_blocks.0.img_attn.norm.query_norm.w_norm": norm,
    "diffusion_model.img_in.set_weight": set,
  });
  const loras = await LoraSet.open([{ file, scale: 0.5 }]);
  const changes = await changesOf(loras, model);
  assertEquals(loras.warnings("m"), []);
  const half = (name: string, values: ArrayLike<number>, first = 0) => {
    const base = model.denoiser[name][1];
    const want = Float64Array.from({ length: base.length }, (_, i) => base[i] + 0.5 * values[first + i]);
    assert(difference(changes.get(`denoiser/${name}`)!, want) < 1e-6, name);
  };
  half("transformer_blocks.0.attn.to_out.0.weight", d[1]);
  half("transformer_blocks.0.attn.norm_q.weight", norm[1]);
  ["to_q", "to_k", "to_v"].forEach((name, i) =>
    half(`transformer_blocks.0.attn.${name}.bias`, bias[1], i * N)
  );
  assertEquals(changes.get("denoiser/x_embedder.weight"), set[1]);
});

Deno.test("a fused layer is cut where its change does not say how wide it is", async () => {
  const linear1 = "diffusion_model.single_blocks.0.linear1";
  const names = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"].map((name) =>
    `single_transformer_blocks.0.${name}`
  );
  const biases = Object.fromEntries(
    names.map((
      name,
      i,
    ) => [`${name}.bias`, [[i < 3 ? N : 4 * N], new Float32Array(i < 3 ? N : 4 * N)] as const]),
  );
  const model = { denoiser: { ...FLUX, ...biases } };
  const diff = random([7 * N], 1);
  const bias = await changesOf(await LoraSet.open([{ file: lora({ [`${linear1}.diff_b`]: diff }) }]), model);
  names.forEach((name, i) =>
    assertEquals(bias.get(`denoiser/${name}.bias`), diff[1].slice(i * N, i < 3 ? (i + 1) * N : 7 * N))
  );
  // IA³ of input channels, OFT of blocks that end where the parts do.
  for (
    const its of [{ ".weight": random([N], 2), ".on_input": [[], [1]] as const }, {
      ".oft_blocks": random([7, N, N], 3),
    }]
  ) {
    const tensors = Object.fromEntries(Object.entries(its).map(([end, t]) => [linear1 + end, t] as const));
    const set = await LoraSet.open([{ file: lora(tensors) }]);
    assertEquals(
      [...(await changesOf(set, model)).keys()].sort(),
      names.map((name) => `denoiser/${name}.weight`).sort(),
    );
    assertEquals(set.warnings("FLUX"), []);
  }
});

Deno.test("kohya's OFT of a fused layer rotates each part by itself, and its alpha bounds it", async () => {
  const key = "oft_unet_double_blocks_0_img_attn_qkv";
  const blocks = [1, 2, 3].map((seed) => random([2, 3, 3], seed));
  const file = lora({
    ...Object.fromEntries(blocks.map((block, i) => [`${key}.oft_blocks.${i}`, block])),
    [`${key}.alpha`]: [[], [0.01]],
  });
  const split = await changesOf(await LoraSet.open([{ file }]), MODELS.flux);
  for (const [i, name] of ["to_q", "to_k", "to_v"].entries()) {
    const one = `transformer.transformer_blocks.0.attn.${name}`;
    const set = await LoraSet.open([{
      file: lora({ [`${one}.oft_blocks`]: blocks[i], [`${one}.alpha`]: [[], [0.01]] }),
    }]);
    const tensor = `denoiser/transformer_blocks.0.attn.${name}.weight`;
    const got = (await changesOf(set, MODELS.flux)).get(tensor)!;
    assertEquals(split.get(tensor), got);
    // A rotation keeps the columns' lengths, and ‖Q‖ ≤ 0.06 turns by little.
    const base = FLUX[tensor.slice(9)][1];
    for (let k = 0; k < N; k++) {
      const length = (w: ArrayLike<number>) =>
        Math.hypot(...Array.from({ length: N }, (_, n) => w[n * N + k]));
      assert(Math.abs(length(got) - length(base)) < 1e-5);
    }
    assert(difference(got, base) < 0.13);
  }
});

Deno.test("GLoRA of early LyCORIS, with its matrices the other way round, is the same change", async () => {
  const [a1, a2, b1, b2] = [random([N, 2], 1), random([2, N], 2), random([N, 2], 3), random([2, N], 4)];
  const open = (m: Record<string, typeof a1>): Promise<LoraSet> =>
    LoraSet.open([{
      file: lora(Object.fromEntries(Object.entries(m).map(([k, v]) => [`x_embedder.${k}.weight`, v]))),
    }]);
  const now = await changesOf(await open({ a1, a2, b1, b2 }), MODELS.flux);
  const early = await changesOf(await open({ a1: a2, a2: a1, b1: b2, b2: b1 }), MODELS.flux);
  assertEquals(now.size, 1);
  assertEquals(early, now);
});

Deno.test("several files change a weight one after the other, each with its strength", async () => {
  const [d, a, b] = [random([N, N], 1), random([2, N], 2), random([N, 2], 3)];
  const [m] = [random([N, 1], 4)];
  const pair: Tensors = { "x_embedder.lora_A.weight": a, "x_embedder.lora_B.weight": b };
  const [one, two] = [lora({ "x_embedder.diff": d }), lora({ ...pair, "x_embedder.dora_scale": m })];
  const together = await changesOf(await LoraSet.open([{ file: one, scale: 2 }, { file: two }]), MODELS.flux);
  const first = await changesOf(await LoraSet.open([{ file: one, scale: 2 }]), MODELS.flux);
  const between = {
    denoiser: { "x_embedder.weight": [[N, N], first.get("denoiser/x_embedder.weight")!] as const },
  };
  const second = await changesOf(await LoraSet.open([{ file: two }]), between);
  assertEquals(together, second);
});

Deno.test("a LoRA in half precision, bfloat16 or float8 is read as what it stores, and a quantised base is unpacked", async () => {
  for (const dtype of ["F16", "BF16", "F8_E4M3"] as const) {
    // 0x38 is 1 in E4M3, 0xc0 is -2.
    const [one, two] = dtype === "F8_E4M3" ? [0x38, 0xc0] : [1, -2];
    const file = lora(
      {
        "x.lora_A.weight": [[1, 4], new Array(4).fill(one)],
        "x.lora_B.weight": [[4, 1], new Array(4).fill(two)],
        "x.alpha": [[1], [one]],
      },
      {},
      dtype,
    );
    const base = checkpoint({ "x.weight": [[4, 4], new Float32Array(16)] }, "Q8_0");
    const merged = (await LoraSet.open([{ file, scale: 0.5 }])).apply(base, "denoiser");
    assertEquals(merged.info("x.weight")!.dtype, "F32");
    assertEquals(await merged.readF32("x.weight"), new Float32Array(16).fill(-1));
    const { bytes } = await merged.read("x.weight");
    assertEquals(new Float32Array(bytes.buffer), new Float32Array(16).fill(-1));
  }
});

/** A pair for the module `x` of rank 2. */
const PAIR: Tensors = { "x.lora_A.weight": random([2, 4], 1), "x.lora_B.weight": random([4, 2], 2) };
const X = { denoiser: { "x.weight": [[4, 4], new Float32Array(16)] as const } };

/** How much stronger a file's change is than B·A. */
async function factorOf(options: { metadata?: Record<string, string>; config?: string; more?: Tensors }) {
  const { metadata, config, more } = options;
  const set = await LoraSet.open([{ file: lora({ ...PAIR, ...more }, metadata), config }]);
  const got = (await changesOf(set, X)).get("denoiser/x.weight")!;
  const plain = plus(new Float32Array(16), PAIR["x.lora_B.weight"][1], PAIR["x.lora_A.weight"][1], {
    rank: 2,
    width: 4,
  });
  return { factor: got[0] / plain[0], warnings: set.warnings("m") };
}

Deno.test("alpha is heeded wherever it stands: tensors, PEFT's config beside the file, diffusers' header", async () => {
  const near = (got: number, want: number) =>
    assert(Math.abs(got / want - 1) < 1e-5, `${got}, expected ${want}`);
  const config = { peft_type: "LORA", r: 2, lora_alpha: 8 };
  near((await factorOf({})).factor, 1);
  near((await factorOf({ more: { "x.alpha": [[], [3]] } })).factor, 1.5);
  near((await factorOf({ more: { "x.scale": [[1], [3]] } })).factor, 3);
  near((await factorOf({ more: { "x.alpha": [[], [3]], "x.scalar": [[], [0.5]] } })).factor, 0.75);
  near((await factorOf({ config: JSON.stringify(config) })).factor, 4);
  near(
    (await factorOf({ config: JSON.stringify({ ...config, use_rslora: true }) })).factor,
    8 / Math.sqrt(2),
  );
  near((await factorOf({ config: JSON.stringify({ ...config, alpha_pattern: { x: 1 } }) })).factor, 0.5);
  near((await factorOf({ config: JSON.stringify({ ...config, r: 16, rank_pattern: { x: 2 } }) })).factor, 4);
  const header = JSON.stringify({ r: 2, lora_alpha: 6 });
  near((await factorOf({ metadata: { lora_adapter_metadata: header } })).factor, 3);
  // Tensors say more than either.
  near((await factorOf({ config: JSON.stringify(config), more: { "x.alpha": [[], [3]] } })).factor, 1.5);

  const other = await factorOf({ config: JSON.stringify({ ...config, r: 16 }) });
  near(other.factor, 1);
  assert(other.warnings[0].includes('says rank 16 for "x", which has 2'), other.warnings[0]);
  const kohya = await factorOf({ metadata: { ss_network_alpha: "1", ss_network_dim: "2" } });
  near(kohya.factor, 1);
  assert(kohya.warnings[0].includes("alpha 1 for rank 2") && kohya.warnings[0].includes("strength of 0.5"));
  const strange = await factorOf({
    config: JSON.stringify({ ...config, use_magic: true, lora_dropout: 0.1 }),
  });
  assertEquals(strange.warnings, [
    'LoRA "test.safetensors": its PEFT config has settings that are not known here and were left out: use_magic',
  ]);
});

Deno.test("PEFT's settings that change what an adapter does, and are not applied, are refused by name", async () => {
  const base = { peft_type: "LORA", r: 2, lora_alpha: 8 };
  const cases: [unknown, string][] = [
    [{ ...base, peft_type: "VERA" }, "VERA adapters"],
    [{ ...base, init_lora_weights: "pissa_niter_4" }, "init_lora_weights"],
    [{ ...base, use_qalora: true }, "use_qalora"],
    [{ ...base, layer_replication: [[0, 2]] }, "layer_replication"],
    [{ ...base, use_dora: true }, "no lora_magnitude_vector"],
    [{ ...base, lora_alpha: "8" }, "expected a number"],
    [{ ...base, alpha_pattern: { "(.*.*)+$": 3 } }, "no simple pattern"],
    [{ ...base, alpha_pattern: { "(": 3 } }, "no simple pattern"],
    [[base], "is not a JSON object"],
  ];
  for (const [config, words] of cases) {
    await assertRejects(() => factorOf({ config: JSON.stringify(config) }), LssgenError, words);
  }
});

Deno.test("what is no LoRA, or of a kind that is not applied, is refused by what it is", async () => {
  const t = random([4, 4], 1);
  const cases: [Tensors, string][] = [
    // Textual inversions: diffusers, A1111, ComfyUI's SDXL, a pivotal tuning.
    [{ "<fox-toy>": random([768], 1) }, 'a textual inversion (an embedding of tokens: "<fox-toy>" of [768])'],
    [{ emb_params: random([2, 768], 1) }, "a textual inversion"],
    [{ clip_l: random([2, 768], 1), clip_g: random([2, 1280], 1) }, "a textual inversion"],
    [{ text_encoders_0: random([2, 768], 1), text_encoders_1: random([2, 1280], 1) }, "textual inversions"],
    // What needs another input.
    [{ "img_in.lora_A.weight": t, "double_blocks.0.img_attn.norm.query_norm.scale": t }, "FLUX control LoRA"],
    [{ lora_controlnet: [[], [1]], ...PAIR }, "a ControlNet in LoRA form"],
    [{ "lllite_unet_input_blocks_4.down.0.weight": t }, "ControlNet-LLLite"],
    [{ "double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight": t }, "an IP-Adapter"],
    [{ "down_blocks.0.motion_modules.0.to_q.lora_A.weight": t }, "AnimateDiff"],
    [{ "unet.attn2.processor.to_k_custom_diffusion.weight": t }, "Custom Diffusion"],
    // Other algorithms.
    [{ ...PAIR, "x.lora_E": t }, "AdaLoRA"],
    [{ "x.lora_embedding_A": t }, "token embedding"],
    [{ "x.oft_R.weight": t }, "PEFT's OFT"],
    [{ "x.oft_diag": t }, "oft_diag"],
    [{ "x.boft_R": t }, "PEFT's BOFT"],
    [{ "x.ia3_l": t }, "PEFT's IA³"],
    [{ "x.hra_u": t }, "HRA"],
    [{ "x.vera_lambda_b": t }, "VeRA"],
    // Whole models.
    [
      { "model.diffusion_model.input_blocks.0.0.weight": t },
      "the weights of a whole model; open it as a model",
    ],
    [{ "double_blocks.0.img_attn.qkv.weight": t }, "the weights of a transformer"],
    [{}, "found no tensors"],
    // Tensors without which a module would be changed wrongly.
    [{ ...PAIR, "x.bias": random([4], 1) }, '"x.bias" belongs to no LoRA'],
    [{ ...PAIR, "x.lora_A.bias": random([2], 1) }, '"x.lora_A.bias" belongs to no LoRA'],
    [{ "x.oft_blocks": random([2, 2, 2], 1), "x.dora_scale": t }, '"x.dora_scale" belongs to no OFT'],
    [{ ...PAIR, "x.diff": t }, "tensors of LoRA and of whole weights"],
    [{ ...PAIR, "x.lora_A.two.weight": t, "x.lora_B.two.weight": t }, "one adapter a module"],
    // Tensors that do not fit together.
    [{ "x.lora_up.weight": t }, 'has "x.lora_up.weight" without "x.lora_down.weight"'],
    [{ "x.hada_w1_a": t }, 'has "x.hada_w1_a" without "x.hada_w2_a"'],
    [{ "x.lokr_w1": t }, "one factor of a Kronecker product"],
    [{ "x.lokr_w1": t, "x.lokr_w2_a": t, "x.lokr_w2_b": random([3, 4], 1) }, "do not fit together"],
    [{ "x.oft_blocks": random([2, 2, 3], 1) }, "holds no rotations"],
    [{ "x.a1.weight": random([3, 4], 1), "x.a2.weight": t, "x.b1.weight": t, "x.b2.weight": t }, "as GLoRA"],
    [{ ...PAIR, "x.lora_magnitude_vector": random([3], 1) }, "no length for each row"],
    [{ ...PAIR, "x.alpha": [[], [NaN]] }, "is NaN, expected one finite number"],
    [{ ...PAIR, "x.alpha": random([2], 1) }, "expected one finite number"],
  ];
  for (const [tensors, words] of cases) {
    await assertRejects(() => LoraSet.open([{ file: lora(tensors) }]), LssgenError, words, words);
  }
});

Deno.test("a LoRA for another family is refused with both shapes or what it was made for, one that fits in part is told", async () => {
  const open = (tensors: Tensors, metadata = {}): Promise<LoraSet> =>
    LoraSet.open([{ file: lora(tensors, metadata) }]);
  const pair = (key: string, out: number, width: number): Tensors => ({
    [`${key}.lora_down.weight`]: random([2, width], 1),
    [`${key}.lora_up.weight`]: random([out, 2], 2),
  });
  const q = "transformer.transformer_blocks.0.attn.to_q";
  const wide = await open(pair(q, 2 * N, 2 * N), { "modelspec.architecture": "stable-diffusion-3" });
  const message = assertThrows(() => wide.apply(checkpoint(FLUX), "denoiser"), LssgenError).message;
  assert(message.includes(`makes [${2 * N}, ${2 * N}]`) && message.includes(`is [${N},${N}]`), message);
  assert(message.includes('its header says "stable-diffusion-3"'), message);

  // Text encoders are alike across families: that they fit does not make the file fit.
  const flux = await open({
    ...pair("lora_unet_double_blocks_0_img_attn_proj", N, N),
    ...pair("lora_te1_text_model_encoder_layers_0_mlp_fc1", N, N),
  });
  await changesOf(flux, MODELS.sd15);
  assertThrows(() => flux.warnings("SD 1.5"), LssgenError, "its names are those of FLUX.1");
  const wan = await open(pair("diffusion_model.blocks.0.cross_attn.k", N, N));
  await changesOf(wan, MODELS.flux);
  assertThrows(() => wan.warnings("FLUX"), LssgenError, "its names are those of Wan");

  // One file of two: each is looked at by itself.
  const good = pair(q, N, N);
  const two = await LoraSet.open([{ file: lora(good) }, { file: lora(pair("transformer.nowhere", N, N)) }]);
  await changesOf(two, MODELS.flux);
  assertThrows(() => two.warnings("FLUX"), LssgenError, "transformer.nowhere");

  const some = await open({
    ...good,
    ...pair("transformer.transformer_blocks.1.attn.to_q", N, N),
    [`${q}.diff_b`]: random([N], 1), // FLUX here has no biases
    "lora_te3_gone.alpha": [[], [1]],
    "bundle_emb.fox.clip_l": random([2, 4], 1),
    "bundle_emb.fox.t5": random([2, 4], 1),
  });
  await changesOf(some, MODELS.flux);
  assertEquals(some.warnings("FLUX"), [
    'LoRA "test.safetensors": 2 of 3 changes match nothing in FLUX and were left out: ' +
    `${q} (bias), transformer.transformer_blocks.1.attn.to_q`,
    'LoRA "test.safetensors": it brings textual inversions (embeddings of tokens), which were left out: fox',
    'LoRA "test.safetensors": 1 tensors are part of no adapter and were left out: lora_te3_gone.alpha',
  ]);
  // Qwen-Image's attention has FLUX's names and sizes.
  const qwen = await open({ ...good, ...pair("transformer.transformer_blocks.0.img_mlp.net.2", N, N) });
  await changesOf(qwen, MODELS.flux);
  const [warning] = qwen.warnings("FLUX");
  assert(
    warning.startsWith('LoRA "test.safetensors": 1 of 2') &&
      warning.endsWith("its names are those of Qwen-Image"),
  );
  const dora = await open({ ...good, [`${q}.dora_scale`]: random([1, N + 1], 1) });
  assertThrows(() => dora.apply(checkpoint(FLUX), "denoiser"), LssgenError, `is for ${N + 1} input channels`);
});

Deno.test("a LoRA in a GGUF file is read like one in safetensors", async () => {
  const parts: Uint8Array[] = [];
  const put = (bytes: Uint8Array): void => void parts.push(bytes);
  const u32 = (v: number): void => put(new Uint8Array(Uint32Array.of(v).buffer));
  const u64 = (v: number): void => put(new Uint8Array(BigUint64Array.of(BigInt(v)).buffer));
  put(new TextEncoder().encode("GGUF"));
  u32(3);
  const entries = Object.entries(PAIR);
  u64(entries.length);
  u64(0);
  let offset = 0;
  for (const [name, [shape, values]] of entries) {
    u64(name.length);
    put(new TextEncoder().encode(name));
    u32(shape.length);
    [...shape].reverse().forEach(u64);
    u32(0); // F32
    u64(offset);
    offset += 4 * values.length; // 32 bytes each: aligned
  }
  const size = (): number => parts.reduce((sum, part) => sum + part.length, 0);
  put(new Uint8Array((32 - size() % 32) % 32));
  for (const [, [, values]] of entries) put(new Uint8Array(Float32Array.from(values).buffer));
  const out = new Uint8Array(size());
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  const gguf = await changesOf(await LoraSet.open([{ file: bytesOf("x.gguf", out) }]), X);
  assertEquals(gguf.size, 1);
  assertEquals(gguf, await changesOf(await LoraSet.open([{ file: lora(PAIR) }]), X));
});

Deno.test("adapter_config.json is taken along where it can only be this file's, and a folder stands for its adapter", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = lora(PAIR);
    const bytes = await file.read(0, file.size);
    await Deno.writeFile(`${folder}/style.safetensors`, bytes);
    assertEquals((await openLora(`${folder}/style.safetensors`, 0.5, "--lora")).config, undefined);
    await Deno.writeTextFile(`${folder}/adapter_config.json`, '{"r": 2}');
    const alone = await openLora(`${folder}/style.safetensors`, 0.5, "--lora");
    assertEquals([alone.config, alone.scale], ['{"r": 2}', 0.5]);
    await Deno.writeFile(`${folder}/adapter_model.safetensors`, bytes);
    assertEquals((await openLora(`${folder}/style.safetensors`, 1, "--lora")).config, undefined);
    const inFolder = await openLora(folder, 1, "--lora");
    assertEquals(inFolder.config, '{"r": 2}');
    assert(inFolder.file.name.endsWith("adapter_model.safetensors"));
    await assertRejects(
      () => openLora(`${folder}/gone`, 1, "--lora"),
      LssgenError,
      "(--lora): there is no such file",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
