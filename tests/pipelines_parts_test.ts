/** A picture drawn in two runs: the first ends between two stages, the second goes on from its latents. */

import { assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateOptions, GenerateRequest, Pipeline, Progress } from "../lib/pipelines/types.ts";

async function open(name: string, device: Awaited<ReturnType<typeof openDevice>>): Promise<Pipeline> {
  const folder = fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);
  return await createPipeline(folder, { dtype: "f32", device });
}

const SIZE = {
  width: 128,
  height: 128,
  minResolution: 32,
  steps: 3,
  shortenSteps: false,
  upsampler: "bicubic",
} as const;
const SMALL = { width: 64, height: 64, steps: 2 };
/** Parameters that reach into later stages: noise of steps, pictures, the stage before. */
const CASES: readonly [family: string, what: string, request: GenerateRequest][] = [
  ["dit", "three stages", { prompt: "3", guidance: 2, ...SIZE }],
  ["sd15", "noise in every step", { prompt: "a fox", scheduler: "euler_a", ...SIZE, ...SMALL }],
  ["sd15", "a picture and a mask", {
    prompt: "a fox",
    ...SIZE,
    ...SMALL,
    image: { width: 32, height: 32, channels: 3, data: new Uint8Array(3072).map((_, i) => i * 7) },
    mask: { width: 32, height: 32, channels: 1, data: new Uint8Array(1024).map((_, i) => i < 512 ? 255 : 0) },
    strength: 0.8,
  }],
  ["flux_dev", "the upper band of the noise", { prompt: "a fox", ...SIZE, ...SMALL, method: "spectral" }],
  ["flux_dev", "two prompts", { prompt: "a fox", prompt2: "red", ...SIZE }],
];

for (const [family, what, request] of CASES) {
  Deno.test(`a picture in parts has the bytes of the whole one: ${family}, ${what}`, async () => {
    using device = await openDevice();
    await using pipeline = await open(family, device);
    const whole = await pipeline.generate(request);
    const stages = whole.plan.stages.length;
    const part = async (options: GenerateOptions) => {
      const seen: Progress[] = [];
      const result = await pipeline.generate(request, {
        ...options,
        onProgress: (event) => seen.push(event),
      });
      return { ...result, steps: seen.filter(({ phase }) => phase === "denoise").map(({ stage }) => stage) };
    };
    for (let at = 1; at < stages; at++) {
      const low = await part({ stopAfter: at });
      assertEquals([low.images, low.latents?.stages, Math.max(...low.steps as number[])], [[], at, at]);
      const high = await part({ resume: low.latents });
      assertEquals(high.images, whole.images);
      assertEquals([high.latents, Math.min(...high.steps as number[])], [undefined, at + 1]);
    }
    if (stages < 3) return;
    const { latents } = await part({ stopAfter: 1 });
    const middle = await part({ resume: latents, stopAfter: 2 });
    assertEquals((await part({ resume: middle.latents })).images, whole.images);
  });
}

Deno.test("latents of another request, and requests that have no parts, are refused in words", async () => {
  using device = await openDevice();
  await using pipeline = await open("dit", device);
  const request = { prompt: "3", ...SIZE };
  const { latents } = await pipeline.generate(request, { stopAfter: 1 });
  const { data } = latents!;
  const rows: [Partial<GenerateRequest>, GenerateOptions, string, string][] = [
    [
      { rng: "torch-cpu" },
      { stopAfter: 1 },
      "bad_option",
      'rng "torch-cpu" (--rng) draws the noise of all stages',
    ],
    [{ rng: "torch-cuda" }, { resume: latents }, "bad_option", "resume does not go with this request: rng"],
    [{ count: 2 }, { stopAfter: 1 }, "bad_option", "count is 2, and latents belong to one picture"],
    [{ prompt: "3, 4" }, { stopAfter: 1 }, "bad_option", "names several classes"],
    [{}, { stopAfter: 3 }, "bad_option", "stopAfter is 3, expected a whole number from 1 to 2"],
    [{}, { stopAfter: 0.5 }, "bad_option", "stopAfter is 0.5, expected a whole number from 1 to 2"],
    [
      {},
      { resume: latents, stopAfter: 1 },
      "bad_option",
      "stopAfter is 1, expected a whole number from 2 to 2",
    ],
    [
      { method: "direct" },
      { stopAfter: 1 },
      "bad_option",
      "the picture has one stage: there is nothing to end before",
    ],
    [
      {},
      { resume: { stages: 3, data } },
      "bad_option",
      "resume has the latents of 3 stages, but the picture has 3 stages",
    ],
    [{}, { resume: { stages: 2, data } }, "bad_file", "they are of another request or model"],
    [{}, { resume: { stages: 1, data: [] as never } }, "bad_file", "the latents hold 0 numbers"],
    [
      {},
      { resume: { stages: 1, data: data.with(5, NaN) as typeof data } },
      "bad_file",
      "number 5 of the latents is NaN",
    ],
    [{}, { resume: 7 as never }, "bad_option", "resume is 7, expected an object"],
  ];
  for (const [more, options, code, words] of rows) {
    const error = await assertRejects(
      async () => await pipeline.generate({ ...request, ...more }, options),
      LssgenError,
      words,
    );
    assertEquals(error.code, code);
  }
  await using flux = await open("flux_dev", device);
  await assertRejects(
    async () => await flux.generate({ prompt: "a fox", ...SIZE, method: "jit", steps: 6 }, { stopAfter: 1 }),
    LssgenError,
    'the method "jit" hands more than latents from stage to stage',
  );
});
