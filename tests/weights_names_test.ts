/** Names of other tools and of first releases: a component in any of them is, tensor for tensor, that of diffusers. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { elements } from "../lib/tensor.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { type Checkpoint, kindsOf, openRawFile } from "../lib/weights/checkpoint.ts";
import type { PartKind } from "../lib/weights/names/family.ts";
import { leftOver, partsOf, underDiffusersNames, viewOf } from "../lib/weights/names/original.ts";
import { hasOwnNames } from "../lib/weights/names/own.ts";
import { openSafetensors, writeSafetensors } from "../lib/weights/safetensors.ts";
import { ldmVae, llamaT5, openClip, type Tensor, tensorsOf } from "./foreign_names.ts";
import { goldenModel } from "./poisoned_models.ts";

async function written(tensors: ReadonlyMap<string, Tensor>): Promise<Checkpoint> {
  const entries = [...tensors].map(([name, { shape, data }]) => ({ name, shape, data }));
  return await openSafetensors(bytesOf("made.safetensors", writeSafetensors(entries)));
}

/** The tensors under other names. */
function renamed(
  tensors: ReadonlyMap<string, Tensor>,
  rename: (name: string) => string,
): Map<string, Tensor> {
  return new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
}

/** Every tensor of `want` and no other, bit for bit, whole and by rows. */
async function assertSame(got: Checkpoint, want: ReadonlyMap<string, Tensor>): Promise<void> {
  assertEquals([...got.names()].sort(), [...want.keys()].sort());
  for (const [name, { shape, data }] of want) {
    const info = got.info(name)!;
    assertEquals(info.shape, shape, name);
    assertEquals(await got.readF32(name), data, name);
    assertEquals(new Float32Array((await got.read(name)).bytes.buffer), data, name);
    if (shape.length < 2 || shape[0] < 2) continue;
    const row = elements(shape) / shape[0];
    const part = { first: 1, count: shape[0] - 1 };
    assertEquals(await got.readF32(name, part), data.slice(row), `${name} from row 1`);
    assertEquals(new Float32Array((await got.read(name, part)).bytes.buffer), data.slice(row), name);
  }
}

const FLUX_VAE = "pipelines/flux_dev/model/vae/diffusion_pytorch_model.safetensors";
const SD15_VAE = "pipelines/sd15/model/vae/diffusion_pytorch_model.safetensors";
const CLIP_L = "pipelines/sd15/model/text_encoder/model.safetensors";
const CLIP_G = "pipelines/sdxl/model/text_encoder_2/model.safetensors";
const WIDE_G = "text_encoders/clip_g_projection/model.safetensors"; // its projection is [20, 24]
const T5 = "pipelines/flux_dev/model/text_encoder_2/model.safetensors";
const UNET = "pipelines/sd15/model/unet/diffusion_pytorch_model.safetensors";
const FLUX = "pipelines/flux_dev/model/transformer/diffusion_pytorch_model.safetensors";
const SD3 = "transformers/sd3/diffusion_pytorch_model.safetensors";
const TINY = "vae/tiny_taef1/diffusion_pytorch_model.safetensors";

Deno.test("a VAE in the original names is that of diffusers, with 4 and 16 channels, under any prefix", async () => {
  for (const path of [FLUX_VAE, SD15_VAE]) {
    const want = await tensorsOf(path);
    for (const prefix of ["", "first_stage_model.", "vae.", "module."]) {
      const file = await written(renamed(ldmVae(want), (name) => prefix + name));
      await assertSame(underDiffusersNames(file, ["vae"]), want);
    }
  }
});

Deno.test("a VAE's loss network and moving average are left out, an unknown tensor shows by its name", async () => {
  const want = await tensorsOf(SD15_VAE);
  const one: Tensor = { shape: [1], data: new Float32Array(1) };
  const extra = { "loss.logvar": one, "loss.discriminator.main.0.weight": one, "model_ema.decay": one };
  const file = await written(
    new Map([...ldmVae(want), ...Object.entries(extra), ["decoder.new.weight", one]]),
  );
  await assertSame(underDiffusersNames(file), new Map([...want, ["decoder.new.weight", one]]));
});

