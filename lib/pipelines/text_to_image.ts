/**
 * A prompt becomes pictures: text encoding, the stages, decoding.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { type Device, openDevice } from "../gpu/device.ts";
import type { KernelSpec } from "../gpu/kernel.ts";
import { Recorder, type Scope } from "../gpu/recorder.ts";
import { IdleDevice } from "../gpu/rehearsal.ts";
import { storedKernels } from "../gpu/stored.ts";
import { tuneOnce } from "../gpu/tune.ts";
import { KernelList, kernelListKey, warmKernels } from "../gpu/warm.ts";
import { parseHubName } from "../hub/name.ts";
import { hubFolder } from "../hub/repository.ts";
import { pixelsOf } from "../image/picture_file.ts";
import type { Picture } from "../image/png.ts";
import { LatentUpsampler, latentUpsamplerConfig } from "../models/latent_upsampler.ts";
import { firstSeed } from "../random.ts";
import { runPlan } from "../scaling/lssgen.ts";
import { methodNamed } from "../scaling/methods/registry.ts";
import { guidedWithin, planStages } from "../scaling/plan.ts";
import type { Plan, StagePlan } from "../scaling/types.ts";
import { checkFree, createScheduler, samplerConfig, scheduleConfig } from "../schedulers/registry.ts";
import type { Tensor } from "../tensor.ts";
import { type LoraTag, readPrompt } from "../text/prompt_syntax.ts";
import { type FolderSource, httpFolder } from "../weights/bytes.ts";
import { isComponentFolder } from "../weights/checkpoint.ts";
import { LoraSet } from "../weights/lora.ts";
import { readModelIndex } from "../weights/model_folder.ts";
import { embeddedFolder } from "./embedded_model.ts";
import { checkPipelineOptions, checkRunOptions, checkTypes, isFolder } from "./checked_options.ts";
import { familyOf, readFamily } from "./families.ts";
import {
  ADAPTABLE,
  type Component,
  type Denoiser,
  type Encoded,
  type Family,
  loadComponent,
  type LoadContext,
  type Network,
  Opened,
  partOf,
  type PromptRequest,
} from "./family.ts";
import { generation } from "./generation.ts";
import { type GpuDenoising, gpuDenoising, noLearnedUpsampler, seededNoise, torchNoise } from "./latents.ts";
import { checkPicture, pasteInto, pictureWarnings, startingSize } from "./pictures.ts";
import { previewOf } from "./preview.ts";
import { notFinite } from "./prompts.ts";
import type {
  GeneratedImage,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Generation,
  ModelInfo,
  ModelSource,
  Pipeline,
  PipelineOptions,
  Progress,
  Rng,
} from "./types.ts";
import { RNGS } from "./types.ts";
import { type Autoencoder, loadTinyVae, loadVae } from "./vae.ts";

export { embeddedFolder } from "./embedded_model.ts";
export type {
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
  PreviewKind,
  Progress,
  RgbPicture,
  Rng,
} from "./types.ts";

/** stable-diffusion.cpp's. */
const DEFAULT_STRENGTH = 0.75;

/**
 * The folder that a model's source stands for. Without a source the embedded model's.
 *
 * @throws {LssgenError} `bad_option` for a text that is no address.
 */
function folderOfModel(source: ModelSource = embeddedFolder()): FolderSource {
  if (isFolder(source)) return source as FolderSource;
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw new LssgenError(
      "bad_option",
      `The model is ${
        source === null ? "null" : `of type ${typeof source}`
      }, expected an address, a URL, or a folder with ` +
        "name, open() and text()",
    );
  }
  // "ORG/NAME", with one slash in its middle, is a hub's; "./models/flux" and "models/flux/" are folders beside the page.
  const name = typeof source === "string" ? parseHubName(source) : undefined;
  if (name) return hubFolder(name);
  // A page's own address, where there is a page, so that "models/flux/" works there as it does for images.
  const here = (globalThis as { location?: { href: string } }).location?.href;
  if (source instanceof URL || URL.canParse(source, here)) return httpFolder(new URL(source, here));
  throw new LssgenError(
    "bad_option",
    `The model is "${source}", expected an address such as "https://example.org/flux/", a URL, or a folder ` +
      '(fileFolder("./flux") of @lssgen/webgpu/cli in Deno)',
  );
}

/**
 * What a model folder says about itself; reads configs only.
 *
 * @param source The embedded model when undefined.
 * @throws {LssgenError} `bad_file`, `unsupported`; `bad_option` for a text that is no address.
 */
