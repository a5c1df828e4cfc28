/** Settings in the texts of other programs' pictures. */

import { assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { readSettings } from "../lib/parameters/foreign.ts";

const read = (texts: Record<string, string>) => readSettings(new Map(Object.entries(texts)), "x.png");

Deno.test("A1111's text gives prompts, LoRAs, sampler, schedule and size; what is not known is named", () => {
  const { source, request, loras, model, left } = read({
    parameters: 'a (red:1.2) fox <lora:fur:0.7>,\nin snow\nNegative prompt: blurry, "low", bad\n' +
      "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 4294967295, Size: 512x768, " +
      'Model hash: abc, Model: dream_8, Clip skip: 2, Lora hashes: "fur: 1, x: 2", ENSD: 31337, Version: v1.10',
  });
  assertEquals(source, "A1111");
  assertEquals(request, {
    prompt: "a (red:1.2) fox,\nin snow",
    negativePrompt: 'blurry, "low", bad',
    steps: 28,
    seed: 4294967295,
    guidance: 6.5,
    width: 512,
    height: 768,
    scheduler: "dpm++2m",
    schedule: "karras",
    clipSkip: 2,
  });
  assertEquals([loras, model, left], [[{ name: "fur", scale: 0.7 }], "dream_8", ["ENSD"]]);
});

Deno.test("A1111's high-resolution pass is our hires-fix of the final size; Forge's distilled guidance is the network's", () => {
  const hires = read({
    parameters:
      "x\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Denoising strength: 0.5, Hires upscale: 2",
  }).request;
  assertEquals(
    [hires.method, hires.width, hires.height, hires.minResolution, hires.initNoise, hires.strength],
    ["hires-fix", 1024, 1024, 512, 0.5, undefined],
  );
  const { request } = read({
    parameters: "x\nSteps: 20, Sampler: Euler, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 1, Size: 64x64",
  });
  assertEquals([request.guidance, request.trueCfgScale], [3.5, 1]);
});

Deno.test("ComfyUI's graph is followed from its sampler to prompts, size, LoRAs and checkpoint", () => {
  const graph = {
    "3": {
      class_type: "KSampler",
      inputs: {
        seed: 7,
        steps: 20,
        cfg: 8,
        sampler_name: "dpmpp_2m",
        scheduler: "karras",
        denoise: 1,
        model: ["10", 0],
        positive: ["6", 0],
        negative: ["7", 0],
        latent_image: ["5", 0],
      },
    },
    "4": { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "sd15/dream.safetensors" } },
    "5": { class_type: "EmptyLatentImage", inputs: { width: 640, height: 448, batch_size: 1 } },
    "6": { class_type: "CLIPTextEncode", inputs: { text: ["20", 0], clip: ["10", 1] } },
    "7": { class_type: "CLIPTextEncode", inputs: { text: "blurry", clip: ["10", 1] } },
    "10": {
      class_type: "LoraLoader",
      inputs: { lora_name: "styles/ink.safetensors", strength_model: 0.6, strength_clip: 1, model: ["4", 0] },
    },
    "20": { class_type: "PrimitiveString", inputs: { value: "a fox" } },
  };
  assertEquals(read({ prompt: JSON.stringify(graph).replace("0.6", "0.6"), workflow: "{}" }), {
    source: "ComfyUI",
    request: {
      prompt: "a fox",
      negativePrompt: "blurry",
      seed: 7,
      steps: 20,
      guidance: 8,
      width: 640,
      height: 448,
      scheduler: "dpm++2m",
      schedule: "karras",
    },
    loras: [{ name: "ink", scale: 0.6 }],
    model: "sd15/dream.safetensors",
    left: [],
  });
});

Deno.test("ComfyUI's NaN is no number of ours, and prompts that say NaN keep their words", () => {
  const graph =
    `{"1": {"class_type": "KSampler", "inputs": {"seed": NaN, "noise": Infinity, "positive": ["2", 0]}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a NaN, a \\"NaN\\""}}}`;
  assertEquals(read({ prompt: graph }).request, { prompt: 'a NaN, a "NaN"' });
  const deep = `{"1": ${"[".repeat(100)}${"]".repeat(100)}}`;
  assertThrows(() => read({ prompt: deep }), LssgenError, "nests");
});

