/** ComfyUI's API: graphs become the requests that A1111's routes make, and what cannot be drawn is refused by node and input. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { fileFolder } from "../lib/cli/files.ts";
import { listen } from "../lib/cli/http.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { pixelsOf } from "../lib/image/pixels.ts";
import { decodePng, encodePng, readPngText } from "../lib/image/png.ts";
import { withFields } from "../lib/parameters/picture.ts";
import { createPipeline, planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import type { Plan } from "../lib/scaling/types.ts";
import { ImageServer, type ServerOptions } from "../lib/server/server.ts";
import { NODE_CLASSES } from "../lib/server/comfyui/nodes.ts";
import type { Models } from "../lib/server/models.ts";
import type { ClientSocket } from "../lib/server/comfyui/sockets.ts";
import { type Graph, textToImage, withNodes } from "./comfyui_graphs.ts";
import {
  bytesOf,
  DIFFUSION,
  doublingUpscalers,
  FakeEngine,
  get,
  OPTIONS,
  post,
  refused,
  rgbOf,
  URL_OF,
} from "./fake_engine.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

const SD = {
  ...DIFFUSION,
  pipeline: "StableDiffusionPipeline",
  prompts: 1,
  clipLayers: { own: 1, most: 12 },
};
const SDXL = {
  ...DIFFUSION,
  pipeline: "StableDiffusionXLPipeline",
  prompts: 2,
  clipLayers: { own: 2, most: 2 },
};
const FLUX = { prompts: 2 };

interface Served extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly server: ImageServer;
}

function served(
  info: ConstructorParameters<typeof FakeEngine>[0] = SD,
  options: Partial<ServerOptions> = {},
): Served {
  const engine = new FakeEngine(info);
  const server = new ImageServer(engine, { ...OPTIONS, ...options });
  return { engine, server, [Symbol.asyncDispose]: () => server.close() };
}

/** Files of changed pictures say what the picture said before. */
const WITH_TEXTS: Partial<ServerOptions> = {
  enlargedFile: ({ picture, texts }, fields) =>
    encodePng(picture, { parameters: withFields(texts.get("parameters") ?? "", fields) }),
};

async function answered(server: ImageServer, request: Request): Promise<Json> {
  const response = await server.handle(request);
  const said = await response.text();
  assertEquals(response.status, 200, said);
  return said === "" ? undefined : JSON.parse(said);
}

/** The entry of a graph in the history, when it is there. */
async function finished(server: ImageServer, id: string): Promise<Json> {
  for (const end = Date.now() + 120_000; Date.now() < end;) {
    const history = await answered(server, get(`/history/${id}`));
    if (history[id]) return history[id];
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${id} never came into the history`);
}

/** Draws a graph, and gives its entry. */
async function drawn(server: ImageServer, prompt: Graph, more: Record<string, unknown> = {}): Promise<Json> {
  const { prompt_id } = await answered(server, post("/prompt", { prompt, ...more }));
  const entry = await finished(server, prompt_id);
  assertEquals(entry.status.status_str, "success", JSON.stringify(entry.status));
  return entry;
}

async function picture(server: ImageServer, image: Record<string, string>): Promise<Uint8Array<ArrayBuffer>> {
  const response = await server.handle(get(`/view?${new URLSearchParams(image)}`));
  assertEquals([response.status, response.headers.get("content-type")], [200, "image/png"]);
  return new Uint8Array(await response.arrayBuffer());
}

/** What is wrong with a graph: class, input and words of its only fault. */
async function faultOf(
  server: ImageServer,
  prompt: unknown,
): Promise<{ where: string; says: string; type: string }> {
  const [status, said] = await refused(server, post("/prompt", { prompt }));
  assertEquals(status, 400, said);
  const { error, node_errors } = JSON.parse(said);
  const entries = Object.entries<Json>(node_errors);
  if (entries.length === 0) return { where: "", says: `${error.message} ${error.details}`, type: error.type };
  assertEquals(error.type, "prompt_outputs_failed_validation");
  const [[id, { errors: [{ type, details, message }], class_type, dependent_outputs }]] = entries;
  assert(dependent_outputs.length > 0, said);
  return { where: `${class_type} ${id}`, says: `${message} ${details}`, type };
}

async function upload(
  server: ImageServer,
  path: string,
  file: Uint8Array<ArrayBuffer>,
  name: string,
  more: Record<string, string> = {},
) {
  const form = new FormData();
  form.set("image", new File([file], name, { type: "image/png" }));
  for (const [key, value] of Object.entries(more)) form.set(key, value);
  return await refused(server, new Request(URL_OF(path), { method: "POST", body: form }));
}

Deno.test("a graph of text to image is drawn with the request that txt2img makes of the same settings", async () => {
  await using one = served();
  const { server, engine } = one;
  const entry = await drawn(server, textToImage());
  await answered(
    server,
    post("/sdapi/v1/txt2img", {
      prompt: "a fox",
      negative_prompt: "blur",
      width: 64,
      height: 64,
      steps: 4,
      cfg_scale: 7,
      sampler_name: "Euler",
      scheduler: "Normal",
      seed: 5,
    }),
  );
  const [graph, fields] = engine.asked.map((request) => JSON.parse(JSON.stringify(request)));
  assertEquals(graph, fields);
  const [image] = entry.outputs["9"].images;
  assertEquals(image, { filename: "ComfyUI_00001_.png", subfolder: "", type: "output" });
  const { width, height } = await decodePng(await picture(server, image));
  assertEquals([width, height], [64, 64]);
  assertEquals(entry.prompt[1].length, 36);
  assertEquals(entry.prompt[4], ["9"]);
});

Deno.test("values may stand in nodes of their own, batches get seeds one after another, and 64 bits of seed are folded with a warning", async () => {
  await using one = served();
  const { server, engine } = one;
  const graph = withNodes(textToImage({ seed: ["20", 0], steps: ["21", 0] }), {
    "5": { class_type: "EmptySD3LatentImage", inputs: { width: 64, height: 32, batch_size: 2 } },
    "6": { class_type: "CLIPTextEncode", inputs: { text: ["22", 0], clip: ["4", 1] } },
    "20": { class_type: "PrimitiveInt", inputs: { value: 9, control_after_generate: "fixed" } },
    "21": { class_type: "Reroute", inputs: { "": ["23", 0] } },
    "22": { class_type: "PrimitiveStringMultiline", inputs: { value: "a hat" } },
    "23": { class_type: "PrimitiveInt", inputs: { value: 6 } },
  });
  const entry = await drawn(server, graph);
  assertEquals(engine.asked.map(({ prompt, seed, steps }) => [prompt, seed, steps]), [["a hat", 9, 6], [
    "a hat",
    10,
    6,
  ]]);
  assertEquals(entry.outputs["9"].images.length, 2);
  const large = await answered(server, post("/prompt", { prompt: textToImage({ seed: 2 ** 63 }) }));
  assertStringIncludes(large.warnings[0], "beyond 2^53");
  assert(Number.isSafeInteger((await finished(server, large.prompt_id), engine.asked.at(-1)!.seed)));
});

Deno.test("FLUX's nodes: parts by name, FluxGuidance as the network's input, cfg as classifier-free guidance, noise and schedule apart", async () => {
  await using one = served(FLUX);
  const { server, engine } = one;
  const { DualCLIPLoader } = await answered(server, get("/object_info/DualCLIPLoader"));
  assertEquals(DualCLIPLoader.input.required.clip_name1[0], ["fake/clip_l", "fake/t5xxl"]);
  const graph: Graph = {
    "1": { class_type: "UNETLoader", inputs: { unet_name: "fake", weight_dtype: "default" } },
    "2": {
      class_type: "DualCLIPLoader",
      inputs: { clip_name1: "fake/t5xxl", clip_name2: "fake/clip_l", type: "flux" },
    },
    "3": { class_type: "VAELoader", inputs: { vae_name: "fake/vae" } },
    "4": { class_type: "CLIPTextEncode", inputs: { text: "a lighthouse", clip: ["2", 0] } },
    "5": { class_type: "FluxGuidance", inputs: { guidance: 3.2, conditioning: ["4", 0] } },
    "6": { class_type: "BasicGuider", inputs: { model: ["1", 0], conditioning: ["5", 0] } },
    "7": { class_type: "RandomNoise", inputs: { noise_seed: 99 } },
    "8": { class_type: "KSamplerSelect", inputs: { sampler_name: "euler" } },
    "9": {
      class_type: "BasicScheduler",
      inputs: { model: ["1", 0], scheduler: "simple", steps: 6, denoise: 1 },
    },
    "10": { class_type: "EmptySD3LatentImage", inputs: { width: 64, height: 32, batch_size: 1 } },
    "11": {
      class_type: "SamplerCustomAdvanced",
      inputs: {
        noise: ["7", 0],
        guider: ["6", 0],
        sampler: ["8", 0],
        sigmas: ["9", 0],
        latent_image: ["10", 0],
      },
    },
    "12": {
      class_type: "VAEDecodeTiled",
      inputs: { samples: ["11", 1], vae: ["3", 0], tile_size: 512, overlap: 64 },
    },
    "13": { class_type: "PreviewImage", inputs: { images: ["12", 0] } },
  };
  const entry = await drawn(server, graph);
  const [{ prompt, guidance, trueCfgScale, negativePrompt, seed, steps, scheduler, schedule }] = engine.asked;
  assertEquals([prompt, guidance, trueCfgScale, negativePrompt], ["a lighthouse", 3.2, 1, undefined]);
  assertEquals([seed, steps, scheduler, schedule], [99, 6, "euler", "simple"]);
  assertEquals(entry.outputs["13"].images[0].type, "temp");
  await drawn(
    server,
    withNodes(graph, {
      "4": {
        class_type: "CLIPTextEncodeFlux",
        inputs: { clip: ["2", 0], clip_l: "red", t5xxl: "a red hat", guidance: 2 },
      },
      "6": {
        class_type: "CFGGuider",
        inputs: { model: ["1", 0], positive: ["4", 0], negative: ["4", 0], cfg: 3 },
      },
      "5": undefined,
    }),
  );
  const second = engine.asked[1];
  assertEquals([second.prompt, second.prompt2, second.guidance, second.trueCfgScale], [
    "red",
    "a red hat",
    2,
    3,
  ]);
  assertEquals([second.negativePrompt, second.negativePrompt2], ["red", "a red hat"]);
});

Deno.test("the document names every class of nodes that there is", async () => {
  const text = await Deno.readTextFile(new URL("../docs/SERVER.md", import.meta.url));
  const ends = [...text.matchAll(/`…(\w+)`/g)].map(([, end]) => end);
  const missing = Object.keys(NODE_CLASSES).filter((name) =>
    !text.includes(`\`${name}\``) && !ends.some((end) => name.endsWith(end))
  );
  assertEquals(missing, []);
});

