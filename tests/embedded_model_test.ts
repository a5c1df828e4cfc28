/** The model in weights/ from prompt to picture: loads as shipped, repeats itself, and agrees with itself in f32. */

import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline, type GenerateRequest } from "../lib/pipelines/text_to_image.ts";

const REQUEST: GenerateRequest = {
  prompt: "a red apple on a blue background",
  width: 256,
  height: 256,
  minResolution: 128,
  steps: 6,
  seed: 3,
};

Deno.test("the embedded model draws the same picture twice, in two stages, with its own upsampler", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(undefined, { device });
  const first = await pipeline.generate(REQUEST);
  assertEquals(first.plan.stages.map(({ width }) => width), [128, 256]);
  assertEquals(first.plan.stages[1].grow?.upsampler, "learned");
  const { rgb, width, height } = first.images[0];
  assertEquals(rgb.length, width * height * 3);
  const mean = rgb.reduce((sum, v) => sum + v, 0) / rgb.length;
  const spread = Math.sqrt(rgb.reduce((sum, v) => sum + (v - mean) ** 2, 0) / rgb.length);
  assert(spread > 20, `a spread of ${spread} is no picture`);

  const again = await pipeline.generate(REQUEST);
  assertEquals(again.images[0].rgb, rgb);
  const other = await pipeline.generate({ ...REQUEST, seed: 4 });
  assert(other.images[0].rgb.some((v, i) => v !== rgb[i]), "another seed, another picture");
});

Deno.test("a picture that grew by no doubling says what draws it again", async () => {
  await using pipeline = await createPipeline();
  const request: GenerateRequest = {
    ...REQUEST,
    width: 96,
    height: 96,
    minResolution: 64,
    steps: 2,
    method: "hires-fix",
  };
  const { images: [{ rgb, parameters }], plan } = await pipeline.generate(request);
  assertEquals(plan.stages[1].grow?.upsampler, "bicubic");
  const stored = JSON.parse(JSON.stringify(parameters)) as GenerateRequest;
  assertEquals((await pipeline.generate(stored)).images[0].rgb, rgb);
});

Deno.test("in f32 the embedded model draws what it draws in f16", async () => {
  const draw = async (dtype: "f32" | "f16"): Promise<Uint8Array> => {
    using device = await openDevice();
    await using pipeline = await createPipeline(undefined, { device, dtype });
    return (await pipeline.generate({ ...REQUEST, width: 128, height: 128 })).images[0].rgb;
  };
  const [half, full] = [await draw("f16"), await draw("f32")];
  const off = half.reduce((sum, v, i) => sum + Math.abs(v - full[i]), 0) / half.length;
  assert(off < 2, `off by ${off} of 255 in the mean`);
});