export async function readModelInfo(source?: ModelSource): Promise<ModelInfo> {
  const folder = folderOfModel(source);
  const index = await readModelIndex(folder);
  return await readFamily(folder, index);
}

/**
 * The stages of a picture, without a GPU or weights.
 *
 * @throws {LssgenError} `bad_option`, naming the option.
 */
export function planPicture(info: ModelInfo, request: Omit<GenerateRequest, "prompt">): Plan {
  checkTypes(request);
  const p = resolve(info, { prompt: "", ...request }, info.learnedUpsampler);
  const free = p.image !== undefined && (request.width === undefined || request.height === undefined);
  const scheduler = createScheduler(schedulerConfig(info.scheduler, p));
  if (p.sigmas) checkLevels(p.sigmas, scheduler.kind === "flow");
  const plan = planStages({
    width: p.width,
    height: p.height,
    method: p.method,
    // A first stage larger than the picture is none: the default must not refuse small pictures.
    minResolution: request.minResolution === undefined
      ? Math.min(p.minResolution, p.width, p.height)
      : p.minResolution,
    baseResolution: info.defaults.baseResolution,
    steps: p.steps,
    initNoise: p.initNoise,
    shortenSteps: p.shortenSteps,
    upsampler: p.upsampler,
    entry: p.entry,
    levels: p.sigmas,
    stages: p.stages,
    refineSteps: p.refineSteps,
    spectralDelta: p.spectralDelta,
    spectrum: info.spectrum,
    strength: p.strength,
    inpaint: p.mask !== undefined && !info.maskInput,
    scheduler,
    // A size that nobody asked for is rounded to what the model takes, never refused.
    space: free ? { ...info.space, indivisible: "round" } : info.space,
    cost: info.cost(callsOf(info, p)),
  });
  const grows = plan.stages.some((stage) => stage.grow?.upsampler === "learned");
  if (grows && !info.learnedUpsampler) throw noLearnedUpsampler();
  const unit = tokenSide(info) * 2 ** (plan.stages.length - 1);
  const more = pictureWarnings(request, plan.stages[plan.stages.length - 1], unit);
  const whole = { ...plan, warnings: [...info.warnings ?? [], ...plan.warnings, ...more] };
  const { guidanceStart: from = 0, guidanceEnd: to = 1 } = p;
  if (!(from >= 0 && from < to && to <= 1)) {
    throw new LssgenError(
      "bad_option",
      `guidanceStart is ${from} and guidanceEnd ${to} (--guidance-start, --guidance-end), expected numbers from 0 to 1, the ` +
        "start below the end",
    );
  }
  if (from === 0 && to === 1) return whole;
  if (callsOf(info, p) === 1) {
    throw new LssgenError(
      "bad_option",
      "guidanceStart and guidanceEnd (--guidance-start, --guidance-end) have no effect without classifier-free guidance, " +
        (info.embeddedGuidance
          ? "which trueCfgScale (--cfg-scale) above 1 asks for"
          : "which guidance above 1 asks for"),
    );
  }
  return guidedWithin(whole, scheduler, from, to, info.cost(1));
}

/** The model's scheduler_config.json as the request changes it. */
function schedulerConfig(
  stored: Readonly<Record<string, unknown>>,
  { scheduler, schedule, sigmas }: GenerateRequest,
): Readonly<Record<string, unknown>> {
  if (schedule !== undefined && sigmas !== undefined) {
    throw new LssgenError(
      "bad_option",
      "schedule and sigmas (--schedule, --sigmas) both say which noise levels to take: give one",
    );
  }
  const config = scheduler ? samplerConfig(stored, scheduler) : stored;
  if (sigmas) checkFree(config, "sigmas (--sigmas)");
  return schedule === undefined ? config : scheduleConfig(config, schedule);
}

/** Refuses noise levels that do not fall, or that are none. */
function checkLevels(levels: readonly number[], flow: boolean): void {
  const top = flow ? 1 : 1000;
  const wrong = levels.findIndex((level, i) =>
    !(level > 0 && level <= top) || (i > 0 && level >= levels[i - 1])
  );
  if (levels.length > 0 && wrong < 0) return;
  throw new LssgenError(
    "bad_option",
    levels.length === 0
      ? "sigmas is empty, expected noise levels, for example 1, 0.75, 0.5, 0.25"
      : `sigmas: value ${wrong + 1} is ${levels[wrong]}, expected falling numbers above 0, at most ${top}` +
        (flow ? ", since this is a flow model" : ""),
  );
}