Deno.test("our own settings are a node with the fields of the other APIs; whatever it leaves out is the model's", async () => {
  await using one = served();
  const { server, engine } = one;
  const graph = (inputs: Record<string, unknown>): Graph =>
    withNodes(textToImage({ model: ["41", 0] }), {
      "41": { class_type: "LSSGenSettings", inputs: { model: ["4", 0], ...inputs } },
    });
  await drawn(server, graph({ method: "direct", min_resolution: 32, shorten_steps: false }));
  await answered(
    server,
    post("/sdapi/v1/txt2img", { prompt: "x", method: "direct", min_resolution: 32, shorten_steps: false }),
  );
  const [ours, theirs] = engine.asked.map(({ method, minResolution, shortenSteps, initNoise }) => [
    ...[method, minResolution, shortenSteps, initNoise],
  ]);
  assertEquals(ours, theirs);
  await drawn(server, graph({}));
  assertEquals(engine.asked.at(-1)!.method, undefined);
  assertStringIncludes((await faultOf(server, graph({ method: "magic" }))).says, "magic");
  assertStringIncludes((await faultOf(server, graph({ init_noise: 2 }))).says, "bigger than max of 1");
  assertStringIncludes((await faultOf(server, graph({ prompt_2: "x" }))).says, "no such input");
});

Deno.test("LoRAs become tags with the strengths of both loaders; clip skip, SDXL's two texts and zeroed-out negatives are heeded", async () => {
  await using one = served(SD, { loras: () => Promise.resolve(["styles/ink"]) });
  await drawn(
    one.server,
    withNodes(textToImage({ model: ["11", 0] }), {
      "10": {
        class_type: "LoraLoader",
        inputs: {
          lora_name: "styles/ink.safetensors",
          strength_model: 0.5,
          strength_clip: 0.25,
          model: ["4", 0],
          clip: ["4", 1],
        },
      },
      "11": {
        class_type: "LoraLoaderModelOnly",
        inputs: { lora_name: "styles\\ink", strength_model: 0.25, model: ["10", 0] },
      },
      "12": { class_type: "CLIPSetLastLayer", inputs: { clip: ["10", 1], stop_at_clip_layer: -2 } },
      "6": { class_type: "CLIPTextEncode", inputs: { text: "a fox", clip: ["12", 0] } },
      "7": { class_type: "CLIPTextEncode", inputs: { text: "", clip: ["12", 0] } },
    }),
  );
  const [{ prompt, clipSkip, negativePrompt }] = one.engine.asked;
  assertEquals([prompt, clipSkip, negativePrompt], ["a fox <lora:styles/ink:0.25:0.75>", 2, undefined]);

  await using xl = served(SDXL);
  await drawn(
    xl.server,
    withNodes(textToImage({ negative: ["11", 0] }), {
      "6": {
        class_type: "CLIPTextEncodeSDXL",
        inputs: {
          ...{
            clip: ["4", 1],
            width: 64,
            height: 64,
            crop_w: 0,
            crop_h: 0,
            target_width: 64,
            target_height: 64,
          },
          ...{ text_g: "a red fox", text_l: "fox" },
        },
      },
      "11": { class_type: "ConditioningZeroOut", inputs: { conditioning: ["7", 0] } },
    }),
  );
  const [asked] = xl.engine.asked;
  assertEquals([asked.prompt, asked.prompt2, asked.negativePrompt], ["fox", "a red fox", undefined]);
});

Deno.test("a picture to begin with: denoise runs its steps of a longer schedule, as KSamplerAdvanced and SplitSigmas do from a step on", async () => {
  await using one = served();
  const { server, engine } = one;
  const data = rgbOf(48, 40);
  const file = await encodePng({ width: 48, height: 40, channels: 3, data });
  assertEquals(await upload(server, "/upload/image", file, "in.png"), [
    200,
    '{"name":"in.png","subfolder":"","type":"input"}',
  ]);
  const encoded = {
    "10": { class_type: "LoadImage", inputs: { image: "in.png", upload: "image" } },
    "5": { class_type: "VAEEncode", inputs: { pixels: ["10", 0], vae: ["4", 2] } },
  };
  await drawn(server, withNodes(textToImage({ steps: 20, denoise: 0.55 }), encoded));
  await drawn(
    server,
    withNodes(textToImage(), {
      ...encoded,
      "3": {
        class_type: "KSamplerAdvanced",
        inputs: {
          ...{
            model: ["4", 0],
            add_noise: "enable",
            noise_seed: 5,
            steps: 10,
            cfg: 7,
            sampler_name: "euler",
          },
          ...{ scheduler: "karras", positive: ["6", 0], negative: ["7", 0], latent_image: ["5", 0] },
          ...{ start_at_step: 3, end_at_step: 10_000, return_with_leftover_noise: "disable" },
        },
      },
    }),
  );
  await drawn(
    server,
    withNodes(textToImage(), {
      ...encoded,
      "20": {
        class_type: "BasicScheduler",
        inputs: { model: ["4", 0], scheduler: "normal", steps: 8, denoise: 1 },
      },
      "21": { class_type: "SplitSigmas", inputs: { sigmas: ["20", 0], step: 6 } },
      "22": { class_type: "KSamplerSelect", inputs: { sampler_name: "ddim" } },
      "3": {
        class_type: "SamplerCustom",
        inputs: {
          ...{
            model: ["4", 0],
            add_noise: true,
            noise_seed: 5,
            cfg: 7,
            positive: ["6", 0],
            negative: ["7", 0],
          },
          ...{ sampler: ["22", 0], sigmas: ["21", 1], latent_image: ["5", 0] },
        },
      },
    }),
  );
  const runs = engine.asked.map(({ steps = 0, strength = 0 }) => [steps, Math.floor(steps * strength)]);
  assertEquals(runs, [[36, 20], [10, 7], [8, 2]]);
  assertEquals(engine.asked.map(({ image, width, height }) => [image!.width, image!.height, width, height]), [
    [48, 40, 48, 40],
    [48, 40, 48, 40],
    [48, 40, 48, 40],
  ]);
  assertEquals(engine.asked.map(({ scheduler }) => scheduler), ["euler", "euler", "euler"]);
});

