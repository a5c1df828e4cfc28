/** Stages whose transformer sees some tokens only: on the GPU, through the network, and in pictures. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { sd3Config, Sd3Transformer } from "../lib/models/sd3.ts";
import { Weights } from "../lib/models/weights.ts";
import { spreadTokens, takeTokens } from "../lib/ops/token_sets.ts";
import { createPipeline, planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { anchorSet, regionSet, regularAnchors } from "../lib/scaling/tokens.ts";
import type { TokenSet } from "../lib/token_set.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";
import { openCheckpoint } from "../lib/weights/checkpoint.ts";
import { readConfig } from "../lib/weights/model_folder.ts";
import { numbers } from "./devices.ts";

const model = (name: string) =>
  fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);

Deno.test("Tokens are taken from latents and spread over them again, on either grid", async () => {
  using device = await openDevice();
  using r = new Recorder(device, "f32");
  const [H, W, C] = [8, 4, 3];
  const data = numbers(2 * H * W * C, 5);
  const latents = r.upload([2, H, W, C], data); // two samples, as guidance has them
  const some = anchorSet(regularAnchors(4, 2, 2), 4, 2, 2);
  const taken = takeTokens(r, latents, some);
  assertEquals(taken.shape, [2, 2, 4 * C]);
  const anchors = await r.read(spreadTokens(r, taken, some, 4, 2, 2));
  // Every token follows its nearest anchors; those at rows 0, 1 and 4, 5 of the latents have their own values.
  const first = (y: number, x: number) => data.subarray((y * W + x) * C, (y * W + x) * C + C);
  assertEquals(anchors.subarray(0, C), first(0, 0));
  assertEquals(anchors.subarray((5 * W + 1) * C, (5 * W + 1) * C + C), first(5, 1));
  const mixture = regionSet(Uint8Array.from([1, 0]), 2, 1);
  assertEquals(mixture.count, 5);
  const back = await r.read(spreadTokens(r, takeTokens(r, latents, mixture), mixture, 4, 2, 2));
  for (let i = 0; i < back.length; i++) {
    const [y, x] = [Math.floor(i / W / C) % H, Math.floor(i / C) % W];
    // The upper half as it is, the lower one by the first of each 2 × 2.
    const same = y < 4 ? i : i - ((y % 2) * W + x % 2) * C;
    assertEquals(back[i], data[same]);
  }
});

Deno.test("All tokens in another order are the same picture to SD3's transformer, and without tokens it is the same bits", async () => {
  using device = await openDevice();
  const folder = fileFolder(new URL("./golden/pipelines/sd3/model/transformer", import.meta.url).pathname);
  using store = new WeightStore(await openCheckpoint(folder, ""), device, { dtype: "f32" });
  const transformer = new Sd3Transformer(
    new Weights(store),
    sd3Config(await readConfig(folder, "config.json")),
  );
  await store.load();
  using r = new Recorder(device, "f32");
  const { joint_attention_dim: width, pooled_projection_dim: pooled } = transformer.config;
  const forward = (tokens?: TokenSet) =>
    r.read(transformer.forward(r, {
      latents: r.upload([1, 8, 8, 16], numbers(8 * 8 * 16, 1)),
      encoderHiddenStates: r.upload([1, 5, width], numbers(5 * width, 2)),
      pooledProjections: r.upload([1, pooled], numbers(pooled, 3)),
      timestep: [500],
      tokens,
    }));
  const want = await forward();
  const all = anchorSet(new Uint8Array(16).fill(1), 4, 4, 1);
  assertEquals(await forward(all), want);
  const pairs = all.full.pairs.slice();
  for (let token = 0; token < 16; token++) pairs[token * all.full.K * 2] = 15 - token;
  const reversed = {
    rows: [...all.rows].reverse(),
    places: [...all.places].reverse(),
    full: { ...all.full, pairs },
  };
  const got = await forward({ ...all, ...reversed });
  got.forEach((v, i) => assert(Math.abs(v - want[i]) < 1e-4));
  const wrong = await forward({ ...all, ...reversed, places: all.places });
  assert(wrong.some((v, i) => Math.abs(v - want[i]) > 1e-3), "places do not matter");
});

for (const name of ["flux_dev", "sd3"]) {
  Deno.test(`jit and ralu draw pictures of their own with ${name}`, async () => {
    using device = await openDevice();
    const inner = model(name);
    const settings = new TextEncoder().encode(JSON.stringify({ base_resolution: 32, min_resolution: 32 }));
    const folder = folderOf(
      name,
      (file) => file === "lssgen.json" ? Promise.resolve(bytesOf(file, settings)) : inner.open(file),
    );
    await using pipeline = await createPipeline(folder, { dtype: "f32", device });
    const seen = new Set<string>();
    const asked = { prompt: "a fox", width: 96, height: 64, steps: 4, guidance: 2 } as const;
    for (const method of ["direct", "jit", "ralu"] as const) {
      const { images: [{ rgb }], plan } = await pipeline.generate({ ...asked, method });
      assertEquals(plan.stages.length, method === "direct" ? 1 : 3);
      assert(new Set(rgb).size > 16, `${method} draws a blank`);
      seen.add(rgb.join());
    }
    assertEquals(seen.size, 3);
  });
}

Deno.test("jit and ralu refuse UNets, and what has no selectable tokens, by name", async () => {
  for (const name of ["sdxl", "sd15", "dit"]) {
    const info = await readModelInfo(model(name));
    for (const method of ["jit", "ralu"] as const) {
      const planned = () => planPicture(info, { method, width: 64, height: 64, minResolution: 32, steps: 6 });
      assertThrows(planned, LssgenError, `"${method}" hands a transformer`);
      assertThrows(planned, LssgenError, info.pipeline);
    }
  }
  const info = await readModelInfo(model("flux_dev"));
  const asked = { method: "ralu", width: 64, height: 64, minResolution: 32 } as const;
  const refused = (more: Parameters<typeof planPicture>[1], part: string) =>
    assertThrows(() => planPicture(info, { ...asked, ...more }), LssgenError, part);
  refused({ schedule: "karras" }, "schedule (--schedule)");
  refused({ sigmas: [1, 0.6, 0.3] }, "sigmas (--sigmas)");
  refused({ steps: 2 }, "take at least 3");
});
