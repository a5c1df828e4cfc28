/** Emphasis and long prompts where they meet the encoders. */

import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { tuningOf } from "../lib/gpu/tune.ts";
import { clipStates, filled } from "../lib/pipelines/clip_pair.ts";
import { ClipPrompts, T5Prompts } from "../lib/pipelines/prompts.ts";
import { stacked } from "../lib/pipelines/text_states.ts";
import { encodeTogether } from "../lib/pipelines/several_prompts.ts";
import { familyOf } from "../lib/pipelines/families.ts";
import { planMemory } from "../lib/pipelines/memory.ts";
import { createPipeline, planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";
import { deviceReading, numbers } from "./devices.ts";

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

Deno.test("prompts that are encoded together have the states that each has alone, to the bit", async () => {
  using device = await openDevice();
  const context = { folder, index: await readModelIndex(folder), device, dtype: "f32" as const };
  using together = new T5Prompts(context, "text_encoder_3", "tokenizer_3");
  using apart = new T5Prompts(context, "text_encoder_3", "tokenizer_3");
  const prompts = ["red fox", "", "a (red) fox", "(red:1.5) fox", "red fox"];
  await encodeTogether(together, prompts, 77, true);
  for (const prompt of prompts) {
    const [a, b] = [await together.encode(prompt, 77, true), await apart.encode(prompt, 77, true)];
    assertEquals(a.last.data, b.last.data, prompt);
  }
});

Deno.test("T5 is read once for a prompt and its negative prompt where it streams", async () => {
  let read = 0, size = 0;
  const counting: FolderSource = {
    ...folder,
    async open(path) {
      const file = await folder.open(path);
      if (!file || !/^text_encoder_3\/.*safetensors$/.test(path)) return file;
      size = file.size;
      return {
        ...file,
        read(offset, length, ...rest) {
          read += length;
          return file.read(offset, length, ...rest);
        },
      };
    },
  };
  const firstPicture = {
    width: 64,
    height: 64,
    steps: 1,
    prompt: "red fox",
    negativePrompt: "blue",
    guidance: 4.5,
  };
  using device = await deviceReading("texels");
  const where = { adapter: device.info, tuning: tuningOf(device) };
  const { least } = await planMemory(folder, firstPicture, { dtype: "f32", ...where });
  await using pipeline = await createPipeline(counting, {
    device,
    dtype: "f32",
    maxVramBytes: least,
    firstPicture,
  });
  await pipeline.generate({ ...firstPicture, seed: 0 });
  assert(size > 0 && read > 0.9 * size, `${read} bytes read of ${size}`);
  assert(read < 1.3 * size, `${read} bytes read of ${size}`);
});

Deno.test("clipSkip 2 conditions SD1.5 on CLIP's last layer but one after the final norm, as diffusers' clip_skip=1 does", async () => {
  const sd15 = fileFolder(new URL("./golden/pipelines/sd15/model", import.meta.url).pathname);
  using device = await openDevice();
  const context = { folder: sd15, index: await readModelIndex(sd15), device, dtype: "f32" as const };
  using clip = new ClipPrompts(context, "text_encoder", "tokenizer");
  const { last } = await clip.encode("a red fox", 77, true, 1);
  // transformers 5.24: final_layer_norm(hidden_states[-2]), token 2.
  const want = [-0.90872, 0.16674, -1.83554, 0.01362, 1.55428, -0.08133];
  want.forEach((v, i) => assert(Math.abs(last.data[2 * last.width + i] - v) < 1e-4, `${i}`));
  const own = (await clip.encode("a red fox", 77, true)).last;
  assert(difference(own.data, last.data) > 0.1);
  // What is left of a weighted prompt is measured from the same layer's empty prompt.
  const [empty, weighed] = [
    await clip.encode("", 77, false, 1),
    await clip.encode("(a red fox:0)", 77, true, 1),
  ];
  const at = 2 * last.width;
  assert(Math.abs(weighed.last.data[at] - empty.last.data[at]) < 1e-6);
  await using pipeline = await createPipeline(sd15, { dtype: "f32" });
  const drawn = async (clipSkip?: number): Promise<string> => {
    const asked = {
      prompt: "a red fox",
      method: "direct",
      width: 64,
      height: 64,
      steps: 1,
      clipSkip,
    } as const;
    return (await pipeline.generate(asked)).images[0].rgb.join();
  };
  const plain = await drawn();
  assertEquals(await drawn(1), plain);
  assert(await drawn(2) !== plain, "clipSkip does nothing");
});

Deno.test("clipSkip is refused by name where no other layer is read, before anything is loaded", async () => {
  const info = (name: string) =>
    readModelInfo(fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname));
  const plan = async (name: string, clipSkip: number) =>
    planPicture(await info(name), { method: "direct", width: 64, height: 64, clipSkip });
  for (const [name, layer] of [["sd15", 2], ["sdxl", 2], ["sd3", 2]] as const) await plan(name, layer);
  for (
    const [name, layer] of [["sd15", 3], ["sd15", 0], ["sd15", 1.5], ["sdxl", 1], ["flux_dev", 2], [
      "dit",
      1,
    ]] as const
  ) await assertRejects(() => plan(name, layer), LssgenError, "clipSkip");
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
    using network = await (await familyOf(index)).load({ folder: model, index, device, dtype: "f32" });
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

Deno.test("BREAK stacks the states of its parts, the pooled vector is the first one's", async () => {
  using device = await openDevice();
  const context = { folder, index: await readModelIndex(folder), device, dtype: "f32" as const };
  using clip = new ClipPrompts(context, "text_encoder", "tokenizer");
  const [fox, house] = [await clip.encode("red fox", 77), await clip.encode("blue house", 77)];
  const both = await clip.encode("red fox BREAK blue house", 77, true);
  assertEquals(both.last.rows, 154);
  assertEquals(difference(both.last.data, stacked(fox.last, house.last).data), 0);
  assertEquals(both.pooled, fox.pooled);
  const literal = await clip.encode("red fox BREAK blue house", 77);
  assertEquals(
    difference(literal.last.data, (await clip.encode("red fox break blue house", 77)).last.data),
    0,
  );
});

Deno.test("prompts of encoders that a model has not are refused by name, before any weight is read", async () => {
  const model = (name: string) =>
    fileFolder(new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname);
  const sd3 = model("sd3");
  const withoutT5 = folderOf("sd3-without-t5", async (path) => {
    if (path !== "model_index.json") return await sd3.open(path);
    const { text_encoder_3: _, tokenizer_3: __, ...index } = JSON.parse((await sd3.text(path))!);
    return bytesOf(path, new TextEncoder().encode(JSON.stringify(index)));
  });
  const cases: [FolderSource, number, Partial<GenerateRequest>, string[]][] = [
    [model("sd15"), 1, { prompt2: "a" }, ["prompt2 (--prompt-2)", "StableDiffusionPipeline has one"]],
    [model("sd15"), 1, { negativePrompt2: "a" }, ["negativePrompt2 (--negative-prompt-2)"]],
    [model("sdxl"), 2, { prompt3: "a" }, ["prompt3 (--prompt-3)", "has two"]],
    [model("flux_dev"), 2, { negativePrompt3: "a" }, ["negativePrompt3 (--negative-prompt-3)"]],
    [model("flux_dev"), 2, { negativePrompt2: "a" }, ["negativePrompt2 has no effect", "--cfg-scale"]],
    [withoutT5, 2, { prompt3: "a" }, ["prompt3", '"sd3-without-t5" has no text_encoder_3']],
    [model("dit"), 0, { prompt2: "a" }, ["prompt2"]],
    [model("dit"), 0, { negativePrompt: "a" }, ["negativePrompt has no effect", "classes"]],
    [model("sd15"), 1, { prompt: "a <hypernet:x:1>" } as Partial<GenerateRequest>, ["<hypernet:x:1>"]],
  ];
  for (const [source, prompts, request, words] of cases) {
    const info = await readModelInfo(source);
    assertEquals(info.prompts, prompts);
    const { message } = assertThrows(() => planPicture(info, request), LssgenError);
    for (const word of words) assertStringIncludes(message, word);
  }
  planPicture(await readModelInfo(sd3), {
    prompt2: "a",
    prompt3: "b",
    negativePrompt2: "c",
    negativePrompt3: "d",
  });
  planPicture(await readModelInfo(model("sd15")), { prompt2: "", negativePrompt3: "" });
  planPicture(await readModelInfo(model("dit")), { negativePrompt: "" });
});

Deno.test("several classes are a picture each, of consecutive seeds, and each can be made again alone", async () => {
  using device = await openDevice();
  const dit = fileFolder(new URL("./golden/pipelines/dit/model", import.meta.url).pathname);
  await using pipeline = await createPipeline(dit, { device, dtype: "f32" });
  const request = { steps: 2, method: "direct", seed: 7 } as const;
  const { images } = await pipeline.generate({ ...request, prompt: "3, 281", count: 2 });
  assertEquals(images.map(({ seed, parameters }) => [seed, parameters.prompt]), [
    [7, "3"],
    [8, "3"],
    [9, "281"],
    [10, "281"],
  ]);
  const { images: [alone] } = await pipeline.generate({ ...request, prompt: "281", seed: 9 });
  assertEquals(images[2].rgb, alone.rgb);
  for (const prompt of ["3, 1001", "3 -5", "fox, 3", ""]) {
    await assertRejects(() => pipeline.generate({ ...request, prompt }), LssgenError, "is no class");
  }
  // One bound for seeds, checked for the last picture.
  const most = Number.MAX_SAFE_INTEGER;
  const last = await pipeline.generate({ ...request, prompt: "3", seed: most });
  assertEquals(last.images[0].seed, most);
  await assertRejects(
    () => pipeline.generate({ ...request, prompt: "3, 5", seed: most }),
    LssgenError,
    "2 pictures",
  );
  await assertRejects(
    () => pipeline.generate({ ...request, prompt: "3", count: 2, seed: most }),
    LssgenError,
  );
  const [a, b] = [
    await pipeline.generate({ ...request, prompt: "3", seed: -1 }),
    await pipeline.generate({ ...request, prompt: "3", seed: -1 }),
  ];
  assert(a.images[0].seed !== b.images[0].seed && a.images[0].seed >= 0);
});
