/** LoRAs that prompts name: the same pixels as LoRAs given when the pipeline is opened, one set after the other. */

import { assert, assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { basename, join } from "@std/path";
import { fileFolder, fileSource } from "../lib/cli/files.ts";
import { loraFolder } from "../lib/cli/lora_folder.ts";
import { AbortedError, LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, Pipeline, PipelineOptions } from "../lib/pipelines/types.ts";
import { bytesOf, type ByteSource } from "../lib/weights/bytes.ts";
import { openCheckpoint } from "../lib/weights/checkpoint.ts";
import { typeRules, writableType } from "../lib/weights/convert.ts";
import { retyped } from "../lib/weights/retyped.ts";
import { openSafetensors, writeSafetensors } from "../lib/weights/safetensors.ts";
import { pictureFile } from "../lib/parameters/picture.ts";
import { ImageServer } from "../lib/server/server.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;
const model = fileFolder(path("./golden/pipelines/sd15/model"));
const FILE = path("./data/lora/sd15_diffusers.safetensors");
const REQUEST = { width: 32, height: 32, steps: 1, guidance: 3, seed: 5, method: "direct" } as const;

const style = async (): Promise<ByteSource> => (await fileSource(FILE))!;
const find = async (name: string) => name === "style" ? { file: await style() } : undefined;

async function draw(pipeline: Pipeline, prompt: string, more: Partial<GenerateRequest> = {}) {
  const { images: [{ rgb, parameters }], timings, warnings } = await pipeline.generate({
    ...REQUEST,
    prompt,
    ...more,
  });
  return { rgb, parameters, warnings, loaded: timings.some(({ phase }) => phase === "load") };
}

/** Half of the file: the denoiser's pairs, or the text encoders'. */
async function half(text: boolean): Promise<ByteSource> {
  const file = await openSafetensors(await style());
  const entries = [];
  for (const name of file.names()) {
    if (name.startsWith("text_encoder") !== text) continue;
    entries.push({ name, shape: file.info(name)!.shape, data: await file.readF32(name) });
  }
  assert(entries.length > 0);
  return bytesOf("half.safetensors", writeSafetensors(entries));
}

Deno.test("a prompt's LoRA draws what the same LoRA of the pipeline draws, and is gone with the next prompt", async () => {
  using device = await openDevice();
  const options: PipelineOptions = { device, dtype: "f32" };
  const opened = async (loras: PipelineOptions["loras"]) => {
    await using pipeline = await createPipeline(model, { ...options, loras });
    return (await draw(pipeline, "a fox")).rgb;
  };
  const [plain, strong, weak] = [
    await opened([]),
    await opened([{ file: await style(), scale: 0.8 }]),
    await opened([{ file: await style(), scale: 0.3 }]),
  ];
  assertNotEquals(plain, strong);
  const parts = await opened([{ file: await half(true), scale: 0.3 }, {
    file: await half(false),
    scale: 0.8,
  }]);
  assertNotEquals(parts, strong);

  await using pipeline = await createPipeline(model, { ...options, findLora: find });
  const steps: [string, Uint8Array, boolean][] = [
    ["a fox", plain, false],
    ["a fox<lora:style:0.8>", strong, true],
    ["<lora:style:0.5>a <lora:style:0.3>fox", strong, false],
    ["a fox <lora:style:0.3>", weak, true],
    ["a fox <lora:style:0.3:0.8>", parts, true],
    ["a fox <lora:style:0>", plain, true],
    ["a fox", plain, true],
  ];
  for (const [prompt, want, loads] of steps) {
    const { rgb, loaded, warnings, parameters } = await draw(pipeline, prompt);
    assertEquals(rgb, want, prompt);
    assertEquals([loaded, warnings, parameters.prompt], [loads, [], prompt]);
  }
  // Literally they are words, and no LoRA.
  const literal = await draw(pipeline, "a fox <lora:nowhere>", { emphasis: false });
  assertEquals(literal.loaded, false);
  assertNotEquals(literal.rgb, plain);
});

Deno.test("with the first picture known its LoRAs are there at once; those given to the pipeline stay beside them", async () => {
  using device = await openDevice();
  const options: PipelineOptions = { device, dtype: "f32", findLora: find };
  const prompt = "a fox <lora:style:0.5>";
  await using pipeline = await createPipeline(model, {
    ...options,
    loras: [{ file: await style(), scale: 0.3 }],
    firstPicture: { ...REQUEST, prompt },
  });
  const both = await draw(pipeline, prompt);
  assertEquals(both.loaded, false);
  await using other = await createPipeline(model, {
    ...options,
    loras: [{ file: await style(), scale: 0.8 }],
  });
  assertEquals((await draw(other, "a fox")).rgb, both.rgb);
});

Deno.test("a LoRA that cannot be had or does not fit is refused by name, and the pipeline draws on as before", async () => {
  using device = await openDevice();
  const foreign = path("./data/lora/flux_kohya.safetensors");
  await using pipeline = await createPipeline(model, {
    device,
    dtype: "f32",
    findLora: async (name) => name === "flux" ? { file: (await fileSource(foreign))! } : await find(name),
  });
  const before = await draw(pipeline, "a fox <lora:style>");
  const refusal = async (prompt: string) => await assertRejects(() => draw(pipeline, prompt), LssgenError);
  assertStringIncludes((await refusal("a fox <lora:nobody:1>")).message, 'the LoRA "nobody"');
  assertStringIncludes((await refusal("a fox <lora:flux:1>")).message, "fits no part");
  assertStringIncludes((await refusal("a fox <hypernet:x:1>")).message, "<hypernet:x:1>");
  const after = await draw(pipeline, "a fox <lora:style>");
  assertEquals([after.rgb, after.loaded], [before.rgb, false]);

  // Stopped while it loads, it loads again for the next picture.
  const stop = new AbortController();
  const stopped = pipeline.generate({ ...REQUEST, prompt: "a fox" }, {
    signal: stop.signal,
    onProgress: ({ phase }) => phase === "load" && stop.abort(new AbortedError()),
  });
  await assertRejects(() => stopped, LssgenError);
  const again = await draw(pipeline, "a fox <lora:style>");
  assertEquals([again.rgb, again.loaded], [before.rgb, true]);

  await using bare = await createPipeline(model, { device, dtype: "f32" });
  const { message } = await assertRejects(() => draw(bare, "a fox <lora:style:0.8>"), LssgenError);
  assertStringIncludes(message, "--lora-model-dir");
  await assertRejects(
    () => createPipeline(model, { device, firstPicture: { prompt: "a <lora:style> fox" } }),
    LssgenError,
    'the LoRA "style"',
  );
});

Deno.test("both APIs apply a prompt's LoRA, or answer with its name", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(model, { device, dtype: "f32", findLora: find });
  const pictures: Uint8Array[] = [];
  const server = new ImageServer(pipeline, {
    pictureFile: (image) => {
      pictures.push(image.rgb);
      return pictureFile(image, {});
    },
  });
  const post = async (path: string, body: unknown) => {
    const headers = { "content-type": "application/json" };
    const request = new Request(`http://localhost${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    const response = await server.handle(request);
    return { status: response.status, text: await response.text() };
  };
  const { width, height, guidance, ...same } = REQUEST;
  const prompt = "a fox <lora:style:0.8>";
  const a1111 = { ...same, width, height, cfg_scale: guidance, prompt };
  const openai = { ...same, size: `${width}x${height}`, guidance, prompt };
  assertEquals((await post("/sdapi/v1/txt2img", a1111)).status, 200);
  const drawn = await post("/v1/images/generations", openai);
  assertEquals(drawn.status, 200, drawn.text);
  assertEquals((await post("/sdapi/v1/txt2img", { ...a1111, prompt: "a fox" })).status, 200);
  assertEquals(pictures[0], pictures[1]);
  assertNotEquals(pictures[0], pictures[2]);
  for (
    const [prompt, words] of [
      ["a fox <lora:nobody:1>", "nobody"],
      ["a fox <hypernet:x:1>", "<hypernet:x:1>"],
      ["[a fox:a dog:0.5]", "[a fox:a dog:0.5]"],
    ]
  ) {
    const theirs = await post("/sdapi/v1/txt2img", { ...a1111, prompt });
    assertEquals(theirs.status, 422);
    assertStringIncludes(theirs.text, words);
    const ours = await post("/v1/images/generations", { ...openai, prompt });
    assertEquals(ours.status, 400);
    assertStringIncludes(ours.text, words);
  }
  const warned = await post("/sdapi/v1/txt2img", { ...a1111, prompt: "a cat AND a dog" });
  assertStringIncludes(JSON.parse(JSON.parse(warned.text).info).warnings[0], '"AND"');
  await server.close();
});

Deno.test("--lora-model-dir: a name is a file's, alone or below folders, and never leads out", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, "loras/styles/old"), { recursive: true });
    await Deno.mkdir(join(folder, "loras/people"));
    const put = (name: string) => Deno.writeTextFile(join(folder, name), name);
    for (const name of ["ink", "styles/oil", "styles/old/pen.v2", "styles/two", "people/two"]) {
      await put(`loras/${name}.safetensors`);
    }
    await put("outside.safetensors");
    await put("loras/pickle.pt");
    const find = loraFolder(join(folder, "loras"));
    for (const name of ["ink", "ink.safetensors", "oil", "styles/oil", "pen.v2", "people/two"]) {
      const end = name.endsWith(".safetensors") ? name : `${name}.safetensors`;
      assertEquals(basename((await find(name)).file.name), basename(end), name);
    }
    const cases: [string, string][] = [
      ["inc", 'did you mean "ink"?'],
      ["nothing-like-it", "there are ink, two, oil, pen.v2, two"],
      ["two", "there are several: people/two, styles/two"],
      ["pickle", "a pickle"],
      ["../outside", "expected a name"],
      ["styles/../../outside", "expected a name"],
      [join(folder, "outside"), "expected a name"],
      ["..\\outside", "expected a name"],
      ["C:outside", "expected a name"],
    ];
    for (const [name, words] of cases) {
      const { code, message } = await assertRejects(() => find(name), LssgenError);
      assertEquals(code, "bad_option");
      assertStringIncludes(message, words);
      assertStringIncludes(message, name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a LoRA that needs a weight's values is said to expand it also where the weight is quantised as it is read", async () => {
  using device = await openDevice();
  const [weightType, weightTypeRules] = ["q8_0", ".=q8_0"];
  const unet = retyped(await openCheckpoint(model, "unet"), "unet", {
    type: writableType(weightType),
    rules: typeRules(weightTypeRules),
  });
  const name = "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight";
  assertEquals(unet.info(name)!.dtype, "Q8_0");
  const { shape } = unet.info(name)!;
  const difference = bytesOf(
    "difference.safetensors",
    writeSafetensors([{
      ...{ name: `unet.${name.replace(/\.weight$/, "")}.diff`, shape },
      data: new Float32Array(shape[0] * shape[1]).fill(0.01),
    }]),
  );
  const warned = async (more: PipelineOptions): Promise<boolean> => {
    await using pipeline = await createPipeline(model, {
      ...{ device, dtype: "f32", loras: [{ file: difference }] },
      ...more,
    });
    return (await draw(pipeline, "a fox")).warnings.some((text) => text.includes("1 quantised weights"));
  };
  assertEquals(await warned({ weightType, weightTypeRules }), true);
  assertEquals(await warned({}), false);
});
