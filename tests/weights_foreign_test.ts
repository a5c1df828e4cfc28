/**
 * Whole models whose parts are as other tools write them draw the picture of the folder that they were made from, pixel
 * for pixel.
 */

import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { clipTextConfig } from "../lib/models/clip.ts";
import { t5Config } from "../lib/models/t5.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { Progress } from "../lib/pipelines/types.ts";
import { loadTinyVae } from "../lib/pipelines/tiny_vae.ts";
import { bytesOf, filesIn, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { toF32 } from "../lib/weights/dtypes.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { ldmVae, llamaT5, type Tensor, tensorsOf } from "./foreign_names.ts";
import { ggufFile, type Stored, storedFile } from "./stored_tensors.ts";

const FLUX = "pipelines/flux_dev/model";

/** The golden FLUX with some files replaced or added; undefined takes one away. */
function altered(files: Readonly<Record<string, Uint8Array<ArrayBuffer> | undefined>>): FolderSource {
  const golden = fileFolder(new URL(`./golden/${FLUX}`, import.meta.url).pathname);
  return folderOf("altered", (path) => {
    if (!Object.hasOwn(files, path)) return golden.open(path);
    const bytes = files[path];
    return Promise.resolve(bytes && bytesOf(`altered/${path}`, bytes));
  }, async (path) => {
    const added = Object.keys(files).filter((name) => files[name]);
    const at = path === "" ? "" : `${path}/`;
    const kept = (await golden.list!(path)).filter((name) => !Object.hasOwn(files, at + name));
    return [...kept, ...filesIn(added, path)];
  });
}

const f32 = ({ shape, data }: Tensor): Stored => ({
  dtype: "F32",
  shape,
  bytes: new Uint8Array(data.buffer),
});
const written = (tensors: ReadonlyMap<string, Tensor>): Uint8Array<ArrayBuffer> =>
  storedFile(Object.fromEntries([...tensors].map(([name, tensor]) => [name, f32(tensor)])));
const tensor = (...shape: number[]): Tensor => ({
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
});

async function pictures(...folders: readonly FolderSource[]): Promise<Uint8Array[]> {
  using device = await openDevice();
  const drawn: Uint8Array[] = [];
  for (const folder of folders) {
    await using pipeline = await createPipeline(folder, { device, dtype: "f32" });
    const request = { prompt: "a cat", width: 64, height: 64, steps: 2, seed: 7, method: "direct" } as const;
    drawn.push((await pipeline.generate(request)).images[0].rgb);
  }
  return drawn;
}

Deno.test("FLUX with a VAE in the original names, whole CLIP and T5, and a transformer under its own name draws the same picture", async () => {
  const clip = await tensorsOf(`${FLUX}/text_encoder/model.safetensors`);
  const t5 = await tensorsOf(`${FLUX}/text_encoder_2/model.safetensors`);
  const vae = await tensorsOf(`${FLUX}/vae/diffusion_pytorch_model.safetensors`);
  const transformer = await tensorsOf(`${FLUX}/transformer/diffusion_pytorch_model.safetensors`);
  const foreign = altered({
    "text_encoder/model.safetensors": written(
      new Map([
        ...clip,
        ["logit_scale", tensor()],
        ["text_projection.weight", tensor(24, 24)],
        ["vision_model.post_layernorm.weight", tensor(8)],
        ["visual_projection.weight", tensor(24, 8)],
      ]),
    ),
    "text_encoder_2/model.safetensors": written(
      new Map([
        ...t5,
        ["decoder.final_layer_norm.weight", tensor(32)],
        ["decoder.block.0.layer.0.SelfAttention.q.weight", tensor(32, 32)],
        ["lm_head.weight", tensor(4, 32)],
      ]),
    ),
    "vae/diffusion_pytorch_model.safetensors": undefined,
    "vae/ae.safetensors": written(ldmVae(vae)),
    "transformer/diffusion_pytorch_model.safetensors": undefined,
    "transformer/flux1-schnell.sft": written(
      new Map([...transformer].map(([name, t]) => [`model.diffusion_model.${name}`, t])),
    ),
  });
  const [want, got] = await pictures(altered({}), foreign);
  assertEquals(got, want);
});

/** The nearest of the 8-bit floats, and the scale that makes the largest value fit. */
function fp8({ shape, data }: Tensor): { weight: Stored; scale: Tensor; values: Tensor } {
  const codes = toF32(Uint8Array.from({ length: 127 }, (_, i) => i), "F8_E4M3");
  const scale = Math.fround(data.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 448);
  const bytes = Uint8Array.from(data, (v) => {
    const x = Math.abs(v) / scale;
    let [low, high] = [0, 126];
    while (high - low > 1) codes[low + high >> 1] <= x ? low = low + high >> 1 : high = low + high >> 1;
    return (x - codes[low] < codes[high] - x ? low : high) | (v < 0 ? 128 : 0);
  });
  const values = Float32Array.from(toF32(bytes, "F8_E4M3"), (v) => v * scale);
  return {
    weight: { dtype: "F8_E4M3", shape, bytes },
    scale: { shape: [], data: Float32Array.of(scale) },
    values: { shape, data: values },
  };
}

Deno.test("FLUX with a scaled FP8 transformer and T5 as GGUF draws what their values draw in f32", async () => {
  const transformer = await tensorsOf(`${FLUX}/transformer/diffusion_pytorch_model.safetensors`);
  const scaled: Record<string, Stored> = {
    scaled_fp8: { dtype: "F8_E4M3", shape: [0], bytes: new Uint8Array(0) },
  };
  const plain = new Map(transformer);
  for (const [name, one] of transformer) {
    if (one.shape.length !== 2) {
      scaled[name] = f32(one);
      continue;
    }
    const { weight, scale, values } = fp8(one);
    const layer = name.slice(0, -".weight".length);
    scaled[name] = weight;
    scaled[`${layer}.scale_weight`] = f32(scale);
    scaled[`${layer}.scale_input`] = f32({ shape: [], data: Float32Array.of(1) });
    plain.set(name, values);
  }
  const t5 = await tensorsOf(`${FLUX}/text_encoder_2/model.safetensors`);
  const gguf = ggufFile(
    Object.fromEntries(
      [...t5].map(([name, { shape, data }]) => [
        llamaT5(name),
        { type: 0, shape, bytes: new Uint8Array(data.buffer) },
      ]),
    ),
    { "general.architecture": "t5encoder" },
  );
  const at = "transformer/diffusion_pytorch_model.safetensors";
  const foreign = altered({
    [at]: storedFile(scaled),
    "text_encoder_2/model.safetensors": undefined,
    "text_encoder_2/t5-v1_1-xxl-encoder-F32.gguf": gguf,
  });
  const [want, got] = await pictures(altered({ [at]: written(plain) }), foreign);
  assertEquals(got, want);
});

Deno.test("a tensor that nobody knows is still refused by its name, in CLIP and in T5", async () => {
  for (
    const [file, name] of [
      ["text_encoder/model.safetensors", "text_model.encoder.layers.0.adapter.weight"],
      ["text_encoder_2/model.safetensors", "encoder.block.0.layer.0.SelfAttention.new.weight"],
    ]
  ) {
    const tensors = await tensorsOf(`${FLUX}/${file}`);
    const folder = altered({ [file]: written(new Map([...tensors, [name, tensor(2)]])) });
    await assertRejects(() => pictures(folder), LssgenError, name);
  }
});

Deno.test("a file of another architecture is refused by what its header says it is", async () => {
  const at = "transformer/diffusion_pytorch_model.safetensors";
  const gguf = ggufFile({ "patch_embedding.weight": { type: 0, shape: [1], bytes: new Uint8Array(4) } }, {
    "general.architecture": "wan",
  });
  const folder = altered({ [at]: undefined, "transformer/wan.gguf": gguf });
  await assertRejects(() => pictures(folder), LssgenError, 'general.architecture "wan"');
});

Deno.test("a file that is no good for the last text encoder is refused before weights are loaded", async () => {
  const pointer = new TextEncoder().encode(
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9787841024\n",
  );
  const t5 = await tensorsOf(`${FLUX}/text_encoder_2/model.safetensors`);
  const cases: [file: string, content: Uint8Array<ArrayBuffer>, says: string][] = [
    ["text_encoder_2/model.safetensors", pointer, "Git LFS"],
    ["text_encoder_2/config.json", pointer, "Git LFS"],
    ["tokenizer/tokenizer.json", pointer, "Git LFS"],
    ["text_encoder_2/model.safetensors", written(new Map([...t5, ["new.weight", tensor(2)]])), "new.weight"],
  ];
  using device = await openDevice();
  for (const [file, content, says] of cases) {
    const loaded: string[] = [];
    const options = {
      device,
      dtype: "f32",
      onProgress: (p: Progress) => loaded.push(`${p.component} ${p.step}`),
    } as const;
    const error = await assertRejects(
      () => createPipeline(altered({ [file]: content }), options),
      LssgenError,
      says,
    );
    assertEquals(error.code, says === "new.weight" ? "bad_tensor" : "bad_file");
    assertEquals(loaded.filter((one) => one.startsWith("transformer")), []);
  }
});

Deno.test("TAESD's decoder alone decodes as the whole does, and says that it cannot encode", async () => {
  using device = await openDevice();
  const golden = fileFolder(new URL("./golden/vae/tiny_taef1", import.meta.url).pathname);
  const tensors = await tensorsOf("vae/tiny_taef1/diffusion_pytorch_model.safetensors");
  const decoder = new Map(
    [...tensors].filter(([name]) => name.startsWith("decoder.")).map(([name, t]) => [
      name.replace(/^decoder\.layers\.(\d+)/, (_, n) => String(Number(n) + 1)),
      t,
    ]),
  );
  const files = new Map([["taef1_decoder.safetensors", written(decoder)]]);
  const half = folderOf("half", (path) => {
    const bytes = files.get(path);
    return path === "config.json" ? golden.open(path) : Promise.resolve(bytes && bytesOf(path, bytes));
  }, () => Promise.resolve([...files.keys(), "config.json"]));
  using whole = await loadTinyVae({ folder: golden, device, dtype: "f32" }, "", 16);
  using tiny = await loadTinyVae({ folder: half, device, dtype: "f32" }, "", 16);
  using r = new Recorder(device, "f32");
  const z = r.upload([1, 2, 2, 16], Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)));
  assertEquals(await r.read(await tiny.decode(r, z)), await r.read(await whole.decode(r, z)));
  const picture = r.upload([1, 16, 16, 3], new Float32Array(768));
  await assertRejects(
    () => Promise.resolve().then(() => tiny.encode(r, picture)),
    LssgenError,
    "decoder alone",
  );
});

