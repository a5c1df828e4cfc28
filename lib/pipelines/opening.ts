/**
 * Opening a model: what it says about itself, and what it takes to draw with it.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { reasonOf } from "../reason_of.ts";
import { openDevice } from "../gpu/device.ts";
import type { KernelSpec } from "../gpu/kernel.ts";
import { storedKernels } from "../gpu/stored.ts";
import { tuneOnce } from "../gpu/tune.ts";
import { KernelList, kernelListKey, warmKernels } from "../gpu/warm.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { readModelIndex } from "../weights/model_folder.ts";
import { checkPipelineOptions } from "./checked_options.ts";
import { isFolder } from "../option_kinds.ts";
import { TextToImage } from "./drawing.ts";
import { familyOf, readFamily } from "./families.ts";
import { type LoadContext, Opened, partOf, retypingOf } from "./family.ts";
import { hostMemory } from "./offloading.ts";
import { openNetworks } from "./networks.ts";
import type { PlanRules } from "./plan_rules.ts";
import { openLoras } from "./prompt_loras.ts";
import { rehearse } from "./rehearsing.ts";
import { readPrompts } from "./resolved_request.ts";
import type { ModelInfo, ModelSource, Pipeline, PipelineOptions } from "./types.ts";

/** The folder that a model's source stands for; addresses are read by code that comes with the first of them. */
async function folderOfModel(source?: ModelSource): Promise<FolderSource> {
  if (isFolder(source)) return source as FolderSource;
  return await (await import("./model_source.ts")).folderBehind(source);
}

/**
 * What a model folder says about itself; reads configs only.
 *
 * @param source The embedded model when undefined.
 * @throws {LssgenError} `bad_file`, `unsupported`; `bad_option` for a text that is no address.
 */
export async function readModelInfo(source?: ModelSource): Promise<ModelInfo> {
  const folder = await folderOfModel(source);
  const index = await readModelIndex(folder);
  return await readFamily(folder, index);
}

/**
 * Opens a model: device, weights, kernels.
 *
 * @param rules What its pictures are planned with.
 * @throws As {@linkcode createPipeline} of text_to_image.ts.
 */
export async function openPipeline(
  source: ModelSource | undefined,
  options: PipelineOptions,
  rules: PlanRules,
): Promise<Pipeline> {
  await checkPipelineOptions(options);
  const folder = await folderOfModel(source);
  const index = await readModelIndex(folder);
  const family = await familyOf(index);
  let info = await readFamily(folder, index);
  if (options.upsamplerWeights) info = { ...info, learnedUpsampler: true };
  if (options.upscaler) info = { ...info, esrganUpsampler: true };
  const { firstPicture } = options;
  const tags = firstPicture ? readPrompts(rules, info, { prompt: "", ...firstPicture }).loras : [];
  const device = options.device ?? await openDevice();
  const parts: Disposable[] = options.device ? [] : [device];
  const loaded = new AbortController();
  const refused = new AbortController();
  try {
    await tuneOnce(device);
    const { signal, onProgress } = options;
    const dtype = options.dtype ?? (device.info.f16 ? "f16" : "f32");
    const { maxActivationBytes, keepQuantised } = options;
    const integerDot = options.integerDot ? { matrices: 0 } : undefined;
    const notInteger = integerDot &&
      await (await import("../gpu/tune_integer_dot.ts")).tuneIntegerDot(device);
    const retyping = await retypingOf(options);
    const memory = options.kernels ?? storedKernels;
    const key = kernelListKey(device, info.name, dtype);
    const known = memory.recall(key);
    const opened = new Opened();
    // Tried again, since what fails once may be the network's fault.
    await opened.checkTokenizers(folder, index).catch(() => opened.checkTokenizers(folder, index));
    const bare: LoadContext = {
      folder,
      index,
      device,
      dtype,
      maxActivationBytes,
      keepQuantised,
      integerDot,
      retyping,
      signal,
      onProgress,
      kernels: new KernelList(memory, key, known),
      opened,
    };
    const model = { family, info, options, rules };
    const { loras, warnings } = await openLoras(model, bare, tags);
    const host = await hostMemory(options);
    const asGiven: LoadContext = { ...bare, loras, residency: { host } };
    const limits = options.maxVramBytes === undefined ? undefined : await import("./memory_budget.ts");
    const budget = await limits?.planBudget(model, asGiven);
    const context: LoadContext = budget
      ? {
        ...asGiven,
        residency: budget.residency,
        maxActivationBytes: budget.maxActivationBytes,
        denoiserStreams: budget.components.some(({ name, streamed }) =>
          partOf(name) === "denoiser" && streamed > 0
        ),
      }
      : asGiven;
    const fits = limits?.keptWithin(model, context);
    // With a limit, the picture was rehearsed when what stays was planned.
    const rehearsed = foretold(async () =>
      budget?.kernels ?? await rehearse(model, { ...context, signal: loaded.signal })
    ).catch(
      (error) => {
        // A file that is no good for the last text encoder is told before weights are loaded, not minutes later. Anything
        // else that goes wrong here goes wrong again where it matters, and is told there.
        if (!loaded.signal.aborted && isAboutFiles(error)) refused.abort(error);
        return [];
      },
    );
    const warming = warmKernels(device, [known, rehearsed], loaded.signal);
    // Ahead of the weights it is over at once; beside them it would be over with them, where they come from memory.
    await settledWithin(AHEAD_MS, rehearsed);
    refused.signal.throwIfAborted();
    const stop = signal ? AbortSignal.any([signal, refused.signal]) : refused.signal;
    const networks = await openNetworks(model, { ...context, signal: stop }, parts);
    // What it still waits for, the first prompt would: tokenizers and headers.
    await settledWithin(BEHIND_MS, rehearsed);
    refused.signal.throwIfAborted();
    loaded.abort();
    await warming;
    // The signal stops loading only: each picture brings its own.
    const unheeded = integerDot && (notInteger ?? (integerDot.matrices === 0 ? "unquantised" : undefined));
    const told = unheeded ? (await import("./unheeded.ts")).withoutIntegerDot(model, unheeded) : model;
    return new TextToImage(told, { ...context, fits, signal: undefined }, networks, { tags, warnings });
  } catch (error) {
    loaded.abort();
    // The device last, where it is the pipeline's own.
    for (const part of parts.splice(options.device ? 0 : 1).reverse()) part[Symbol.dispose]();
    const cause = await device.recover(error);
    for (const part of parts) part[Symbol.dispose]();
    throw reasonOf(cause, refused.signal.aborted ? refused.signal : options.signal);
  }
}

/** A rehearsal, tried again where a file was no good: what fails twice in the same way is no matter of the network. */
async function foretold(rehearsal: () => Promise<KernelSpec[]>): Promise<KernelSpec[]> {
  try {
    return await rehearsal();
  } catch (error) {
    if (!isAboutFiles(error)) throw error;
    const again = await rehearsal().catch((second) => second as Error);
    if (Array.isArray(again)) return again;
    throw again.message === (error as Error).message ? again : new AbortedError();
  }
}

/** Whether an error says that a file of the model is no good. */
function isAboutFiles(error: unknown): boolean {
  return error instanceof LssgenError && ["bad_file", "bad_tensor", "unsupported"].includes(error.code);
}

/** Loading waits for a rehearsal that long at most, since what it opens may come from far away: before its beginning … */
const AHEAD_MS = 200;
/** … and at its end. */
const BEHIND_MS = 500;

/** Waits for some work, or for a time to be over. */
async function settledWithin(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, over]);
  clearTimeout(timer);
}
