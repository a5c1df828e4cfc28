/** What JavaScript may hand to the library is refused by name, never by a TypeError of the engine's. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { IdleDevice } from "../lib/gpu/rehearsal.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline, planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
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
  const right: Record<string, (v: unknown) => boolean> = {
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
