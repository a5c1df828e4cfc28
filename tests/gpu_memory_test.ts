/** Memory over many pictures, and pictures under a small binding limit. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { AbortedError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { linear } from "../lib/ops/linear.ts";
import { createPipeline, type GenerateRequest } from "../lib/pipelines/text_to_image.ts";
import { deviceReading } from "./devices.ts";

const MODEL = new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname;

Deno.test("100 pictures use no more memory than the second", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(fileFolder(MODEL), { device, dtype: "f32" });
  const request: GenerateRequest = {
    prompt: "a fox",
    width: 32,
    height: 32,
    minResolution: 16,
    steps: 2,
    shortenSteps: false,
    upsampler: "bicubic",
  };
  const use = async (): Promise<number> => {
    await pipeline.generate(request);
    const { live, pooled } = device.memory.use();
    return live + pooled;
  };
  await use();
  const second = await use();
  const live = device.memory.use().live;
  for (let i = 2; i < 100; i++) await use();
  assertEquals(await use(), second);
  assertEquals(device.memory.use().live, live);
});

Deno.test("a picture is the same when no binding may exceed 40 KiB", async () => {
  const draw = async (maxBindingBytes?: number): Promise<Uint8Array> => {
    using device = await openDevice({ maxBindingBytes });
    await using pipeline = await createPipeline(fileFolder(MODEL), { device, dtype: "f32" });
    const { images: [image] } = await pipeline.generate({
      prompt: "a fox",
      width: 96,
      height: 64,
      minResolution: 32,
      steps: 4,
      shortenSteps: false,
      upsampler: "pixel",
    });
    return image.rgb;
  };
  const [whole, split] = [await draw(), await draw(40 * 1024)];
  const worst = whole.reduce((top, v, i) => Math.max(top, Math.abs(v - split[i])), 0);
  assert(worst <= 1, `off by ${worst} of 255`);
});

Deno.test("a recorder gives its pool back to the driver, and what it recorded with that is done all the same", async () => {
  using device = await openDevice();
  using r = new Recorder(device, "f32");
  const w = { weight: { buffer: device.memory.take(4096), N: 32, K: 32, stride: 32, type: "f32" as const } };
  device.gpu.queue.writeBuffer(w.weight.buffer, 0, new Float32Array(1024).fill(1));
  const sum = (): ReturnType<typeof linear> => {
    using scope = r.scope();
    const x = r.upload([1, 32, 32], new Float32Array(1024).fill(2));
    return scope.keep(linear(r, linear(r, x, w), w));
  };
  const before = sum();
  assert(device.memory.use().pooled > 0);
  r.trim();
  assertEquals(device.memory.use().pooled, 0);
  const after = sum();
  assertEquals([(await r.read(before))[5], (await r.read(after))[5]], [2048, 2048]);
  await device.idle();
});

Deno.test("the pool is empty when a picture is decoded: what denoising took is not there beside it", async () => {
  using device = await openDevice();
  await using pipeline = await createPipeline(fileFolder(MODEL), { device, dtype: "f32" });
  const pooled: number[] = [];
  const request = { prompt: "a fox", width: 64, height: 64, steps: 1, method: "direct" } as const;
  const take = device.memory.take.bind(device.memory);
  let decoding = false;
  device.memory.take = (bytes, purpose) => {
    if (decoding) pooled.push(device.memory.use().pooled);
    decoding = false;
    return take(bytes, purpose);
  };
  await pipeline.generate(request, { onProgress: ({ phase }) => decoding = phase === "decode" });
  assertEquals(pooled, [0]);
});

Deno.test("a weight's texture is made once, and never stands for what the weight is no more", async () => {
  using device = await deviceReading("texels");
  const weight = (value: number): GPUBuffer => {
    const buffer = device.memory.take(4096);
    device.gpu.queue.writeBuffer(buffer, 0, new Float32Array(1024).fill(value));
    return buffer;
  };
  const sum = async (buffer: GPUBuffer, signal?: AbortSignal): Promise<number> => {
    using r = new Recorder(device, "f32", signal);
    const x = r.upload([1, 32, 32], new Float32Array(1024).fill(1));
    return (await r.read(linear(r, x, { weight: { buffer, N: 32, K: 32, stride: 32, type: "f32" } })))[0];
  };
  await sum(weight(3)); // Compiles: what is recorded before a kernel compiles is submitted at once.
  const first = weight(1);
  // A run that is stopped before it was submitted has filled nothing.
  const stopped = new AbortController();
  {
    using r = new Recorder(device, "f32", stopped.signal);
    const x = r.upload([1, 32, 32], new Float32Array(1024).fill(1));
    linear(r, x, { weight: { buffer: first, N: 32, K: 32, stride: 32, type: "f32" } });
    stopped.abort();
    await assertRejects(async () => await r.pace(), AbortedError);
  }
  assertEquals(device.memory.keptTexels(first), undefined);
  assertEquals(await sum(first), 32);
  const kept = device.memory.keptTexels(first);
  assert(kept);
  assertEquals(await sum(first), 32);
  assertEquals(device.memory.keptTexels(first), kept);
  // The pool hands the same buffer out again.
  device.memory.release(first);
  const second = weight(2);
  assertEquals(second, first);
  assertEquals(await sum(second), 64);
});
