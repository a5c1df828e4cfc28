/** ComfyUI's API: graphs become the requests that A1111's routes make, and what cannot be drawn is refused by node and input. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodePng, encodePng } from "../lib/image/png.ts";
import { ImageServer, type ServerOptions } from "../lib/server/server.ts";
import type { ClientSocket } from "../lib/server/comfyui/sockets.ts";
import type { Upscalers } from "../lib/server/upscalers.ts";
import { type Graph, textToImage, withNodes } from "./comfyui_graphs.ts";
import { DIFFUSION, FakeEngine, get, OPTIONS, post, refused, rgbOf, URL_OF } from "./fake_engine.ts";

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

async function answered(server: ImageServer, request: Request): Promise<Json> {
  const response = await server.handle(request);
  const said = await response.text();
  assertEquals(response.status, 200, said);
  return said === "" ? undefined : JSON.parse(said);
}

/** The entry of a graph in the history, when it is there. */
async function finished(server: ImageServer, id: string): Promise<Json> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    const history = await answered(server, get(`/history/${id}`));
    if (history[id]) return history[id];
    await new Promise((resolve) => setTimeout(resolve, 2));
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
