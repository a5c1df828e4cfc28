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
import { LatentUpsampler, latentUpsamplerConfig } from "../models/latent_upsampler.ts";
import { runPlan } from "../scaling/lssgen.ts";
import { planStages } from "../scaling/plan.ts";
import type { Plan, StagePlan } from "../scaling/types.ts";
import { createScheduler, samplerConfig } from "../schedulers/registry.ts";
import type { Tensor } from "../tensor.ts";
import { type FolderSource, httpFolder } from "../weights/bytes.ts";
import { isComponentFolder } from "../weights/checkpoint.ts";
import { LoraSet } from "../weights/lora.ts";
import { type ModelIndex, readModelIndex } from "../weights/model_folder.ts";
import { embeddedFolder } from "./embedded_model.ts";
import { familyOf } from "./families.ts";
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
  ownSettings,
  partOf,
} from "./family.ts";
import { generation } from "./generation.ts";
import { type GpuDenoising, gpuDenoising, noLearnedUpsampler, seededNoise, torchNoise } from "./latents.ts";
import { checkPicture, pasteInto } from "./pictures.ts";
import { previewOf } from "./preview.ts";
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
  if (typeof source === "object" && !(source instanceof URL)) return source;
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
  return await ownSettings(folder, await familyOf(index).read(folder, index));
}

/**
 * The stages of a picture, without a GPU or weights.
 *
 * @throws {LssgenError} `bad_option`, naming the option.
 */
export function planPicture(info: ModelInfo, request: Omit<GenerateRequest, "prompt">): Plan {
  const p = resolve(info, { prompt: "", ...request }, info.learnedUpsampler);
  const scheduler = createScheduler(
    p.scheduler ? samplerConfig(info.scheduler, p.scheduler) : info.scheduler,
  );
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
    strength: p.strength,
    inpaint: p.mask !== undefined && !info.maskInput,
    scheduler,
    space: info.space,
    cost: info.cost(callsOf(info, p)),
  });
  const grows = plan.stages.some((stage) => stage.grow?.upsampler === "learned");
  if (grows && !info.learnedUpsampler) throw noLearnedUpsampler();
  return { ...plan, warnings: [...info.warnings ?? [], ...plan.warnings] };
}

/**
 * Opens a model: device, weights, kernels.
 *
 * @param source A diffusers folder or its address; the embedded model when undefined.
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
  const folder = folderOfModel(source);
  const index = await readModelIndex(folder);
  const family = familyOf(index);
  let info = await ownSettings(folder, await family.read(folder, index));
  if (options.upsamplerWeights) info = { ...info, learnedUpsampler: true };
  const device = options.device ?? await openDevice();
  const parts: Disposable[] = options.device ? [] : [device];
  const loaded = new AbortController();
  try {
    await tuneOnce(device);
    const { signal, onProgress } = options;
    const dtype = options.dtype ?? (device.info.f16 ? "f16" : "f32");
    const { maxActivationBytes } = options;
    const memory = options.kernels ?? storedKernels;
    const key = kernelListKey(device, info.name, dtype);
    const known = memory.recall(key);
    const opened = new Opened();
    await opened.checkTokenizers(folder, index);
    const { loras, warnings } = await openLoras(options.loras, folder, index, opened);
    const context: LoadContext = {
      folder,
      index,
      device,
      dtype,
      maxActivationBytes,
      loras,
      signal,
      onProgress,
      kernels: new KernelList(memory, key, known),
      opened,
    };
    const model = { family, info, options };
    // Hints: what goes wrong here goes wrong again where it matters, and is told there.
    const rehearsed = rehearse(model, { ...context, signal: loaded.signal }).catch(() => []);
    const warming = warmKernels(device, [known, rehearsed], loaded.signal);
    // Ahead of the weights it is over at once; beside them it would be over with them, where they come from memory.
    await settledWithin(AHEAD_MS, rehearsed);
    const networks = await openNetworks(model, context, parts);
    // What it still waits for, the first prompt would: tokenizers and headers.
    await settledWithin(BEHIND_MS, rehearsed);
    loaded.abort();
    await warming;
    // The signal stops loading only: each picture brings its own.
    return new TextToImage(info, { ...context, signal: undefined }, networks, warnings);
  } catch (error) {
    loaded.abort();
    for (const part of parts.reverse()) part[Symbol.dispose]();
    throw error;
  }
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
 * @throws {LssgenError} As the picture will.
 */
export async function rehearse(model: Model, context: LoadContext): Promise<KernelSpec[]> {
  using device = IdleDevice.like(context.device);
  const idle = { ...context, device, rehearsal: true, kernels: undefined, onProgress: undefined };
  context.opened?.begin(context.folder, context.index);
  const networks = await openNetworks(model, idle, []);
  const picture = new TextToImage(model.info, idle, networks, []);
  await picture.rehearse({ prompt: ANY_PROMPT, ...model.options.firstPicture });
  return device.kernels.specs();
}

