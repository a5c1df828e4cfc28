/**
 * An open pipeline: a request becomes pictures, by text encoding, the stages and decoding.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { Recorder, type Scope } from "../gpu/recorder.ts";
import { pixelsOf } from "../image/pixels.ts";
import type { Picture } from "../image/png.ts";
import { firstSeed } from "../random.ts";
import type { FirstBlockCache } from "../models/first_block_cache.ts";
import { planUntil } from "../scaling/plan.ts";
import { runPlan } from "../scaling/run_plan.ts";
import type { Plan, StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import type { LoraTag } from "../text/prompt_syntax.ts";
import { checkRunOptions, checkTypes } from "./checked_options.ts";
import type { Denoiser, Encoded, LoadContext } from "./family.ts";
import { generation } from "./generation.ts";
import type { GpuDenoising } from "./denoising.ts";
import { gpuDenoising, seededNoise, torchNoise } from "./latents.ts";
import type { Model, Networks } from "./networks.ts";
import type { PlanRules } from "./plan_rules.ts";
import { previewOf } from "./preview.ts";
import { type AppliedLoras, openLoras, sameLoras } from "./prompt_loras.ts";
import { planWith, readPrompts, type ReadRequest, resolve, type Resolved } from "./resolved_request.ts";
import type {
  GeneratedImage,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Generation,
  ModelInfo,
  Pipeline,
  Progress,
  StageLatents,
} from "./types.ts";
import { cacheThreshold } from "./step_cache.ts";
import { WholeProgress } from "./whole_progress.ts";

/** A model whose networks are open; its pictures are drawn one after the other. */
export class TextToImage implements Pipeline {
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  readonly info: ModelInfo;
  private rules: PlanRules;

  constructor(
    private readonly model: Model,
    private readonly context: LoadContext,
    private readonly networks: Networks,
    private loras: AppliedLoras,
  ) {
    this.info = model.info;
    this.rules = model.rules;
  }

  plan(request: Omit<GenerateRequest, "prompt">): Plan {
    return planWith(this.rules, this.info, request);
  }

  generate(request: GenerateRequest, options: GenerateOptions = {}): Generation {
    try {
      checkRunOptions(options);
    } catch (error) {
      return generation(() => Promise.reject(error), {});
    }
    return generation((options) => {
      const run = this.queue.then(() => this.attempt(request, options));
      this.queue = run.catch(() => undefined);
      return run;
    }, options);
  }

  /** A request that leaves the pipeline fit for the next one, also where the GPU's memory did not suffice for it. */
  private async attempt(request: GenerateRequest, options: GenerateOptions): Promise<GenerateResult> {
    const doing = { what: "" };
    try {
      return await this.run(request, options, doing);
    } catch (error) {
      this.networks.network?.rest?.();
      const cause = await this.context.device.recover(error);
      if (!(cause instanceof LssgenError && cause.code === "out_of_memory") || doing.what === "") throw cause;
      throw new LssgenError("out_of_memory", `While ${doing.what}: ${cause.message}`, { cause });
    }
  }