Deno.test("the convolutions around the latents may lie in the halves of a VAE", async () => {
  const want = await tensorsOf(SD15_VAE);
  const inside = renamed(
    ldmVae(want),
    (name) => name.replace(/^quant_conv/, "encoder.$&").replace(/^post_quant_conv/, "decoder.$&"),
  );
  assertEquals(inside.has("encoder.quant_conv.weight"), true);
  await assertSame(underDiffusersNames(await written(inside)), want);
});

Deno.test("TAESD's own names are AutoencoderTiny's: one file, ComfyUI's joined file, and its halves", async () => {
  const want = await tensorsOf(TINY);
  const own = (name: string): string =>
    name.replace(/^encoder\.layers\./, "encoder.")
      .replace(/^decoder\.layers\.(\d+)/, (_, n) => `decoder.${Number(n) + 1}`);
  await assertSame(underDiffusersNames(await written(renamed(want, own))), want);
  const joined = renamed(want, (name) => `taesd_${own(name)}`);
  const scale: Tensor = { shape: [], data: Float32Array.of(0.3611) };
  await assertSame(underDiffusersNames(await written(new Map([...joined, ["vae_scale", scale]]))), want);
  for (const half of ["encoder", "decoder"]) {
    const mine = new Map([...want].filter(([name]) => name.startsWith(half)));
    const file = await written(renamed(mine, (name) => own(name).slice(half.length + 1)));
    await assertSame(underDiffusersNames(file), mine);
  }
});

Deno.test("CLIP in transformers' names opens behind every prefix that tools put before it", async () => {
  const want = await tensorsOf(CLIP_L);
  const prefixes = [
    "",
    "clip_l.",
    "clip_l.transformer.",
    "cond_stage_model.transformer.",
    "conditioner.embedders.0.transformer.",
    "text_encoders.clip_l.transformer.",
    "text_encoder.",
    "te1.",
    "model.model.",
  ];
  for (const prefix of prefixes) {
    const file = await written(renamed(want, (name) => prefix + name));
    await assertSame(underDiffusersNames(file, ["clip", "t5"]), want);
  }
  const flat = renamed(want, (name) => name.replace("text_model.", ""));
  await assertSame(underDiffusersNames(await written(flat)), flat);
});

Deno.test("OpenCLIP's fused attention is cut in three and its projection turned, behind any prefix", async () => {
  for (const path of [CLIP_G, WIDE_G]) {
    const want = await tensorsOf(path);
    for (const prefix of ["", "conditioner.embedders.1.model.", "conditioner.embedders.0.model.", "model."]) {
      const file = await written(renamed(openClip(want), (name) => prefix + name));
      await assertSame(underDiffusersNames(file, ["clip"]), want);
    }
  }
});

Deno.test("CLIP as stable-diffusion.cpp converts it is transformers': fused attention, a projection without .weight", async () => {
  const want = await tensorsOf(WIDE_G);
  const file = renamed(openClip(want), (name) =>
    "cond_stage_model.1.transformer." + name
      .replace(/^token_embedding/, "text_model.embeddings.token_embedding")
      .replace(/^positional_embedding$/, "text_model.embeddings.position_embedding.weight")
      .replace(/^text_projection$/, "text_model.text_projection")
      .replace(/^ln_final/, "text_model.final_layer_norm")
      .replace(/^transformer\.resblocks/, "text_model.encoder.layers")
      .replace(/attn\.in_proj_(weight|bias)/, "self_attn.in_proj.$1")
      .replace(/attn\.out_proj/, "self_attn.out_proj")
      .replace(/\.ln_/, ".layer_norm")
      .replace("c_fc", "fc1")
      .replace("c_proj", "fc2"));
  await assertSame(underDiffusersNames(await written(file), ["clip"]), want);
});

Deno.test("a projection that is a layer, not a parameter, is not turned", async () => {
  const want = await tensorsOf(WIDE_G);
  const file = openClip(want);
  file.delete("text_projection");
  file.set("text_projection.weight", want.get("text_projection.weight")!);
  await assertSame(underDiffusersNames(await written(file)), want);
});

Deno.test("the image tower of a whole OpenCLIP is no text encoder", async () => {
  const text = openClip(await tensorsOf(CLIP_G));
  const file = await written(new Map([...renamed(text, (name) => `visual.${name}`), ...text]));
  assertEquals(partsOf(file).map(({ kind, prefix }) => ({ kind, prefix })), [{ kind: "clip", prefix: "" }]);
});

