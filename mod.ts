/**
 * Text-to-image with latent space scaling (LSSGen) on WebGPU: FLUX.1, Stable Diffusion 3.5, SDXL, SD1.5 and DiT,
 * in Deno and in browsers.
 *
 * @example Draw a picture with the model that comes along
 * ```ts
 * import { createPipeline, encodePng } from "@lssgen/webgpu";
 *
 * await using pipeline = await createPipeline();
 * const { images: [image] } = await pipeline.generate({ prompt: "a red apple", width: 512, height: 512 });
 * const png = await encodePng({ width: image.width, height: image.height, channels: 3, data: image.rgb });
 * await Deno.writeFile("apple.png", png);
 * ```
 *
 * @module
 */

export * from "./lib/errors.ts";
export { type Device, type DeviceInfo, type DeviceOptions, openDevice } from "./lib/gpu/device.ts";
export type { Kernel, KernelCache, KernelSpec, TexelAccess } from "./lib/gpu/kernel.ts";
export type { KernelMemory } from "./lib/gpu/stored.ts";
export type { Allocator, Refusal } from "./lib/gpu/allocator.ts";
export type { Memory, MemoryUse } from "./lib/gpu/memory.ts";
export type { HubOptions } from "./lib/hub/client.ts";
export type { HubFile } from "./lib/hub/listing.ts";
export { type HubName, parseHubName } from "./lib/hub/name.ts";
export {
  type HubFolder,
  type HubFolderOptions,
  openHubFolder,
  type Repository,
} from "./lib/hub/repository.ts";
export type { Selection, Wish } from "./lib/hub/selection.ts";
export { openPicture, type OpenPictureOptions, type PictureFile } from "./lib/image/picture_file.ts";
export { decodePng, encodePng, type Picture } from "./lib/image/png.ts";
export {
  type ModelFile,
  type ModelFiles,
  modelFiles,
  type Prediction,
  type WeightSource,
} from "./lib/model_files/model_files.ts";
export { embeddedFolder } from "./lib/pipelines/embedded_model.ts";
export {
  type CacheMode,
  createPipeline,
  type Defaults,
  type GeneratedImage,
  type GenerateOptions,
  type GenerateRequest,
  type GenerateResult,
  type Generation,
  type MaskInput,
  type ModelInfo,
  type ModelSource,
  type Pipeline,
  type PipelineOptions,
  planPicture,
  type PresetName,
  type Presets,
  type PresetSettings,
  type PreviewKind,
  type Progress,
  readModelInfo,
  type RgbPicture,
  type Rng,
  type StageLatents,
} from "./lib/pipelines/text_to_image.ts";
export {
  openUpscaler,
  type PictureUpscaler,
  type UpscaleOptions,
  type UpscalerOptions,
} from "./lib/pipelines/upscaling.ts";
export type { UpscalerKind } from "./lib/weights/names/upscaler.ts";
export { combineArrays, type Denoising, lssgen, type PlanPart, runPlan } from "./lib/scaling/lssgen.ts";
export { planStages } from "./lib/scaling/plan_stages.ts";
export { formatPlan } from "./lib/scaling/plan_text.ts";
export * from "./lib/scaling/types.ts";
export type { SamplerName, ScheduleName } from "./lib/schedulers/samplers.ts";
export { ENTRIES, type Entry } from "./lib/schedulers/entry.ts";
export {
  createScheduler,
  SAMPLER_NAMES,
  samplerConfig,
  SCHEDULE_NAMES,
  scheduleConfig,
} from "./lib/schedulers/registry.ts";
export type { NoiseMix, Schedule, ScheduleOptions, Scheduler, Step, Terms } from "./lib/schedulers/types.ts";
export type { Dtype, Tensor } from "./lib/tensor.ts";
export type { Lora } from "./lib/weights/lora.ts";
export {
  blobSource,
  bytesOf,
  type ByteSource,
  folderOf,
  type FolderSource,
  memoryFolder,
} from "./lib/weights/bytes.ts";
export { httpFolder } from "./lib/weights/http_source.ts";
export type { CachedFolder, DownloadOptions, FileDigest } from "./lib/weights/cache.ts";
export type { WRITABLE_TYPES, WritableType } from "./lib/weights/quantise.ts";
