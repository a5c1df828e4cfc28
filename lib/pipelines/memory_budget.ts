/**
 * What stays on the GPU so that a picture keeps within a limit: found by drawing it on a device that does nothing, whose allocator
 * is the real one's.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { KernelSpec } from "../gpu/kernel.ts";
import { IdleDevice } from "../gpu/rehearsal.ts";
import { LEAST_SLOTS } from "../residency/slots.ts";
import { LOADING_BYTES } from "../residency/upload.ts";
import { type LoadContext, partOf } from "./family.ts";
import type { Model } from "./networks.ts";
import { hostMemory } from "./offloading.ts";
import { rehearse } from "./rehearsing.ts";
import { isTextEncoder, KEPT_ENCODER_BYTES, type Residency } from "./residency.ts";

/** A component's weights. */
export interface PlannedComponent {
  /** Its folder: `unet`, `text_encoder_2`. */
  readonly name: string;
  /** Bytes on the GPU while it is loaded. */
  readonly bytes: number;
  /** Bytes that come to the GPU each time they are used. */
  readonly streamed: number;
  /** Whether `bytes` stay: large text encoders leave as soon as the prompt is encoded. */
  readonly stays: boolean;
}

/** What a picture takes, and how that was achieved. */
export interface Budget {
  /** What stays. */
  readonly residency: Residency;
  /** The largest activation that this takes; the usual ones when undefined. */
  readonly maxActivationBytes: number | undefined;
  /** In the order of loading. */
  readonly components: readonly PlannedComponent[];
  /** Bytes of weights and of slots for weights that stay. */
  readonly resident: number;
  /** Bytes of slots while the denoiser works. */
  readonly slots: number;
  /** Most bytes of weights, activations and buffers kept for reuse at once. */
  readonly peak: number;
  /** What the picture launches, in the order of the launch. */
  readonly kernels: KernelSpec[];
}

/** Largest activations that are tried where the usual ones do not fit. */
const ACTIVATIONS = [512, 256, 128, 64].map((mib) => mib << 20);
/** Times that what stays is made smaller until the picture fits. */
const ATTEMPTS = 5;
/**
 * Decides what stays on the GPU.
 *
 * @param context Its device is asked for its limits and for how its kernels are chosen.
 * @throws {LssgenError} `out_of_memory` when the limit cannot be kept, with the least that can; as the picture will.
 */
export async function planBudget(model: Model, context: LoadContext): Promise<Budget> {
  const { maxVramBytes: limit } = model.options;
  const host = await hostMemory(model.options);
  const usual = await measured(model, context, { host }, context.maxActivationBytes);
  if (limit === undefined || usual.peak <= limit) return usual;
  // All streams through the smallest slots: what is left over tells how much may stay.
  const least: Residency = { others: 0, slots: LEAST_SLOTS, slotBytes: 0, host };
  const given = context.maxActivationBytes;
  const tries = [given, ...ACTIVATIONS.filter((bytes) => bytes < (given ?? Infinity))];
  let best = usual;
  for (const most of tries) {
    best = await measured(model, context, least, most);
    if (best.peak <= limit) break;
  }
  // The last one that was tried is what `leastPeak` measures.
  if (best.peak > limit) throw tooLittle(limit, best.peak);
  const most = best.maxActivationBytes;
  // Larger slots keep reading and computing apart from each other's unevenness.
  const roomy = await measured(model, context, { others: 0, host }, most);
  if (roomy.peak <= limit) best = roomy;
  const filled = await filledUp(model, context, best, limit);
  // While launches wait for weights nothing goes back to the driver: a decoder that stays takes less than one that streams.
  const resident = new Map([["vae", Infinity]]);
  const decoding = await measured(model, context, { ...best.residency, resident }, most);
  if (decoding.peak > limit) return filled;
  const other = await filledUp(model, context, decoding, limit);
  return denoiserOf(other).streamed < denoiserOf(filled).streamed ? other : filled;
}

function denoiserOf({ components }: Budget): PlannedComponent {
  return components.find(({ name }) => partOf(name) === "denoiser")!;
}

