/**
 * Models as people have them: single files and parts in the names of whoever made them draw the same picture, byte for
 * byte, as the folder in diffusers' layout that they were made from. docs/FILES.md names the test of each layout.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { assembledFolder, type ModelFiles } from "../lib/model_files/model_files.ts";
import { createPipeline, type ModelSource, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf as sourceOf } from "../lib/weights/bytes.ts";
import { readConfig, readModelIndex } from "../lib/weights/model_folder.ts";
import {
  bflFlux,
  fileOf,
  ldmUnet,
  mmdit,
  prefixed,
  renamed,
  type Tensors,
  together,
} from "./foreign_layouts.ts";
import { ldmVae, llamaT5, openClip, tensorsOf } from "./foreign_names.ts";
import { ggufFile } from "./stored_tensors.ts";

const GOLDEN = new URL("./golden/pipelines/", import.meta.url);

type Family = "flux_dev" | "sd3" | "sd15" | "sdxl";

const folderOf = (family: Family) => fileFolder(new URL(`${family}/model`, GOLDEN).pathname);

/** A component of a golden pipeline. */
async function part(family: Family, component: string): Promise<Tensors> {
  const folder = new URL(`${family}/model/${component}/`, GOLDEN);
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".safetensors")) {
      return await tensorsOf(`pipelines/${family}/model/${component}/${name}`);
    }
  }
  throw new Error(`no weights in ${folder}`);
}

const file = (name: string, tensors: Tensors) => bytesOf(name, fileOf(tensors));

const device = await openDevice();
const drawn = new Map<Family, Promise<Uint8Array>>();

async function draw(source: ModelSource): Promise<Uint8Array> {
  await using pipeline = await createPipeline(source, { dtype: "f32", device });
  const { images } = await pipeline.generate({
    prompt: "a photo of a red fox",
    negativePrompt: pipeline.info.embeddedGuidance ? undefined : "blurry",
    width: 64,
    height: 64,
    steps: 2,
    method: "direct",
    seed: 3,
  });
  return images[0].rgb;
}

/** The picture of the golden folder. */
function wanted(family: Family): Promise<Uint8Array> {
  let job = drawn.get(family);
  if (!job) drawn.set(family, job = draw(folderOf(family)));
  return job;
}