  /** @param doing Told what is done at the moment, for messages. */
  private async run(
    request: GenerateRequest,
    options: GenerateOptions,
    doing: { what: string },
  ): Promise<GenerateResult> {
    if (this.closed) throw new LssgenError("bad_option", "The pipeline was closed; open another");
    if (options.signal?.aborted) throw new AbortedError();
    const { info } = this;
    const { vae, tiny } = this.networks;
    const { device, dtype, kernels } = this.context;
    checkTypes(request);
    const { image, mask } = await decoded(request);
    const asked = { ...request, image, mask };
    await this.loadRules(asked);
    const p = resolve(this.rules, info, asked, info.learnedUpsampler);
    const plan = this.plan(asked);
    const { stopAfter, resume } = options;
    if ((stopAfter ?? resume) !== undefined) {
      (await import("./parts.ts")).checkPart(info, p, plan, options);
    }
    await this.context.fits?.(asked, planUntil(plan, stopAfter));
    const clock = new Clock(device);
    const read = readPrompts(this.rules, info, p);
    doing.what = "loading the denoiser";
    if (await this.change(read.loras, options)) await clock.lap("load");

    using r = new Recorder(device, dtype, options.signal);
    doing.what = "encoding the prompt";
    options.onProgress?.({ phase: "encode", share: 0 });
    const encoded = await this.encode(r, read);
    await clock.lap("encode");

    const images: GeneratedImage[] = [];
    const { prompts = [p.prompt] } = encoded;
    const count = p.count * prompts.length;
    if (count > 1 && (stopAfter ?? resume) !== undefined) {
      throw new LssgenError(
        "bad_option",
        `stopAfter and resume are for one picture, the request makes ${count}`,
      );
    }
    firstSeed(p.seed, count);
    const threshold = cacheThreshold(p);
    let stopped: Float32Array<ArrayBuffer> | undefined;
    const whole = new WholeProgress(plan, count);
    const report = options.onProgress && ((event: Progress) => options.onProgress!(whole.note(event)));
    for (let picture = 0; picture < count; picture++) {
      const which = Math.floor(picture / p.count);
      using scope = r.scope();
      using cache = await stepCache(device, threshold);
      const { width: w, height: h } = planUntil(plan, stopAfter);
      doing.what = `denoising ${w}×${h}`;
      const latents = await runPlan(
        plan,
        gpuDenoising({
          ...this.denoising(r, scope, { image, mask }),
          denoise: encoded.denoiser(which, cache),
          noise: p.rng === "philox"
            ? seededNoise(p.seed + picture, 0)
            : await torchNoise(p.seed + picture, p.rng),
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
          previewEvery: report && (options.previewEvery ?? (options.preview && 1)),
          onProgress: (s) =>
            report?.({ ...denoising(picture, plan, plan.stages[s.stage], s.step), sigma: s.sigma }),
        },
        {
          stopAfter,
          from: resume && {
            stages: resume.stages,
            latents: uploaded(r, resume, plan.stages[resume.stages - 1], info.latentChannels),
          },
        },
      );
      const cached = await cache?.counts(r);
      cache?.[Symbol.dispose]();
      await clock.lap("denoise");
      if (stopAfter !== undefined) {
        stopped = await r.read(latents);
        if (!stopped.every(Number.isFinite)) await this.failed(r, latents, p, plan);
        continue;
      }
      doing.what = `decoding ${plan.width}×${plan.height}`;
      report?.({ phase: "decode", image: picture, width: plan.width, height: plan.height });
      const rgb = await toBytes(r, await this.decode(r, latents)) ??
        await this.failed(r, latents, p, plan);
      if (image && mask) {
        const { pasteInto } = await import("./pictures.ts");
        pasteInto(rgb, image, mask, plan.width, plan.height);
      }
      await clock.lap("decode");
      const { count: _, image: _image, mask: _mask, ...parameters } = p;
      const seed = p.seed + picture;
      const prompt = prompts[which];
      const { width, height } = plan;
      // A default that gave way to another growth would come back as a wish, and be refused.
      const gaveWay = asked.upsampler === undefined && p.upsampler === "learned" &&
        plan.stages.some(({ grow }) => grow?.upsampler === "bicubic");
      const made = { ...parameters, ...gaveWay && { upsampler: undefined }, prompt, width, height, seed };
      images.push({ width, height, rgb, seed, parameters: made, ...cached && { cached } });
    }
    kernels?.add(r.kernels);
    return {
      images,
      ...stopped && { latents: { stages: stopAfter!, data: stopped } },
      plan,
      timings: clock.laps(),
      warnings: [
        ...[...this.loras.warnings, ...plan.warnings, ...read.warnings, ...encoded.warnings],
        ...threshold !== undefined && this.context.denoiserStreams ? [STREAMS_ANYWAY] : [],
      ],
    };
  }

  /** Sees to it that a request can be planned. */
  private async loadRules(request: GenerateRequest): Promise<void> {
    this.rules = await this.rules.load?.(this.info, request) ?? this.rules;
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
    await this.loadRules(request);
    const p = resolve(this.rules, this.info, request, this.info.learnedUpsampler);
    using r = new Recorder(device, dtype, signal);
    const encoded = await this.encode(r, readPrompts(this.rules, this.info, p));
    using scope = r.scope();
    const threshold = cacheThreshold(p);
    using cache = await stepCache(device, threshold);
    const latents = await runPlan(
      this.plan(request),
      gpuDenoising({
        // Never looked at.
        ...this.denoising(r, scope, { image: p.image && NO_PICTURE, mask: p.mask && NO_PICTURE }),
        denoise: onceAStage(encoded.denoiser(0, cache)),
        noise: seededNoise(0, 0), // never drawn
      }),
      { signal },
    );
    await this.decode(r, latents);
  }

  /** Says which network gave what is not finite. Looked for only now: the steps wait for no read-back. */
  private async failed(r: Recorder, latents: Tensor, p: Resolved, plan: Plan): Promise<never> {
    const { whatFailed } = await import("./what_failed.ts");
    throw whatFailed((await r.read(latents)).every(Number.isFinite), this.networks, this.context, p, plan);
  }

  // What one network leaves in the pool has sizes that the next one has little use for: it goes back to the driver between them.

  private async encode(r: Recorder, { request }: ReadRequest): Promise<Encoded> {
    const encoded = await this.networks.network!.encode(r, request);
    r.trim();
    return encoded;
  }

  private async decode(r: Recorder, latents: Tensor): Promise<Tensor> {
    // Decoding takes most memory of all: many copies of the denoiser's weights go too.
    r.trim({ copies: KEPT_COPIES });
    return await this.networks.decoder.decode(r, latents);
  }

  /** What denoising works with, whatever is drawn. */
  private denoising(
    r: Recorder,
    scope: Scope,
    { image, mask }: { image?: Picture; mask?: Picture },
  ): Omit<GpuDenoising, "denoise" | "noise"> {
    const { vae, upsampler, upscaler } = this.networks;
    const { latentChannels: channels, maskInput } = this.info;
    return { r, scope, channels, vae, upsampler, upscaler, image, mask, maskInput };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    await this.queue;
    for (const part of this.networks.parts.reverse()) part[Symbol.dispose]();
    this.networks.parts.length = 0;
    this.context.device.memory.trim();
  }
}

/** The GPU decides what is skipped when the weights are on their way already. */
const STREAMS_ANYWAY =
  "cacheMode (--cache-mode) saves computing, not reading: weights beyond --max-vram are read for skipped blocks too";
/** Bytes of weights' copies in textures that stay while a picture is decoded: those of a small model, whose pictures take little time. */
const KEPT_COPIES = 128 << 20;

/** The cache of a picture's steps, where there is a threshold. */
async function stepCache(device: Device, threshold?: number): Promise<FirstBlockCache | undefined> {
  if (threshold === undefined) return undefined;
  const { FirstBlockCache } = await import("../models/first_block_cache.ts");
  return new FirstBlockCache(device, threshold);
}

/** Stands for a picture whose pixels do not matter. */
const NO_PICTURE: Picture = { width: 1, height: 1, channels: 1, data: new Uint8Array(1) };

/** The pictures of a request, read from their files. */
async function decoded({ image, mask }: GenerateRequest): Promise<{ image?: Picture; mask?: Picture }> {
  return { image: image && await pixelsOf(image), mask: mask && await pixelsOf(mask) };
}

/** The network at each stage's first step of a kind; what it gives then stands for all others. */
function onceAStage(denoise: Denoiser): Denoiser {
  const known = new Set<string>();
  return (r, latents, step, stage, tokens): Tensor => {
    const kind = `${stage.index} ${step.unguided ?? false} ${step.skipping ?? false}`;
    if (known.has(kind)) return r.tensor(latents.shape, "f32");
    known.add(kind);
    return denoise(r, latents, step, stage, tokens);
  };
}

/** Latents of an earlier run on the GPU. */
function uploaded(r: Recorder, { data }: StageLatents, stage: StagePlan, channels: number): Tensor {
  return r.upload([1, stage.latentHeight, stage.latentWidth, channels], data);
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
