/** Skip-layer guidance against diffusers' own pipeline, from the same seed; tests/data/make_skip_layers.py made the reference. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { parseOptions } from "../lib/cli/options.ts";
import { toRequest } from "../lib/cli/request.ts";
import { LssgenError } from "../lib/errors.ts";
import { createPipeline, planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;
const model = (name: string) => fileFolder(path(`./golden/pipelines/${name}/model`));
const request = {
  prompt: "a small red apple",
  width: 64,
  height: 64,
  steps: 8,
  guidance: 4,
  method: "direct",
  seed: 5,
  rng: "torch-cpu",
  emphasis: false,
} as const satisfies GenerateRequest;

Deno.test("skip-layer guidance of sd3 equals diffusers'", async () => {
  const file = await openSafetensors(
    bytesOf("reference", Deno.readFileSync(path("./data/skip_layers.safetensors"))),
  );
  const cases: Readonly<Record<string, Partial<GenerateRequest>>> = {
    plain: { skipLayers: [1], slgScale: 0 },
    second_block: { skipLayers: [1], skipLayerEnd: 0.5 },
    first_block: { skipLayers: [0], slgScale: 6, skipLayerStart: 0.2, skipLayerEnd: 0.8 },
  };
  const names = Object.keys(cases);
  // Both calls of guidance together, and apart.
  for (const [maxActivationBytes, some] of [[undefined, names], [1, ["second_block"]]] as const) {
    await using pipeline = await createPipeline(model("sd3"), { dtype: "f32", maxActivationBytes });
    for (const name of some) {
      const { images: [{ rgb, parameters }] } = await pipeline.generate({ ...request, ...cases[name] });
      const want = await file.readF32(name);
      let worst = 0;
      rgb.forEach((v, i) => worst = Math.max(worst, Math.abs(v - want[i])));
      assert(worst <= 2, `${name} is off by ${worst} of 255`);
      if (name === "second_block") assertEquals(parameters.slgScale, 2.8); // what --from draws again
    }
  }
});

Deno.test("a plan counts the further calls of skip-layer guidance, without the blocks that they leave out", async () => {
  const info = await readModelInfo(model("sd3"));
  const plan = (asked: Partial<GenerateRequest>) => planPicture(info, { ...request, ...asked });
  const [plain, half, none] = [plan({}), plan({ skipLayers: [1] }), plan({ skipLayers: [1], slgScale: 0 })];
  assertEquals(none, plain);
  const skips = half.stages[0].steps.map((step) => step.skipping === true);
  assertEquals(skips, [false, true, false, false, false, false, false, false]);
  const call = info.cost(1, [1]).denoiserStep(8, 8);
  assert(call < info.cost(1).denoiserStep(8, 8));
  assertEquals(half.flops, plain.flops! + call);
  assertEquals(half.directFlops, plain.flops);
  const unguided = plan({ skipLayers: [1], guidanceStart: 0.3 }).stages[0].steps[1];
  assertEquals([unguided.unguided, unguided.skipping], [true, undefined]);
});

Deno.test("models without skip-layer guidance, and values that cannot be, are refused by name", async () => {
  const asked = { width: 64, height: 64, steps: 4, method: "direct", guidance: 4 } as const;
  for (const name of ["flux_dev", "sdxl", "sd15", "dit"]) {
    const info = await readModelInfo(model(name));
    const refused = () => planPicture(info, { ...asked, skipLayers: [1] });
    assertThrows(refused, LssgenError, `${info.pipeline} has none`);
    planPicture(info, { ...asked, slgScale: 0 }); // off, as stable-diffusion.cpp's default
  }
  const info = await readModelInfo(model("sd3"));
  const refused = (more: Partial<GenerateRequest>, part: string) =>
    assertThrows(() => planPicture(info, { ...asked, ...more }), LssgenError, part);
  refused({ skipLayers: [2] }, "holds 2, expected whole numbers from 0 to 1");
  refused({ skipLayers: [0.5] }, "holds 0.5");
  refused({ skipLayers: [] }, "is empty");
  refused({ slgScale: 2.5 }, "is 7, 8, 9 where it is not given");
  refused({ slgScale: -1, skipLayers: [1] }, "slgScale (--slg-scale) is -1");
  refused({ skipLayers: [1], skipLayerStart: 0.3 }, "the start below the end");
  refused({ skipLayerEnd: 0.3 }, "are not given");
  refused({ skipLayers: [1], guidance: 1 }, "without classifier-free guidance");
  await using pipeline = await createPipeline(model("flux_dev"), { dtype: "f32" });
  await assertRejects(
    async () => {
      await pipeline.generate({ ...request, skipLayers: [1] });
    },
    LssgenError,
    "FluxPipeline has none",
  );
});

Deno.test("the command line takes stable-diffusion.cpp's options of skip-layer guidance", () => {
  const words = ["--slg-scale", "2.5", "--skip-layers", "[7, 8,9]", "--skip-layer-start=0.1"];
  const { skipLayers, slgScale, skipLayerStart, skipLayerEnd } = toRequest(
    parseOptions([...words, "--skip_layer_end", "0.3", "a fox"]),
  );
  assertEquals([skipLayers, slgScale, skipLayerStart, skipLayerEnd], [[7, 8, 9], 2.5, 0.1, 0.3]);
});
