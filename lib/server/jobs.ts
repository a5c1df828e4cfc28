/**
 * Requests in front of the queue: each asks for one or more pictures, which are jobs of their own, and can be watched, stopped
 * and left.
 *
 * @module
 */

import { withoutFolders } from "../base_name.ts";
import { AbortedError, LssgenError } from "../errors.ts";
import type { GeneratedImage, GenerateRequest, RgbPicture } from "../pipelines/types.ts";
import { ApiError } from "./api_error.ts";
import { LocalQueue } from "./local_queue.ts";
import { type Models, nameOf } from "./models.ts";
import type { Priority } from "./policy.ts";
import { type Drawn, type Engine, type JobQueue, work } from "./queue.ts";

export type { Engine } from "./queue.ts";

/** What became of a request. */
export interface JobResult {
  /** The finished pictures, in order. */
  readonly images: readonly GeneratedImage[];
  /** Whether {@linkcode Jobs.interrupt} ended it early. */
  readonly interrupted: boolean;
  /** What the client should know, each sentence once. */
  readonly warnings: readonly string[];
}

/** Where the running request is. */
export interface JobState {
  /** Number of the request since the start. */
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

/** What a client hears of while his request runs. */
export interface JobEvents {
  /** Previews wanted of each picture. */
  readonly previews: number;
  /** A picture on its way, `index` of those wanted; `picture` counts from 0. */
  readonly onPreview: (preview: RgbPicture, picture: number, index: number) => void;
  /** A finished picture. */
  readonly onImage: (image: GeneratedImage) => void;
  /** The request began, or came further. */
  readonly onState?: (state: JobState) => void;
}

/** Who asks. */
export interface Asker {
  /** Whose share of the machines the request takes; any text. Default "", one for all. */
  readonly client?: string;
  /** How large that share is. Default `normal`. */
  readonly priority?: Priority;
  /** Whose token the request brought, where there are several: others neither see nor stop it. Default "". */
  readonly owner?: string;
}

/** A request that waits or runs. */
interface Group {
  readonly client: string;
  readonly owner: string;
  id: number;
  /** 0 until a machine begins with its first picture. */
  started: number;
  readonly pictures: number;
  /** Stops the work: the client left, {@linkcode Jobs.interrupt}, or the end of the server. */
  readonly stop: AbortController;
  picture: number;
  step: number;
  steps: number;
  share: number;
  interrupted: boolean;
  preview?: RgbPicture;
}

/** Share of the places in front of the queue that one client can take. */
const CLIENT_SHARE = 3 / 4;
/** A preview costs a wait for the GPU, so there are few. */
const PREVIEW_EVERY = 5;

/** See the module. */
export class Jobs {
  private readonly queue: JobQueue;
  private readonly groups = new Set<Group>();
  private readonly ended = new Set<Promise<unknown>>();
  private readonly end = new AbortController();
  private ids = 0;
  private closing = false;
  /** Seconds a step took lately. */
  private pace = 0;
  /**
   * Makes it.
   *
   * @param models What draws, where there is no other queue.
   * @param most Requests that wait at the same time; one more is refused.
   * @param queue A queue whose machines are elsewhere. Default one in this process, before `models`.
   * @param mostOfClient Requests of one client that wait at the same time. Default three quarters of `most`.
   */
  constructor(
    private readonly models: Models,
    private readonly most: number,
    queue?: JobQueue,
    private readonly mostOfClient: number = Math.max(1, Math.ceil(most * CLIENT_SHARE)),
  ) {
    this.queue = queue ?? this.ownQueue();
  }

  /** Requests that wait or run. */
  get length(): number {
    return this.groups.size;
  }

  /** Requests that run. */
  get running(): number {
    return [...this.groups].filter(({ started }) => started > 0).length;
  }

  /** Requests that were begun. */
  get begun(): number {
    return this.ids;
  }

  /** Seconds that a step of the last finished picture took, 0 before the first. */
  get secondsPerStep(): number {
    return this.pace;
  }

  /** Seconds until a request that is refused now might be taken. */
  get retryAfter(): number {
    const state = this.first();
    const seconds = state ? (Date.now() - state.started) / 1000 : 0;
    const left = state && state.share > 0 ? seconds * (1 - state.share) / state.share : 5;
    return Math.min(600, Math.max(1, Math.ceil(left)));
  }

  /** The running request of an owner that was begun first, if there is one. */
  state(owner: string): JobState | undefined {
    return this.first(owner);
  }

