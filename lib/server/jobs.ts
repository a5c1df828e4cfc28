/**
 * One queue in front of the GPU: jobs run in order, one at a time, and can be watched, stopped and left.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import type {
  GeneratedImage,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Pipeline,
  Progress,
  RgbPicture,
} from "../pipelines/types.ts";
import { ApiError } from "./fields.ts";

/** What the queue needs of a pipeline. */
export interface Engine extends Pick<Pipeline, "info" | "plan"> {
  /** As the pipeline's, awaited as a whole. */
  generate(request: GenerateRequest, options?: GenerateOptions): Promise<GenerateResult>;
}

/** What became of a job. */
export interface JobResult {
  /** The finished pictures, in order. */
  readonly images: readonly GeneratedImage[];
  /** Whether {@linkcode Jobs.interrupt} ended it early. */
  readonly interrupted: boolean;
  /** What the client should know, each sentence once. */
  readonly warnings: readonly string[];
}

/** Where the running job is. */
export interface JobState {
  /** Number of the job since the start. */
  readonly id: number;
  /** Its start, in milliseconds of the epoch. */
  readonly started: number;
  /** Pictures finished and wanted. */
  readonly picture: number;
  /** See picture. */
  readonly pictures: number;
  /** Steps done and in all, over the stages of the present picture. */
  readonly step: number;
  /** See step. */
  readonly steps: number;
  /** Share of the work that is done, by FLOPs, from 0 to 1. */
  readonly share: number;
  /** Whether it was asked to stop. */
  readonly interrupted: boolean;
  /** The picture as it is expected to become. */
  readonly preview?: RgbPicture;
}

/** What a client hears of while his job runs. */
export interface JobEvents {
  /** Previews wanted of each picture. */
  readonly previews: number;
  /** A picture on its way, `index` of those wanted; `picture` counts from 0. */
  readonly onPreview: (preview: RgbPicture, picture: number, index: number) => void;
  /** A finished picture. */
  readonly onImage: (image: GeneratedImage) => void;
}

interface Running {
  readonly id: number;
  readonly started: number;
  readonly pictures: number;
  /** Stops the work: the client left, or {@linkcode Jobs.interrupt}. */
  readonly stop: AbortController;
  picture: number;
  step: number;
  steps: number;
  share: number;
  interrupted: boolean;
  preview?: RgbPicture;
}

/** A preview costs a wait for the GPU, so there are few. */
const PREVIEW_EVERY = 5;

/** See the module. */
export class Jobs {
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private ids = 0;
  private running: Running | undefined;
  private closing = false;
  /** Seconds a step took lately. */
  private pace = 0;
  /** Previews that cost next to nothing; the autoencoder's own would cost more than the steps between them. */
  private readonly previews: boolean;

  /**
   * Makes the queue.
   *
   * @param engine Draws.
   * @param most Jobs that wait at the same time; one more is refused.
   */
  constructor(private readonly engine: Engine, private readonly most: number) {
    this.previews = engine.info.latentRgb !== undefined;
  }

  /** Jobs that wait or run. */
  get length(): number {
    return this.waiting + (this.running ? 1 : 0);
  }

  /** Jobs that were begun. */
  get begun(): number {
    return this.ids;
  }

  /** Seconds that a step of the last finished picture took, 0 before the first. */
  get secondsPerStep(): number {
    return this.pace;
  }

  /** Seconds until a request that is refused now might be taken. */
  get retryAfter(): number {
    const { running } = this;
    const seconds = running ? (Date.now() - running.started) / 1000 : 0;
    const left = running && running.share > 0 ? seconds * (1 - running.share) / running.share : 5;
    return Math.min(600, Math.max(1, Math.ceil(left)));
  }

  /** The running job, if there is one. */
  get state(): JobState | undefined {
    return this.running;
  }