/** As much of the denoiser beside what stays already as keeps within the limit. */
async function filledUp(model: Model, context: LoadContext, base: Budget, limit: number): Promise<Budget> {
  const denoiser = denoiserOf(base);
  let room = Math.min(denoiser.streamed, limit - base.peak);
  for (let attempt = 0; attempt < ATTEMPTS && room > 0; attempt++) {
    const resident = new Map(base.residency.resident).set(denoiser.name, room);
    const budget = await measured(model, context, { ...base.residency, resident }, base.maxActivationBytes);
    if (budget.peak <= limit) return budget;
    // Copies in textures and larger buffers come along with what stays.
    room -= Math.max(budget.peak - limit, denoiser.streamed / 32);
  }
  return base;
}

/**
 * Whether later pictures keep within the limit too, with what stays as it was planned for the first.
 *
 * @returns A function that throws `out_of_memory` for one that does not.
 */
export function keptWithin(model: Model, context: LoadContext): NonNullable<LoadContext["fits"]> {
  const { maxVramBytes: limit = Infinity } = model.options;
  const known = new Set<string>();
  return async (request, { stages }) => {
    // What else a request says changes its memory little.
    const { guidance, trueCfgScale, image, mask } = request;
    const sizes = stages.map((
      { width, height, steps, grow },
    ) => [width, height, steps.length > 0, grow?.upsampler]);
    const key = JSON.stringify([sizes, (guidance ?? 0) > 1, (trueCfgScale ?? 0) > 1, !!image, !!mask]);
    if (known.has(key)) return;
    const first = { ...model, options: { ...model.options, firstPicture: request } };
    const { peak } = await measured(first, context, context.residency ?? {}, context.maxActivationBytes);
    if (peak > limit) {
      throw new LssgenError(
        "out_of_memory",
        `The picture takes ${
          Math.ceil(peak / 2 ** 20)
        } MiB of GPU memory with the weights that stay, allowed are ` +
          `${
            Math.floor(limit / 2 ** 20)
          } (--max-vram, maxVramBytes): choose a smaller size, or open the model for one of this ` +
          "size (firstPicture)",
      );
    }
    known.add(key);
  };
}

/** Bytes of the least limit that can be kept. */
export async function leastPeak(model: Model, context: LoadContext): Promise<number> {
  const smallest = Math.min(context.maxActivationBytes ?? Infinity, ACTIVATIONS[ACTIVATIONS.length - 1]);
  return (await measured(model, context, { others: 0, slots: LEAST_SLOTS, slotBytes: 0 }, smallest)).peak;
}

async function measured(
  model: Model,
  context: LoadContext,
  residency: Residency,
  maxActivationBytes: number | undefined,
): Promise<Budget> {
  const device = IdleDevice.like(context.device);
  // In the order of their last loading.
  const loaded = new Map<string, PlannedComponent>();
  const kernels = await rehearse(model, {
    ...context,
    residency,
    maxActivationBytes,
    onLoaded: (folder, bytes, streamed) => {
      const name = folder || "tiny vae";
      const stays = !isTextEncoder(name) || bytes + streamed <= KEPT_ENCODER_BYTES;
      loaded.delete(name);
      loaded.set(name, { name, bytes, streamed, stays });
    },
  }, device);
  const { footprint, weights } = device.memory.use();
  const components = [...loaded.values()];
  const staying = components.reduce((sum, { bytes, stays }) => sum + (stays ? bytes : 0), 0);
  return {
    ...{ residency, maxActivationBytes, components, kernels },
    slots: weights - staying,
    resident: weights,
    peak: footprint + LOADING_BYTES,
  };
}

function tooLittle(limit: number, least: number): LssgenError {
  const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
  return new LssgenError(
    "out_of_memory",
    `The picture does not fit in ${
      Math.floor(limit / 2 ** 20)
    } MiB of GPU memory (--max-vram, maxVramBytes), even with all ` +
      `weights read as they are used: it takes ${
        mib(least)
      } MiB; give at least as much, or choose a smaller size`,
  );
}