/**
 * Opens a model: device, weights, kernels.
 *
 * @param source A diffusers folder, its address, or a hub's `ORG/NAME`; the embedded model when undefined.
 * @throws {NoAdapterError} Without WebGPU.
 * @throws {LssgenError} `bad_option`, `bad_file`, `bad_tensor`, `unsupported`, `out_of_memory`, naming file and tensor.
 * @throws {AbortedError} When the signal fires while loading.
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
export async function createPipeline(
  source?: ModelSource,
  options: PipelineOptions = {},
): Promise<Pipeline> {
  checkPipelineOptions(options);
  const folder = folderOfModel(source);
  const index = await readModelIndex(folder);
  const family = familyOf(index);
  let info = await readFamily(folder, index);
  if (options.upsamplerWeights) info = { ...info, learnedUpsampler: true };
  const { firstPicture } = options;
  const tags = firstPicture ? readPrompts(info, { prompt: "", ...firstPicture }).loras : [];
  const device = options.device ?? await openDevice();
  const parts: Disposable[] = options.device ? [] : [device];
  const loaded = new AbortController();
  const refused = new AbortController();
  try {
    await tuneOnce(device);
    const { signal, onProgress } = options;
    const dtype = options.dtype ?? (device.info.f16 ? "f16" : "f32");
    const { maxActivationBytes, keepQuantised } = options;
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
      signal,
      onProgress,
      kernels: new KernelList(memory, key, known),
      opened,
    };
    const model = { family, info, options };
    const { loras, warnings } = await openLoras(model, bare, tags);
    const context = { ...bare, loras };
    const rehearsed = foretold(() => rehearse(model, { ...context, signal: loaded.signal })).catch(
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
    return new TextToImage(model, { ...context, signal: undefined }, networks, { tags, warnings });
  } catch (error) {
    loaded.abort();
    for (const part of parts.reverse()) part[Symbol.dispose]();
    throw error instanceof AbortedError && refused.signal.aborted ? refused.signal.reason : error;
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

/** A model as its configs and the caller describe it. */
interface Model {
  readonly family: Family;
  readonly info: ModelInfo;
  readonly options: PipelineOptions;
}

