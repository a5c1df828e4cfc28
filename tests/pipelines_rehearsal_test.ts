/** Kernels of a picture known before any weight is there, against those that the picture then launches. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import type { KernelSpec } from "../lib/gpu/kernel.ts";
import type { KernelMemory } from "../lib/gpu/stored.ts";
import { tuneOnce } from "../lib/gpu/tune.ts";
import { ALL_RULES } from "../lib/pipelines/all_rules.ts";
import { familyOf, readFamily } from "../lib/pipelines/families.ts";
import { Opened } from "../lib/pipelines/family.ts";
import { rehearse } from "../lib/pipelines/rehearsing.ts";
import { embeddedFolder } from "../lib/pipelines/embedded_model.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, PipelineOptions } from "../lib/pipelines/types.ts";
import { bytesOf, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";
import { deviceReading } from "./devices.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { rrdbNetFile } from "./upscalers.ts";

const path = (name: string): string => new URL(name, import.meta.url).pathname;
const golden = (model: string): FolderSource => fileFolder(path(`./golden/pipelines/${model}/model`));

/** Nothing was kept; what is to be kept now goes to `kernels`. */
function emptyMemory(kernels: KernelSpec[] = []): KernelMemory {
  return {
    recall: () => [],
    remember: (_key, list) => void kernels.splice(0, Infinity, ...list),
  };
}

/** What a rehearsal finds. */
async function rehearsal(
  device: Device,
  folder: FolderSource,
  options: PipelineOptions,
): Promise<KernelSpec[]> {
  const index = await readModelIndex(folder);
  const family = await familyOf(index);
  const read = await readFamily(folder, index);
  const info = {
    ...read,
    learnedUpsampler: read.learnedUpsampler || options.upsamplerWeights !== undefined,
    esrganUpsampler: options.upscaler !== undefined,
  };
  const { dtype = device.info.f16 ? "f16" : "f32", maxActivationBytes } = options;
  const context = { folder, index, device, dtype, maxActivationBytes, opened: new Opened() };
  return await rehearse({ family, info, options, rules: ALL_RULES }, context);
}

/** What a picture launches. */
async function launched(
  device: Device,
  folder: FolderSource,
  options: PipelineOptions,
): Promise<KernelSpec[]> {
  const kernels: KernelSpec[] = [];
  await using pipeline = await createPipeline(folder, { ...options, device, kernels: emptyMemory(kernels) });
  await pipeline.generate({ prompt: "a fox", ...options.firstPicture });
  return kernels;
}

/** Fails unless both ways know the same kernels. */
async function assertKnown(device: Device, folder: FolderSource, options: PipelineOptions): Promise<void> {
  const lists = [await rehearsal(device, folder, options), await launched(device, folder, options)];
  const [known, used] = lists.map((list) => new Set(list.map((spec) => JSON.stringify(spec))));
  assertEquals({ missed: [...used.difference(known)], needless: [...known.difference(used)] }, {
    missed: [],
    needless: [],
  });
  assert(used.size > 10, `${used.size} kernels`);
}

const SMALL: Partial<GenerateRequest> = {
  width: 64,
  height: 32,
  minResolution: 32,
  steps: 3,
  shortenSteps: false,
  initNoise: 0.9,
};
const photo = { width: 5, height: 7, channels: 3 as const, data: new Uint8Array(105).fill(90) };
const mask = { width: 2, height: 1, channels: 1 as const, data: new Uint8Array([0, 255]) };

/** Pictures that between them go every way: stages, guidance, samplers, the user's pictures, both autoencoders. */
const CASES: readonly (readonly [model: string, what: string, options: PipelineOptions])[] = [
  ["flux_dev", "learned upsampler, more steps than are modulated at once", {
    dtype: "f32",
    firstPicture: { ...SMALL, steps: 10 },
    upsamplerWeights: fileFolder(path("./golden/lssgen/_upsamplers/ch16")),
  }],
  ["flux_dev", "tiny autoencoder, both guidances, a prompt of two rows", {
    dtype: "f16",
    firstPicture: { ...SMALL, prompt: `a (red:1.3) fox${" fox".repeat(100)}`, trueCfgScale: 2 },
    tinyVae: fileFolder(path("./golden/vae/tiny_taef1")),
    tinyDecode: true,
  }],
  ["sd3", "pixel upsampler", { dtype: "f16", firstPicture: { ...SMALL, upsampler: "pixel" } }],
  ["sd3", "growth by an ESRGAN network", {
    dtype: "f32",
    firstPicture: { ...SMALL, upsampler: "esrgan" },
    upscaler: bytesOf("x4.safetensors", writeSafetensors(rrdbNetFile({ blocks: 1 }))),
  }],
  ["sdxl", "guided by structure", { dtype: "f32", firstPicture: { ...SMALL, method: "diffusehigh" } }],
  ["sd15", "inpainting, a stochastic sampler", {
    dtype: "f16",
    firstPicture: { ...SMALL, image: photo, mask, strength: 0.9, scheduler: "euler_a" },
  }],
  ["sd15", "no guidance, little memory", {
    dtype: "f32",
    firstPicture: { ...SMALL, guidance: 1, upsampler: "bicubic" },
    maxActivationBytes: 20_000,
  }],
  ["dit", "a class", { dtype: "f16", firstPicture: { ...SMALL, prompt: "3" } }],
];