/** The tiny SD1.5, planned by the library and drawn by nobody. */
class Planning extends FakeEngine {
  override plan(request: GenerateRequest): Plan {
    return planPicture(this.info, request);
  }
}

const GOLDEN = fromFileUrl(new URL("golden/pipelines/sd15/model", import.meta.url));

Deno.test("latents enlarged between two samplers are two stages of one picture, each with the steps that its sampler says", async () => {
  const engine = new Planning({ ...await readModelInfo(fileFolder(GOLDEN)), name: "fake" });
  const server = new ImageServer(engine, OPTIONS);
  const first = textToImage();
  const graph = (inputs: Record<string, unknown> = {}, size: Record<string, unknown> = {}): Graph =>
    withNodes(first, {
      "20": {
        class_type: "LatentUpscale",
        inputs: {
          samples: ["3", 0],
          upscale_method: "bicubic",
          width: 96,
          height: 96,
          crop: "disabled",
          ...size,
        },
      },
      "21": {
        class_type: "KSampler",
        inputs: { ...first["3"].inputs, latent_image: ["20", 0], steps: 3, denoise: 0.5, ...inputs },
      },
      "8": { class_type: "VAEDecode", inputs: { samples: ["21", 0], vae: ["4", 2] } },
    });
  for (const denoise of [0.3, 0.5, 0.55, 0.8]) {
    await drawn(server, graph({ denoise }));
    const { stages, width, height } = engine.plan(engine.asked.at(-1)!);
    assertEquals(stages.map((stage) => [stage.width, stage.steps.length]), [[64, 4], [96, 3]], `${denoise}`);
    assertEquals([width, height, engine.asked.at(-1)!.upsampler], [96, 96, "bicubic"]);
  }
  const faults: [Graph, string, string][] = [
    [graph({ seed: 6 }), "KSampler 21", "seed: not that of node 3"],
    [graph({ cfg: 2 }), "KSampler 21", "cfg: not that of node 3"],
    [graph({ scheduler: "karras" }), "KSampler 21", "scheduler: not that of node 3"],
    [graph({ positive: ["7", 0] }), "KSampler 21", "positive: not that of node 3"],
    [graph({}, { width: 64, height: 64 }), "KSampler 21", "expected a larger size of the same shape"],
    [graph({}, { width: 128, height: 96 }), "KSampler 21", "expected a larger size of the same shape"],
    [graph({}, { upscale_method: "bislerp" }), "LatentUpscale 20", '"bislerp" not in'],
    [graph({ latent_image: ["3", 0] }), "KSampler 21", "two samplers follow each other"],
  ];
  for (const [prompt, where, says] of faults) {
    const fault = await faultOf(server, prompt);
    assertEquals(fault.where, where, fault.says);
    assertStringIncludes(fault.says, says);
  }
  // A picture to begin with runs the steps that are left, whatever rounding does to the strength.
  await upload(
    server,
    "/upload/image",
    await encodePng({ width: 64, height: 64, channels: 3, data: rgbOf(64, 64) }),
    "in.png",
  );
  for (const steps of [1, 7, 20, 30]) {
    for (const denoise of [0.05, 0.29, 0.3, 0.55, 0.57, 0.9, 0.99, 1]) {
      await drawn(
        server,
        withNodes(textToImage({ steps, denoise }), {
          "10": { class_type: "LoadImage", inputs: { image: "in.png" } },
          "5": { class_type: "VAEEncode", inputs: { pixels: ["10", 0], vae: ["4", 2] } },
        }),
      );
      const [stage] = engine.plan(engine.asked.at(-1)!).stages;
      assertEquals(
        [stage.steps.length, stage.schedule.steps],
        [steps, Math.floor(steps / denoise)],
        `${steps} ${denoise}`,
      );
    }
  }
  await server.close();
});

Deno.test("pictures decoded, resized and encoded again go through two samplers with settings of their own", async () => {
  await using one = served(SD, WITH_TEXTS);
  const { server, engine } = one;
  const first = textToImage();
  const entry = await drawn(
    server,
    withNodes(first, {
      "20": {
        class_type: "ImageScale",
        inputs: { image: ["8", 0], upscale_method: "lanczos", width: 96, height: 0, crop: "disabled" },
      },
      "21": { class_type: "VAEEncode", inputs: { pixels: ["20", 0], vae: ["4", 2] } },
      "22": {
        class_type: "KSampler",
        inputs: {
          ...first["3"].inputs,
          latent_image: ["21", 0],
          seed: 8,
          cfg: 3,
          steps: 5,
          denoise: 0.5,
          positive: ["7", 0],
        },
      },
      "23": { class_type: "VAEDecode", inputs: { samples: ["22", 0], vae: ["4", 2] } },
      "24": { class_type: "PreviewImage", inputs: { images: ["20", 0] } },
      "9": { class_type: "SaveImage", inputs: { images: ["23", 0], filename_prefix: "set/two" } },
    }),
  );
  assertEquals(engine.asked.map(({ prompt, seed, width, steps }) => [prompt, seed, width, steps]), [
    ["a fox", 5, 64, 4],
    ["blur", 8, 96, 10],
  ]);
  const between = await pixelsOf(engine.asked[1].image!);
  assertEquals([between.width, between.height, between.channels, between.data[0]], [96, 96, 3, 128]);
  const [saved] = entry.outputs["9"].images;
  assertEquals([saved.subfolder, saved.filename], ["set", "two_00001_.png"]);
  const [preview] = entry.outputs["24"].images;
  const file = await picture(server, preview);
  assertEquals((await decodePng(file)).width, 96);
  assertEquals((await readPngText(file, "preview")).get("parameters")?.includes("Steps: 4"), true);
});