  /**
   * Draws pictures when it is their turn.
   *
   * @param engine The model's: it plans, and names the model.
   * @param requests One a picture.
   * @param signal The client has left: what waits is dropped, what runs is stopped within one step.
   * @param events Told of pictures on their way and of finished ones.
   * @throws {ApiError} 503 when the queue is full or the server is closing, 429 when this client's share of it is.
   * @throws {AbortedError} When the signal fires.
   */
  run(
    engine: Engine,
    requests: readonly GenerateRequest[],
    signal: AbortSignal,
    events?: JobEvents,
    asker: Asker = {},
  ): Promise<JobResult> {
    const group = this.admitted(requests.length, asker);
    return this.followed(
      this.follow(group, requests.length, signal, async (i) => {
        const drawn = await this.picture(engine, group, requests[i], i, events, asker);
        for (const image of drawn.images) events?.onImage(image);
        return drawn;
      }),
    );
  }

  /**
   * Does other work than drawing when it is its turn: one job at a time has the GPU.
   *
   * @param pictures Pictures that it makes, for those who watch.
   * @param pixels Pixels of the largest of them.
   * @param work Told the signal of its end, and whom to tell the share that is done.
   * @param onShare Told that share too, and 0 when its turn has come.
   * @throws {ApiError} As {@linkcode run}, at once; 503 when the request is interrupted.
   * @throws {AbortedError} When the signal fires.
   */
  work<Result>(
    size: { readonly pictures: number; readonly pixels: number },
    work: (signal: AbortSignal, onShare: (share: number) => void) => Promise<Result>,
    signal: AbortSignal,
    asker: Asker = {},
    onShare: (share: number) => void = () => {},
  ): Promise<Result> {
    return this.worked(this.admitted(size.pictures, asker), size.pixels, work, signal, asker, onShare);
  }

  private async worked<Result>(
    group: Group,
    pixels: number,
    work: (signal: AbortSignal, onShare: (share: number) => void) => Promise<Result>,
    signal: AbortSignal,
    { client = "", priority = "normal" }: Asker,
    onShare: (share: number) => void,
  ): Promise<Result> {
    let result: { readonly value: Result } | undefined;
    await this.followed(
      this.follow(group, 1, signal, () =>
        this.queue.submit({
          request: { prompt: "" },
          pixels,
          client,
          priority,
          work: async (signal) => {
            try {
              result = {
                value: await work(signal, (share) => {
                  onShare(group.share = share);
                }),
              };
            } catch (error) {
              // Whatever broke off because of it.
              throw signal.aborted ? new AbortedError() : error;
            }
            return { images: [], warnings: [] };
          },
        }, {
          signal: group.stop.signal,
          onBegin: () => {
            this.begin(group);
            onShare(0);
          },
        })),
    );
    if (!result) throw new ApiError(503, "interrupted", "The request was interrupted");
    return result.value;
  }

  /** A place in front of the queue. */
  private admitted(pictures: number, { client = "", owner = "" }: Asker): Group {
    if (this.closing) throw closed();
    const waiting = this.length - this.running;
    if (waiting >= this.most) {
      throw new ApiError(503, "busy", `${waiting} requests are waiting already; try again later`);
    }
    const own = [...this.groups].filter((group) => group.client === client && group.started === 0).length;
    if (own >= this.mostOfClient) {
      throw new ApiError(
        429,
        "too_many",
        `${own} of your requests are waiting already, the most that one client may have; try again later`,
      );
    }
    const group: Group = {
      client,
      owner,
      id: 0,
      started: 0,
      pictures,
      stop: new AbortController(),
      picture: 0,
      step: 0,
      steps: 0,
      share: 0,
      interrupted: false,
    };
    this.groups.add(group);
    return group;
  }

  private followed<Result>(job: Promise<Result>): Promise<Result> {
    const ended = job.catch(() => {}).finally(() => this.ended.delete(ended));
    this.ended.add(ended);
    return job;
  }

  private begin(group: Group): void {
    if (group.started > 0) return;
    group.id = ++this.ids;
    group.started = Date.now();
  }

  /** Stops the running request of an owner within one step; it ends with the pictures that it has. */
  interrupt(owner: string): void {
    const first = this.first(owner);
    if (!first) return;
    first.interrupted = true;
    first.stop.abort(new AbortedError());
  }

  /**
   * Refuses the waiting requests and new ones, and resolves when the GPU is free.
   *
   * @param graceMs The running request may take so long to end; then it is stopped within one step. Default 0.
   */
  async close(graceMs = 0): Promise<void> {
    this.closing = true;
    const stop = (all: boolean): void => {
      for (const group of this.groups) if (all || group.started === 0) group.stop.abort(new AbortedError());
    };
    stop(graceMs <= 0);
    const timer = setTimeout(() => stop(true), graceMs);
    try {
      await Promise.all(this.ended);
    } finally {
      clearTimeout(timer);
      this.end.abort();
    }
  }

