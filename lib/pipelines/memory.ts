/**
 * What a picture takes of a GPU's memory, before anything is loaded: it is drawn on a device that does nothing, whose allocator
 * is the real one's.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { DeviceInfo } from "../gpu/device.ts";
import { IdleDevice } from "../gpu/rehearsal.ts";
import { USUAL_ADAPTER } from "../gpu/usual_adapter.ts";
import { forceTuning, type MatmulTuning } from "../gpu/tune.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { readModelIndex } from "../weights/model_folder.ts";
import { ALL_RULES } from "./all_rules.ts";
import { familyOf, readFamily } from "./families.ts";
import { Opened, retypingOf } from "./family.ts";
import { type Budget, leastPeak, planBudget, type PlannedComponent } from "./memory_budget.ts";
import type { GenerateRequest, PipelineOptions } from "./types.ts";

/** What a picture takes, and how that was achieved. */
export type MemoryPlan = Omit<Budget, "residency" | "kernels"> & {
  /** The least limit in bytes that `maxVramBytes` may set. */
  readonly least: number;
};

export type { PlannedComponent } from "./memory_budget.ts";
export { USUAL_ADAPTER } from "../gpu/usual_adapter.ts";

/** How the pipeline will be opened, and where. */
export interface MemoryOptions extends
  Pick<
    PipelineOptions,
    | "dtype"
    | "keepQuantised"
    | "integerDot"
    | "weightType"
    | "weightTypeRules"
    | "maxActivationBytes"
    | "maxVramBytes"
    | "offload"
    | "maxOffloadBytes"
    | "tinyVae"
    | "tinyDecode"
    | "upsamplerWeights"
    | "upscaler"
  > {
  /** The adapter, as its device says; one of usual limits without. */
  readonly adapter?: DeviceInfo;
  /** How its kernels read their operands, where that was measured. */
  readonly tuning?: MatmulTuning;
}

/**
 * Plans the memory of a picture.
 *
 * @param folder Model; only configs and headers of weights are read.
 * @param request The picture. Its prompt's length counts little.
 * @throws {LssgenError} As the picture will: `bad_option`, `bad_file`, `bad_tensor`, `unsupported`, `out_of_memory`.
 */
export async function planMemory(
  folder: FolderSource,
  request: Partial<GenerateRequest>,
  options: MemoryOptions = {},
): Promise<MemoryPlan> {
  const { adapter: info = USUAL_ADAPTER, tuning } = options;
  using device = new IdleDevice(info);
  if (tuning) forceTuning(device, tuning);
  const index = await readModelIndex(folder);
  const family = await familyOf(index);
  const read = await readFamily(folder, index);
  const model = {
    family,
    info: {
      ...read,
      learnedUpsampler: read.learnedUpsampler || options.upsamplerWeights !== undefined,
      esrganUpsampler: options.upscaler !== undefined,
    },
    options: { ...options, firstPicture: request },
    rules: ALL_RULES,
  };
  const dtype = options.dtype ?? (info.f16 ? "f16" : "f32");
  if (dtype === "f16" && !info.f16) {
    throw new LssgenError("unsupported", "The adapter has no shader-f16: dtype f32");
  }
  const { maxActivationBytes, keepQuantised } = options;
  const retyping = await retypingOf(options);
  const opened = new Opened();
  const context = {
    ...{ folder, index, device, dtype, maxActivationBytes, keepQuantised, retyping, opened },
    integerDot: options.integerDot ? { matrices: 0 } : undefined,
  };
  const { residency: _residency, kernels: _kernels, ...budget } = await planBudget(model, context);
  return { ...budget, least: await leastPeak(model, context) };
}

/** A plan as lines of text. */
export function formatMemory(
  { components, resident, slots, peak, least, maxActivationBytes }: MemoryPlan,
): string[] {
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
  const how = ({ bytes, streamed, stays }: PlannedComponent): string =>
    streamed === 0
      ? "stays"
      : `${stays ? bytes > 0 ? `${mib(bytes)} stay` : "nothing stays" : "for the prompt only"}, ${
        mib(streamed)
      } ${stays ? "stream at each use" : "stream"}`;
  return [
    ...components.map((component) =>
      `  ${component.name.padEnd(16)} ${mib(component.bytes + component.streamed).padStart(10)}  ${
        how(component)
      }`
    ),
    ...slots > 0 ? [`  ${"slots".padEnd(16)} ${mib(slots).padStart(10)}  for what streams`] : [],
    ...maxActivationBytes === undefined ? [] : [
      `  activations of ${
        mib(maxActivationBytes)
      } at most: the picture is decoded in bands, guidance takes two calls where it must`,
    ],
    `GPU memory: ${mib(peak)} at most, ${mib(resident)} of them weights that stay`,
    `            (--max-vram ${Math.ceil(least / 2 ** 20)} is the least that works)`,
  ];
}