Deno.test("masks: what a picture hides, channels, grey under the mask, growth, and the editor's own upload", async () => {
  await using one = served();
  const { server, engine } = one;
  // The left half is hidden.
  const data = Uint8Array.from(
    { length: 64 * 64 * 4 },
    (_, i) => i % 4 < 3 ? 200 : (i >> 2) % 64 < 32 ? 0 : 255,
  );
  const file = await encodePng({ width: 64, height: 64, channels: 4, data });
  await upload(server, "/upload/image", file, "in.png", { subfolder: "a/b" });
  const rows = async (
    mask: GenerateRequest["mask"],
  ): Promise<number[]> => [...(await pixelsOf(mask!)).data.subarray(0, 64)];
  const half = (left: number, right: number, at = 32): number[] =>
    Array.from({ length: 64 }, (_, i) => i < at ? left : right);
  const load = { "10": { class_type: "LoadImage", inputs: { image: "a/b/in.png [input]" } } };
  await drawn(
    server,
    withNodes(textToImage({ denoise: 0.5 }), {
      ...load,
      "11": { class_type: "VAEEncode", inputs: { pixels: ["10", 0], vae: ["4", 2] } },
      "5": { class_type: "SetLatentNoiseMask", inputs: { samples: ["11", 0], mask: ["10", 1] } },
    }),
  );
  assertEquals(await rows(engine.asked[0].mask), half(255, 0));
  assertEquals([...(await pixelsOf(engine.asked[0].image!)).data.subarray(0, 3)], [200, 200, 200]);
  await drawn(
    server,
    withNodes(textToImage(), {
      ...load,
      "11": { class_type: "InvertMask", inputs: { mask: ["10", 1] } },
      "5": {
        class_type: "VAEEncodeForInpaint",
        inputs: { pixels: ["10", 0], vae: ["4", 2], mask: ["11", 0], grow_mask_by: 6 },
      },
    }),
  );
  // A box of six pixels reaches three to the left.
  assertEquals(await rows(engine.asked[1].mask), half(0, 255, 30));
  const grey = (await pixelsOf(engine.asked[1].image!)).data;
  assertEquals([grey[3 * 31], grey[3 * 32]], [200, 128]);
  const base64 = btoa(String.fromCharCode(...file));
  await drawn(
    server,
    withNodes(textToImage({ denoise: 0.5 }), {
      "10": { class_type: "ETN_LoadImageBase64", inputs: { image: base64 } },
      "12": { class_type: "ETN_LoadMaskBase64", inputs: { mask: `data:image/png;base64,${base64}` } },
      "13": { class_type: "MaskToImage", inputs: { mask: ["12", 0] } },
      "14": { class_type: "ImageToMask", inputs: { image: ["13", 0], channel: "green" } },
      "11": {
        class_type: "VAEEncodeTiled",
        inputs: { pixels: ["10", 0], vae: ["4", 2], tile_size: 512, overlap: 64 },
      },
      "5": { class_type: "SetLatentNoiseMask", inputs: { samples: ["11", 0], mask: ["14", 0] } },
    }),
  );
  assertEquals(await rows(engine.asked[2].mask), half(200, 200));
  // The editor sends alpha for a picture that is there: that one's colours count.
  await upload(
    server,
    "/upload/image",
    await encodePng({ width: 64, height: 64, channels: 3, data: rgbOf(64, 64) }),
    "grey.png",
  );
  const [status, said] = await upload(server, "/upload/mask", file, "masked.png", {
    original_ref: JSON.stringify({ filename: "grey.png", type: "input" }),
  });
  assertEquals([status, JSON.parse(said).name], [200, "masked.png"]);
  const masked = await decodePng(await picture(server, { filename: "masked.png", type: "input" }));
  assertEquals([masked.channels, ...masked.data.subarray(0, 4)], [4, 128, 128, 128, 0]);
  assertEquals(masked.data[4 * 40 + 3], 255);
});

const UPSCALERS = doublingUpscalers("x2.safetensors");

Deno.test("networks enlarge drawn pictures and sent ones, in the queue; their files say so", async () => {
  await using one = served(SD, { ...WITH_TEXTS, upscalers: UPSCALERS });
  const { server, engine } = one;
  const network = {
    "30": { class_type: "UpscaleModelLoader", inputs: { model_name: "x2" } },
    "31": { class_type: "ImageUpscaleWithModel", inputs: { upscale_model: ["30", 0], image: ["8", 0] } },
    "9": { class_type: "SaveImage", inputs: { images: ["31", 0], filename_prefix: "large" } },
  };
  const entry = await drawn(server, withNodes(textToImage(), network));
  const file = await picture(server, entry.outputs["9"].images[0]);
  assertEquals((await decodePng(file)).width, 128);
  assertStringIncludes((await readPngText(file, "large")).get("parameters")!, '"x2.safetensors"');
  await upload(
    server,
    "/upload/image",
    await encodePng({ width: 20, height: 10, channels: 3, data: rgbOf(20, 10) }),
    "in.png",
  );
  const sent = await drawn(server, {
    ...network,
    "8": { class_type: "LoadImage", inputs: { image: "in.png" } },
  });
  const { width, height } = await decodePng(await picture(server, sent.outputs["9"].images[0]));
  assertEquals([width, height, engine.asked.length], [40, 20, 1]);
});

/** A web socket that keeps what it hears. */
class Ear implements ClientSocket {
  readonly heard: Json[] = [];
  readonly pictures: Uint8Array[] = [];
  closed = false;
  onText: (text: string) => void = () => {};
  onClose: () => void = () => {};
  send(data: string | Uint8Array): void {
    if (typeof data === "string") this.heard.push(JSON.parse(data));
    else this.pictures.push(data);
  }
  close(): void {
    this.closed = true;
  }
}

/** Opens a web socket, or says why not. */
function listening(server: ImageServer, path: string, headers: HeadersInit = {}): Ear | number {
  const answer = server.upgrade(new Request(URL_OF(path), { headers }));
  if (answer instanceof Response) return answer.status;
  const ear = new Ear();
  answer(ear);
  return ear;
}

Deno.test("a web socket hears of its client's graphs: begin, nodes, steps, pictures, the end after the history has it", async () => {
  await using one = served();
  const { server, engine } = one;
  const [ear, other] = ["me", "you"].map((name) => listening(server, `/ws?clientId=${name}`)) as [Ear, Ear];
  assertEquals(ear.heard, [{
    type: "status",
    data: { status: { exec_info: { queue_remaining: 0 } }, sid: "me" },
  }]);
  ear.onText('{"type":"feature_flags","data":{}}');
  ear.onText("no json");
  assertEquals(ear.heard.pop().data.supports_preview_metadata, false);
  const entry = await drawn(server, textToImage(), {
    client_id: "me",
    prompt_id: "01234567-89ab-cdef-0123-456789abcdef",
  });
  const types = ear.heard.map(({ type, data }) => type + (data.node === undefined ? "" : ` ${data.node}`));
  assertEquals(types, [
    ...["status", "status", "execution_start", "execution_cached"],
    ...["4", "6", "7", "5", "3"].map((node) => `executing ${node}`),
    ...["progress 3", "progress 3", "progress 3", "executing 8", "executing 9", "executed 9"],
    ...["execution_success", "executing null", "status"],
  ]);
  assertEquals(other.heard.map(({ type }) => type), ["status", "status", "status"]);
  assert(
    ear.heard.slice(2, -1).every(({ data }) => data.prompt_id === "01234567-89ab-cdef-0123-456789abcdef"),
  );
  assertEquals(
    ear.heard.filter(({ type }) => type === "progress").map(({ data }) => [data.value, data.max]),
    [[4, 8], [6, 8], [8, 8]],
  );
  assertEquals(entry.status.messages.map(([type]: [string]) => type), [
    "execution_start",
    "execution_cached",
    "execution_success",
  ]);
  // Pictures through the socket and by id; previews where they were asked for.
  const graph = withNodes(textToImage(), {
    "9": { class_type: "SaveImageWebsocket", inputs: { images: ["8", 0] } },
    "10": { class_type: "ETN_SendImageWebSocket", inputs: { images: ["8", 0], format: "JPEG" } },
    "11": { class_type: "ETN_SaveImageCache", inputs: { images: ["8", 0], format: "PNG" } },
  });
  const { outputs } = await drawn(server, graph, { client_id: "me", extra_data: { preview_method: "auto" } });
  const heads = ear.pictures.map((bytes) => [...bytes.subarray(0, 8)].join(""));
  assertEquals(heads.filter((head) => head === "00010002"), ["00010002"]);
  assertEquals(heads.filter((head) => head === "00010001").length >= 1, true);
  const png = ear.pictures.find((bytes) => bytes[7] === 2)!;
  assertEquals((await decodePng(png.slice(8))).width, 64);
  assertEquals(Object.keys(outputs).sort(), ["10", "11"]);
  assertEquals(outputs["10"].images, [{ source: "websocket", "content-type": "image/jpeg", type: "output" }]);
  const cached = await server.handle(get(`/api/etn/image/${outputs["11"].images[0].id}`));
  assertEquals([cached.status, cached.headers.get("content-type")], [200, "image/png"]);
  await cached.body?.cancel();
  assertEquals(other.pictures.length, 0);
  // A client that comes again takes the place of its older socket; who has left is forgotten.
  const again = listening(server, "/api/ws?clientId=me") as Ear;
  assertEquals([ear.closed, again.closed], [true, false]);
  again.onClose();
  engine.gate?.resolve();
});

