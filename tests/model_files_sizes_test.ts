/**
 * The released models' single files, by the names and shapes of their true tensors: what is derived from them is what
 * the diffusers originals have in their configs. No weights are needed, and none are read.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { assembledFolder, type ModelFiles } from "../lib/model_files/model_files.ts";
import { autoencoderKlConfig } from "../lib/models/autoencoder_kl.ts";
import { clipTextConfig } from "../lib/models/clip.ts";
import { fluxConfig } from "../lib/models/flux.ts";
import { sd3Config } from "../lib/models/sd3.ts";
import { t5Config } from "../lib/models/t5.ts";
import { unetConfig } from "../lib/models/unet.ts";
import { readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { ByteSource, FolderSource } from "../lib/weights/bytes.ts";
import { ConfigReader, readConfig, readModelIndex } from "../lib/weights/model_folder.ts";
import { bflFlux, ldmUnet, mmdit, prefixed, type Tensors, together } from "./foreign_layouts.ts";
import { ldmVae, openClip } from "./foreign_names.ts";

/** A released network: its config and its tensors' shapes. tests/data/make_headers.py wrote them. */
interface Released {
  readonly config: Record<string, unknown>;
  readonly tensors: Tensors;
}

const RELEASED: ReadonlyMap<string, Released> = await readHeaders();

async function readHeaders(): Promise<Map<string, Released>> {
  const file = await Deno.open(new URL("./data/headers.txt.gz", import.meta.url));
  const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
  const networks = new Map<string, Released>();
  let tensors = new Map<string, { shape: number[]; data: Float32Array<ArrayBuffer> }>();
  for (const line of text.trimEnd().split("\n")) {
    if (line.startsWith("  ")) {
      const [name, shape] = line.slice(2).split(" ");
      tensors.set(name, { shape: shape.split(",").map(Number), data: new Float32Array() });
    } else {
      const space = line.indexOf(" ");
      tensors = new Map();
      networks.set(line.slice(0, space), { config: JSON.parse(line.slice(space + 1)), tensors });
    }
  }
  return networks;
}

const tensors = (name: string): Tensors => RELEASED.get(name)!.tensors;

