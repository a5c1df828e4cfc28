/** Classifier-free guidance in one call or in two: the same picture, whatever the memory. */

import { assert } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";

const CASES = { flux_dev: "a fox", sd3: "a fox", sdxl: "a fox", sd15: "a fox", dit: "3" };

for (const [name, prompt] of Object.entries(CASES)) {
  Deno.test(`guidance of ${name} in two calls draws what one call of two samples draws`, async () => {
    using device = await openDevice();
    const folder = fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);
    const draw = async (maxActivationBytes?: number) => {
      await using pipeline = await createPipeline(folder, { dtype: "f32", device, maxActivationBytes });
      const asked = { prompt, width: 64, height: 64, steps: 2, method: "direct", guidance: 4 } as const;
      const result = await pipeline.generate(name === "flux_dev" ? { ...asked, trueCfgScale: 3 } : asked);
      return result.images[0].rgb;
    };
    const [together, apart] = [await draw(), await draw(1)];
    let worst = 0;
    together.forEach((v, i) => worst = Math.max(worst, Math.abs(v - apart[i])));
    assert(worst <= 1, `off by ${worst} of 255`);
    assert(new Set(together).size > 16, "a blank picture shows nothing");
  });
}
