/** The memory that a picture takes, against what was planned from headers alone. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { tuningOf } from "../lib/gpu/tune.ts";
import { formatMemory, planMemory } from "../lib/pipelines/memory.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { LOADING_BYTES } from "../lib/residency/upload.ts";
import { Stream } from "../lib/residency/stream.ts";
import { deviceReading } from "./devices.ts";
import type { MethodName } from "../lib/scaling/types.ts";

const golden = (model: string) =>
  fileFolder(new URL(`./golden/pipelines/${model}/model`, import.meta.url).pathname);

/** Every family, and both methods. */
const CASES: readonly (readonly [model: string, method: MethodName])[] = [
  ["sd15", "lssgen"],
  ["sdxl", "direct"],
  ["sd3", "lssgen"],
  ["flux_dev", "direct"],
  [
    "flux_dev",
    "lssgen",
  ],
  ["dit", "direct"],
];

for (const [model, method] of CASES) {
  Deno.test(`${model}, ${method}: a picture takes no more memory than planned from headers, and not 16 MiB less; it is the same where weights stream`, async () => {
    using device = await deviceReading("texels");
    const picture = {
      width: 64,
      height: 64,
      minResolution: 32,
      steps: 2,
      shortenSteps: false,
      method,
      upsampler: "nearest" as const,
    };
    const where = { adapter: device.info, tuning: tuningOf(device) };
    const plan = await planMemory(golden(model), picture, { dtype: "f32", ...where });
    device.memory.resetPeak();
    const pipeline = await createPipeline(golden(model), { device, dtype: "f32" });
    const { images } = await pipeline.generate({ prompt: "1", ...picture });
    const { footprint, weights } = device.memory.use();
    // What loading takes is planned beside everything, and is gone when these small models are drawn.
    const planned = plan.peak - LOADING_BYTES;
    assert(footprint <= planned, `${footprint} bytes, planned were ${planned}`);
    assert(planned - footprint <= 16 << 20, `${footprint} bytes, planned were ${planned}`);
    assertEquals(weights, plan.resident);
    assertEquals(formatMemory(plan).length, plan.components.length + 2);
    await pipeline[Symbol.asyncDispose]();

    // The same again with the least that works, and with a little more, where some weights stay.
    for (const more of [0, 300_000]) {
      const maxVramBytes = plan.least + more;
      const small = await planMemory(golden(model), picture, { dtype: "f32", maxVramBytes, ...where });
      assert(small.peak <= maxVramBytes, `${small.peak} bytes planned, allowed were ${maxVramBytes}`);
      assert(small.slots > 0 && small.resident < plan.resident);
      device.memory.trim();
      device.memory.resetPeak();
      await using streamed = await createPipeline(golden(model), {
        device,
        dtype: "f32",
        maxVramBytes,
        firstPicture: picture,
        offload: more > 0 ? "cpu" : "disk",
      });
      assert(Stream.of(device).bytes > 0);
      const again = await streamed.generate({ prompt: "1", ...picture });
      assertEquals(again.images[0].rgb, images[0].rgb);
      const { footprint, weights } = device.memory.use();
      assert(footprint <= small.peak, `${footprint} bytes, planned were ${small.peak}`);
      assertEquals(weights, small.resident);
    }
  });
}

Deno.test("every limit from the least on is kept by the plan, and more room lets more weights stay", async () => {
  const picture = {
    prompt: "1",
    width: 64,
    height: 64,
    steps: 2,
    method: "direct",
    minResolution: 32,
  } as const;
  const { least, peak } = await planMemory(golden("sdxl"), picture, { dtype: "f32" });
  assert(least < peak);
  let before = 0;
  for (const share of [0, 0.02, 0.05, 0.1, 1]) {
    const maxVramBytes = Math.ceil(least + share * (peak - least));
    const plan = await planMemory(golden("sdxl"), picture, { dtype: "f32", maxVramBytes });
    assert(plan.peak <= maxVramBytes, `${plan.peak} of ${maxVramBytes}`);
    const { bytes } = plan.components.find(({ name }) => name === "unet")!;
    assert(bytes >= before);
    before = bytes;
  }
});

Deno.test("a later picture that would break the limit is refused, and smaller ones are drawn afterwards", async () => {
  using device = await deviceReading("buffers");
  const firstPicture = {
    prompt: "1",
    width: 64,
    height: 64,
    steps: 1,
    method: "direct",
    guidance: 0,
  } as const;
  const where = { adapter: device.info, tuning: tuningOf(device) };
  const { least } = await planMemory(golden("dit"), firstPicture, { dtype: "f32", ...where });
  await using pipeline = await createPipeline(golden("dit"), {
    device,
    dtype: "f32",
    maxVramBytes: least,
    firstPicture,
  });
  const error = await assertRejects(
    () => pipeline.generate({ ...firstPicture, width: 512, height: 512 }),
    LssgenError,
  );
  assertEquals(error.code, "out_of_memory");
  assertStringIncludes(error.message, "--max-vram");
  assertEquals((await pipeline.generate(firstPicture)).images.length, 1);
  assert(device.memory.use().footprint <= least);
});

Deno.test("a limit that cannot be kept is refused before anything is loaded, with the least that can", async () => {
  using device = await deviceReading("buffers");
  const firstPicture = { width: 64, height: 64, method: "direct" } as const;
  const { least } = await planMemory(golden("sd3"), firstPicture, {
    dtype: "f32",
    adapter: device.info,
    tuning: tuningOf(device),
  });
  const error = await assertRejects(
    () => createPipeline(golden("sd3"), { device, dtype: "f32", maxVramBytes: least - 1, firstPicture }),
    LssgenError,
  );
  assertEquals(error.code, "out_of_memory");
  assertStringIncludes(error.message, `it takes ${Math.ceil(least / 2 ** 20)} MiB`);
  assertStringIncludes(error.message, "--max-vram");
  assertEquals(device.memory.use().footprint, 0);
});