Deno.test("an AutoencoderTiny's factor and shift are heeded, both ways", async () => {
  using device = await openDevice();
  const golden = fileFolder(new URL("./golden/vae/tiny_taef1", import.meta.url).pathname);
  const scaled = folderOf("scaled", async (path) => {
    if (path !== "config.json") return await golden.open(path);
    const config = { ...JSON.parse((await golden.text(path))!), scaling_factor: 0.5, shift_factor: 0.25 };
    return bytesOf(path, new TextEncoder().encode(JSON.stringify(config)));
  });
  using plain = await loadTinyVae({ folder: golden, device, dtype: "f32" }, "", 16);
  using tiny = await loadTinyVae({ folder: scaled, device, dtype: "f32" }, "", 16);
  using r = new Recorder(device, "f32");
  const latents = Float32Array.from({ length: 2 * 2 * 16 }, (_, i) => Math.sin(i));
  const up = (values: Float32Array<ArrayBuffer>) => r.upload([1, 2, 2, 16], values);
  assertEquals(
    await r.read(await tiny.decode(r, up(latents))),
    await r.read(await plain.decode(r, up(latents.map((z) => z / 0.5 + 0.25)))),
  );
  const picture = r.upload([1, 16, 16, 3], Float32Array.from({ length: 768 }, (_, i) => Math.cos(i)));
  const want = (await r.read(await plain.encode(r, picture))).map((z) => (z - 0.25) * 0.5);
  const got = await r.read(await tiny.encode(r, picture));
  got.forEach((z, i) => assertAlmostEquals(z, want[i], 1e-6));
});

Deno.test("a whole CLIP's config gives its text encoder, and T5's takes the general names of sizes", () => {
  const inside = { hidden_size: 24, num_hidden_layers: 3, eos_token_id: 2, hidden_act: "gelu" };
  const whole = new ConfigReader("c", { model_type: "clip", projection_dim: 9, text_config: inside });
  const { hidden_size, num_hidden_layers, eos_token_id, hidden_act } = clipTextConfig(whole, "CLIPTextModel");
  assertEquals({ hidden_size, num_hidden_layers, eos_token_id, hidden_act }, inside as never);
  const { d_model, d_kv, num_layers, num_heads } = t5Config(
    new ConfigReader("t", { hidden_size: 32, head_dim: 8, num_hidden_layers: 2, num_attention_heads: 4 }),
  );
  assertEquals({ d_model, d_kv, num_layers, num_heads }, {
    d_model: 32,
    d_kv: 8,
    num_layers: 2,
    num_heads: 4,
  });
});