/** Layouts: their names, and the files that they are made of. */
const LAYOUTS: Readonly<Record<Family, Readonly<Record<string, () => Promise<ModelFiles>>>>> = {
  flux_dev: {
    "one file as ComfyUI saves checkpoints": async () => ({
      model: file(
        "flux1-dev-fp8.safetensors",
        together(
          prefixed("model.diffusion_model.", bflFlux(await part("flux_dev", "transformer"))),
          prefixed("vae.", ldmVae(await part("flux_dev", "vae"))),
          prefixed("text_encoders.clip_l.transformer.", await part("flux_dev", "text_encoder")),
          prefixed("text_encoders.t5xxl.transformer.", await part("flux_dev", "text_encoder_2")),
          // Scalars of CLIP's training, which ComfyUI's classes have for every text encoder.
          new Map(["clip_l", "t5xxl"].map((name) => [
            `text_encoders.${name}.logit_scale`,
            { shape: [], data: new Float32Array(1) },
          ])),
        ),
      ),
      config: folderOf("flux_dev"),
    }),
    "parts as stable-diffusion.cpp takes them": async () => ({
      diffusionModel: file("flux1-dev.safetensors", bflFlux(await part("flux_dev", "transformer"))),
      vae: file("ae.safetensors", ldmVae(await part("flux_dev", "vae"))),
      clipL: file("clip_l.safetensors", await part("flux_dev", "text_encoder")),
      t5: file("t5xxl.safetensors", renamed(await part("flux_dev", "text_encoder_2"), llamaT5)),
      config: folderOf("flux_dev"),
    }),
    "a denoiser as the model, with parts": async () => ({
      model: file("flux1-dev.safetensors", bflFlux(await part("flux_dev", "transformer"))),
      vae: file("diffusion_pytorch_model.safetensors", await part("flux_dev", "vae")),
      clipL: file("clip_l.safetensors", openClip(await part("flux_dev", "text_encoder"))),
      t5: file("t5xxl.safetensors", await part("flux_dev", "text_encoder_2")),
      config: folderOf("flux_dev"),
    }),
    "a folder with parts in other names": async () => ({
      model: folderOf("flux_dev"),
      diffusionModel: file("other.safetensors", bflFlux(await part("flux_dev", "transformer"))),
      vae: file("ae.safetensors", ldmVae(await part("flux_dev", "vae"))),
    }),
  },
  sd3: {
    "one file with everything, as Stability AI released it": async () => ({
      model: file(
        "sd3_medium_incl_clips_t5xxl.safetensors",
        together(
          prefixed("model.diffusion_model.", mmdit(await part("sd3", "transformer"))),
          prefixed("first_stage_model.", ldmVae(await part("sd3", "vae"))),
          prefixed("text_encoders.clip_l.transformer.", await part("sd3", "text_encoder")),
          prefixed("text_encoders.clip_g.transformer.", await part("sd3", "text_encoder_2")),
          prefixed("text_encoders.t5xxl.transformer.", await part("sd3", "text_encoder_3")),
        ),
      ),
      config: folderOf("sd3"),
    }),
    "denoiser and autoencoder in one file, text encoders apart": async () => ({
      model: file(
        "sd3.5_large.safetensors",
        together(
          prefixed("model.diffusion_model.", mmdit(await part("sd3", "transformer"))),
          prefixed("first_stage_model.", ldmVae(await part("sd3", "vae"))),
        ),
      ),
      clipL: file("clip_l.safetensors", await part("sd3", "text_encoder")),
      clipG: file("clip_g.safetensors", openClip(await part("sd3", "text_encoder_2"))),
      t5: file("t5xxl.safetensors", await part("sd3", "text_encoder_3")),
      config: folderOf("sd3"),
    }),
  },
  sd15: {
    "one file as CompVis released it": async () => ({
      model: file(
        "v1-5-pruned-emaonly.safetensors",
        together(
          prefixed("model.diffusion_model.", ldmUnet(await part("sd15", "unet"))),
          prefixed("first_stage_model.", ldmVae(await part("sd15", "vae"))),
          prefixed("cond_stage_model.transformer.", await part("sd15", "text_encoder")),
          new Map([
            ["betas", { shape: [1], data: new Float32Array(1) }],
            ["model_ema.decay", { shape: [1], data: new Float32Array(1) }],
            ["cond_stage_model.transformer.text_model.embeddings.position_ids", {
              shape: [1, 1],
              data: new Float32Array(1),
            }],
          ]),
        ),
      ),
      config: folderOf("sd15"),
    }),
    "one file in diffusers' names": async () => ({
      model: file(
        "all.safetensors",
        together(
          prefixed("unet.", await part("sd15", "unet")),
          prefixed("vae.", await part("sd15", "vae")),
          prefixed("text_encoder.", await part("sd15", "text_encoder")),
        ),
      ),
      config: folderOf("sd15"),
    }),
    "a bare UNet with parts": async () => ({
      diffusionModel: file("unet.safetensors", ldmUnet(await part("sd15", "unet"))),
      vae: file("vae-ft-mse.safetensors", prefixed("first_stage_model.", ldmVae(await part("sd15", "vae")))),
      clipL: file("clip_l.safetensors", await part("sd15", "text_encoder")),
      config: folderOf("sd15"),
    }),
  },
  sdxl: {
    "one file as Stability AI released it": async () => ({
      model: file(
        "sd_xl_base_1.0.safetensors",
        together(
          prefixed("model.diffusion_model.", ldmUnet(await part("sdxl", "unet"))),
          prefixed("first_stage_model.", ldmVae(await part("sdxl", "vae"))),
          prefixed("conditioner.embedders.0.transformer.", await part("sdxl", "text_encoder")),
          prefixed("conditioner.embedders.1.model.", openClip(await part("sdxl", "text_encoder_2"))),
          new Map([["conditioner.embedders.1.model.logit_scale", { shape: [], data: new Float32Array(1) }]]),
        ),
      ),
      config: folderOf("sdxl"),
    }),
    "parts, the text encoders in OpenCLIP's names": async () => ({
      diffusionModel: file(
        "unet.safetensors",
        prefixed("model.diffusion_model.", ldmUnet(await part("sdxl", "unet"))),
      ),
      vae: file("sdxl_vae.safetensors", ldmVae(await part("sdxl", "vae"))),
      clipL: file("clip_l.safetensors", openClip(await part("sdxl", "text_encoder"))),
      clipG: file("clip_g.safetensors", openClip(await part("sdxl", "text_encoder_2"))),
      config: folderOf("sdxl"),
    }),
  },
};

for (const [family, layouts] of Object.entries(LAYOUTS) as [Family, (typeof LAYOUTS)[Family]][]) {
  for (const [layout, files] of Object.entries(layouts)) {
    Deno.test(`${family}: ${layout} draws the folder's picture`, async () => {
      const picture = await draw(assembledFolder(await files()));
      assert(new Set(picture).size > 20, "the picture is blank");
      assertEquals(picture, await wanted(family));
    });
  }
}

