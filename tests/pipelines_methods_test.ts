/** Every scaling method on every family, end to end on the tiny models: wide pictures, guidance, both kinds of latents. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { METHODS } from "../lib/scaling/methods/registry.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";

const FAMILIES = { flux_dev: "a fox", sd3: "a fox", sdxl: "a fox", sd15: "a fox", dit: "3" };

for (const [name, prompt] of Object.entries(FAMILIES)) {
  Deno.test(`every method draws a wide picture with ${name}`, async () => {
    using device = await openDevice();
    const inner = fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);
    // At home at 32²: methods that begin at the model's own size have something to grow from.
    const settings = new TextEncoder().encode(JSON.stringify({ base_resolution: 32, min_resolution: 32 }));
    const folder = folderOf(
      name,
      (file) => file === "lssgen.json" ? Promise.resolve(bytesOf(file, settings)) : inner.open(file),
    );
    await using pipeline = await createPipeline(folder, { dtype: "f32", device });
    const pictures = new Set<string>();
    for (const { name: method } of METHODS) {
      const { images: [{ width, height, rgb }], plan } = await pipeline.generate({
        prompt,
        method,
        width: 96,
        height: 64,
        steps: 6,
        guidance: 2,
        // Not the 0.7 of self-cascade, with which lssgen over bicubic latents is the same method; hires-fix has its own.
        ...method !== "hires-fix" && { initNoise: 0.9 },
        upsampler: "bicubic",
      });
      assertEquals([width, height, rgb.length], [96, 64, 96 * 64 * 3]);
      assertEquals(plan.stages.length > 1, method !== "direct", method);
      assert(new Set(rgb).size > 16, `${method} draws a blank`);
      pictures.add(rgb.join());
    }
    assertEquals(pictures.size, METHODS.length, "two methods draw the same");
  });
}
