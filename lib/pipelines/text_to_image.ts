/**
 * Opening a pipeline: a prompt becomes pictures.
 *
 * @module
 */

import { ALL_RULES } from "./all_rules.ts";
import { openPipeline } from "./opening.ts";
import type { ModelSource, Pipeline, PipelineOptions } from "./types.ts";

export { readModelInfo } from "./opening.ts";
export { planPicture } from "./plan_picture.ts";
export type {
  CacheMode,
  Defaults,
  GeneratedImage,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Generation,
  MaskInput,
  ModelInfo,
  ModelSource,
  Pipeline,
  PipelineOptions,
  PresetName,
  Presets,
  PresetSettings,
  PreviewKind,
  Progress,
  RgbPicture,
  Rng,
  StageLatents,
} from "./types.ts";

/**
 * Opens a model: device, weights, kernels.
 *
 * @param source A diffusers folder, its address, or a hub's `ORG/NAME`; the embedded model when undefined.
 * @throws {NoAdapterError} Without WebGPU.
 * @throws {LssgenError} `bad_option`, `bad_file`, `bad_tensor`, `unsupported`, `out_of_memory`, naming file and tensor.
 * @throws {unknown} The signal's `reason`, when it fires while loading.
 *
 * @example A red apple
 * ```ts
 * import { createPipeline } from "@lssgen/webgpu";
 *
 * await using pipeline = await createPipeline();
 * const { images } = await pipeline.generate({ prompt: "a red apple", width: 512, height: 512 });
 * console.log(images[0].rgb.length);
 * ```
 */
export function createPipeline(source?: ModelSource, options: PipelineOptions = {}): Promise<Pipeline> {
  return openPipeline(source, options, ALL_RULES);
}
