/**
 * Image-to-image and inpainting against diffusers' own pipelines, from the same seed: strength, the picture's way into
 * latents, PyTorch's order of drawing noise, the mask. tests/data/make_image_to_image.py made the reference.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import type { Picture } from "../lib/image/png.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, Progress } from "../lib/pipelines/text_to_image.ts";
import { RNGS } from "../lib/pipelines/types.ts";
import { METHODS } from "../lib/scaling/methods/registry.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;
const SIDE = 64;

async function reference() {
  return await openSafetensors(
    bytesOf("reference", Deno.readFileSync(path("./data/image_to_image.safetensors"))),
  );
}

async function stored(name: "picture" | "mask"): Promise<Picture> {
  const data = Uint8Array.from(await (await reference()).readF32(name));
  return { width: SIDE, height: SIDE, channels: name === "mask" ? 1 : 3, data };
}

const model = (name: string) => fileFolder(path(`./golden/pipelines/${name}/model`));

const CASES: Readonly<Record<string, Partial<GenerateRequest>>> = {
  flux_dev: { strength: 0.6, steps: 7, guidance: 3.5 },
  sd3: { strength: 0.55, steps: 6, guidance: 4 },
  sd15: { strength: 0.7, steps: 6, guidance: 5 },
  sdxl: { strength: 0.5, steps: 6, guidance: 4 },
  sd15_inpaint: { strength: 0.8, steps: 6, guidance: 5 },
};

for (const [name, request] of Object.entries(CASES)) {
  Deno.test(`image-to-image of ${name} equals diffusers'`, async () => {
    const want = await (await reference()).readF32(name);
    const mask = name.endsWith("_inpaint") ? await stored("mask") : undefined;
    await using pipeline = await createPipeline(model(name.replace("_inpaint", "")), { dtype: "f32" });
    const { images: [{ rgb }] } = await pipeline.generate({
      prompt: "a small red apple",
      image: await stored("picture"),
      mask,
      width: SIDE,
      height: SIDE,
      method: "direct",
      seed: 5,
      rng: "torch-cpu",
      emphasis: false,
      ...request,
    });
    const keeps = mask ? await stored("mask") : undefined;
    let worst = 0;
    rgb.forEach((v, i) => {
      // Kept pixels are the user's own here; diffusers leaves those that went through the autoencoder.
      if (keeps && keeps.data[Math.floor(i / 3)] !== 255) return;
      worst = Math.max(worst, Math.abs(v - want[i] * 255));
    });
    // One level of rounding, one of noise between two orders of summation through a few steps.
    assert(worst < 2, `off by ${worst} of 255`);
  });
}

Deno.test("what a mask keeps are the picture's own bytes, in every stage of LSSGen too", async () => {
  const [image, mask] = [await stored("picture"), await stored("mask")];
  await using pipeline = await createPipeline(model("sd15"), { dtype: "f32" });
  const events: Progress[] = [];
  const { images: [{ rgb }], plan } = await pipeline.generate({
    prompt: "x",
    image,
    mask,
    width: SIDE,
    height: SIDE,
    minResolution: 32,
    upsampler: "bicubic",
    steps: 4,
  }, { onProgress: (event) => events.push(event), previewEvery: 2 });
  assertEquals(plan.stages.length, 2);
  mask.data.forEach((m, i) => {
    if (m === 0) { for (let c = 0; c < 3; c++) assertEquals(rgb[3 * i + c], image.data[3 * i + c]); }
  });
  const previews = events.flatMap(({ preview }) => preview ? [preview] : []);
  assert(previews.length >= 2, "no previews");
  for (const { width, height, rgb } of previews) {
    assertEquals(rgb.length, width * height * 3);
    assert(new Set(rgb).size > 8, "a preview is blank");
  }
});

/** The tiny SD1.5 with a base size of its own, so that every method has stages at 64². */
function small(): ReturnType<typeof model> {
  const inner = model("sd15");
  const settings = new TextEncoder().encode(
    JSON.stringify({ base_resolution: 32, min_resolution: 32, steps: 7, init_noise: 0.9 }),
  );
  return folderOf(
    "small",
    (file) => file === "lssgen.json" ? Promise.resolve(bytesOf(file, settings)) : inner.open(file),
  );
}

Deno.test("every method draws its own picture, and so does every source of noise", async () => {
  await using pipeline = await createPipeline(small(), { dtype: "f32" });
  const draw = async (request: Partial<GenerateRequest>) => {
    const asked = {
      prompt: "x",
      width: SIDE,
      height: SIDE,
      upsampler: "bicubic",
      ...request,
    } as GenerateRequest;
    return (await pipeline.generate(asked)).images[0].rgb;
  };
  const seen = new Set<string>();
  for (const { name } of METHODS) seen.add((await draw({ method: name })).join());
  assertEquals(seen.size, METHODS.length);
  const noises = await Promise.all(RNGS.map((rng) => draw({ rng, method: "direct" })));
  assertEquals(new Set(noises.map(String)).size, RNGS.length);
});

Deno.test("a strength or a mask without a picture, and a strength that leaves nothing, are refused by name", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(model("sd15"), { dtype: "f32", device });
  const refuse = async (request: Partial<GenerateRequest>, words: string) => {
    const error = await assertRejects(
      () => pipeline.generate({ prompt: "x", width: SIDE, height: SIDE, minResolution: SIDE, ...request }),
      LssgenError,
    );
    assert(error.message.includes(words), error.message);
  };
  await refuse({ strength: 0.5 }, "strength");
  await refuse({ mask: await stored("mask") }, "mask");
  await refuse({ image: await stored("picture"), strength: 0.01 }, "strength is 0.01");
  await refuse({ image: { ...await stored("picture"), width: 63 } }, "image");
});
