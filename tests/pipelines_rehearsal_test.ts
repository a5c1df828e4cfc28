/** Kernels of a picture known before any weight is there, against those that the picture then launches. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import type { KernelSpec } from "../lib/gpu/kernel.ts";
import { tuneOnce } from "../lib/gpu/tune.ts";
import { familyOf } from "../lib/pipelines/families.ts";
import { ownSettings } from "../lib/pipelines/family.ts";
import { createPipeline, embeddedFolder, rehearse } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, PipelineOptions } from "../lib/pipelines/types.ts";
import type { FolderSource } from "../lib/weights/bytes.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";

const path = (name: string): string => new URL(name, import.meta.url).pathname;
const NOTHING_KEPT: PipelineOptions["kernels"] = { recall: () => [], remember: () => {} };

/** What a rehearsal finds. */
async function rehearsal(
  device: Device,
  folder: FolderSource,
  options: PipelineOptions,
): Promise<KernelSpec[]> {
  const index = await readModelIndex(folder);
  const family = familyOf(index);
  const read = await ownSettings(folder, await family.read(folder, index));
  const info = { ...read, learnedUpsampler: read.learnedUpsampler || options.upsamplerWeights !== undefined };
  return await rehearse({ family, info, options }, { folder, index, device, dtype: options.dtype ?? "f32" });
}

/** What a picture launches. */
async function launched(
  device: Device,
  folder: FolderSource,
  { firstPicture, ...options }: PipelineOptions,
): Promise<KernelSpec[]> {
  const kernels: KernelSpec[] = [];
  const memory = {
    recall: () => [],
    remember: (_: string, list: readonly KernelSpec[]) => void kernels.splice(0, Infinity, ...list),
  };
  await using pipeline = await createPipeline(folder, { ...options, device, kernels: memory });
  await pipeline.generate({ prompt: "0", ...firstPicture });
  return kernels;
}

const text = (spec: KernelSpec): string => JSON.stringify(spec);

/** Fails unless both are the same kernels. */
function assertSame(known: readonly KernelSpec[], used: readonly KernelSpec[]): void {
  const [has, needs] = [known, used].map((specs) => new Set(specs.map(text)));
  assertEquals({ missed: [...needs.difference(has)], needless: [...has.difference(needs)] }, {
    missed: [],
    needless: [],
  });
  assert(known.length > 10, `${known.length} kernels`);
}

/** Pictures that between them go every way: stages, guidance, samplers, the user's pictures, both autoencoders. */
const SMALL: Partial<GenerateRequest> = {
  width: 64,
  height: 32,
  minResolution: 32,
  steps: 3,
  initNoise: 0.9,
};
const photo = { width: 5, height: 7, channels: 3 as const, data: new Uint8Array(105).fill(90) };
const mask = { width: 2, height: 1, channels: 1 as const, data: new Uint8Array([0, 255]) };
const CASES: readonly (readonly [model: string, what: string, options: PipelineOptions])[] = [
  ["flux_dev", "learned upsampler, more than eight steps", {
    firstPicture: { ...SMALL, steps: 10, shortenSteps: false },
    upsamplerWeights: fileFolder(path("./golden/lssgen/_upsamplers/ch16")),
  }],
  ["flux_dev", "tiny autoencoder, both guidances", {
    firstPicture: { ...SMALL, prompt: "a (red:1.3) fox", trueCfgScale: 2, negativePrompt: "a dog" },
    tinyVae: fileFolder(path("./golden/vae/tiny_taef1")),
    tinyDecode: true,
  }],
  ["sd3", "pixel upsampler", { firstPicture: { ...SMALL, upsampler: "pixel" } }],
  ["sdxl", "guided by structure", { firstPicture: { ...SMALL, method: "diffusehigh" } }],
  ["sd15", "inpainting, a stochastic sampler", {
    firstPicture: { ...SMALL, image: photo, mask, strength: 0.9, scheduler: "euler_a" },
  }],
  ["sd15", "no guidance, little memory", {
    firstPicture: { ...SMALL, guidance: 1, upsampler: "bicubic" },
    maxActivationBytes: 20_000,
  }],
  ["dit", "a class", { firstPicture: { ...SMALL, prompt: "3" } }],
];

for (const dtype of ["f32", "f16"] as const) {
  for (const [model, what, options] of CASES) {
    Deno.test(`a rehearsal knows the kernels of ${model}, ${what}, ${dtype}`, async () => {
      using device = await openDevice();
      const folder = fileFolder(path(`./golden/pipelines/${model}/model`));
      await tuneOnce(device);
      const known = await rehearsal(device, folder, { ...options, dtype });
      assertSame(known, await launched(device, folder, { ...options, dtype }));
    });
  }
}