Deno.test("ComfyUI's FLUX graph has its noise, guider, sampler and schedule in nodes of their own", () => {
  const graph = {
    "1": {
      class_type: "SamplerCustomAdvanced",
      inputs: {
        noise: ["2", 0],
        guider: ["3", 0],
        sampler: ["4", 0],
        sigmas: ["5", 0],
        latent_image: ["6", 0],
      },
    },
    "2": { class_type: "RandomNoise", inputs: { noise_seed: 99 } },
    "3": { class_type: "BasicGuider", inputs: { conditioning: ["7", 0] } },
    "4": { class_type: "KSamplerSelect", inputs: { sampler_name: "euler" } },
    "5": { class_type: "BasicScheduler", inputs: { scheduler: "simple", steps: 24, denoise: 0.8 } },
    "6": { class_type: "EmptySD3LatentImage", inputs: { width: 1024, height: 768 } },
    "7": { class_type: "FluxGuidance", inputs: { guidance: 3.2, conditioning: ["8", 0] } },
    "8": { class_type: "CLIPTextEncode", inputs: { text: "a lighthouse" } },
    "9": { class_type: "UNETLoader", inputs: { unet_name: "flux1-dev.safetensors" } },
  };
  const { request, model } = read({ prompt: JSON.stringify(graph) });
  assertEquals(request, {
    prompt: "a lighthouse",
    seed: 99,
    steps: 24,
    guidance: 3.2,
    width: 1024,
    height: 768,
    scheduler: "euler",
    schedule: "simple",
    strength: 0.8,
  });
  assertEquals(model, "flux1-dev.safetensors");
});

Deno.test("our own text counts before A1111's, and its LoRAs are named", () => {
  const own = {
    prompt: "a fox <lora:ink:0.5>",
    seed: 3,
    width: 64,
    model: "m",
    loras: ["styles/fur.safetensors:0.25"],
  };
  const { source, request, loras } = read({
    parameters: "other\nSteps: 1, Seed: 1",
    lssgen: JSON.stringify(own),
  });
  assertEquals([source, request], ["LSSGen", { prompt: "a fox", seed: 3, width: 64 }]);
  assertEquals(loras, [{ name: "ink", scale: 0.5 }, { name: "fur", scale: 0.25 }]);
});

Deno.test("pictures without settings, and damaged ones, are refused by name; rings in a graph end", () => {
  const ring = {
    "1": { class_type: "KSampler", inputs: { positive: ["2", 0], seed: ["2", 0] } },
    "2": { class_type: "A", inputs: { a: ["1", 0], seed: ["2", 0] } },
  };
  assertEquals(read({ prompt: JSON.stringify(ring) }).request, { prompt: "" });
  for (
    const texts of [{}, { Comment: "x" }, { prompt: "no json" }, { prompt: "[]" }, { lssgen: "{" }, {
      parameters: "",
    }]
  ) {
    const error = assertThrows(() => read(texts as Record<string, string>), LssgenError);
    assertEquals(error.code, "bad_file");
  }
});

Deno.test("megabytes of blanks, digits, one word or links end, and are read as what they are", () => {
  const many = 4 << 20;
  const blanks = `a${" ".repeat(many)}b`;
  const fields = (line: string) => read({ parameters: `${blanks}\nSteps: 1, ${line}` }).request;
  assertEquals(fields("x".repeat(1 << 20)), { prompt: blanks, steps: 1 });
  assertEquals(fields(`${" ".repeat(1 << 20)}Seed: 7`), { prompt: blanks, steps: 1, seed: 7 });
  const path = `a:${"1".repeat(1 << 19)}x`;
  assertEquals(read({ lssgen: JSON.stringify({ loras: [path] }) }).loras, [{ name: path, scale: 1 }]);
  // A node with more links than a call has arguments, behind thousands of samplers.
  const links = Object.fromEntries(Array.from({ length: 150_000 }, (_, i) => [i, ["wide", 0]]));
  const graph: Record<string, unknown> = { wide: { class_type: "A", inputs: links } };
  for (let i = 0; i < 20_000; i++) {
    graph[`s${i}`] = { class_type: "KSampler", inputs: { latent_image: ["wide", 0], steps: 9 } };
  }
  assertEquals(read({ prompt: JSON.stringify(graph) }).request, { prompt: "", steps: 9 });
});