Deno.test("the queue: waiting graphs are listed and dropped, the running one is interrupted by id or at all, errors are told", async () => {
  await using one = served();
  const { server, engine } = one;
  const ear = listening(server, "/ws?clientId=me") as Ear;
  const gate = engine.hold();
  const send = async (more: Record<string, unknown> = {}): Promise<string> =>
    (await answered(server, post("/api/prompt", { prompt: textToImage(), client_id: "me", ...more })))
      .prompt_id;
  const ids = [await send(), await send(), await send()];
  await new Promise((resolve) => setTimeout(resolve, 5));
  const { queue_running, queue_pending } = await answered(server, get("/queue"));
  assertEquals(queue_running.map((item: Json) => item[1]), ids.slice(0, 1));
  assertEquals(queue_pending.map((item: Json) => [item[0], item[1], item[4]]), [[1, ids[1], ["9"]], [
    2,
    ids[2],
    ["9"],
  ]]);
  assertEquals(await answered(server, get("/prompt")), { exec_info: { queue_remaining: 3 } });
  // Dropping touches those that wait alone, and none of another id.
  await answered(server, post("/queue", { delete: [ids[0], ids[1], "x", 3] }));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(await answered(server, get("/prompt")), { exec_info: { queue_remaining: 2 } });
  // Clients send this one without a body.
  await answered(server, post("/interrupt", { prompt_id: ids[2] }));
  assertEquals((await answered(server, get("/queue"))).queue_running.length, 1);
  await answered(server, new Request(URL_OF("/interrupt"), { method: "POST" }));
  const { status, outputs } = await finished(server, ids[0]);
  assertEquals([status.status_str, status.completed, outputs], ["error", false, {}]);
  assertEquals(status.messages.at(-1)[0], "execution_interrupted");
  assertEquals(status.messages.at(-1)[1].node_type, "KSampler");
  gate.resolve();
  engine.gate = undefined;
  await finished(server, ids[2]);
  assertEquals(await answered(server, get(`/history/${ids[1]}`)), {});
  const failed = await answered(
    server,
    post("/prompt", {
      client_id: "me",
      prompt: withNodes(textToImage(), {
        "6": { class_type: "CLIPTextEncode", inputs: { text: "surprise", clip: ["4", 1] } },
      }),
    }),
  );
  const error = (await finished(server, failed.prompt_id)).status.messages.at(-1);
  assertEquals([error[0], error[1].exception_type, error[1].node_id], ["execution_error", "internal", "3"]);
  assert(!JSON.stringify(error).includes("secret"));
  assert(
    ear.heard.some(({ type, data }) => type === "execution_error" && data.prompt_id === failed.prompt_id),
  );
  // What A1111's route stops is interrupted here, too.
  engine.hold();
  const last = await send();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await answered(server, post("/sdapi/v1/interrupt", {}));
  assertEquals((await finished(server, last)).status.messages.at(-1)[0], "execution_interrupted");
  engine.gate!.resolve();
  const all = Object.keys(await answered(server, get("/history")));
  assertEquals(all, [ids[0], ids[2], failed.prompt_id, last]);
  assertEquals(Object.keys(await answered(server, get("/history?max_items=2"))), all.slice(2));
  assertEquals(Object.keys(await answered(server, get("/history?max_items=1&offset=1"))), [ids[2]]);
  await answered(server, post("/history", { delete: [last] }));
  assertEquals(Object.keys(await answered(server, get("/history"))), all.slice(0, 3));
  await answered(server, post("/history", { clear: true }));
  assertEquals(await answered(server, get("/history")), {});
});

Deno.test("graphs, pictures, uploads and sockets of one token are not there for another; sockets want token, name and origin", async () => {
  await using one = served(SD, { token: ["a", "b"], hosts: ["localhost"] });
  const { server } = one;
  const as = (token: string, request: Request): Request => {
    request.headers.set("authorization", `Bearer ${token}`);
    return request;
  };
  const [mine, theirs] = ["a", "b"].map((token) =>
    listening(server, "/ws?clientId=me", { authorization: `Bearer ${token}` })
  ) as [Ear, Ear];
  const { prompt_id } = await answered(
    server,
    as("a", post("/prompt", { prompt: textToImage(), client_id: "me" })),
  );
  let history: Json = {};
  while (!history[prompt_id]) history = await answered(server, as("a", get("/history")));
  const [image] = history[prompt_id].outputs["9"].images;
  const view = `/view?${new URLSearchParams(image)}`;
  const put = new Request(URL_OF("/api/etn/image/one"), {
    method: "PUT",
    body: await encodePng({ width: 16, height: 16, channels: 3, data: rgbOf(16, 16) }),
  });
  assertEquals((await refused(server, as("a", put)))[0], 201);
  for (const [token, status] of [["a", 200], ["b", 404]] as const) {
    assertEquals((await refused(server, as(token, get(view))))[0], status);
    assertEquals((await refused(server, as(token, get("/api/etn/image/one"))))[0], status);
    assertEquals(
      (await answered(server, as(token, get(`/history/${prompt_id}`))))[prompt_id] !== undefined,
      status === 200,
    );
  }
  assertEquals(theirs.heard.map(({ type }) => type), ["status"]);
  assert(mine.heard.length > 5);
  const again = as("b", post("/prompt", { prompt: textToImage(), prompt_id }));
  const [status, said] = await refused(server, again);
  assertEquals([status, JSON.parse(said).error.type], [400, "bad_field"]);
  const bearer = { authorization: "Bearer a" };
  assertEquals(listening(server, "/ws?clientId=x"), 401);
  assertEquals(listening(server, "/ws", { ...bearer, host: "evil.example" }), 403);
  assertEquals(listening(server, "/ws", { ...bearer, origin: "https://evil.example" }), 403);
  assertEquals(listening(server, "/wss", bearer), 404);
  for (let i = 0; i < 126; i++) assert(listening(server, "/ws", bearer) instanceof Ear);
  assertEquals(listening(server, "/ws", bearer), 503);
  assertEquals((await refused(server, as("a", get("/ws"))))[0], 426);
});