for (const [model, what, options] of CASES) {
  Deno.test(`a rehearsal knows the kernels of ${model}, ${what}, ${options.dtype}`, async () => {
    using device = await openDevice();
    await tuneOnce(device);
    await assertKnown(device, golden(model), options);
  });
}

Deno.test("a rehearsal knows the kernels of the embedded model's own picture, of which nothing is said", async () => {
  using device = await openDevice();
  await tuneOnce(device);
  await assertKnown(device, embeddedFolder(), {});
});

Deno.test("a rehearsal goes by the device's tuning, and by what launches may not exceed", async () => {
  const options: PipelineOptions = { firstPicture: SMALL, dtype: "f32" };
  for (const operands of ["buffers", "tiled"] as const) {
    using device = await deviceReading(operands, 1 << 20);
    await assertKnown(device, golden("sd15"), options);
  }
  using device = await openDevice({ dispatchMs: 1e-3 });
  await tuneOnce(device);
  await assertKnown(device, golden("sd15"), options);
});

/** A folder whose autoencoder's weights, not their header, wait for `gate`. */
function gated(folder: FolderSource, gate: Promise<void>): FolderSource {
  return folderOf(folder.name, async (file) => {
    const source = await folder.open(file);
    if (!source || !file.startsWith("vae/") || !file.endsWith(".safetensors")) return source;
    return {
      ...source,
      read: async (offset: number, length: number) => {
        if (offset > 8) await gate;
        return await source.read(offset, length);
      },
    };
  });
}

Deno.test("without a list of earlier runs all of the first picture's kernels are compiled while weights load", async () => {
  using device = await openDevice();
  await tuneOnce(device);
  const firstPicture = { ...SMALL, prompt: "a fox" };
  const expected = (await rehearsal(device, golden("sd15"), { firstPicture })).length;
  const { gpu } = device;
  const opened = Promise.withResolvers<void>();
  let [aside, atOnce] = [0, 0];
  const compileAside = gpu.createComputePipelineAsync.bind(gpu);
  gpu.createComputePipelineAsync = (descriptor) => {
    const job = compileAside(descriptor);
    job.finally(() => ++aside === expected && opened.resolve());
    return job;
  };
  const compile = gpu.createComputePipeline.bind(gpu);
  gpu.createComputePipeline = (descriptor) => {
    atOnce++;
    return compile(descriptor);
  };
  const folder = gated(golden("sd15"), opened.promise);
  await using pipeline = await createPipeline(folder, { device, kernels: emptyMemory(), firstPicture });
  // Loading has kernels of its own, which place weights: it needs them at once.
  const placing = atOnce;
  assert(aside === expected && placing <= 8, `${aside} of ${expected} aside, ${placing} at once`);
  await pipeline.generate(firstPicture);
  assertEquals({ aside, atOnce }, { aside: expected, atOnce: placing });
});

Deno.test("a tokenizer that is no good is told before weights are loaded", async () => {
  using device = await openDevice();
  const broken = folderOf("broken", async (file) => {
    if (file.startsWith("tokenizer/")) {
      throw new LssgenError("bad_file", "no tokenizer today");
    }
    return await golden("sd15").open(file);
  });
  await assertRejects(() => rehearsal(device, broken, { firstPicture: SMALL }), LssgenError, "no tokenizer");
  const options = { device, kernels: emptyMemory(), firstPicture: SMALL };
  await assertRejects(() => createPipeline(broken, options), LssgenError, "no tokenizer");
});

Deno.test("a rehearsal that fails for another reason does not keep a model from loading", async () => {
  using device = await openDevice();
  const impossible = { scheduler: "no such" as "euler" };
  await assertRejects(() => rehearsal(device, golden("sd15"), { firstPicture: impossible }), LssgenError);
  await using other = await createPipeline(golden("sd15"), {
    device,
    kernels: emptyMemory(),
    firstPicture: impossible,
  });
  assertEquals((await other.generate({ prompt: "a fox", ...SMALL })).images.length, 1);
});

Deno.test("a rehearsal takes nothing of the device's memory", async () => {
  using device = await openDevice();
  await tuneOnce(device);
  const before = device.memory.use();
  await rehearsal(device, golden("flux_dev"), {});
  assertEquals(device.memory.use(), before);
});
