/// <reference lib="dom" />
/**
 * The page's end of the conversation with the server that it comes from: A1111's API, which draws with the server's model. Needs
 * no GPU here, no worker and no secure context.
 *
 * @module
 */

import { readPngText } from "../lib/image/png.ts";
import { PARAMETERS_KEYWORD } from "../lib/parameters/keyword.ts";
import type { MemoryPlan } from "../lib/pipelines/memory.ts";
import type { ModelOffer } from "../lib/pipelines/offer.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { type Drawer, DrawingError, type OpenedModel, type RunListener } from "./drawer.ts";
import { allTexts, t } from "./language.ts";
import type { Job, OwnModel, PictureMessage, PlanSummary, StartFiles } from "./protocol.ts";

await allTexts();

/** Milliseconds between questions after the progress. */
const ASK_EVERY_MS = 500;
/** Where the token is kept for the visit. */
const STORED = "lssgen-token";

/** What `/sdapi/v1/progress` answers. */
interface ServerProgress {
  readonly state: {
    readonly sampling_step: number;
    readonly sampling_steps: number;
    readonly queued: number;
  };
  readonly current_image: string | null;
}

/** See the module. */
export class ServerLink implements Drawer {
  private stopped = new AbortController();
  private offer: (ModelOffer & { readonly loras?: readonly string[] }) | undefined;

  /** @param base Address of the server, with a slash at its end. */
  constructor(private readonly base: URL) {}

  /** Its name and port. */
  get host(): string {
    return this.base.host;
  }

  /** Uses a token from now on, for this visit. */
  useToken(token: string): void {
    sessionStorage.setItem(STORED, token);
  }

  /** Reads what the server's model is. */
  async open(_own?: OwnModel): Promise<OpenedModel> {
    this.offer = await this.ask("lssgen/v1/model") as ModelOffer & { loras?: readonly string[] };
    return {
      model: { ...this.offer, loras: this.offer.loras ?? [], bytes: 0, stored: 0, notes: [] },
      adapter: `${t("serverChip")} ${this.host}`,
    };
  }

  /** The stages of a request. */
  async plan(request: Omit<GenerateRequest, "prompt">, start: StartFiles = {}): Promise<PlanSummary> {
    const from = start.image && await sizeOf(start.image);
    return await this.ask("lssgen/v1/plan", { fields: this.fields(request), from }) as PlanSummary;
  }

  /** The server's memory is its own business. */
  memory(): Promise<MemoryPlan | undefined> {
    return Promise.resolve(undefined);
  }

  /** Draws one picture after another. */
  async run(jobs: readonly Job[], listener: RunListener): Promise<void> {
    const { signal } = this.stopped = new AbortController();
    for (const [index, job] of jobs.entries()) await this.draw(index, job, listener, signal);
  }

  private async draw(index: number, job: Job, listener: RunListener, signal: AbortSignal): Promise<void> {
    const { request, start = {} } = job;
    const plan = await this.plan(request, start);
    listener.onBegan(index, plan, false);
    const began = performance.now();
    const body = {
      ...this.fields(request),
      ...start.image && {
        // The server's img2img has a size of its own.
        ...{ width: plan.width, height: plan.height },
        init_images: [await base64(start.image)],
        mask: start.mask && await base64(start.mask),
      },
    };
    const watch = setInterval(() => this.progress(plan, listener).catch(() => {}), ASK_EVERY_MS);
    let answer: { readonly images: readonly string[]; readonly info: string };
    try {
      answer = await this.ask(
        `sdapi/v1/${start.image ? "img2img" : "txt2img"}`,
        body,
        signal,
      ) as typeof answer;
    } finally {
      clearInterval(watch);
    }
    const { warnings = [], interrupted } = JSON.parse(answer.info) as {
      warnings?: string[];
      interrupted?: boolean;
    };
    const [image] = answer.images;
    if (interrupted || image === undefined) throw new DrawingError("aborted", t("stopped"));
    const bytes = Uint8Array.from(atob(image), (c) => c.charCodeAt(0));
    const stored = (await readPngText(bytes)).get(PARAMETERS_KEYWORD);
    const { width, height } = plan;
    const ms = performance.now() - began;
    const picture: PictureMessage = {
      png: new Blob([bytes], { type: "image/png" }),
      width,
      height,
      // A server that leaves the parameters out still drew what was asked.
      parameters: { ...request, ...stored === undefined ? {} : JSON.parse(stored) as object },
      timings: [],
      ms,
      warnings,
    };
    listener.onPicture(index, picture);
  }