  /** The request that was begun first; of an owner, or of all. */
  private first(owner?: string): Group | undefined {
    return [...this.groups]
      .filter((group) => group.id > 0 && (owner === undefined || group.owner === owner))
      .sort((a, b) => a.id - b.id)[0];
  }

  /** The queue of one machine: this one. */
  private ownQueue(): JobQueue {
    const queue = new LocalQueue();
    const { models } = this;
    work(
      queue,
      models.offer ?? (() => ({ models: [], maxPixels: Infinity })),
      async (claim) => {
        if (claim.work) return await claim.work(claim.signal);
        const engine = claim.model === undefined ? models.first : await models.find(claim.model);
        if (!engine) throw new LssgenError("bad_file", `The model "${claim.model}" is not there any more`);
        return await engine.generate(claim.request, {
          signal: claim.signal,
          onProgress: (progress) => queue.report(claim, progress),
          ...claim.previews,
        });
      },
      this.end.signal,
    );
    return queue;
  }

  private async follow(
    group: Group,
    jobs: number,
    signal: AbortSignal,
    run: (index: number) => Promise<Drawn>,
  ): Promise<JobResult> {
    const leave = (): void => {
      // Whoever leaves while waiting must not hold a place any longer.
      if (group.started === 0) this.groups.delete(group);
      group.stop.abort(new AbortedError());
    };
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    const drawn: Drawn[] = [];
    try {
      const pictures = Array.from({ length: jobs }, async (_, i) => {
        drawn[i] = await run(i);
      });
      try {
        await Promise.all(pictures);
      } catch (error) {
        // The others of the request are worth nothing alone.
        leave();
        await Promise.allSettled(pictures);
        throw error;
      }
    } catch (error) {
      if (signal.aborted) throw new AbortedError();
      if (!(error instanceof AbortedError)) throw error;
      if (this.closing && !group.interrupted) throw closed();
      if (!group.interrupted) throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      this.groups.delete(group);
    }
    return {
      images: drawn.flatMap(({ images }) => images),
      interrupted: group.interrupted,
      warnings: [...new Set(drawn.flatMap(({ warnings }) => warnings.map(withoutFolders)))],
    };
  }

  /** Submits one picture of a request, and keeps the request's state. */
  private async picture(
    engine: Engine,
    group: Group,
    request: GenerateRequest,
    picture: number,
    events: JobEvents | undefined,
    { client = "", priority = "normal" }: Asker,
  ): Promise<Drawn> {
    const { stages, width, height } = engine.plan(request);
    const cost = stages.map((stage) => stage.flops ?? stage.tokens * stage.steps.length);
    const all = cost.reduce((sum, c) => sum + c, 0) || 1;
    const steps = stages.reduce((sum, stage) => sum + stage.steps.length, 0);
    // Whoever asks for previews gets them at any price.
    const previews = events && events.previews > 0
      ? { previewEvery: Math.max(1, Math.floor(steps / (events.previews + 1))), preview: "auto" as const }
      // The autoencoder's own would cost more than the steps between them.
      : engine.info.latentRgb !== undefined
      ? { previewEvery: PREVIEW_EVERY, preview: "proj" as const }
      : undefined;
    let began = 0;
    let sent = 0;
    let done = 0;
    const share = (now: number): void => {
      group.share += (now - done) / group.pictures;
      done = now;
    };
    const drawn = await this.queue.submit({
      request,
      pixels: width * height,
      model: this.models.offer && nameOf(engine.info),
      client,
      priority,
      previews,
    }, {
      signal: group.stop.signal,
      onBegin: () => {
        began = Date.now();
        this.begin(group);
        Object.assign(group, { step: 0, steps });
        share(0);
        events?.onState?.(group);
      },
      onProgress: ({ phase, stage, step, steps: stageSteps, preview }) => {
        if (preview) group.preview = preview;
        if (preview && events && sent < events.previews) events.onPreview(preview, picture, sent++);
        if (phase === "decode") share(0.99);
        if (phase === "denoise" && stage !== undefined && step !== undefined && stageSteps) {
          const before = (values: readonly number[]): number =>
            values.slice(0, stage - 1).reduce((sum, value) => sum + value, 0);
          group.step = before(stages.map((s) => s.steps.length)) + step;
          share(0.98 * (before(cost) + (cost[stage - 1] ?? 0) * step / stageSteps) / all);
        }
        events?.onState?.(group);
      },
    });
    share(1);
    group.picture++;
    if (began > 0) this.pace = (Date.now() - began) / 1000 / Math.max(1, steps);
    return drawn;
  }
}

function closed(): ApiError {
  return new ApiError(503, "closing", "The server is shutting down");
}