Deno.test("what a graph asks for and cannot have is refused before anything is drawn, by node and input", async () => {
  const limits = { pixels: 128 * 128, steps: 50, pictures: 4 };
  await using one = served(SD, { limits, loras: () => Promise.resolve(["ink"]) });
  const { server, engine } = one;
  const sampler = (inputs: Record<string, unknown>): Graph => textToImage(inputs);
  const beside = (id: string, class_type: string, inputs: Record<string, unknown>, more: Graph = {}): Graph =>
    withNodes(textToImage(), { ...more, [id]: { class_type, inputs } });
  const cases: [Graph, string, string][] = [
    [beside("5", "EmptyHunyuanLatentVideo", {}), "", 'Node 5 is of class "EmptyHunyuanLatentVideo"'],
    [beside("40", "ControlNetLoader", {}), "", 'Node 40 is of class "ControlNetLoader"'],
    [beside("40", "VAEDecod", {}), "", 'did you mean "VAEDecode"?'],
    [sampler({ sampler_name: "dpm_adaptive" }), "KSampler 3", 'sampler_name: "dpm_adaptive" not in ["euler"'],
    [sampler({ scheduler: "gits" }), "KSampler 3", 'scheduler: "gits" not in'],
    [sampler({ sampler_name: "lcm", scheduler: "karras" }), "KSampler 3", '"karras" does not go with "lcm"'],
    [sampler({ steps: 51 }), "KSampler 3", "51 steps, this server makes at most 50"],
    [sampler({ steps: 0 }), "KSampler 3", "smaller than min of 1"],
    [sampler({ cfg: "much" }), "KSampler 3", 'cfg: "much" is no number'],
    [sampler({ seed: -1 }), "KSampler 3", "smaller than min of 0"],
    [sampler({ denoise: 0.5 }), "KSampler 3", "empty latents are drawn from pure noise"],
    [sampler({ denoise: 0 }), "KSampler 3", "leaves nothing to draw"],
    [sampler({ stepz: 3 }), "KSampler 3", 'stepz: KSampler has no such input here; did you mean "steps"?'],
    [sampler({ model: undefined }), "KSampler 3", "Required input is missing model"],
    [sampler({ positive: ["4", 0] }), "KSampler 3", "received_type(MODEL)"],
    [sampler({ positive: ["6", 1] }), "KSampler 3", "has 1 outputs, number 1 is none"],
    [sampler({ positive: ["60", 0] }), "KSampler 3", 'there is no node "60"'],
    [sampler({ positive: "6" }), "KSampler 3", "is no link to an output of type CONDITIONING"],
    [sampler({ positive: ["6"] }), "KSampler 3", "is no link"],
    [sampler({ steps: ["6", 0] }), "KSampler 3", "received_type(CONDITIONING)"],
    [
      beside("4", "CheckpointLoaderSimple", { ckpt_name: "dream" }),
      "CheckpointLoaderSimple 4",
      '"dream" not in ["fake"]',
    ],
    [
      beside("4", "CheckpointLoaderSimple", { ckpt_name: "../../etc/passwd" }),
      "CheckpointLoaderSimple 4",
      "not in",
    ],
    [
      beside("5", "EmptyLatentImage", { width: 129, height: 128, batch_size: 1 }),
      "KSampler 3",
      "at most 16384",
    ],
    [
      beside("5", "EmptyLatentImage", { width: 64, height: 64, batch_size: 5 }),
      "KSampler 3",
      "makes 5 pictures, at most 4",
    ],
    [
      beside("8", "VAEDecode", { samples: ["5", 0], vae: ["4", 2] }),
      "VAEDecode 8",
      "no sampler has made these latents",
    ],
    [
      beside("9", "SaveImage", { images: ["8", 0], filename_prefix: "../x" }),
      "SaveImage 9",
      "filename_prefix",
    ],
    [
      beside("9", "SaveImage", { images: ["8", 0], filename_prefix: "/etc/x" }),
      "SaveImage 9",
      "filename_prefix",
    ],
    [beside("5", "LoadImage", { image: "none.png" }), "LoadImage 5", '"none.png" not in []'],
    [
      beside("6", "FluxGuidance", { guidance: 3, conditioning: ["7", 0] }),
      "FluxGuidance 6",
      "takes no guidance as an input",
    ],
    [
      beside("6", "ConditioningZeroOut", { conditioning: ["7", 0] }),
      "KSampler 3",
      "positive: a text that was zeroed out",
    ],
    [
      beside("7", "ConditioningZeroOut", { conditioning: ["6", 0] }),
      "KSampler 3",
      "knows no zeros in place of a text",
    ],
    [
      beside("6", "CLIPTextEncode", { text: "x", clip: ["41", 0] }, {
        "41": { class_type: "CLIPSetLastLayer", inputs: { clip: ["4", 1], stop_at_clip_layer: -14 } },
      }),
      "CLIPSetLastLayer 41",
      "reads -1 to -12",
    ],
    [
      beside("6", "CLIPTextEncode", { text: "x", clip: ["41", 1] }, {
        "41": {
          class_type: "LoraLoader",
          inputs: { model: ["4", 0], clip: ["4", 1], lora_name: "ink", strength_model: 1, strength_clip: 1 },
        },
      }),
      "KSampler 3",
      "other LoRAs than the positive text's",
    ],
  ];
  for (const [prompt, where, says] of cases) {
    const fault = await faultOf(server, JSON.parse(JSON.stringify(prompt)));
    assertEquals(fault.where, where, fault.says);
    assertStringIncludes(fault.says, says);
  }
  const shift = (class_type: string, inputs: Record<string, unknown>): Graph =>
    withNodes(textToImage({ model: ["41", 0] }), {
      "41": { class_type, inputs: { model: ["4", 0], ...inputs } },
    });
  assertStringIncludes(
    (await faultOf(server, shift("ModelSamplingSD3", { shift: 3 }))).says,
    "has no such shift",
  );
  for (
    const [body, type] of [
      [{}, "no_prompt"],
      [{ prompt: [] }, "no_prompt"],
      [{ prompt: {} }, "prompt_no_outputs"],
      [{ prompt: textToImage(), prompt_id: "../x" }, "invalid_prompt_id"],
      [{ prompt: textToImage(), promt: 1 }, "unknown_field"],
      [{ prompt: textToImage(), partial_execution_targets: ["8"] }, "prompt_no_outputs"],
      [{ prompt: textToImage(), extra_data: { preview_method: "best" } }, "bad_field"],
    ] as const
  ) {
    const [status, said] = await refused(server, post("/prompt", body));
    assertEquals([status, JSON.parse(said).error.type], [400, type], said);
  }
  assertEquals([engine.asked.length, server.pending], [0, 0]);
});

Deno.test("parts of another model are refused by its name, without a folder of this machine", async () => {
  const [first, other] = ["/home/me/first", "/home/me/other"].map((name) => new FakeEngine({ ...SD, name }));
  const models: Models = {
    first,
    list: () => Promise.resolve([{ name: "first", loaded: true }, { name: "other", loaded: false }]),
    find: (name) => Promise.resolve(name === "first" ? first : name === "other" ? other : undefined),
  };
  await using one = served(SD, { models });
  const graph = (more: Graph): Graph =>
    withNodes(textToImage({}, "first"), {
      "40": { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "other" } },
      "41": { class_type: "VAELoader", inputs: { vae_name: "other/vae" } },
      ...more,
    });
  const cases: [Graph, string, string][] = [
    [
      { "8": { class_type: "VAEDecode", inputs: { samples: ["3", 0], vae: ["41", 0] } } },
      "VAEDecode 8",
      "than first, which draws",
    ],
    [
      { "6": { class_type: "CLIPTextEncode", inputs: { text: "x", clip: ["40", 1] } } },
      "KSampler 3",
      'than "first", which draws',
    ],
  ];
  for (const [more, where, says] of cases) {
    const fault = await faultOf(one.server, graph(more));
    assertEquals(fault.where, where);
    assertStringIncludes(fault.says, says);
    assert(!fault.says.includes("/home"));
  }
  assertEquals([first.asked.length, other.asked.length], [0, 0]);
});

Deno.test("flow models: shifts that are the model's own pass, others are refused; size-dependent ones are told the picture's size", async () => {
  const flow = (more: Record<string, unknown>) => ({
    ...FLUX,
    scheduler: { _class_name: "FlowMatchEulerDiscreteScheduler", ...more },
  });
  const graph = (class_type: string, inputs: Record<string, unknown>): Graph =>
    withNodes(textToImage({ model: ["41", 0], cfg: 1 }), {
      "41": { class_type, inputs: { model: ["4", 0], ...inputs } },
    });
  await using sd3 = served(flow({ shift: 3 }));
  await drawn(sd3.server, graph("ModelSamplingSD3", { shift: 3 }));
  assertStringIncludes(
    (await faultOf(sd3.server, graph("ModelSamplingSD3", { shift: 5 }))).says,
    "the model's own is 3",
  );
  await using flux = served(flow({ use_dynamic_shifting: true, base_shift: 0.5, max_shift: 1.15 }));
  const own = { max_shift: 1.15, base_shift: 0.5, width: 64, height: 64 };
  await drawn(flux.server, graph("ModelSamplingFlux", own));
  for (
    const [change, says] of [[{ max_shift: 1 }, "max_shift: 1"], [
      { width: 1024 },
      "node 41 says 1024",
    ]] as const
  ) {
    assertStringIncludes(
      (await faultOf(flux.server, graph("ModelSamplingFlux", { ...own, ...change }))).says,
      says,
    );
  }
});

