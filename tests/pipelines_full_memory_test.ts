/** A GPU whose memory is full: one clear error, everything freed, and the same pipeline draws what fits. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { createPipeline, type GenerateRequest } from "../lib/pipelines/text_to_image.ts";
import { LOADING_BYTES, PIECE } from "../lib/residency/upload.ts";
import { fullDevice } from "./full_device.ts";

const golden = (model: string) =>
  fileFolder(new URL(`./golden/pipelines/${model}/model`, import.meta.url).pathname);

const SMALL: GenerateRequest = {
  prompt: "a fox",
  width: 64,
  height: 64,
  steps: 1,
  method: "direct",
  seed: 3,
};

async function refused(work: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(work, LssgenError);
  assertEquals(error.code, "out_of_memory", error.message);
  assertEquals(error.message.split("\n").length, 1);
  return error.message;
}

Deno.test("a model that does not fit is refused by the tensor's name, freed, and loads where there is room", async () => {
  using full = await fullDevice(Infinity);
  const { device } = full;
  const open = () => createPipeline(golden("sdxl"), { device, dtype: "f32" });
  let loaded = 0;
  {
    await using _pipeline = await open();
    loaded = full.taken;
  }
  device.memory.destroy();
  const empty = full.taken;
  const messages: string[] = [];
  // Buffers of a part's weights are made before the one that they pass through, which the last two have room for.
  const STAGING = LOADING_BYTES - PIECE;
  for (
    const room of [0.2, 0.4, 0.6, 0.8].map((mib) => mib * 2 ** 20).concat(
      STAGING + 0.3 * loaded,
      STAGING + 0.7 * loaded,
    )
  ) {
    full.room = Math.round(empty + room);
    messages.push(await refused(open));
    assertEquals(full.taken, empty, `left at ${room}`);
    const { live, pooled, weights } = device.memory.use();
    assertEquals([live, pooled, weights], [0, 0, 0]);
  }
  assertEquals(
    messages.some((message) => /for tensor ".+" of ".+" did not fit beside .+--max-vram/.test(message)),
    true,
    messages.join("\n"),
  );
  full.room = Infinity;
  await using pipeline = await open();
  assertEquals((await pipeline.generate(SMALL)).images.length, 1);
});

const DOING = {
  encode: "While encoding the prompt: ",
  denoise: "While denoising 96×96: ",
  decode: "While decoding 96×96: ",
} as const;

for (const model of ["sd15", "flux_dev"]) {
  Deno.test(`${model}: a picture that does not fit, wherever it fails, leaves a pipeline that draws as before`, async () => {
    using full = await fullDevice(Infinity);
    const { device } = full;
    await using pipeline = await createPipeline(golden(model), { device, dtype: "f32" });
    const want = (await pipeline.generate(SMALL)).images[0].rgb;
    const { weights } = device.memory.use();
    for (const phase of ["encode", "denoise", "decode"] as const) {
      device.memory.trim();
      const message = await refused(() =>
        pipeline.generate({ ...SMALL, width: 96, height: 96, prompt: `a fox, ${phase}` }, {
          // From here on nothing is left.
          onProgress: (event) => event.phase === phase && (full.room = full.taken),
        })
      );
      assertStringIncludes(message, `${DOING[phase]}The GPU's memory is full: `);
      assertStringIncludes(message, "MiB of weights");
      const { live, pooled, weights: left } = device.memory.use();
      assertEquals([live, pooled, left], [0, 0, weights]);
      full.room = Infinity;
      assertEquals((await pipeline.generate(SMALL)).images[0].rgb, want);
    }
  });
}

Deno.test("a command that is wrong is told from full memory, and stays fatal", async () => {
  using full = await fullDevice(Infinity);
  const { device } = full;
  const good = device.memory.take(1024);
  // Wrong by itself: more bytes than the buffer has.
  device.gpu.queue.writeBuffer(good, 0, new Uint8Array(4096));
  await device.memory.allocator.answered();
  await device.gpu.queue.onSubmittedWorkDone();
  const error = await assertRejects(() => device.idle(), LssgenError, "The GPU refused a command");
  assertEquals(error.code, "internal");
  assertEquals(await device.recover(error), error);
  await assertRejects(() => device.idle(), LssgenError, "The GPU refused a command");
});

Deno.test("what is recorded with refused memory is forgotten, and the device goes on", async () => {
  using full = await fullDevice(Infinity);
  const { device } = full;
  full.room = full.taken + (1 << 20);
  const fill = async (count: number): Promise<Float32Array> => {
    using r = new Recorder(device, "f32");
    const t = r.upload([count], new Float32Array(count).fill(1));
    return await r.read(t);
  };
  const error = await assertRejects(() => fill(1 << 20)).then((e) => device.recover(e));
  assertEquals((error as LssgenError).code, "out_of_memory");
  assertStringIncludes((error as Error).message, "activations [1048576]");
  assertEquals((await fill(16)).length, 16);
});