Deno.test("a GGUF transformer, T5 with the tokenizer in its header and a folder of one's own as parts make a model", async () => {
  const transformer = bflFlux(await part("flux_dev", "transformer"));
  const t5 = renamed(await part("flux_dev", "text_encoder_2"), llamaT5);
  const gguf = (tensors: Tensors, metadata?: Record<string, string>) =>
    ggufFile(
      Object.fromEntries(
        [...tensors].map((
          [name, { shape, data }],
        ) => [name, { type: 0, shape, bytes: new Uint8Array(data.buffer) }]),
      ),
      metadata,
    );
  const tokenizer = await folderOf("flux_dev").text("tokenizer_2/tokenizer.json");
  // Without the T5's own tokenizer, so that the one in the header is taken.
  const config = folderWithout("flux_dev", /^tokenizer_2\//);
  const files = assembledFolder({
    model: bytesOf("flux1-dev-F32.gguf", gguf(transformer, { "general.architecture": "flux" })),
    vae: fileFolder(new URL("flux_dev/model/vae", GOLDEN).pathname),
    clipL: fileFolder(new URL("flux_dev/model/text_encoder", GOLDEN).pathname),
    t5: bytesOf(
      "t5-encoder.gguf",
      gguf(t5, { "general.architecture": "t5encoder", "tokenizer.huggingface.json": tokenizer! }),
    ),
    config,
  });
  assertEquals(await draw(files), await wanted("flux_dev"));
});

/** A golden folder that lacks some files. */
function folderWithout(family: Family, missing: RegExp) {
  const whole = folderOf(family);
  return sourceOf(whole.name, (path) => missing.test(path) ? Promise.resolve(undefined) : whole.open(path));
}

Deno.test("weights in several files of a set are one model", async () => {
  const tensors = [...bflFlux(await part("flux_dev", "transformer"))];
  const half = Math.floor(tensors.length / 2);
  const files = new Map([
    ["flux1-00001-of-00002.safetensors", fileOf(new Map(tensors.slice(0, half)))],
    ["flux1-00002-of-00002.safetensors", fileOf(new Map(tensors.slice(half)))],
  ]);
  const [first] = files.keys();
  const set = {
    ...bytesOf(first, files.get(first)!),
    beside: (name: string) => Promise.resolve(files.has(name) ? bytesOf(name, files.get(name)!) : undefined),
  };
  const folder = assembledFolder({ model: folderOf("flux_dev"), diffusionModel: set });
  assertEquals(await draw(folder), await wanted("flux_dev"));
});

Deno.test("a tiny autoencoder decodes alone where no other is given, and makes previews beside one", async () => {
  const taesd = new URL("./golden/vae/tiny_taef1", import.meta.url).pathname;
  const parts = {
    diffusionModel: file("flux1-dev.safetensors", bflFlux(await part("flux_dev", "transformer"))),
    clipL: file("clip_l.safetensors", await part("flux_dev", "text_encoder")),
    t5: file("t5xxl.safetensors", await part("flux_dev", "text_encoder_2")),
    taesd: fileFolder(taesd),
    config: folderOf("flux_dev"),
  };
  const alone = assembledFolder(parts);
  assertEquals((await readModelIndex(alone)).components.get("vae"), "AutoencoderTiny");
  assertMatch((await readModelInfo(alone)).warnings!.join(), /no autoencoder but.*--taesd/);
  const both = assembledFolder({
    ...parts,
    vae: file("ae.safetensors", ldmVae(await part("flux_dev", "vae"))),
  });
  assertEquals((await readModelIndex(both)).components.get("vae"), "AutoencoderKL");
  assertEquals((await readConfig((await both.tinyVae())!, "config.json")).number("latent_channels"), 16);
  // One for other latents is refused before anything large is loaded.
  const other = assembledFolder({
    model: folderOf("sd15"),
    taesd: fileFolder(taesd),
  });
  await assertRejects(
    () => createPipeline(other, { device, dtype: "f32" }),
    LssgenError,
    "latent_channels is 16",
  );
});

Deno.test("what a header says a network predicts is heeded, and --prediction overrules it and the folder", async () => {
  const model = (metadata?: Record<string, string>) => async () =>
    bytesOf(
      "v.safetensors",
      fileOf(
        together(
          prefixed("model.diffusion_model.", ldmUnet(await part("sdxl", "unet"))),
          prefixed("first_stage_model.", ldmVae(await part("sdxl", "vae"))),
          prefixed("conditioner.embedders.0.transformer.", await part("sdxl", "text_encoder")),
          prefixed("conditioner.embedders.1.model.", openClip(await part("sdxl", "text_encoder_2"))),
        ),
        metadata,
      ),
    );
  const predicted = async (files: ModelFiles) =>
    (await readModelInfo(assembledFolder(files))).scheduler.prediction_type;
  const config = folderOf("sdxl");
  const noted = await model({ "modelspec.prediction_type": "v" })();
  assertEquals(await predicted({ model: await model()(), config }), "epsilon");
  assertEquals(await predicted({ model: noted, config }), "v_prediction");
  assertEquals(await predicted({ model: noted, config, prediction: "eps" }), "epsilon");
  assertEquals(await predicted({ model: config, prediction: "v" }), "v_prediction");
});

Deno.test("tensors that belong to nothing are told of", async () => {
  const stray = new Map([["mystery.weight", { shape: [1], data: new Float32Array(1) }]]);
  const unet = prefixed("model.diffusion_model.", ldmUnet(await part("sd15", "unet")));
  const folder = assembledFolder({
    model: folderOf("sd15"),
    diffusionModel: file("unet.safetensors", together(unet, stray)),
  });
  assertMatch(
    (await readModelInfo(folder)).warnings!.join(),
    /1 tensors of "unet\.safetensors".*"mystery\.weight"/,
  );
});
