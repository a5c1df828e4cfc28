/** Emphasis and long prompts where they meet the encoders. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { ClipPrompts, clipStates, filled, T5Prompts } from "../lib/pipelines/prompts.ts";
import { familyOf } from "../lib/pipelines/families.ts";
import { planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";
import { numbers } from "./devices.ts";

const folder = fileFolder(new URL("./golden/pipelines/sd3/model", import.meta.url).pathname);
const LONG = Array(60).fill("red fox").join(" "); // more than one row of CLIP's

const largest = (x: Float32Array) => x.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
function difference(a: Float32Array, b: Float32Array): number {
  assertEquals(a.length, b.length);
  return largest(a.map((v, i) => v - b[i]));
}

Deno.test("weights move a token's states along the line from the empty prompt's, for CLIP and T5", async () => {
  using device = await openDevice();
  const context = { folder, index: await readModelIndex(folder), device, dtype: "f32" as const };
  using clip = new ClipPrompts(context, "text_encoder", "tokenizer");
  using t5 = new T5Prompts(context, "text_encoder_3", "tokenizer_3");
  for (const encoder of [clip, t5]) {
    const [h, h0, weighed, even] = [
      await encoder.encode("red fox", 77),
      await encoder.encode("", 77),
      await encoder.encode("(red:1.5) fox", 77, true),
      await encoder.encode("(red:1.0) fox", 77, true),
    ].map(({ last }) => last.data);
    assertEquals(difference(h, even), 0);
    const tokens = (await encoder.getTokenizer()).tokens("red").length;
    const first = encoder === clip ? 1 : 0; // behind the start of text
    const width = h.length / 77;
    const want = h.map((v, i) => {
      const token = Math.floor(i / width);
      return token >= first && token < first + tokens ? h0[i] + 1.5 * (v - h0[i]) : v;
    });
    assert(difference(weighed, want) <= 1e-6 * largest(h));
    assert(difference(weighed, h) > 1e-3 * largest(h), "the weight does nothing");
  }
});

Deno.test("a long prompt takes rows of its own with emphasis, and is cut with a warning without", async () => {
  using device = await openDevice();
  const context = { folder, index: await readModelIndex(folder), device, dtype: "f32" as const };
  using clip = new ClipPrompts(context, "text_encoder", "tokenizer");
  using clipG = new ClipPrompts(context, "text_encoder_2", "tokenizer_2");
  const [cut, whole] = [await clip.encode(LONG, 77), await clip.encode(LONG, 77, true)];
  assert(cut.warning?.includes("77 tokens"));
  assertEquals(whole.warning, undefined);
  assertEquals([cut.last.rows, whole.last.rows % 77], [77, 0]);
  assert(whole.last.rows > 77);
  // What both read first is the same; the pooled vector is that of the first row.
  const width = cut.last.width;
  assertEquals(difference(whole.last.data.subarray(0, 70 * width), cut.last.data.subarray(0, 70 * width)), 0);

  const both = await clipStates(clip, clipG, [LONG, LONG], true);
  const empty = await clipStates(clip, clipG, ["", ""]);
  assertEquals(filled(empty.states, both.states.rows, empty.states).rows, both.states.rows);
});

Deno.test("a long prompt and a short negative one each keep their own length, as in ComfyUI", async () => {
  using device = await openDevice();
  for (const name of ["sd15", "sdxl", "sd3"]) {
    const model = fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);
    const index = await readModelIndex(model);
    const info = await readModelInfo(model);
    using network = await familyOf(index).load({ folder: model, index, device, dtype: "f32" });
    const { stages: [stage] } = planPicture(info, { width: 32, height: 32, steps: 2, method: "direct" });
    using r = new Recorder(device, "f32");
    const latents = r.upload([1, 4, 4, info.latentChannels], numbers(16 * info.latentChannels, 1));
    const output = async (prompt: string, guidance: number, negativePrompt?: string) => {
      const request = { prompt, negativePrompt, guidance, trueCfgScale: 1, emphasis: true };
      const encoded = await network.encode(r, request);
      return await r.read(encoded.denoiser()(r, latents, stage.steps[0], stage));
    };
    const [long, short] = [await output(LONG, 1), await output("red fox", 1)];
    const both = await output(LONG, 3, "red fox");
    const want = short.map((v, i) => v + 3 * (long[i] - v));
    assert(difference(both, want) <= 1e-5 * largest(want), `${name}: off by ${difference(both, want)}`);
    assert(difference(long, short) > 1e-3 * largest(long), "the prompts draw the same");
  }
});

Deno.test("without emphasis brackets are text, with it escaped ones are", async () => {
  using device = await openDevice();
  const context = { folder, index: await readModelIndex(folder), device, dtype: "f32" as const };
  using clip = new ClipPrompts(context, "text_encoder", "tokenizer");
  const literal = await clip.encode("a (red) fox", 77);
  assertEquals(difference(literal.last.data, (await clip.encode("a \\(red\\) fox", 77, true)).last.data), 0);
  assert(difference(literal.last.data, (await clip.encode("a red fox", 77)).last.data) > 0);
});