Deno.test("SD2's text encoder leaves out the last layer and the projection, as diffusers does", async () => {
  const all = await tensorsOf(WIDE_G); // three layers
  const file = await written(renamed(openClip(all), (name) => `cond_stage_model.model.${name}`));
  const want = new Map([...all].filter(([name]) => !/layers\.2\.|text_projection/.test(name)));
  await assertSame(underDiffusersNames(file), want);
});

Deno.test("T5 opens behind a prefix and in llama.cpp's names", async () => {
  const want = await tensorsOf(T5);
  for (const prefix of ["text_encoders.t5xxl.transformer.", "t5xxl.transformer.", "t5xxl.", ""]) {
    await assertSame(underDiffusersNames(await written(renamed(want, (name) => prefix + name))), want);
  }
  await assertSame(underDiffusersNames(await written(renamed(want, llamaT5))), want);
});

Deno.test("T5 without a gate keeps its one input layer's name", async () => {
  const want = await tensorsOf(T5);
  const plain = new Map(
    [...want].filter(([name]) => !name.includes("wi_0"))
      .map(([name, tensor]) => [name.replace("wi_1", "wi"), tensor] as const),
  );
  const file = renamed(plain, (name) => llamaT5(name.replace("DenseReluDense.wi.", "DenseReluDense.wi_1.")));
  await assertSame(underDiffusersNames(await written(file)), plain);
});

Deno.test("denoisers in diffusers' names open behind a prefix", async () => {
  for (const path of [UNET, FLUX, SD3, "transformers/dit/diffusion_pytorch_model.safetensors"]) {
    const want = await tensorsOf(path);
    for (const prefix of ["model.diffusion_model.", "net.", "module.", "model.", "unet.", "transformer."]) {
      const file = await written(renamed(want, (name) => prefix + name));
      await assertSame(underDiffusersNames(file, ["denoiser"]), want);
    }
  }
});

/** diffusers' DiT or PixArt → the first release's names, where the original has one tensor for them. */
function firstDit(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  const joined = (names: readonly string[]): Tensor => {
    const parts = names.map((name) => tensors.get(name)!);
    const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
    parts.reduce((at, part) => (data.set(part.data, at), at + part.data.length), 0);
    const rows = parts.reduce((sum, part) => sum + part.shape[0], 0);
    return { shape: [rows, ...parts[0].shape.slice(1)], data };
  };
  const TABLE: readonly (readonly [RegExp, string])[] = [
    [/^transformer_blocks\.0\.norm1\.emb\.timestep_embedder\.linear_1/, "t_embedder.mlp.0"],
    [/^transformer_blocks\.0\.norm1\.emb\.timestep_embedder\.linear_2/, "t_embedder.mlp.2"],
    [/^transformer_blocks\.0\.norm1\.emb\.class_embedder/, "y_embedder"],
    [/^transformer_blocks\.(\d+)\.norm1\.linear/, "blocks.$1.adaLN_modulation.1"],
    [/^transformer_blocks\.(\d+)\.attn1\.to_out\.0/, "blocks.$1.attn.proj"],
    [/^transformer_blocks\.(\d+)\.attn2\.to_out\.0/, "blocks.$1.cross_attn.proj"],
    [/^transformer_blocks\.(\d+)\.attn2\.to_q/, "blocks.$1.cross_attn.q_linear"],
    [/^transformer_blocks\.(\d+)\.ff\.net\.0\.proj/, "blocks.$1.mlp.fc1"],
    [/^transformer_blocks\.(\d+)\.ff\.net\.2/, "blocks.$1.mlp.fc2"],
    [/^transformer_blocks\.(\d+)\.scale_shift_table/, "blocks.$1.scale_shift_table"],
    [/^pos_embed\.proj/, "x_embedder.proj"],
    [/^adaln_single\.emb\.timestep_embedder\.linear_1/, "t_embedder.mlp.0"],
    [/^adaln_single\.emb\.timestep_embedder\.linear_2/, "t_embedder.mlp.2"],
    [/^adaln_single\.emb\.resolution_embedder\.linear_1/, "csize_embedder.mlp.0"],
    [/^adaln_single\.emb\.resolution_embedder\.linear_2/, "csize_embedder.mlp.2"],
    [/^adaln_single\.emb\.aspect_ratio_embedder\.linear_1/, "ar_embedder.mlp.0"],
    [/^adaln_single\.emb\.aspect_ratio_embedder\.linear_2/, "ar_embedder.mlp.2"],
    [/^adaln_single\.linear/, "t_block.1"],
    [/^caption_projection\.linear_(\d)/, "y_embedder.y_proj.fc$1"],
    [/^proj_out_1/, "final_layer.adaLN_modulation.1"],
    [/^proj_out(_2)?\./, "final_layer.linear."],
    [/^scale_shift_table/, "final_layer.scale_shift_table"],
  ];
  for (const name of tensors.keys()) {
    if (/^transformer_blocks\.[1-9]\d*\.norm1\.emb\./.test(name) || /attn\d\.to_v\./.test(name)) continue;
    if (name.includes("attn1.to_k") || name.includes("pos_embed.pos_embed")) continue;
    if (name.includes("attn1.to_q")) {
      const qkv = ["q", "k", "v"].map((x) => name.replace("to_q", `to_${x}`));
      out.set(name.replace("transformer_", "").replace("attn1.to_q", "attn.qkv"), joined(qkv));
    } else if (name.includes("attn2.to_k")) {
      const kv = joined([name, name.replace("to_k", "to_v")]);
      out.set(name.replace("transformer_", "").replace("attn2.to_k", "cross_attn.kv_linear"), kv);
    } else {
      const [pattern, to] = TABLE.find(([pattern]) => pattern.test(name)) ?? [];
      assert(pattern, name);
      out.set(name.replace(pattern, to!), tensors.get(name)!);
    }
  }
  return out;
}

