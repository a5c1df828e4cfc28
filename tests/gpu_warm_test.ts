import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../lib/gpu/device.ts";
import type { KernelSpec } from "../lib/gpu/kernel.ts";
import type { KernelMemory } from "../lib/gpu/stored.ts";
import { KernelList, kernelListKey, warmKernels } from "../lib/gpu/warm.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";

/** Lists in memory. */
class Lists implements KernelMemory {
  readonly lists = new Map<string, readonly KernelSpec[]>();
  recall = (key: string): readonly KernelSpec[] => this.lists.get(key) ?? [];
  remember = (key: string, kernels: readonly KernelSpec[]): void => void this.lists.set(key, kernels);
}

/** Counts the calls that compile before they return. */
function countCompiles(gpu: GPUDevice): { calls: number } {
  const count = { calls: 0 };
  const compile = gpu.createComputePipeline;
  gpu.createComputePipeline = (descriptor) => {
    count.calls++;
    return compile.call(gpu, descriptor);
  };
  return count;
}

const REQUEST = { prompt: "a red apple", width: 64, height: 64, steps: 2, seed: 1 };
const NEVER = new AbortController().signal;

Deno.test("a picture leaves the list of its kernels, and with them compiled aside the next compiles none", async () => {
  const kernels = new Lists();
  let first: Uint8Array;
  {
    using device = await openDevice();
    await using pipeline = await createPipeline(undefined, { device, kernels });
    first = (await pipeline.generate(REQUEST)).images[0].rgb;
  }
  assertEquals(kernels.lists.size, 1);
  const [key, list] = [...kernels.lists][0];
  assert(list.length > 20, `${list.length} kernels`);
  // As it comes back from storage.
  kernels.remember(key, JSON.parse(JSON.stringify(list)));

  using device = await openDevice();
  await using pipeline = await createPipeline(undefined, { device, kernels });
  assertEquals(kernelListKey(device, pipeline.info.name, device.info.f16 ? "f16" : "f32"), key);
  await warmKernels(device, [kernels.recall(key)], NEVER);
  const count = countCompiles(device.gpu);
  const { images } = await pipeline.generate(REQUEST);
  assertEquals(count.calls, 0);
  assertEquals(images[0].rgb.filter((v, i) => v !== first[i]).length, 0, "bytes differ");
});

Deno.test("a list with anything in it neither fails nor harms the device", async () => {
  using device = await openDevice();
  const junk = [
    null,
    3,
    { shader: "toString" },
    { shader: "no such shader" },
    { shader: "softmax" }, // without its types
    { shader: "pack", types: { elem: "f32" }, constants: { NO_SUCH: 1 } },
    { shader: "pack", types: { elem: "][" }, constants: {} },
  ] as KernelSpec[];
  await warmKernels(device, [junk], NEVER);
  await device.idle();
});

Deno.test("what loads is not kept waiting by kernels that compile within the call", async () => {
  using device = await openDevice();
  const compiled: string[] = [];
  const loaded = new AbortController();
  const compile = device.gpu.createComputePipelineAsync;
  device.gpu.createComputePipelineAsync = (descriptor) => {
    compiled.push(descriptor.label!);
    const until = performance.now() + 20;
    while (performance.now() < until);
    loaded.abort();
    return compile.call(device.gpu, descriptor);
  };
  const spec = (EPS: number): KernelSpec => ({ shader: "group_norm_scale", constants: { EPS } });
  await warmKernels(device, [[spec(1), spec(2)], [spec(3)]], loaded.signal);
  assertEquals(compiled.length, 1);
});

Deno.test("a list keeps what is new, once", () => {
  const kernels = new Lists();
  const [a, b] = ["a", "b"].map((shader) => ({ spec: { shader } }));
  const list = new KernelList(kernels, "key", [a.spec]);
  list.add([a]);
  assertEquals(kernels.lists.size, 0);
  list.add([b, a]);
  list.add([b]);
  assertEquals(kernels.recall("key"), [{ shader: "a" }, { shader: "b" }]);
});