Deno.test("hostile graphs and uploads are refused quickly and leave nothing behind", async () => {
  await using one = served();
  const { server, engine } = one;
  const chain = (length: number, end: string): Graph => {
    const graph = textToImage({ steps: ["r0", 0] });
    for (let i = 0; i < length; i++) {
      graph[`r${i}`] = { class_type: "Reroute", inputs: { "": [i + 1 < length ? `r${i + 1}` : end, 0] } };
    }
    return graph;
  };
  const long = { ...chain(900, "int"), int: { class_type: "PrimitiveInt", inputs: { value: 3 } } };
  await drawn(server, long);
  assertEquals(engine.asked.pop()!.steps, 3);
  const cycle = await faultOf(server, chain(900, "r0"));
  assertEquals(cycle.type, "dependency_cycle");
  const self = await faultOf(server, textToImage({ latent_image: ["3", 0] }));
  assertEquals([self.type, self.where], ["dependency_cycle", "KSampler 3"]);
  const wide: Graph = textToImage();
  for (let i = 0; i < 1000; i++) wide[`w${i}`] = { class_type: "PrimitiveInt", inputs: { value: i } };
  assertStringIncludes((await faultOf(server, wide)).says, "at most 1000");
  const saves: Graph = textToImage();
  for (let i = 0; i < 40; i++) {
    saves[`s${i}`] = { class_type: "SaveImage", inputs: { images: ["8", 0], filename_prefix: "x" } };
  }
  assertStringIncludes((await faultOf(server, saves)).says, "41 outputs, at most 32");
  const inputs = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`i${i}`, ["3", 0]]));
  assertStringIncludes(
    (await faultOf(server, { ...textToImage(), w: { class_type: "VAEDecode", inputs } })).says,
    "more than 100 inputs",
  );
  // Pixels without end.
  await upload(
    server,
    "/upload/image",
    await encodePng({ width: 64, height: 64, channels: 3, data: rgbOf(64, 64) }),
    "in.png",
  );
  const scaled: Graph = withNodes(textToImage(), {
    "s0": { class_type: "LoadImage", inputs: { image: "in.png" } },
  });
  for (let i = 1; i < 60; i++) {
    scaled[`s${i}`] = {
      class_type: "ImageScale",
      inputs: {
        image: [`s${i - 1}`, 0],
        upscale_method: "area",
        width: 4096,
        height: 4096,
        crop: "disabled",
      },
    };
  }
  scaled["9"].inputs.images = ["s59", 0];
  assertStringIncludes((await faultOf(server, scaled)).says, "resizes and masks more than");
  scaled["9"].inputs.images = ["s1", 0];
  assertStringIncludes((await faultOf(server, scaled)).says, "The graph draws nothing");
  const inverted: Graph = withNodes(textToImage({ denoise: 0.5 }), {
    "m0": { class_type: "LoadImageMask", inputs: { image: "in.png", channel: "red" } },
    "e": { class_type: "VAEEncode", inputs: { pixels: ["l", 0], vae: ["4", 2] } },
    "l": { class_type: "LoadImage", inputs: { image: "in.png" } },
    "5": { class_type: "SetLatentNoiseMask", inputs: { samples: ["e", 0], mask: ["m900", 0] } },
  });
  for (let i = 1; i <= 900; i++) {
    inverted[`m${i}`] = { class_type: "InvertMask", inputs: { mask: [`m${i - 1}`, 0] } };
  }
  await using small = served(SD, { limits: { pixels: 128 * 128, steps: 50, pictures: 4 } });
  await upload(
    small.server,
    "/upload/image",
    await encodePng({ width: 64, height: 64, channels: 3, data: rgbOf(64, 64) }),
    "in.png",
  );
  assertStringIncludes((await faultOf(small.server, inverted)).says, "resizes and masks more than");
  // Names that every object has.
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const text = JSON.stringify(textToImage()).replace('"EmptyLatentImage"', `"${name}"`);
    assertStringIncludes((await faultOf(server, JSON.parse(text))).says, `is of class "${name}"`);
    const inputs = JSON.parse(JSON.stringify(textToImage()).replace('"steps"', `"${name}"`));
    assertStringIncludes((await faultOf(server, inputs)).says, `${name}: KSampler has no such input`);
    const renamed = JSON.parse(
      JSON.stringify(textToImage()).replaceAll('"9"', `"${name}"`).replaceAll('"4"', '"valueOf"'),
    );
    const entry = await drawn(server, renamed);
    assertEquals(Object.keys(entry.outputs), [name]);
    const [, said] = await refused(server, get(`/models/${name}`));
    assertStringIncludes(said, "There is no folder");
    assertEquals(await answered(server, get(`/object_info/${name}`)), {});
  }
  assertEquals(({} as Json).polluted, undefined);
  engine.asked.length = 0;
  for (
    const node of [null, 1, "x", [], { class_type: 3, inputs: {} }, { class_type: "KSampler", inputs: [] }, {
      inputs: {},
    }]
  ) {
    assertEquals((await faultOf(server, { ...textToImage(), "50": node })).type, "missing_node_type");
  }
  // Paths that lead elsewhere.
  const png = await encodePng({ width: 16, height: 16, channels: 3, data: rgbOf(16, 16) });
  for (const path of ["../x.png", "/etc/passwd", "a\\b.png", "..", "", "a\0b", "C:x", "x".repeat(300)]) {
    const query = new URLSearchParams({ filename: path });
    assertEquals((await refused(server, get(`/view?${query}`)))[0], 400, path);
    assertEquals(
      (await refused(
        server,
        get(`/view?filename=x.png&type=input&subfolder=${encodeURIComponent("a/../..")}`),
      ))[0],
      400,
    );
    assertEquals(
      (await upload(server, "/upload/image", png, "x.png", { subfolder: path === "" ? "a//b" : path }))[0],
      path === "/etc/passwd" ? 200 : 400,
      path,
    );
  }
  for (const name of ["../x.png", "a/b.png", "a\\b.png", "..", "a\u0001b"]) {
    const type = "multipart/form-data; boundary=x";
    const body =
      `--x\r\nContent-Disposition: form-data; name="image"; filename="${name}"\r\n\r\nx\r\n--x--\r\n`;
    const [status, said] = await refused(
      server,
      new Request(URL_OF("/upload/image"), { method: "POST", headers: { "content-type": type }, body }),
    );
    assertEquals(status, 400, `${name} ${said}`);
  }
  // What is no picture, and one of too many pixels.
  assertEquals((await upload(server, "/upload/image", new Uint8Array(100), "x.png"))[0], 422);
  assertEquals((await upload(server, "/upload/image", png, "x.png", { type: "output" }))[0], 400);
  const huge = png.slice();
  new DataView(huge.buffer).setUint32(16, 60_000);
  new DataView(huge.buffer).setUint32(20, 60_000);
  assertEquals((await upload(server, "/upload/image", huge, "x.png"))[0], 422);
  // The same file again has the same name, another one a new one.
  const other = await encodePng({ width: 17, height: 16, channels: 3, data: rgbOf(17, 16) });
  const names: string[] = [];
  for (const [file, more] of [[png, {}], [png, {}], [other, {}], [other, { overwrite: "true" }]] as const) {
    names.push(JSON.parse((await upload(server, "/upload/image", file, "y.png", more))[1]).name);
  }
  assertEquals(names, ["y.png", "y.png", "y (1).png", "y.png"]);
  // What is kept is bounded: of many pictures the newest are there.
  for (let i = 0; i < 140; i++) await upload(server, "/upload/image", png, `z${i}.png`);
  const { LoadImage } = await answered(server, get("/object_info/LoadImage"));
  const [uploads] = LoadImage.input.required.image;
  assertEquals([uploads.length, uploads.includes("z139.png"), uploads.includes("z0.png")], [
    128,
    true,
    false,
  ]);
  assertEquals([engine.asked.length, server.pending], [0, 0]);
});

