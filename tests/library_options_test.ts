/** What JavaScript may hand to the library is refused by name, never by a TypeError of the engine's. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { IdleDevice } from "../lib/gpu/rehearsal.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { modelFiles } from "../lib/model_files/model_files.ts";
import { openHubFolder } from "../lib/hub/repository.ts";
import { encodePng } from "../lib/image/png.ts";
import {
  createPipeline,
  type GenerateRequest,
  planPicture,
  readModelInfo,
} from "../lib/pipelines/text_to_image.ts";
import { openUpscaler } from "../lib/pipelines/upscaling.ts";
import { lssgen, runPlan } from "../lib/scaling/lssgen.ts";
import { planStages } from "../lib/scaling/plan_stages.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { goldenModel } from "./poisoned_models.ts";

const ODD = [null, 5, 5n, "5", "", true, [], {}, NaN, () => 1, Symbol("s")];

/** The error of a call, which has to be ours and to name the option. */
function assertOurs(error: unknown, name: string, value: unknown): void {
  const what = `${name} = ${String(value)}: ${(error as Error)?.stack}`;
  assert(error instanceof LssgenError && error.code === "bad_option", what);
  assert(error.message.toLowerCase().includes(name.toLowerCase()), what);
}

Deno.test("a request with values of other types or with unknown names is refused by the name", async () => {
  const info = await readModelInfo(goldenModel("sd15"));
  const right: Record<keyof GenerateRequest, (v: unknown) => boolean> = {
    width: (v) => v === 5, // refused as a size
    height: (v) => v === 5,
    steps: (v) => v === 5,
    guidance: (v) => v === 5,
    trueCfgScale: (v) => v === 5,
    seed: (v) => v === 5,
    count: (v) => v === 5,
    initNoise: () => false,
    minResolution: (v) => v === 5,
    method: () => false,
    upsampler: () => false,
    entry: () => false,
    rng: () => false,
    scheduler: (v) => v === "", // the model's own, as A1111's clients say it
    clipSkip: () => false,
    shortenSteps: (v) => typeof v === "boolean",
    emphasis: (v) => typeof v === "boolean",
    strength: () => false,
    image: () => false,
    mask: () => false,
    prompt: (v) => typeof v === "string",
    prompt2: (v) => v === "", // the prompt
    prompt3: (v) => v === "",
    negativePrompt: (v) => typeof v === "string",
    negativePrompt2: (v) => v === "",
    negativePrompt3: (v) => v === "",
    preset: () => false,
    schedule: () => false,
    guidanceStart: () => false,
    guidanceEnd: () => false,
    // What this model has none of is refused by the name of the whole.
    skipLayers: (v) => Array.isArray(v),
    slgScale: (v) => v === 5,
    skipLayerStart: (v) => typeof v === "number",
    skipLayerEnd: (v) => typeof v === "number",
    sigmas: () => false,
    stages: () => false,
    refineSteps: () => false,
    spectralDelta: () => false,
    cacheMode: () => false,
    cacheThreshold: (v) => v === 5,
  };
  for (const [name, is] of Object.entries(right)) {
    for (const value of ODD) {
      if (is(value)) continue;
      let error;
      try {
        planPicture(info, { width: 64, height: 64, [name]: value });
      } catch (e) {
        error = e;
      }
      assertOurs(error, name, value);
    }
  }
  assertOurs(assertThrows(() => planPicture(info, { widht: 64 } as never)), "widht", 64);
  for (const request of [null, 5, "x", []]) {
    assertOurs(assertThrows(() => planPicture(info, request as never)), "request", request);
  }
});