Deno.test("DiT and PixArt of the first releases are those of diffusers", async () => {
  for (const path of ["transformers/dit", "transformers/pixart"]) {
    const want = await tensorsOf(`${path}/diffusion_pytorch_model.safetensors`);
    want.delete("pos_embed.pos_embed");
    const copy = new Map(want);
    // One embedding serves all blocks in the original: the golden's blocks differ, so the first one's is what they get.
    for (const name of want.keys()) {
      const first = name.replace(/^transformer_blocks\.\d+\.norm1\.emb\./, "transformer_blocks.0.norm1.emb.");
      copy.set(name, want.get(first)!);
    }
    const caption: Tensor = { shape: [1, 1], data: new Float32Array(1) };
    const file = firstDit(copy);
    if (path.endsWith("pixart")) file.set("y_embedder.y_embedding", caption);
    await assertSame(underDiffusersNames(await written(file)), copy);
  }
});

Deno.test("a file with everything inside shows its parts, each complete, and says what belongs to none", async () => {
  const [unet, vae, clipL, clipG] = [
    await tensorsOf(UNET),
    await tensorsOf(SD15_VAE),
    await tensorsOf(CLIP_L),
    await tensorsOf(CLIP_G),
  ];
  const one: Tensor = { shape: [1], data: new Float32Array(1) };
  const file = await written(
    new Map([
      ...renamed(openClip(clipG), (name) => `conditioner.embedders.1.model.${name}`),
      ...renamed(clipL, (name) => `conditioner.embedders.0.transformer.${name}`),
      ...renamed(ldmVae(vae), (name) => `first_stage_model.${name}`),
      ...renamed(unet, (name) => `model.diffusion_model.${name}`),
      ["alphas_cumprod", one],
      ["model_ema.diffusion_modelconv_inweight", one],
      ["control_model.input_blocks.0.0.weight", one],
      ["v_pred", one],
    ]),
  );
  const parts = partsOf(file);
  assertEquals(parts.map(({ kind, prefix }) => `${kind} ${prefix}`), [
    "denoiser model.diffusion_model.",
    "vae first_stage_model.",
    "clip conditioner.embedders.0.",
    "clip conditioner.embedders.1.model.",
  ]);
  for (const [i, want] of [unet, vae, clipL, clipG].entries()) {
    await assertSame(viewOf(file, parts[i], parts), want);
  }
  assertEquals(leftOver(file, parts), ["control_model.input_blocks.0.0.weight", "v_pred"]);
  await assertSame(underDiffusersNames(file, ["vae"]), vae);
});