Deno.test("over http: a web socket opens, speaks both ways, survives pieces, and is refused where a request would be", async () => {
  await using one = served(SD, { token: "sesame" });
  const { server } = one;
  const http = await listen({ hostname: "127.0.0.1", port: 0 }, server.handle, server.upgrade);
  const address = `127.0.0.1:${http.port}`;
  try {
    assertEquals(
      (await fetch(`http://${address}/ws`, { headers: { authorization: "Bearer sesame" } })).status,
      426,
    );
    const raw = await Deno.connect({ hostname: "127.0.0.1", port: http.port });
    const write = (bytes: Uint8Array | string): Promise<number> =>
      raw.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    const handshake = (authorization: string): string =>
      `GET /ws?clientId=raw HTTP/1.1\r\nHost: ${address}\r\n${authorization}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const read = reading(raw);
    await write(handshake("Authorization: Bearer sesame\r\n"));
    const head = await read((text) => text.includes('"sid":"raw"'));
    // RFC 6455's own example.
    assertStringIncludes(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const said = new TextEncoder().encode('{"type":"feature_flags","data":{}}');
    const frame = new Uint8Array([
      0x01,
      0x80 | 10,
      0,
      0,
      0,
      0,
      ...said.subarray(0, 10),
      0x80,
      0x80 | (said.length - 10),
      0,
      0,
      0,
      0,
      ...said.subarray(10),
    ]);
    for (const byte of frame) await write(new Uint8Array([byte]));
    await read((text) => text.includes("max_upload_size"));
    // A ping is answered with its own bytes; a frame without a mask ends it.
    await write(new Uint8Array([0x89, 0x82, 1, 2, 3, 4, 1 ^ 0x41, 2 ^ 0x42]));
    await read((text) => text.includes("\u008a\u0002AB"));
    await write(new Uint8Array([0x81, 0x01, 0x41]));
    await read((text) => text.includes("\u0088\u0002\u0003\u00ea"));
    raw.close();
    for (
      const [headers, status] of [["", 401], [
        "Authorization: Bearer sesame\r\nOrigin: https://evil.example\r\n",
        403,
      ]] as const
    ) {
      const other = await Deno.connect({ hostname: "127.0.0.1", port: http.port });
      await other.write(new TextEncoder().encode(handshake(headers)));
      const text = await reading(other)((text) => text.includes("}"));
      assertStringIncludes(text, `HTTP/1.1 ${status} `);
      other.close();
    }
    // Who asks for another protocol is answered in this one.
    const java = await Deno.connect({ hostname: "127.0.0.1", port: http.port });
    await java.write(
      new TextEncoder().encode(
        `POST /queue HTTP/1.1\r\nHost: ${address}\r\nAuthorization: Bearer sesame\r\nConnection: Upgrade, HTTP2-Settings\r\n` +
          "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 2\r\n\r\n{}",
      ),
    );
    assertStringIncludes(await reading(java)((text) => text.includes("{}")), "HTTP/1.1 200");
    java.close();
  } finally {
    await server.close();
    await http.end(1000);
  }
});

/** Reads a connection, byte by byte as characters, until what came satisfies. */
function reading(connection: Deno.Conn): (enough: (text: string) => boolean) => Promise<string> {
  let text = "";
  return async (enough) => {
    const buffer = new Uint8Array(4096);
    while (!enough(text)) {
      const n = await connection.read(buffer);
      if (n === null) throw new Error(`The connection ended after ${JSON.stringify(text)}`);
      text += String.fromCharCode(...buffer.subarray(0, n));
    }
    return text;
  };
}

Deno.test("a graph and A1111's route draw the same pixels with the tiny SD1.5, from noise and from a picture", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(fileFolder(GOLDEN), { device, dtype: "f32" });
  const server = new ImageServer(pipeline, OPTIONS);
  const settings = { seed: 11, steps: 2, cfg: 3, sampler_name: "dpmpp_2m", scheduler: "karras" };
  const graph = (inputs: Record<string, unknown> = {}): Graph =>
    withNodes(textToImage({ ...settings, ...inputs }, "model"), {
      "6": { class_type: "CLIPTextEncode", inputs: { text: "red apple", clip: ["4", 1] } },
    });
  const fields = {
    prompt: "red apple",
    negative_prompt: "blur",
    ...{
      width: 64,
      height: 64,
      steps: 2,
      cfg_scale: 3,
      sampler_name: "DPM++ 2M",
      scheduler: "Karras",
      seed: 11,
    },
  };
  const entry = await drawn(server, graph());
  const one = await decodePng(await picture(server, entry.outputs["9"].images[0]));
  const { images: [a1111] } = await answered(server, post("/sdapi/v1/txt2img", fields));
  const two = await decodePng(bytesOf(a1111));
  assertEquals(one.data, two.data);
  assert(new Set(one.data).size > 10);
  // From that picture on.
  await upload(server, "/upload/image", bytesOf(a1111), "in.png");
  const again = await drawn(
    server,
    withNodes(graph({ steps: 2, denoise: 0.5 }), {
      "10": { class_type: "LoadImage", inputs: { image: "in.png" } },
      "5": { class_type: "VAEEncode", inputs: { pixels: ["10", 0], vae: ["4", 2] } },
    }),
  );
  const from = await answered(
    server,
    post("/sdapi/v1/img2img", { ...fields, steps: 4, denoising_strength: 0.5, init_images: [a1111] }),
  );
  assertEquals(
    (await decodePng(await picture(server, again.outputs["9"].images[0]))).data,
    (await decodePng(bytesOf(from.images[0]))).data,
  );
  await server.close();
});

Deno.test("a thousand graphs of nodes and values by chance are drawn or refused, and nothing unforeseen happens", async () => {
  const errors: unknown[] = [];
  await using one = served(SD, {
    onError: (error) => errors.push(error),
    maxWaiting: 2000,
    maxWaitingOfClient: 2000,
  });
  let state = 12_345;
  const below = (n: number): number => (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) % n;
  const pick = <Value>(values: readonly Value[]): Value => values[below(values.length)];
  const values = [
    ...[
      null,
      true,
      0,
      -1,
      1,
      1e308,
      0.5,
      "",
      "x",
      "euler",
      "fake",
      "fake/vae",
      "__proto__",
      [],
      {},
      [[]],
      2 ** 64,
    ],
    ...[
      ["4"],
      ["4", 0],
      ["4", -1],
      ["4", 1.5],
      ["4", 1e9],
      [4, 0],
      [null, 0],
      "a".repeat(30_000),
      "1e999",
      " 7 ",
    ],
  ];
  const classes = Object.keys(NODE_CLASSES);
  const answers: Record<number, number> = {};
  for (let i = 0; i < 1000; i++) {
    const graph: Json = textToImage();
    for (let changes = below(6); changes >= 0; changes--) {
      const ids = Object.keys(graph);
      const id = pick(ids);
      const { inputs } = graph[id];
      const chance = below(4);
      if (chance === 0) inputs[pick(Object.keys(inputs)) ?? "x"] = pick(values);
      else if (chance === 1) inputs[pick(["x", "steps", "constructor", "model"])] = pick(values);
      else if (chance === 2) inputs[pick(Object.keys(inputs)) ?? "x"] = [pick(ids), below(3)];
      else {
        // Another class, with links of the right types where there are some.
        const name = pick(classes);
        const given = Object.entries(NODE_CLASSES[name].inputs).map(
          ([input, { type, default: value = "fake" }]) => {
            const fits = ids.flatMap((from) =>
              NODE_CLASSES[graph[from].class_type].outputs.flatMap(([given], at) =>
                given === type ? [[from, at]] : []
              )
            );
            return [
              input,
              fits.length > 0
                ? pick(fits)
                : Array.isArray(type)
                ? type[0]
                : below(4) > 0
                ? value
                : pick(values),
            ];
          },
        );
        graph[below(3) === 0 ? id : `n${changes}`] = { class_type: name, inputs: Object.fromEntries(given) };
      }
    }
    const [status] = await refused(one.server, post("/prompt", { prompt: graph }));
    answers[status] = (answers[status] ?? 0) + 1;
  }
  assertEquals(Object.keys(answers), ["200", "400"]);
  assert(answers[200] > 10 && answers[400] > 500, JSON.stringify(answers));
  while (one.server.pending > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const { status } of Object.values<Json>(await answered(one.server, get("/history")))) {
    assertEquals(status.messages.at(-1)[0], "execution_success");
  }
  assertEquals(errors, []);
});