Deno.test("createPipeline() and generate() refuse what they cannot take by its name", async () => {
  for (const source of [{}, 5, null, [], () => 1]) {
    assertOurs(await createPipeline(source as never).catch((e) => e), "model", source);
    assertOurs(await readModelInfo(source as never).catch((e) => e), "model", source);
  }
  using device = await openDevice();
  using idle = IdleDevice.like(device);
  for (
    const options of [
      { device: {} },
      { loras: [5] },
      { loras: [{ file: "x.safetensors" }] },
      { loras: [{ file: bytesOf("x", new Uint8Array(1)), strength: 1 }] },
      { dtype: "f8" },
      { dtype: 5 },
      { loras: 5 },
      { signal: {} },
      { onProgress: 5 },
      { tinyVae: {} },
      { upsamplerWeights: "x" },
      { maxActivationBytes: NaN },
      { maxVramBytes: 0 },
      { offload: "gpu" },
      { maxOffloadBytes: 1 },
      { tinyDecode: "yes" },
      { kernels: 5 },
      { firstPicture: { width: "64" } },
      { colour: true },
    ]
  ) {
    const error = await createPipeline(goldenModel("sd15"), { device: idle, ...options } as never)
      .catch((e) => e);
    const [name, value] = Object.entries(options)[0];
    assertOurs(error, name === "firstPicture" ? "width" : name, value);
  }
  await using pipeline = await createPipeline(goldenModel("sd15"), { device, dtype: "f32" });
  for (const request of [{ prompt: 5 }, {}, { prompt: "a", width: "512" }, null, undefined]) {
    const error = await pipeline.generate(request as never).catch((e) => e);
    const name = !request ? "request" : "width" in request ? "width" : "prompt";
    assertOurs(error, name, request);
  }
  for (
    const options of [{ signal: 5 }, { onProgress: "x" }, { previewEvery: "1" }, { preview: 5 }, { x: 1 }]
  ) {
    const error = await pipeline.generate({ prompt: "a" }, options as never).catch((e) => e);
    assertOurs(error, Object.keys(options)[0], options);
  }
  assertEquals(pipeline.info.pipeline, "StableDiffusionPipeline");
});

Deno.test("the other functions refuse unknown options and wrong types by their names, too", async () => {
  const info = await readModelInfo(goldenModel("sd15"));
  const file = bytesOf("x.safetensors", new Uint8Array(9));
  const calls: [string, (what: never) => unknown, ...unknown[]][] = [
    ["request", (v) => planStages(v), undefined, 5, []],
    ["widht", (v) => planStages(v), { widht: 64 }],
    ["width", (v) => planStages(v), { width: "64" }],
    ["scheduler", (v) => planStages(v), { scheduler: "euler" }],
    ["request", (v) => lssgen(v, {} as never), null],
    ["onProgres", (v) => runPlan({ stages: [] } as never, {} as never, v), { onProgres: () => {} }],
    ["info", (v) => planPicture(v, {}), undefined, 5, {}],
    ["steps", (v) => planPicture(info, {}, v), { steps: 5 }],
    ["directSteps", (v) => planPicture(info, {}, v), { directSteps: "5" }],
    ["powerPref", (v) => openDevice(v), { powerPref: "low-power" }],
    ["dispatchMs", (v) => openDevice(v), { dispatchMs: "5" }],
    ["diffusion_model", (v) => modelFiles(v), { diffusion_model: file }],
    ["vae", (v) => modelFiles(v), { model: file, vae: 5 }, { vae: {} }, { vae: null }],
    ["prediction", (v) => modelFiles(v), { model: file, prediction: 5 }],
    ["file", (v) => openUpscaler(v), undefined, "x.safetensors", {}],
    ["tile", (v) => openUpscaler(file, v), { tile: 64 }],
    ["device", (v) => openUpscaler(file, v), { device: {} }],
    ["cache", (v) => openHubFolder("a/b", v), { cache: "x" }],
    ["token", (v) => openHubFolder("a/b", v), { token: 5 }],
    ["picture", (v) => encodePng(v), undefined, 5, {}, { width: 1, height: 1, channels: 3, data: "x" }],
  ];
  for (const [name, call, ...values] of calls) {
    for (const value of values) {
      const error = await (async () => await call(value as never))().then(() => "accepted", (e) => e);
      assertOurs(error, name, value);
    }
  }
});
