/** Memory over many pictures, and pictures under a small binding limit. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline, type GenerateRequest } from "../lib/pipelines/text_to_image.ts";

const MODEL = new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname;

Deno.test("100 pictures use no more memory than the second", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(fileFolder(MODEL), { device, dtype: "f32" });
  const request: GenerateRequest = {
    prompt: "a fox",
    width: 32,
    height: 32,
    minResolution: 16,
    steps: 2,
    shortenSteps: false,
    upsampler: "bicubic",
  };
  const use = async (): Promise<number> => {
    await pipeline.generate(request);
    const { live, pooled } = device.memory.use();
    return live + pooled;
  };
  await use();
  const second = await use();
  const live = device.memory.use().live;
  for (let i = 2; i < 100; i++) await use();
  assertEquals(await use(), second);
  assertEquals(device.memory.use().live, live);
});

Deno.test("a picture is the same when no binding may exceed 40 KiB", async () => {
  const draw = async (maxBindingBytes?: number): Promise<Uint8Array> => {
    using device = await openDevice({ maxBindingBytes });
    await using pipeline = await createPipeline(fileFolder(MODEL), { device, dtype: "f32" });
    const { images: [image] } = await pipeline.generate({
      prompt: "a fox",
      width: 96,
      height: 64,
      minResolution: 32,
      steps: 4,
      shortenSteps: false,
      upsampler: "pixel",
    });
    return image.rgb;
  };
  const [whole, split] = [await draw(), await draw(40 * 1024)];
  const worst = whole.reduce((top, v, i) => Math.max(top, Math.abs(v - split[i])), 0);
  assert(worst <= 1, `off by ${worst} of 255`);
});
