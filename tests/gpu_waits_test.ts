/** Waits for the queue over a generation: each costs Deno 11 ms and leaves the GPU without work. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { createPipeline, type GenerateRequest } from "../lib/pipelines/text_to_image.ts";

/** Counts every way to wait for the GPU on a device, from now on. */
function countWaits(device: Device): { count: number } & Disposable {
  const { queue } = device.gpu;
  const waits = { count: 0, [Symbol.dispose]: () => void (GPUBuffer.prototype.mapAsync = mapAsync) };
  const done = queue.onSubmittedWorkDone.bind(queue);
  queue.onSubmittedWorkDone = () => {
    waits.count++;
    return done();
  };
  const mapAsync = GPUBuffer.prototype.mapAsync;
  GPUBuffer.prototype.mapAsync = function (...args) {
    waits.count++;
    return mapAsync.apply(this, args);
  };
  return waits;
}

const MODELS: Readonly<Record<string, Partial<GenerateRequest>>> = {
  flux_dev: { trueCfgScale: 2, negativePrompt: "a dog" }, // two calls of the network a step
  sd15: { guidance: 5 },
};

for (const [model, request] of Object.entries(MODELS)) {
  Deno.test(`a denoiser step waits for the queue once at most: ${model}`, async () => {
    using device = await openDevice();
    const folder = fileFolder(new URL(`./golden/pipelines/${model}/model`, import.meta.url).pathname);
    await using pipeline = await createPipeline(folder, { device, dtype: "f32" });
    using waits = countWaits(device);
    /** Waits between the reports of two steps, and all the others. */
    const draw = async (count: number): Promise<{ inSteps: number[]; others: number }> => {
      const inSteps: number[] = [];
      const start = waits.count;
      let before = 0;
      await pipeline.generate({
        prompt: "a fox",
        width: 32,
        height: 32,
        minResolution: 16,
        steps: count,
        shortenSteps: false,
        upsampler: "bicubic",
        ...request,
      }, {
        onProgress({ phase, step }) {
          if (phase !== "denoise" || step === undefined) return;
          if (step > 0) inSteps.push(waits.count - before);
          before = waits.count;
        },
      });
      return { inSteps, others: waits.count - start - inSteps.length };
    };
    await draw(2); // the prompt's states are kept from here on
    const [few, many] = [await draw(3), await draw(7)];
    assert(few.inSteps.length > 3, "two stages");
    assert(many.inSteps.length > few.inSteps.length);
    // A step's end is asked for when the next one is ready.
    assertEquals(many.inSteps, many.inSteps.map((_, i) => i === 0 ? 0 : 1));
    // The end of each phase, for the timings, and the picture.
    assertEquals([few.others, many.others], [4, 4]);
  });
}
