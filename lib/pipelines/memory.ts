/**
 * What a picture takes of a GPU's memory, before anything is loaded: it is drawn on a device that does nothing, whose allocator
 * is the real one's.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { DeviceInfo } from "../gpu/device.ts";
import { IdleDevice } from "../gpu/rehearsal.ts";
import { forceTuning, type MatmulTuning } from "../gpu/tune.ts";
import { LOADING_BYTES } from "../residency/upload.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { readModelIndex } from "../weights/model_folder.ts";
import { familyOf, readFamily } from "./families.ts";
import { Opened, retypingOf } from "./family.ts";
import { KEPT_ENCODER_BYTES } from "./prompts.ts";
import { rehearse } from "./rehearsing.ts";
import type { GenerateRequest, PipelineOptions } from "./types.ts";

/** A component's weights. */
export interface PlannedComponent {
  /** Its folder: `unet`, `text_encoder_2`. */
  readonly name: string;
  /** Bytes on the GPU. */
  readonly bytes: number;
  /** Whether it stays: large text encoders leave as soon as the prompt is encoded. */
  readonly stays: boolean;
}

/** What a picture takes. */
export interface MemoryPlan {
  /** In the order of loading. */
  readonly components: readonly PlannedComponent[];
  /** Bytes of weights that stay. */
  readonly resident: number;
  /** Most bytes of weights, activations and buffers kept for reuse at once. */
  readonly peak: number;
}

/** An adapter with the limits of most: what is planned for where none is at hand. */
export const USUAL_ADAPTER: DeviceInfo = {
  vendor: "",
  architecture: "",
  description: "usual limits",
  fallback: false,
  f16: true,
  timestamps: false,
  subgroups: true,
  maxBindingBytes: 2 ** 31 - 4,
  maxBufferBytes: 2 ** 32,
  workgroupBytes: 32 << 10,
  workgroupInvocations: 1024,
  storageTexels: true,
};

/** How the pipeline will be opened, and where. */
export interface MemoryOptions extends
  Pick<
    PipelineOptions,
    | "dtype"
    | "keepQuantised"
    | "weightType"
    | "weightTypeRules"
    | "maxActivationBytes"
    | "tinyVae"
    | "tinyDecode"
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
  const family = familyOf(index);
  const model = {
    family,
    info: await readFamily(folder, index),
    options: { ...options, firstPicture: request },
  };
  const loaded = new Map<string, number>();
  const dtype = options.dtype ?? (info.f16 ? "f16" : "f32");
  if (dtype === "f16" && !info.f16) {
    throw new LssgenError("unsupported", "The adapter has no shader-f16: dtype f32");
  }
  const { maxActivationBytes, keepQuantised } = options;
  const retyping = retypingOf(options);
  const opened = new Opened();
  await rehearse(model, {
    ...{ folder, index, device, dtype, maxActivationBytes, keepQuantised, retyping, opened },
    onLoaded: (name, bytes) => loaded.set(name, bytes),
  }, device);
  const { footprint, weights } = device.memory.use();
  const components = [...loaded].map(([name, bytes]) => ({
    name: name || "tiny vae",
    bytes,
    stays: !name.startsWith("text_encoder") || bytes <= KEPT_ENCODER_BYTES,
  }));
  return { components, resident: weights, peak: footprint + LOADING_BYTES };
}

/** A plan as lines of text. */
export function formatMemory({ components, resident, peak }: MemoryPlan): string[] {
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
  return [
    ...components.map(({ name, bytes, stays }) =>
      `  ${name.padEnd(16)} ${mib(bytes).padStart(10)}  ${stays ? "stays" : "until the prompt is encoded"}`
    ),
    `GPU memory: ${mib(peak)} at most, ${mib(resident)} of them weights that stay`,
  ];
}