/** A file of f16 weights that has a header and claims the rest; only `readable` tensors have values. */
function header(
  name: string,
  tensors: Tensors,
  readable: Readonly<Record<string, readonly number[]>> = {},
): ByteSource {
  const directory: Record<string, unknown> = {};
  const values = new Map<number, Uint8Array<ArrayBuffer>>();
  let at = 0;
  for (const [tensor, { shape }] of tensors) {
    const dtype = readable[tensor] ? "F32" : "F16";
    const length = shape.reduce((a, b) => a * b, 1) * (readable[tensor] ? 4 : 2);
    directory[tensor] = { dtype, shape, data_offsets: [at, at + length] };
    if (readable[tensor]) values.set(at, new Uint8Array(Float32Array.from(readable[tensor]).buffer));
    at += length;
  }
  let json = JSON.stringify(directory);
  json += " ".repeat((8 - json.length % 8) % 8);
  const head = new Uint8Array(8 + json.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
  head.set(new TextEncoder().encode(json), 8);
  return {
    name,
    size: head.length + at,
    read(offset, length) {
      if (offset + length <= head.length) return Promise.resolve(head.slice(offset, offset + length));
      const data = values.get(offset - head.length);
      assert(data?.length === length, `weights of ${name} were read, at ${offset}`);
      return Promise.resolve(data);
    },
  };
}

/** The folder's config of a component, as its network reads it. */
async function derived<C>(
  folder: FolderSource,
  component: string,
  read: (c: ConfigReader) => C,
): Promise<C> {
  return read(await readConfig(folder, `${component}/config.json`));
}

/** The original's config, as the network reads it. */
function original<C>(name: string, read: (c: ConfigReader) => C, more: Record<string, unknown> = {}): C {
  return read(new ConfigReader(name, { ...RELEASED.get(name)!.config, ...more }));
}

const SDXL_VAE = { scaling_factor: 0.13025 };
const SD3_VAE = { scaling_factor: 1.5305, shift_factor: 0.0609 };
const FLUX_VAE = { scaling_factor: 0.3611, shift_factor: 0.1159 };

const clip = (c: ConfigReader) => ({ ...clipTextConfig(c, "CLIPTextModel"), eos_token_id: 0 });
const clipProjected = (c: ConfigReader) => ({
  ...clipTextConfig(c, "CLIPTextModelWithProjection"),
  eos_token_id: 0,
});

Deno.test("SD1.5's file has the configs of runwayml/stable-diffusion-v1-5", async () => {
  const folder = assembledFolder({
    model: header(
      "v1-5-pruned-emaonly.safetensors",
      together(
        prefixed("model.diffusion_model.", ldmUnet(tensors("sd15"))),
        prefixed("first_stage_model.", ldmVae(tensors("kl4"))),
        prefixed("cond_stage_model.transformer.", tensors("clip-l")),
      ),
    ),
  });
  assertEquals((await readModelIndex(folder)).pipeline, "StableDiffusionPipeline");
  assertEquals(await derived(folder, "unet", unetConfig), original("sd15", unetConfig));
  assertEquals(await derived(folder, "vae", autoencoderKlConfig), original("kl4", autoencoderKlConfig));
  assertEquals(await derived(folder, "text_encoder", clip), original("clip-l", clip));
  const info = await readModelInfo(folder);
  assertEquals([info.defaults.width, info.latentChannels], [512, 4]);
  assertEquals(info.warnings, []);
  assertEquals(info.scheduler._class_name, "PNDMScheduler");
  assertEquals(info.scheduler.prediction_type, "epsilon");
  assertEquals(info.scheduler.steps_offset, 1);
  assertEquals(
    (await readConfig(folder, "tokenizer/tokenizer_config.json")).string("pad_token"),
    "<|endoftext|>",
  );
});

/** OpenCLIP's file has the last layer too, and the projection. */
function wholeH(): Tensors {
  const H = new Map(tensors("clip-h"));
  for (const [tensor, value] of tensors("clip-h")) {
    if (tensor.includes(".layers.22.")) H.set(tensor.replace(".22.", ".23."), value);
  }
  H.set("text_projection.weight", { shape: [1024, 1024], data: new Float32Array() });
  return openClip(H);
}

/** SD2.1's file; the bias tells by its deviation what the network predicts. */
function sd2(bias: number[], more: Partial<ModelFiles> = {}) {
  const name = "output_blocks.11.1.transformer_blocks.0.norm1.bias";
  return assembledFolder({
    model: header(
      "v2-1.safetensors",
      together(
        prefixed("model.diffusion_model.", ldmUnet(tensors("sd21"))),
        prefixed("first_stage_model.", ldmVae(tensors("kl4"))),
        prefixed("cond_stage_model.model.", wholeH()),
      ),
      { [`model.diffusion_model.${name}`]: Array.from({ length: 320 }, (_, i) => bias[i % bias.length]) },
    ),
    ...more,
  });
}

Deno.test("SD2.1's file has the configs of stabilityai/stable-diffusion-2-1, its last text layer left out", async () => {
  const folder = sd2([-0.1, 0.1]);
  assertEquals((await readModelIndex(folder)).pipeline, "StableDiffusionPipeline");
  assertEquals(await derived(folder, "unet", unetConfig), original("sd21", unetConfig));
  assertEquals(await derived(folder, "vae", autoencoderKlConfig), original("kl4", autoencoderKlConfig));
  assertEquals(await derived(folder, "text_encoder", clip), original("clip-h", clip));
  const text = await folder.checkpoint("text_encoder");
  assertEquals([...text!.names()].filter((name) => name.includes(".layers.23.")), []);
  const parts = assembledFolder({
    diffusionModel: header("unet.safetensors", ldmUnet(tensors("sd21"))),
    vae: header("vae.safetensors", ldmVae(tensors("kl4"))),
    clipL: header("open_clip_h.safetensors", wholeH()),
    prediction: "v",
  });
  assertEquals(await derived(parts, "text_encoder", clip), original("clip-h", clip));
  const alone = await parts.checkpoint("text_encoder");
  assertEquals([...alone!.names()].filter((name) => name.includes(".layers.23.")), []);
  assertEquals((await readConfig(folder, "tokenizer/tokenizer_config.json")).string("pad_token"), "!");
});

Deno.test("whether SD2 predicts v or noise is judged by a tensor and said, and --prediction overrules it", async () => {
  const v = await readModelInfo(sd2([-0.1, 0.1]));
  assertEquals([v.scheduler._class_name, v.scheduler.prediction_type], ["DDIMScheduler", "v_prediction"]);
  assertEquals([v.defaults.width, v.defaults.baseResolution], [768, 768]);
  assertMatch(v.warnings!.join(), /v2-1\.safetensors.*0\.100.*--prediction eps/);
  const eps = await readModelInfo(sd2([-0.05, 0.05]));
  assertEquals([eps.scheduler._class_name, eps.scheduler.prediction_type], ["PNDMScheduler", "epsilon"]);
  assertEquals(eps.defaults.width, 512);
  assertMatch(eps.warnings!.join(), /--prediction v/);
  const asked = await readModelInfo(sd2([-0.1, 0.1], { prediction: "eps" }));
  assertEquals([asked.scheduler.prediction_type, asked.warnings], ["epsilon", []]);
});

function sdxlFile(more: Tensors = new Map()): ByteSource {
  return header(
    "sd_xl_base_1.0.safetensors",
    together(
      prefixed("model.diffusion_model.", ldmUnet(tensors("sdxl"))),
      prefixed("first_stage_model.", ldmVae(tensors("kl4"))),
      prefixed("conditioner.embedders.0.transformer.", tensors("clip-l")),
      prefixed("conditioner.embedders.1.model.", openClip(tensors("clip-g"))),
      more,
    ),
  );
}

function sdxl(more: Tensors = new Map(), files: Partial<ModelFiles> = {}) {
  return assembledFolder({ model: sdxlFile(more), ...files });
}

Deno.test("SDXL's file has the configs of stabilityai/stable-diffusion-xl-base-1.0", async () => {
  const folder = sdxl();
  const index = await readModelIndex(folder);
  assertEquals(index.pipeline, "StableDiffusionXLPipeline");
  assertEquals(index.config.bool("force_zeros_for_empty_prompt"), true);
  assertEquals(await derived(folder, "unet", unetConfig), original("sdxl", unetConfig));
  assertEquals(
    await derived(folder, "vae", autoencoderKlConfig),
    original("kl4", autoencoderKlConfig, SDXL_VAE),
  );
  assertEquals(await derived(folder, "text_encoder", clip), original("clip-l", clip));
  assertEquals(await derived(folder, "text_encoder_2", clipProjected), original("clip-g", clipProjected));
  const info = await readModelInfo(folder);
  assertEquals([info.scheduler._class_name, info.scheduler.timestep_spacing], [
    "EulerDiscreteScheduler",
    "leading",
  ]);
  assertEquals([info.defaults.width, info.warnings], [1024, []]);
});

Deno.test("tensors v_pred and ztsnr of an SDXL file are heeded", async () => {
  const mark = { shape: [], data: new Float32Array() };
  const { scheduler, warnings } = await readModelInfo(sdxl(new Map([["v_pred", mark], ["ztsnr", mark]])));
  assertEquals(
    [scheduler.prediction_type, scheduler.rescale_betas_zero_snr, scheduler.timestep_spacing],
    ["v_prediction", true, "trailing"],
  );
  assertEquals(warnings, []);
});

Deno.test("SDXL's refiner has the configs of stabilityai/stable-diffusion-xl-refiner-1.0", async () => {
  const folder = assembledFolder({
    model: header(
      "sd_xl_refiner_1.0.safetensors",
      together(
        prefixed("model.diffusion_model.", ldmUnet(tensors("sdxl-refiner"))),
        prefixed("first_stage_model.", ldmVae(tensors("kl4"))),
        prefixed("conditioner.embedders.0.model.", openClip(tensors("clip-g"))),
      ),
    ),
  });
  const index = await readModelIndex(folder);
  assertEquals(index.pipeline, "StableDiffusionXLImg2ImgPipeline");
  assertEquals(index.components.has("text_encoder"), false);
  assertEquals(index.config.bool("requires_aesthetics_score"), true);
  assertEquals(await derived(folder, "unet", unetConfig), original("sdxl-refiner", unetConfig));
  assertEquals(await derived(folder, "text_encoder_2", clipProjected), original("clip-g", clipProjected));
  assertMatch((await readModelInfo(folder)).warnings!.join(), /--init-img/);
});

for (
  const [name, file] of [
    ["sd3-medium", "sd3_medium_incl_clips_t5xxlfp8"],
    ["sd3.5-medium", "sd3.5_medium"],
    ["sd3.5-large", "sd3.5_large"],
  ]
) {
  Deno.test(`${file} has the configs of its folder in diffusers' layout`, async () => {
    const folder = assembledFolder({
      model: header(
        `${file}.safetensors`,
        together(
          prefixed("model.diffusion_model.", mmdit(tensors(name))),
          prefixed("first_stage_model.", ldmVae(tensors("kl16"))),
          prefixed("text_encoders.clip_l.transformer.", tensors("clip-l-projected")),
          prefixed("text_encoders.clip_g.transformer.", tensors("clip-g")),
          prefixed("text_encoders.t5xxl.transformer.", tensors("t5xxl")),
        ),
      ),
    });
    assertEquals((await readModelIndex(folder)).pipeline, "StableDiffusion3Pipeline");
    assertEquals(await derived(folder, "transformer", sd3Config), original(name, sd3Config));
    assertEquals(
      await derived(folder, "vae", autoencoderKlConfig),
      original("kl16", autoencoderKlConfig, SD3_VAE),
    );
    assertEquals(
      await derived(folder, "text_encoder", clipProjected),
      original("clip-l-projected", clipProjected),
    );
    assertEquals(await derived(folder, "text_encoder_2", clipProjected), original("clip-g", clipProjected));
    assertEquals(await derived(folder, "text_encoder_3", t5Config), original("t5xxl", t5Config));
    const { scheduler, warnings } = await readModelInfo(folder);
    assertEquals([scheduler.shift, scheduler.use_dynamic_shifting], [3, undefined]);
    assertEquals(warnings, []);
  });
}

for (const name of ["flux-dev", "flux-schnell"]) {
  Deno.test(`${name} with its parts has the configs of its folder in diffusers' layout`, async () => {
    const folder = assembledFolder({
      diffusionModel: header(`${name}.safetensors`, bflFlux(tensors(name))),
      vae: header("ae.safetensors", ldmVae(tensors("kl16"))),
      clipL: header("clip_l.safetensors", tensors("clip-l-projected")),
      t5: header("t5xxl_fp16.safetensors", tensors("t5xxl")),
    });
    assertEquals((await readModelIndex(folder)).pipeline, "FluxPipeline");
    assertEquals(await derived(folder, "transformer", fluxConfig), original(name, fluxConfig));
    assertEquals(
      await derived(folder, "vae", autoencoderKlConfig),
      original("kl16", autoencoderKlConfig, FLUX_VAE),
    );
    assertEquals(await derived(folder, "text_encoder", clip), original("clip-l", clip));
    assertEquals(await derived(folder, "text_encoder_2", t5Config), original("t5xxl", t5Config));
    const { scheduler, defaults } = await readModelInfo(folder);
    const dev = name === "flux-dev";
    assertEquals([scheduler.shift, scheduler.use_dynamic_shifting], dev ? [3, true] : [1, false]);
    assertEquals([defaults.steps, defaults.guidance], dev ? [50, 3.5] : [4, 0]);
  });
}

Deno.test("FLUX.1 Fill and inpainting UNets are known by their channels", async () => {
  const fill = assembledFolder({
    diffusionModel: header("flux1-fill-dev.safetensors", bflFlux(tensors("flux-fill"))),
    vae: header("ae.safetensors", ldmVae(tensors("kl16"))),
    clipL: header("clip_l.safetensors", tensors("clip-l")),
    t5: header("t5xxl.safetensors", tensors("t5xxl")),
  });
  assertEquals(await derived(fill, "transformer", fluxConfig), original("flux-fill", fluxConfig));
  const { maskInput, defaults, latentChannels } = await readModelInfo(fill);
  assertEquals([maskInput, defaults.guidance, latentChannels], ["pixels", 30, 16]);
  const unet = assembledFolder({
    diffusionModel: header("sd-v1-5-inpainting.safetensors", ldmUnet(tensors("sd15-inpainting"))),
    vae: header("vae.safetensors", ldmVae(tensors("kl4"))),
    clipL: header("clip_l.safetensors", tensors("clip-l")),
  });
  assertEquals(await derived(unet, "unet", unetConfig), original("sd15-inpainting", unetConfig));
  assertEquals((await readModelInfo(unet)).maskInput, "latents");
});

Deno.test("SD3.5 without T5 is drawn with zeros in its place, which is said", async () => {
  const folder = assembledFolder({
    model: header("sd3.5_large.safetensors", mmdit(tensors("sd3.5-large"))),
    vae: header("ae.safetensors", ldmVae(tensors("kl16"))),
    clipL: header("clip_l.safetensors", tensors("clip-l-projected")),
    clipG: header("clip_g.safetensors", tensors("clip-g")),
  });
  assertEquals((await readModelIndex(folder)).components.has("text_encoder_3"), false);
  assertMatch((await readModelInfo(folder)).warnings!.join(), /--t5xxl FILE.*zeros/);
});

/** What is refused, by the files that are given: before anything is loaded, by file, option and numbers. */
const REFUSED: Readonly<Record<string, { files: () => ModelFiles; message: RegExp }>> = {
  "a denoiser alone, naming the options that bring the rest": {
    files: () => ({ model: header("flux1-dev.safetensors", bflFlux(tensors("flux-dev"))) }),
    message: /flux1-dev\.safetensors.*FLUX\.1.*--vae FILE.*--clip_l FILE.*--t5xxl FILE/,
  },
  "a T5 of another width": {
    files: () => ({
      diffusionModel: header("flux1-dev.safetensors", bflFlux(tensors("flux-dev"))),
      vae: header("ae.safetensors", ldmVae(tensors("kl16"))),
      clipL: header("clip_l.safetensors", tensors("clip-l")),
      t5: header("t5-large.safetensors", narrowed(tensors("t5xxl"), 4096, 1024)),
    }),
    message: /t5-large\.safetensors" \(--t5xxl\) \(d_model 1024\).*flux1-dev.*4096 \(joint_attention_dim\)/,
  },
  "UMT5 in place of T5": {
    files: () => ({
      diffusionModel: header("flux1-dev.safetensors", bflFlux(tensors("flux-dev"))),
      vae: header("ae.safetensors", ldmVae(tensors("kl16"))),
      clipL: header("clip_l.safetensors", tensors("clip-l")),
      t5: header("umt5_xxl.safetensors", narrowed(tensors("t5xxl"), 32128, 256384)),
    }),
    message: /umt5_xxl\.safetensors" \(--t5xxl\).*vocab_size is 256384, T5 v1\.1 has 32128/,
  },
  "a tiny autoencoder as the autoencoder": {
    files: () => ({
      ...sdxlParts(),
      vae: header(
        "taesdxl.safetensors",
        new Map(["decoder.layers.0.weight", "encoder.layers.0.weight"].map((name) => [
          name,
          { shape: [64, 4, 3, 3], data: new Float32Array() },
        ])),
      ),
    }),
    message: /taesdxl\.safetensors" \(--vae\) holds a tiny autoencoder.*give it with --taesd/,
  },
  "the UNet of SD2 unCLIP": {
    files: () => ({
      diffusionModel: header("unclip.safetensors", ldmUnet(narrowed(tensors("sdxl"), 2048, 1024))),
    }),
    message: /unclip\.safetensors.*unCLIP.*not supported/,
  },
  "an autoencoder of other latents": {
    files: () => ({
      diffusionModel: header("unet.safetensors", ldmUnet(tensors("sd15"))),
      vae: header("ae.safetensors", ldmVae(tensors("kl16"))),
      clipL: header("clip_l.safetensors", tensors("clip-l")),
    }),
    message:
      /ae\.safetensors" \(--vae\) makes latents of 16 channels, "unet\.safetensors" \(--diffusion-model\) takes 4/,
  },
  "the wrong CLIP": {
    files: () => ({
      diffusionModel: header("unet.safetensors", ldmUnet(tensors("sd15"))),
      vae: header("vae.safetensors", ldmVae(tensors("kl4"))),
      clipL: header("clip_g.safetensors", tensors("clip-g")),
    }),
    message: /clip_g\.safetensors" \(--clip_l\) is CLIP bigG of width 1280.*CLIP L of width 768.*--clip_g/,
  },
  "an autoencoder as the denoiser": {
    files: () => ({ diffusionModel: header("ae.safetensors", ldmVae(tensors("kl16"))) }),
    message: /ae\.safetensors" \(--diffusion-model\) holds an autoencoder.*give it with --vae/,
  },
  "a text encoder as the model": {
    files: () => ({ model: header("t5xxl.safetensors", tensors("t5xxl")) }),
    message: /t5xxl\.safetensors" holds a T5 text encoder.*--t5xxl/,
  },
  "a part that the family has no place for": {
    files: () => ({
      ...sdxlParts(),
      t5: header("t5xxl.safetensors", tensors("t5xxl")),
    }),
    message: /SDXL has no place for "t5xxl\.safetensors" \(--t5xxl\)/,
  },
  "a prediction that the family does not know": {
    files: () => ({ ...sdxlParts(), prediction: "flow" }),
    message: /--prediction is flow, but SDXL/,
  },
  "FLUX.1 Depth, whose transformer takes a depth map too": {
    files: () => ({
      diffusionModel: header(
        "flux1-depth-dev.safetensors",
        bflFlux(narrowed(tensors("flux-fill"), 384, 128)),
      ),
      vae: header("ae.safetensors", ldmVae(tensors("kl16"))),
      clipL: header("clip_l.safetensors", tensors("clip-l")),
      t5: header("t5xxl.safetensors", tensors("t5xxl")),
    }),
    message:
      /flux1-depth-dev\.safetensors" \(--diffusion-model\): in_channels is 128, text-to-image needs 64/,
  },
};

function sdxlParts(): ModelFiles {
  return {
    diffusionModel: header("unet.safetensors", ldmUnet(tensors("sdxl"))),
    vae: header("vae.safetensors", ldmVae(tensors("kl4"))),
    clipL: header("clip_l.safetensors", tensors("clip-l")),
    clipG: header("clip_g.safetensors", tensors("clip-g")),
  };
}

/** Tensors with one size in place of another. */
function narrowed(tensors: Tensors, from: number, to: number): Tensors {
  return new Map(
    [...tensors].map((
      [name, { shape, data }],
    ) => [name, { shape: shape.map((n) => n === from ? to : n), data }]),
  );
}

for (const [what, { files, message }] of Object.entries(REFUSED)) {
  Deno.test(`refused before weights are read: ${what}`, async () => {
    const error = await assertRejects(() => readModelInfo(assembledFolder(files())), LssgenError);
    assertMatch(error.message, message);
  });
}

/** Files of other kinds, by a few of their tensors. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  "a LoRA": ["lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"],
  "a ControlNet": ["control_model.input_blocks.0.0.weight", "control_model.input_hint_block.0.weight"],
  "an upscaler of pictures": ["conv_first.weight", "body.0.rdb1.conv1.weight"],
  "a textual inversion embedding": ["emb_params"],
  "the transformer of Wan": ["head.modulation", "patch_embedding.weight"],
  "the transformer of FLUX.2": ["single_stream_modulation.lin.weight", "double_blocks.0.img_attn.qkv.weight"],
  "a CLIP image encoder": ["vision_model.encoder.layers.0.mlp.fc1.weight"],
  "an IP-Adapter": ["image_proj.norm.weight", "ip_adapter.1.to_k_ip.weight"],
  'nothing that is known here: its first tensors are "a", "b"': ["a", "b"],
};

for (const [what, names] of Object.entries(FOREIGN)) {
  Deno.test(`a file of another kind is refused by its name: ${what}`, async () => {
    const tensor = { shape: [12, 4], data: new Float32Array() };
    const file = header("some.safetensors", new Map(names.map((name) => [name, tensor])));
    const asModel = await assertRejects(() => readModelInfo(assembledFolder({ model: file })), LssgenError);
    assert(asModel.message.includes(what), asModel.message);
    const asPart = await assertRejects(
      () => readModelInfo(assembledFolder({ ...sdxlParts(), vae: file })),
      LssgenError,
    );
    assert(asPart.message.includes(what) && asPart.message.includes("--vae"), asPart.message);
  });
}

Deno.test("Chroma and Playground 2.5, whose tensors have the names of FLUX.1 and SDXL, are refused", async () => {
  const mark = { shape: [4], data: new Float32Array() };
  const chroma = new Map([...bflFlux(tensors("flux-dev")), ["distilled_guidance_layer.in_proj.bias", mark]]);
  for (
    const [files, what] of [
      [{ model: header("chroma.safetensors", chroma) }, /Chroma/],
      [{
        ...sdxlParts(),
        diffusionModel: header(
          "p.safetensors",
          together(ldmUnet(tensors("sdxl")), new Map([["edm_mean", mark]])),
        ),
      }, /Playground/],
    ] as const
  ) {
    const error = await assertRejects(() => readModelInfo(assembledFolder(files)), LssgenError);
    assertMatch(error.message, what);
  }
});

Deno.test("a part wins over what the model's own file holds", async () => {
  const folder = sdxl(new Map(), {
    vae: header("sdxl_vae_fp16_fix.safetensors", ldmVae(tensors("kl4"))),
    clipG: header("clip_g.safetensors", tensors("clip-g")),
  });
  assertEquals(await folder.whereIs("vae"), '"sdxl_vae_fp16_fix.safetensors" (--vae)');
  assertEquals(await folder.whereIs("text_encoder_2"), '"clip_g.safetensors" (--clip_g)');
  assertEquals(await folder.whereIs("text_encoder"), '"sd_xl_base_1.0.safetensors"');
  assertEquals((await folder.checkpoint("vae"))?.name, "sdxl_vae_fp16_fix.safetensors");
  // A whole checkpoint serves as a part.
  const lender = assembledFolder({ ...sdxlParts(), vae: sdxlFile() });
  assertEquals((await lender.checkpoint("vae"))?.info("decoder.conv_in.weight")?.shape, [512, 4, 3, 3]);
});