/** All networks but the text encoders, each added to `parts` as it is there. */
async function openNetworks(
  { family, info, options }: Model,
  context: LoadContext,
  parts: Disposable[],
): Promise<Networks> {
  const own = <P extends Disposable>(part: P): P => {
    parts.push(part);
    return part;
  };
  const tinyVae = options.tinyVae ??
    (isComponentFolder(context.folder) ? await context.folder.tinyVae() : undefined);
  const tiny = tinyVae && own(await loadTinyVae({ ...context, folder: tinyVae }, "", info.latentChannels));
  const upsampler = info.learnedUpsampler
    ? own(await loadUpsampler(context, options.upsamplerWeights, info.latentChannels))
    : undefined;
  // The large ones last: what is wrong with the user's own folders is said before minutes have gone.
  const vae = own(await loadVae(context, info.latentChannels));
  const network = own(await family.load(context));
  const decoder = options.tinyDecode && tiny ? tiny : vae;
  return { network, vae, tiny, decoder, upsampler: upsampler?.model, parts };
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

/** What stands for a prompt that is not known: a word for text encoders, and a class. */
const ANY_PROMPT = "0";

/**
 * The kernels of the first picture, in the order of their launch: it is drawn on a device that does nothing, by networks
 * whose weights are declared only.
 *
 * @param device What it is drawn on, to look at afterwards.
 * @throws {LssgenError} As the picture will.
 */
export async function rehearse(
  model: Model,
  context: LoadContext,
  device: IdleDevice = IdleDevice.like(context.device),
): Promise<KernelSpec[]> {
  const idle = { ...context, device, rehearsal: true, kernels: undefined, onProgress: undefined };
  context.opened?.begin(context.folder, context.index);
  const networks = await openNetworks(model, idle, []);
  const picture = new TextToImage(model, idle, networks, { tags: [], warnings: [] });
  await picture.rehearse({ prompt: ANY_PROMPT, ...model.options.firstPicture });
  const specs = device.kernels.specs();
  device[Symbol.dispose]();
  return specs;
}

/** LoRAs as they are in the weights. */
interface AppliedLoras {
  /** Those that the prompt named. */
  readonly tags: readonly LoraTag[];
  /** What of them fits nothing, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * The caller's LoRAs and those that a prompt names, matched to the headers of every component, so that what fits nothing is
 * known before anything is loaded.
 *
 * @throws {LssgenError} `bad_option` when a prompt names a LoRA that nobody finds; as {@linkcode LoraSet.open} and
 * {@linkcode LoraSet.warnings}.
 */
async function openLoras(
  { options: { loras = [], findLora } }: Model,
  { folder, index, opened = new Opened() }: LoadContext,
  tags: readonly LoraTag[],
): Promise<{ loras?: Pick<LoraSet, "apply">; warnings: string[] }> {
  const named = [];
  for (const { name, scale, textScale } of tags) {
    const found = await findLora?.(name);
    if (!found) {
      throw new LssgenError(
        "bad_option",
        `The prompt names the LoRA "${name}", but ` +
          (findLora
            ? "there is none of that name"
            : "no folder of LoRAs is known: --lora-model-dir DIR names one, findLora in createPipeline"),
      );
    }
    if (scale !== 0 || textScale !== 0) named.push({ ...found, scale, textScale });
  }
  if (loras.length + named.length === 0) return { warnings: [] };
  const denoiser = await LoraSet.open([...loras, ...named]);
  // A scale belongs to a file as a whole: where the encoders' differs, they have a set of their own.
  const even = named.every(({ scale, textScale }) => scale === textScale);
  const text = even ? denoiser : await LoraSet.open([
    ...loras,
    ...named.map(({ textScale, ...found }) => ({ ...found, scale: textScale })),
  ]);
  for (const part of ADAPTABLE) {
    if (!index.components.has(part)) continue;
    for (const set of new Set([denoiser, text])) {
      set.apply(await opened.checkpoint(folder, part, false), partOf(part));
    }
  }
  return {
    loras: {
      apply: (checkpoint, part) => (part === "denoiser" ? denoiser : text).apply(checkpoint, part),
    },
    warnings: denoiser.warnings(`${folder.name} (${index.pipeline})`),
  };
}

/**
 * The learned upsampler of the model's own folder, or of a folder that the user brings.
 *
 * @throws {LssgenError} `bad_option` when it is made for other latents.
 */
async function loadUpsampler(
  context: LoadContext,
  own: FolderSource | undefined,
  channels: number,
): Promise<Component<LatentUpsampler>> {
  const where = own ? { ...context, folder: own } : context;
  return await loadComponent(where, own ? "" : "upsampler", (w, json) => {
    const config = latentUpsamplerConfig(json);
    for (const key of ["in_channels", "out_channels"] as const) {
      if (config[key] !== channels) {
        throw new LssgenError(
          "bad_option",
          `"${where.folder.name}": the upsampler's ${key} is ${
            config[key]
          }, the model's latents have ${channels} ` +
            "channels; take one trained for this model, or --upsampler bicubic",
        );
      }
    }
    const upsampler = new LatentUpsampler(w, config);
    if (upsampler.scale !== 2) {
      throw new LssgenError(
        "unsupported",
        `"${where.folder.name}": the upsampler enlarges ${upsampler.scale} times (strides), stages grow by 2`,
      );
    }
    return upsampler;
  });
}

/** Networks of an open pipeline. */
interface Networks {
  /** Absent after a change of LoRAs that failed: the next picture loads it. */
  network: Network | undefined;
  readonly vae: Autoencoder;
  readonly tiny: Autoencoder | undefined;
  /** What makes the result. */
  readonly decoder: Autoencoder;
  readonly upsampler: LatentUpsampler | undefined;
  /** All of them, in the order they were opened. */
  readonly parts: Disposable[];
}

class TextToImage implements Pipeline {
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  readonly info: ModelInfo;

  constructor(
    private readonly model: Model,
    private readonly context: LoadContext,
    private readonly networks: Networks,
    private loras: AppliedLoras,
  ) {
    this.info = model.info;
  }

  plan(request: Omit<GenerateRequest, "prompt">): Plan {
    return planPicture(this.info, request);
  }

  generate(request: GenerateRequest, options: GenerateOptions = {}): Generation {
    try {
      checkRunOptions(options);
    } catch (error) {
      return generation(() => Promise.reject(error), {});
    }
    return generation((options) => {
      const run = this.queue.then(() => this.run(request, options));
      this.queue = run.catch(() => undefined);
      return run;
    }, options);
  }

  private async run(request: GenerateRequest, options: GenerateOptions): Promise<GenerateResult> {
    if (this.closed) throw new LssgenError("bad_option", "The pipeline was closed; open another");
    if (options.signal?.aborted) throw new AbortedError();
    const { info } = this;
    const { vae, tiny, decoder } = this.networks;
    const { device, dtype, kernels } = this.context;
    checkTypes(request);
    const { image, mask } = await decoded(request);
    const asked = { ...request, image, mask };
    const p = resolve(info, asked, info.learnedUpsampler);
    const plan = this.plan(asked);
    const clock = new Clock(device);
    const report = options.onProgress;
    const read = readPrompts(info, p);
    if (await this.change(read.loras, options)) await clock.lap("load");

    using r = new Recorder(device, dtype, options.signal);
    report?.({ phase: "encode" });
    const encoded = await this.encode(r, read);
    await clock.lap("encode");

    const images: GeneratedImage[] = [];
    const { prompts = [p.prompt] } = encoded;
    const count = p.count * prompts.length;
    firstSeed(p.seed, count);
    for (let picture = 0; picture < count; picture++) {
      const which = Math.floor(picture / p.count);
      using scope = r.scope();
      const latents = await runPlan(
        plan,
        gpuDenoising({
          ...this.denoising(r, scope, { image, mask }),
          denoise: encoded.denoiser(which),
          noise: p.rng === "philox" ? seededNoise(p.seed + picture, 0) : torchNoise(p.seed + picture, p.rng),
          preview: async (x0, stage, done) =>
            report?.({
              ...denoising(picture, plan, stage, done),
              preview: await previewOf({ r, info, vae, tiny }, options.preview ?? "auto", x0),
            }),
          onUpsample: ({ index, width, height }) =>
            report?.({
              phase: "upsample",
              image: picture,
              stage: index + 1,
              stages: plan.stages.length,
              width,
              height,
            }),
        }),
        {
          signal: options.signal,
          previewEvery: report && options.previewEvery,
          onProgress: (s) =>
            report?.({ ...denoising(picture, plan, plan.stages[s.stage], s.step), sigma: s.sigma }),
        },
      );
      await clock.lap("denoise");
      report?.({ phase: "decode", image: picture, width: plan.width, height: plan.height });
      const rgb = await toBytes(r, await decoder.decode(r, latents)) ??
        await this.failed(r, latents, p, plan);
      if (image && mask) pasteInto(rgb, image, mask, plan.width, plan.height);
      await clock.lap("decode");
      const { count: _, image: _image, mask: _mask, ...parameters } = p;
      const seed = p.seed + picture;
      const prompt = prompts[which];
      const { width, height } = plan;
      const made = { ...parameters, prompt, width, height, seed };
      images.push({ width, height, rgb, seed, parameters: made });
    }
    kernels?.add(r.kernels);
    return {
      images,
      plan,
      timings: clock.laps(),
      warnings: [...this.loras.warnings, ...plan.warnings, ...read.warnings, ...encoded.warnings],
    };
  }

  /**
   * Sees to it that the LoRAs which the prompt names, and no others, are in the weights: another set loads the denoiser and
   * the text encoders anew.
   *
   * @returns Whether anything was loaded.
   */
  private async change(tags: readonly LoraTag[], { signal, onProgress }: GenerateOptions): Promise<boolean> {
    const { model, networks } = this;
    if (networks.network && sameLoras(tags, this.loras.tags)) return false;
    // What cannot be applied is told before anything is given up.
    const { loras, warnings } = await openLoras(model, this.context, tags);
    if (networks.network) {
      networks.parts.splice(networks.parts.indexOf(networks.network), 1);
      networks.network[Symbol.dispose]();
      networks.network = undefined;
    }
    // The network keeps its signal for encoders that it loads later: it must not be this picture's.
    const loading = new AbortController();
    const stop = (): void => loading.abort();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const context = { ...this.context, loras, signal: loading.signal, onProgress };
      networks.network = await model.family.load(context);
      networks.parts.push(networks.network);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    this.loras = { tags, warnings };
    return true;
  }

  /** Records what a picture launches, each network once a stage. For devices that do nothing. */
  async rehearse(request: GenerateRequest): Promise<void> {
    const { device, dtype, signal } = this.context;
    const p = resolve(this.info, request, this.info.learnedUpsampler);
    using r = new Recorder(device, dtype, signal);
    const encoded = await this.encode(r, readPrompts(this.info, p));
    using scope = r.scope();
    const latents = await runPlan(
      this.plan(request),
      gpuDenoising({
        // Never looked at.
        ...this.denoising(r, scope, { image: p.image && NO_PICTURE, mask: p.mask && NO_PICTURE }),
        denoise: onceAStage(encoded.denoiser()),
        noise: seededNoise(0, 0), // never drawn
      }),
      { signal },
    );
    await this.networks.decoder.decode(r, latents);
  }

  /** Says which network gave what is not finite. Looked for only now: the steps wait for no read-back. */
  private async failed(r: Recorder, latents: Tensor, p: Resolved, plan: Plan): Promise<never> {
    const { networks: { decoder, tiny }, context: { dtype, index } } = this;
    if ((await r.read(latents)).every(Number.isFinite)) {
      const folder = decoder === tiny ? "the small autoencoder's file" : "vae";
      throw notFinite(folder, `The autoencoder (${folder})`, dtype);
    }
    const folder = ["transformer", "unet"].find((name) => index.components.has(name)) ?? "the network";
    // Pictures are encoded where one was given, and between stages.
    if (!p.image && plan.stages.length === 1) {
      throw notFinite(folder, `The denoising network "${folder}"`, dtype);
    }
    throw notFinite(
      `${folder} or vae`,
      `The denoising network "${folder}", or the encoder of the autoencoder "vae",`,
      dtype,
    );
  }

  private encode(r: Recorder, { request }: ReadRequest): Promise<Encoded> {
    return this.networks.network!.encode(r, request);
  }

  /** What denoising works with, whatever is drawn. */
  private denoising(
    r: Recorder,
    scope: Scope,
    { image, mask }: { image?: Picture; mask?: Picture },
  ): Omit<GpuDenoising, "denoise" | "noise"> {
    const { vae, upsampler } = this.networks;
    const { latentChannels: channels, maskInput } = this.info;
    return { r, scope, channels, vae, upsampler, image, mask, maskInput };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    await this.queue;
    for (const part of this.networks.parts.reverse()) part[Symbol.dispose]();
    this.networks.parts.length = 0;
    this.context.device.memory.trim();
  }
}

function sameLoras(a: readonly LoraTag[], b: readonly LoraTag[]): boolean {
  const key = (tags: readonly LoraTag[]): string =>
    tags.map(({ name, scale, textScale }) => JSON.stringify([name, scale, textScale])).sort().join();
  return key(a) === key(b);
}

/** Stands for a picture whose pixels do not matter. */
const NO_PICTURE: Picture = { width: 1, height: 1, channels: 1, data: new Uint8Array(1) };

/** The pictures of a request, read from their files. */
async function decoded({ image, mask }: GenerateRequest): Promise<{ image?: Picture; mask?: Picture }> {
  return { image: image && await pixelsOf(image), mask: mask && await pixelsOf(mask) };
}

/** The network at each stage's first step; what it gives then stands for all others. */
function onceAStage(denoise: Denoiser): Denoiser {
  let known: StagePlan | undefined;
  return (r, latents, step, stage): Tensor => {
    if (stage === known) return r.tensor(latents.shape, "f32");
    known = stage;
    return denoise(r, latents, step, stage);
  };
}

/** Progress of a step. */
function denoising(image: number, plan: Plan, stage: StagePlan, step: number): Progress {
  return {
    phase: "denoise",
    image,
    stage: stage.index + 1,
    stages: plan.stages.length,
    step,
    steps: stage.steps.length,
    width: stage.width,
    height: stage.height,
  };
}

/** A request with every default filled in. */
interface Resolved extends GenerateRequest {
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly guidance: number;
  readonly trueCfgScale: number;
  readonly seed: number;
  readonly method: string;
  readonly minResolution: number;
  readonly initNoise: number;
  readonly upsampler: NonNullable<GenerateRequest["upsampler"]>;
  readonly shortenSteps: boolean;
  readonly entry: NonNullable<GenerateRequest["entry"]>;
  readonly count: number;
  readonly emphasis: boolean;
  readonly rng: Rng;
}

/** Options that one method has alone. */
const METHOD_OPTIONS = [
  ["stages", "stages"],
  ["refineSteps", "refine"],
  ["spectralDelta", "spectral"],
] as const;

/** Fills in the model's defaults and checks what the plan does not. */
function resolve(info: ModelInfo, request: GenerateRequest, learned: boolean): Resolved {
  checkTypes(request);
  if (typeof request.prompt !== "string") {
    throw new LssgenError("bad_option", "The request has no prompt, expected a text");
  }
  const d = info.defaults;
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const size = request.image && startingSize(request.image, request, tokenSide(info), d.baseResolution);
  // A final 0 is said by some and left out by others.
  const sigmas = request.sigmas?.filter((level, i, all) => level !== 0 || i < all.length - 1);
  if (sigmas && request.steps !== undefined && request.steps !== sigmas.length) {
    throw new LssgenError(
      "bad_option",
      `steps is ${request.steps}, but sigmas holds ${sigmas.length} noise levels; leave steps out`,
    );
  }
  const method = request.method ?? (request.stages === undefined ? "lssgen" : "stages");
  for (const [field, of] of METHOD_OPTIONS) {
    if (request[field] === undefined || method === of) continue;
    throw new LssgenError("bad_option", `${field} belongs to the method "${of}", not to "${method}"`);
  }
  const p: Resolved = {
    width: size?.width ?? d.width,
    height: size?.height ?? d.height,
    steps: d.steps,
    trueCfgScale: 1,
    seed: 0,
    method,
    minResolution: d.minResolution,
    initNoise: methodNamed(method).initNoise ?? d.initNoise,
    upsampler: d.upsampler === "learned" && !learned ? "bicubic" : d.upsampler,
    shortenSteps: d.shortenSteps,
    entry: d.entry,
    count: 1,
    emphasis: true,
    rng: "philox",
    // A denoiser that sees the picture begins with noise alone, as in diffusers.
    strength: request.image && !info.maskInput ? DEFAULT_STRENGTH : undefined,
    ...given as Partial<GenerateRequest> & { prompt: string },
    ...sigmas && { sigmas, steps: sigmas.length },
    // Where guidance is classifier-free anyway, its scale may be asked for under either name.
    guidance: request.guidance ?? (info.embeddedGuidance ? undefined : request.trueCfgScale) ?? d.guidance,
  };
  if (!Number.isSafeInteger(p.count) || p.count < 1 || p.count > 10_000) {
    throw new LssgenError("bad_option", `count is ${p.count}, expected a whole number from 1 to 10000`);
  }
  const seed = firstSeed(p.seed, p.count);
  for (const name of ["trueCfgScale", "guidance"] as const) {
    if (!(p[name] >= 0 && p[name] <= 1000)) {
      throw new LssgenError("bad_option", `${name} is ${p[name]}, expected a number from 0 to 1000`);
    }
  }
  if (request.strength !== undefined && !request.image) {
    throw new LssgenError(
      "bad_option",
      "strength says how far to go from a picture, but none was given (--init-img)",
    );
  }
  if (request.mask && !request.image) {
    throw new LssgenError(
      "bad_option",
      "mask says what to keep of a picture, but none was given (--init-img)",
    );
  }
  if (p.image) checkPicture("image", p.image);
  if (p.mask) checkPicture("mask", p.mask);
  if (!RNGS.includes(p.rng)) {
    throw new LssgenError("bad_option", `rng is "${p.rng}", expected one of ${RNGS.join(", ")}`);
  }
  readPrompts(info, p);
  checkClipSkip(info, p.clipSkip);
  return { ...p, seed };
}

/** Refuses layers that the model's text encoder does not have, or that are not read. */
function checkClipSkip({ pipeline, clipLayers }: ModelInfo, layer?: number): void {
  if (layer === undefined) return;
  if (!clipLayers) {
    throw new LssgenError(
      "bad_option",
      `clipSkip (--clip-skip) has no effect on ${pipeline}, which reads no layer of CLIP's: leave it out`,
    );
  }
  const { own, most } = clipLayers;
  if (Number.isSafeInteger(layer) && layer >= own && layer <= most) return;
  throw new LssgenError(
    "bad_option",
    `clipSkip (--clip-skip) is ${layer}, ${pipeline} takes ${
      own === most ? `nothing but ${own}` : `a whole number from ${own} to ${most}`
    } (${own} is its own)`,
  );
}

/** A request's prompts, read. */
interface ReadRequest {
  /** For the encoders: words only. */
  readonly request: PromptRequest;
  /** LoRAs that the prompt names. */
  readonly loras: readonly LoraTag[];
  /** Sentences for the user. */
  readonly warnings: readonly string[];
}

/** Prompts beside the first, and by which encoder they are read. */
const FURTHER_PROMPTS: readonly (readonly [
  field: "prompt2" | "prompt3" | "negativePrompt2" | "negativePrompt3",
  option: string,
  encoder: 2 | 3,
])[] = [
  ["prompt2", "--prompt-2", 2],
  ["prompt3", "--prompt-3", 3],
  ["negativePrompt2", "--negative-prompt-2", 2],
  ["negativePrompt3", "--negative-prompt-3", 3],
];

/**
 * Reads the prompts of a request, and refuses those that the model does not read.
 *
 * @throws {LssgenError} `bad_option`, naming the field; as {@linkcode readPrompt}.
 */
function readPrompts(info: ModelInfo, p: GenerateRequest): ReadRequest {
  const { guidance = info.defaults.guidance, trueCfgScale = 1, emphasis = true } = p;
  const given = (field: keyof GenerateRequest): boolean => p[field] !== undefined && p[field] !== "";
  for (const [field, option, encoder] of FURTHER_PROMPTS) {
    if (!given(field) || encoder <= info.prompts) continue;
    const why = info.prompts < 2
      ? `${info.pipeline} has one at most`
      : encoder === 3 && info.pipeline === "StableDiffusion3Pipeline"
      ? `"${info.name}" has no text_encoder_3 (T5)`
      : `${info.pipeline} has two`;
    throw new LssgenError("bad_option", `${field} (${option}) is for text encoder ${encoder}, ${why}`);
  }
  const negative = (["negativePrompt", "negativePrompt2", "negativePrompt3"] as const).find(given);
  if (negative !== undefined && info.prompts === 0) {
    throw new LssgenError(
      "bad_option",
      `${negative} has no effect on ${info.pipeline}, which draws classes: leave it out`,
    );
  }
  const off = negative !== undefined && (info.embeddedGuidance ? trueCfgScale : guidance) <= 1;
  if (off && info.embeddedGuidance) {
    throw new LssgenError(
      "bad_option",
      `${negative} has no effect on ${info.pipeline} unless trueCfgScale (--cfg-scale) is above 1, for example 4`,
    );
  }
  const loras: LoraTag[] = [];
  const warnings = off ? [`${negative} has no effect at guidance ${guidance}: above 1 it has`] : [];
  const words = <F extends "prompt" | "negativePrompt" | typeof FURTHER_PROMPTS[number][0]>(field: F) => {
    const text = p[field];
    // Names of classes are no prompts.
    if (text === undefined || !emphasis || info.prompts === 0) return text;
    const read = readPrompt(text, field);
    loras.push(...read.loras);
    warnings.push(...read.warnings);
    return read.text;
  };
  const request = {
    prompt: words("prompt") ?? "",
    prompt2: words("prompt2"),
    prompt3: words("prompt3"),
    negativePrompt: words("negativePrompt"),
    negativePrompt2: words("negativePrompt2"),
    negativePrompt3: words("negativePrompt3"),
    guidance,
    trueCfgScale,
    emphasis,
    clipSkip: p.clipSkip,
  };
  return { request, loras, warnings };
}

/** Pixels of a token's side: what sides of pictures are multiples of. */
function tokenSide({ space }: ModelInfo): number {
  return space.vaeFactor * space.patch;
}

/** Calls of the network a step. */
function callsOf(info: ModelInfo, p: Resolved): number {
  return (info.embeddedGuidance ? p.trueCfgScale : p.guidance) > 1 ? 2 : 1;
}

/** Milliseconds by phase; a lap waits for the GPU, so there are only a few. */
class Clock {
  private readonly sums = new Map<string, number>();
  private at = performance.now();

  constructor(private readonly device: Device) {}

  async lap(phase: string): Promise<void> {
    await this.device.idle();
    const now = performance.now();
    this.sums.set(phase, (this.sums.get(phase) ?? 0) + now - this.at);
    this.at = now;
  }

  laps(): { phase: string; ms: number }[] {
    return [...this.sums].map(([phase, ms]) => ({ phase, ms }));
  }
}

/**
 * Picture [1, H, W, 3] in −1 … 1 → bytes, rounded as diffusers does; undefined when a value is not finite, which a black picture
 * would hide.
 */
async function toBytes(
  r: Recorder,
  picture: Parameters<Recorder["read"]>[0],
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const data = await r.read(picture);
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    if (!Number.isFinite(v)) return undefined;
    bytes[i] = Math.round(Math.min(1, Math.max(0, v / 2 + 0.5)) * 255);
  }
  return bytes;
}