  /**
   * Draws pictures when it is their turn.
   *
   * @param requests One a picture.
   * @param signal The client has left: the job is dropped from the queue, or stopped within one step.
   * @param events Told of pictures on their way and of finished ones.
   * @throws {ApiError} 503 when the queue is full or the server is closing.
   * @throws {AbortedError} When the signal fires.
   */
  run(requests: readonly GenerateRequest[], signal: AbortSignal, events?: JobEvents): Promise<JobResult> {
    if (this.closing) throw closed();
    if (this.waiting >= this.most) {
      throw new ApiError(503, "busy", `${this.waiting} requests are waiting already; try again later`);
    }
    this.waiting++;
    // Whoever leaves while waiting must not hold a place until his turn comes.
    let left = false;
    const leave = (): void => {
      if (!left) this.waiting--;
      left = true;
    };
    signal.addEventListener("abort", leave, { once: true });
    const job = this.tail.then(async () => {
      leave();
      signal.removeEventListener("abort", leave);
      if (signal.aborted) throw new AbortedError();
      if (this.closing) throw closed();
      return await this.draw(requests, signal, events);
    });
    this.tail = job.catch(() => {});
    return job;
  }

  /** Stops the running job within one step; it ends with the pictures that it has. */
  interrupt(): void {
    if (!this.running) return;
    this.running.interrupted = true;
    this.running.stop.abort();
  }

  /**
   * Refuses the waiting jobs and new ones, and resolves when the GPU is free.
   *
   * @param graceMs The running job may take so long to end; then it is stopped within one step. Default 0.
   */
  async close(graceMs = 0): Promise<void> {
    this.closing = true;
    const { running } = this;
    const timer = graceMs > 0 && running ? setTimeout(() => running.stop.abort(), graceMs) : undefined;
    if (timer === undefined) running?.stop.abort();
    try {
      await this.tail;
    } finally {
      clearTimeout(timer);
    }
  }

  private async draw(
    requests: readonly GenerateRequest[],
    signal: AbortSignal,
    events?: JobEvents,
  ): Promise<JobResult> {
    const stop = new AbortController();
    const leave = (): void => stop.abort();
    signal.addEventListener("abort", leave, { once: true });
    const running: Running = {
      id: ++this.ids,
      started: Date.now(),
      pictures: requests.length,
      stop,
      picture: 0,
      step: 0,
      steps: 0,
      share: 0,
      interrupted: false,
    };
    this.running = running;
    const images: GeneratedImage[] = [];
    const warnings = new Set<string>();
    try {
      for (const [picture, request] of requests.entries()) {
        running.picture = picture;
        const began = Date.now();
        const watch = this.watch(running, request, events);
        // Whoever asks for previews gets them at any price.
        const wanted = events && events.previews > 0
          ? {
            previewEvery: Math.max(1, Math.floor(running.steps / (events.previews + 1))),
            preview: "auto" as const,
          }
          : this.previews
          ? { previewEvery: PREVIEW_EVERY, preview: "proj" as const }
          : {};
        const options = { signal: stop.signal, onProgress: watch, ...wanted };
        const result = await this.engine.generate(request, options);
        this.pace = (Date.now() - began) / 1000 / Math.max(1, running.steps);
        images.push(...result.images);
        for (const image of result.images) events?.onImage(image);
        for (const warning of result.warnings) warnings.add(warning);
      }
    } catch (error) {
      if (this.closing && stop.signal.aborted && !signal.aborted) throw closed();
      if (!running.interrupted || !(error instanceof AbortedError)) throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      this.running = undefined;
    }
    return { images, interrupted: running.interrupted, warnings: [...warnings] };
  }

  /** Turns progress of a picture into a share of the job. */
  private watch(
    running: Running,
    request: GenerateRequest,
    events?: JobEvents,
  ): (event: Progress) => void {
    const { stages } = this.engine.plan(request);
    const cost = stages.map((stage) => stage.flops ?? stage.tokens * stage.steps.length);
    const all = cost.reduce((sum, c) => sum + c, 0) || 1;
    running.steps = stages.reduce((sum, stage) => sum + stage.steps.length, 0);
    const { pictures, picture } = running;
    let sent = 0;
    return ({ phase, stage, step, steps, preview }) => {
      if (preview) running.preview = preview;
      if (preview && events && sent < events.previews) events.onPreview(preview, picture, sent++);
      if (phase === "decode") running.share = (picture + 0.99) / pictures;
      if (phase !== "denoise" || stage === undefined || step === undefined || !steps) return;
      const before = (values: readonly number[]): number =>
        values.slice(0, stage - 1).reduce((sum, value) => sum + value, 0);
      running.step = before(stages.map((s) => s.steps.length)) + step;
      running.share = (picture + 0.98 * (before(cost) + cost[stage - 1] * step / steps) / all) / pictures;
    };
  }
}

function closed(): ApiError {
  return new ApiError(503, "closing", "The server is shutting down");
}