Deno.test("parts without a prefix do not swallow parts that have one", async () => {
  const [flux, t5] = [await tensorsOf(FLUX), await tensorsOf(T5)];
  const file = await written(new Map([...flux, ...renamed(t5, (name) => `text_encoders.t5xxl.${name}`)]));
  await assertSame(underDiffusersNames(file, ["denoiser"]), flux);
  await assertSame(underDiffusersNames(file, ["clip", "t5"]), t5);
});

Deno.test("a file of another part, or a LoRA, is refused by what it is", async () => {
  const one: Tensor = { shape: [1], data: new Float32Array(1) };
  const lora = new Map([
    ["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", one],
    ["lora_unet_double_blocks_0_img_mlp_0.alpha", one],
  ]);
  const cases: [tensors: ReadonlyMap<string, Tensor>, kinds: readonly PartKind[], says: string][] = [
    [
      ldmVae(await tensorsOf(SD15_VAE)),
      ["denoiser"],
      "holds a VAE (names of latent diffusion's VAE), expected a denoiser",
    ],
    [await tensorsOf(T5), ["vae"], "holds a T5 encoder"],
    [await tensorsOf(UNET), ["clip", "t5"], "expected a CLIP text encoder or a T5 encoder"],
    [lora, ["denoiser"], "LoRA"],
  ];
  for (const [tensors, kinds, says] of cases) {
    const file = await written(tensors);
    const error = await assertRejects(async () => await underDiffusersNames(file, kinds), LssgenError, says);
    assertEquals(error.code, "bad_file");
  }
});

Deno.test("a fused attention that has no three equal parts is refused by name", async () => {
  const tensors = openClip(await tensorsOf(CLIP_G));
  const name = "transformer.resblocks.0.attn.in_proj_weight";
  tensors.set(name, { shape: [4, 2], data: new Float32Array(8) });
  const file = await written(tensors);
  const error = await assertRejects(
    () => Promise.resolve().then(() => underDiffusersNames(file)),
    LssgenError,
  );
  assert(error.message.includes(name) && error.message.includes("cannot be cut"), error.message);
});

Deno.test("what is taken for diffusers' names at a glance is what the tables of all layouts give", async () => {
  let seen = 0;
  for (const model of ["sd15", "sdxl", "sd3", "flux_dev"]) {
    const folder = goldenModel(model);
    for (const part of ["unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"]) {
      const [name] = (await folder.list!(part)).filter((name) => name.endsWith(".safetensors"));
      if (name === undefined) continue;
      const file = await openRawFile(folder, `${part}/${name}`);
      assert(hasOwnNames(file, kindsOf(part)), `${model}/${part}`);
      const slow = underDiffusersNames(file, kindsOf(part));
      assertEquals([...file.names()].sort(), [...slow.names()].sort(), `${model}/${part}`);
      for (const tensor of file.names()) {
        assertEquals(file.info(tensor)!.shape, slow.info(tensor)!.shape, tensor);
      }
      // It is no other part of a pipeline.
      for (const kind of ["denoiser", "vae", "clip", "t5"] as const) {
        assertEquals(
          hasOwnNames(file, [kind]),
          kindsOf(part)!.includes(kind) && hasOwnNames(file, [kind]),
          part,
        );
      }
      seen++;
    }
  }
  assert(seen >= 12, `${seen} components`);
  const named = (...names: string[]) => ({ names: () => names });
  assert(hasOwnNames(named("encoder.layers.0.mlp.fc1.weight"), ["clip"]));
  for (
    const [kind, name] of [
      ["denoiser", "transformer_blocks.0.attn.to_q.lora_A.weight"],
      ["denoiser", "transformer_blocks.0.attn.to_q.alpha"],
      ["denoiser", "model.diffusion_model.x_embedder.weight"],
      ["clip", "text_model.encoder.layers.0.self_attn.in_proj.weight"],
      ["clip", "text_model.embeddings.position_ids"],
      ["clip", "transformer.text_model.encoder.layers.0.mlp.fc1.weight"],
      ["vae", "decoder.mid.block_1.conv1.weight"],
      ["t5", "enc.blk.0.attn_q.weight"],
    ] as const
  ) assert(!hasOwnNames(named(name), [kind]), name);
});