/** LoRAs matched to the headers of every component, so that what fits nothing is known before anything is loaded. */
async function openLoras(
  files: PipelineOptions["loras"],
  folder: FolderSource,
  index: ModelIndex,
  opened: Opened,
): Promise<{ loras?: LoraSet; warnings: string[] }> {
  if (!files || files.length === 0) return { warnings: [] };
  const loras = await LoraSet.open(files);
  for (const part of ADAPTABLE) {
    if (index.components.has(part)) loras.apply(await opened.checkpoint(folder, part, false), partOf(part));
  }
  return { loras, warnings: loras.warnings(`${folder.name} (${index.pipeline})`) };
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
  readonly network: Network;
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

  constructor(
    readonly info: ModelInfo,
    private readonly context: LoadContext,
    private readonly networks: Networks,
    private readonly warnings: readonly string[],
  ) {}

  plan(request: Omit<GenerateRequest, "prompt">): Plan {
    return planPicture(this.info, request);
  }

  generate(request: GenerateRequest, options: GenerateOptions = {}): Generation {
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
    const p = resolve(info, request, info.learnedUpsampler);
    const plan = this.plan(request);
    const clock = new Clock(device);
    const report = options.onProgress;

    using r = new Recorder(device, dtype, options.signal);
    report?.({ phase: "encode" });
    const encoded = await this.encode(r, p);
    await clock.lap("encode");

    const images: GeneratedImage[] = [];
    for (let picture = 0; picture < p.count; picture++) {
      using scope = r.scope();
      const latents = await runPlan(
        plan,
        gpuDenoising({
          ...this.denoising(r, scope, p),
          denoise: encoded.denoiser(),
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
      const rgb = await toBytes(r, await decoder.decode(r, latents));
      if (p.image && p.mask) pasteInto(rgb, p.image, p.mask, plan.width, plan.height);
      await clock.lap("decode");
      const { count: _, image: _image, mask: _mask, ...parameters } = p;
      const seed = p.seed + picture;
      images.push({ width: plan.width, height: plan.height, rgb, seed, parameters: { ...parameters, seed } });
    }
    kernels?.add(r.kernels);
    return {
      images,
      plan,
      timings: clock.laps(),
      warnings: [...this.warnings, ...plan.warnings, ...encoded.warnings],
    };
  }

  /** Records what a picture launches, each network once a stage. For devices that do nothing. */
  async rehearse(request: GenerateRequest): Promise<void> {
    const { device, dtype, signal } = this.context;
    const p = resolve(this.info, request, this.info.learnedUpsampler);
    using r = new Recorder(device, dtype, signal);
    const encoded = await this.encode(r, p);
    using scope = r.scope();
    const latents = await runPlan(
      this.plan(request),
      gpuDenoising({
        ...this.denoising(r, scope, p),
        denoise: onceAStage(encoded.denoiser()),
        noise: seededNoise(0, 0), // never drawn
      }),
      { signal },
    );
    await this.networks.decoder.decode(r, latents);
  }

  private encode(r: Recorder, p: Resolved): Promise<Encoded> {
    const { prompt, negativePrompt, guidance, trueCfgScale, emphasis } = p;
    return this.networks.network.encode(r, { prompt, negativePrompt, guidance, trueCfgScale, emphasis });
  }

  /** What denoising works with, whatever is drawn. */
  private denoising(
    r: Recorder,
    scope: Scope,
    { image, mask }: Resolved,
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

/** Fills in the model's defaults and checks what the plan does not. */
function resolve(info: ModelInfo, request: GenerateRequest, learned: boolean): Resolved {
  const d = info.defaults;
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const p: Resolved = {
    width: d.width,
    height: d.height,
    steps: d.steps,
    trueCfgScale: 1,
    seed: 0,
    method: "lssgen",
    minResolution: d.minResolution,
    initNoise: d.initNoise,
    upsampler: d.upsampler === "learned" && !learned ? "bicubic" : d.upsampler,
    shortenSteps: d.shortenSteps,
    entry: d.entry,
    count: 1,
    emphasis: true,
    rng: "philox",
    // A denoiser that sees the picture begins with noise alone, as in diffusers.
    strength: request.image && !info.maskInput ? DEFAULT_STRENGTH : undefined,
    ...given as Partial<GenerateRequest> & { prompt: string },
    // Where guidance is classifier-free anyway, its scale may be asked for under either name.
    guidance: request.guidance ?? (info.embeddedGuidance ? undefined : request.trueCfgScale) ?? d.guidance,
  };
  const whole = (name: "seed" | "count", low: number, high: number): void => {
    const value = p[name];
    if (!Number.isSafeInteger(value) || value < low || value > high) {
      throw new LssgenError(
        "bad_option",
        `${name} is ${value}, expected a whole number from ${low} to ${high}`,
      );
    }
  };
  whole("seed", 0, Number.MAX_SAFE_INTEGER - 10_000);
  whole("count", 1, 10_000);
  for (const name of ["guidance", "trueCfgScale"] as const) {
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
  if (
    p.negativePrompt !== undefined && p.negativePrompt !== "" && info.embeddedGuidance && p.trueCfgScale <= 1
  ) {
    throw new LssgenError(
      "bad_option",
      `negativePrompt has no effect on ${info.pipeline} unless trueCfgScale (--cfg-scale) is above 1, for example 4`,
    );
  }
  return p;
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
 * Picture [1, H, W, 3] in −1 … 1 → bytes, rounded as diffusers does.
 *
 * @throws {LssgenError} `numeric` when a value is not finite: a black picture would hide it.
 */
async function toBytes(
  r: Recorder,
  picture: Parameters<Recorder["read"]>[0],
): Promise<Uint8Array<ArrayBuffer>> {
  const data = await r.read(picture);
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    if (!Number.isFinite(v)) {
      throw new LssgenError(
        "numeric",
        "The picture holds values that are not finite: try --dtype f32; if it persists, the weights may be damaged",
      );
    }
    bytes[i] = Math.round(Math.min(1, Math.max(0, v / 2 + 0.5)) * 255);
  }
  return bytes;
}
