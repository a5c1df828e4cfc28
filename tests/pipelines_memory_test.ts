/** The memory that a picture takes, against what was planned from headers alone. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { tuningOf } from "../lib/gpu/tune.ts";
import { formatMemory, planMemory } from "../lib/pipelines/memory.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { deviceReading } from "./devices.ts";

const golden = (model: string) =>
  fileFolder(new URL(`./golden/pipelines/${model}/model`, import.meta.url).pathname);

/** Every family, and both methods. */
const CASES: readonly (readonly [model: string, method: string])[] = [
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
  Deno.test(`${model}, ${method}: a picture takes no more memory than planned from headers, and not 64 MiB less`, async () => {
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
    await using pipeline = await createPipeline(golden(model), { device, dtype: "f32" });
    await pipeline.generate({ prompt: "1", ...picture });
    const { footprint, weights } = device.memory.use();
    const loading = plan.peak - footprint;
    assert(loading >= 0, `${footprint} bytes, planned were ${plan.peak}`);
    assert(loading <= 64 << 20, `${footprint} bytes, planned were ${plan.peak}`);
    assertEquals(weights, plan.resident);
    assertEquals(formatMemory(plan).length, plan.components.length + 1);
  });
}