  private async progress(plan: PlanSummary, listener: RunListener): Promise<void> {
    const { state, current_image } = await this.ask("sdapi/v1/progress") as ServerProgress;
    if (state.queued > 0) listener.onWaiting?.(state.queued);
    if (state.sampling_steps === 0) return;
    // The server counts steps over all stages; which stage that is, its steps tell.
    let stage = 0;
    let step = state.sampling_step;
    while (stage < plan.stages.length - 1 && step > plan.stages[stage].steps) {
      step -= plan.stages[stage++].steps;
    }
    const { width, height, steps } = plan.stages[stage];
    const preview = current_image === null ? undefined : await pixelsOf(current_image);
    listener.onProgress({
      ...{ phase: "denoise", stage: stage + 1, stages: plan.stages.length, step, steps, width, height },
      preview,
    });
  }

  /** Ends the run: the server notices that nobody waits. */
  stop(): void {
    this.stopped.abort();
  }

  /** The same. */
  async kill(): Promise<void> {
    this.stop();
    await Promise.resolve();
  }

  private fields(request: Partial<GenerateRequest>): Record<string, unknown> {
    const { guidance, trueCfgScale } = request;
    const both = this.offer?.trueCfg;
    return {
      prompt: request.prompt ?? "",
      negative_prompt: request.negativePrompt,
      width: request.width,
      height: request.height,
      steps: request.steps,
      seed: request.seed,
      ...both ? { distilled_cfg_scale: guidance, cfg_scale: trueCfgScale } : { cfg_scale: guidance },
      sampler_name: request.scheduler,
      scheduler: request.schedule,
      denoising_strength: request.strength,
      method: request.method,
      min_resolution: request.minResolution,
      init_noise: request.initNoise,
      upsampler: request.upsampler,
      preset: request.preset,
      cache_threshold: request.cacheThreshold,
    };
  }

  private async ask(path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    let token: string | null = null;
    try {
      token = sessionStorage.getItem(STORED);
    } catch {
      // Storage is forbidden: the token has to be typed again.
    }
    let response: Response;
    try {
      response = await fetch(new URL(path, this.base), {
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...body !== undefined && { "content-type": "application/json" },
          ...token !== null && { authorization: `Bearer ${token}` },
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
      });
    } catch {
      if (signal?.aborted) throw new DrawingError("aborted", t("stopped"));
      throw new DrawingError("unavailable", t("serverGone", { host: this.host }));
    }
    const answer = await response.json().catch(() => ({})) as { error?: string; detail?: string };
    if (response.ok) return answer;
    const { error, detail = `${this.host}: ${response.status}` } = answer;
    if (response.status === 401) throw new DrawingError("bad_token", detail);
    if (response.status === 503) throw new DrawingError("unavailable", detail);
    const code = response.status === 422 || response.status === 400
      ? error === "unsupported" ? "unsupported" : "bad_option"
      : "internal";
    throw new DrawingError(code, detail);
  }
}

async function sizeOf(picture: File): Promise<{ width: number; height: number }> {
  const bitmap = await createImageBitmap(picture);
  const { width, height } = bitmap;
  bitmap.close();
  return { width, height };
}

async function base64(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 0x8000) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  }
  return btoa(parts.join(""));
}

/** A preview's pixels, from the PNG that the server sends. */
async function pixelsOf(
  image: string,
): Promise<{ width: number; height: number; rgb: Uint8Array<ArrayBuffer> }> {
  const bytes = Uint8Array.from(atob(image), (c) => c.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d")!;
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) rgb.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return { width, height, rgb };
}
