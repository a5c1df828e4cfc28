/**
 * Tunes this machine's adapter from nothing and draws a picture with each of the models that its arguments name ("dit f32");
 * prints what was chosen and the hashes of the pictures as a line of JSON. A process of its own for
 * tests/gpu_tunings_under_load_test.ts, with a store of its own (`--location`).
 */

import { createPipeline } from "../mod.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { tuneMatmul } from "../lib/gpu/tune.ts";

using device = await openDevice();
// Nothing of earlier runs is known to it.
const { operands, tiles, texels, arithmetic, reduction, normLoads, ...measured } = await tuneMatmul(device);
const pictures: Record<string, string> = {};
for (const name of Deno.args) {
  const [model, dtype] = name.split(" ");
  const { pathname } = new URL(`golden/pipelines/${model}/model`, import.meta.url);
  await using pipeline = await createPipeline(fileFolder(pathname), {
    device,
    dtype: dtype as "f32" | "f16",
  });
  const { images: [{ rgb }] } = await pipeline.generate({
    prompt: model === "dit" ? "207" : "a red apple",
    width: 32,
    height: 32,
    steps: 1,
    seed: 7,
    method: "direct",
  });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", rgb as Uint8Array<ArrayBuffer>));
  pictures[name] = digest.toHex().slice(0, 16);
}
console.log(
  JSON.stringify({
    chosen: { operands, tiles, texels, arithmetic, reduction, normLoads },
    pictures,
    measured,
  }),
);
