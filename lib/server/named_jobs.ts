/**
 * Jobs with ids: a client submits one, leaves, and comes back for its state, its events and its pictures. Each is a request in
 * front of the queue like the synchronous ones, so fairness, bounds and queues elsewhere are the same for both.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import type { GeneratedImage } from "../pipelines/types.ts";
import { ApiError } from "./api_error.ts";
import type { JobEvents, JobResult, JobState } from "./jobs.ts";
import { ALIVE_EVERY_MS } from "./responses.ts";

/** Where a job is. */
export type JobStatus = "waiting" | "running" | "done" | "failed" | "cancelled";

/** What is kept of finished jobs. */
export interface Keeping {
  /** Milliseconds after the end. */
  readonly ms: number;
  /** Jobs. */
  readonly jobs: number;
  /** Bytes of their answers. */
  readonly bytes: number;
}

/** An hour, 256 jobs, 256 MiB. */
export const KEEPING: Keeping = { ms: 3_600_000, jobs: 256, bytes: 256 * 2 ** 20 };

/** An event of a job. A later one may have taken the place of earlier ones of its name. */
interface JobEvent {
  readonly id: number;
  readonly name: string;
  readonly data: unknown;
}

/** What a job is made of. */
export interface Submission {
  /** The id that the client wants; default one that nobody guesses. */
  readonly id?: string;
  /** Whose it is. */
  readonly owner: string;
  /** How it was asked: `txt2img`, … */
  readonly kind: string;
  /** Name of its model. */
  readonly model: string;
  /** Pictures it will have. */
  readonly pictures: number;
  /** Previews wanted of each picture; 0: those that cost next to nothing. */
  readonly previews: number;
  /** Begins it. Throws at once where there is no room. */
  readonly start: (signal: AbortSignal, events: JobEvents) => Promise<JobResult>;
  /** The finished picture in base64. */
  readonly file: (image: GeneratedImage) => Promise<string>;
  /** A preview in base64. */
  readonly preview: (preview: NonNullable<JobState["preview"]>) => Promise<string>;
  /** The answer of the synchronous call. */
  readonly answer: (result: JobResult, files: readonly string[]) => unknown;
  /** What its end means to a client. */
  readonly failure: (error: unknown) => ApiError;
  /** Called at its end: the body it was made of need not be kept. */
  readonly release: () => void;
}

/** A job. */
export class NamedJob {
  /** Its name. */
  readonly id: string;
  /** When it came, in milliseconds of the epoch. */
  readonly created: number = Date.now();
  /** See {@linkcode JobStatus}. */
  status: JobStatus = "waiting";
  /** When it ended; undefined before. */
  ended: number | undefined;
  /** Finished pictures in base64. */
  readonly files: string[] = [];
  /** Bytes of its pictures. */
  bytes = 0;
  private started: number | undefined;
  private readonly stop = new AbortController();
  private state: JobState | undefined;
  private result: unknown;
  private error: ApiError | undefined;
  private readonly events: JobEvent[] = [];
  private eventIds = 0;
  private wake = Promise.withResolvers<void>();
  private writing: Promise<void> = Promise.resolve();

  /**
   * Begins it.
   *
   * @param onEnd Told when it has ended.
   * @throws {ApiError} Where there is no room in front of the queue.
   */
  constructor(readonly submission: Submission, private readonly kept: Keeping, onEnd: () => void) {
    this.id = submission.id ?? crypto.randomUUID();
    let shown: JobState["preview"];
    let told = "";
    const preview = (picture: NonNullable<JobState["preview"]>, of: number): void => {
      this.later(async () => {
        // A preview that cannot be written is none.
        const file = await submission.preview(picture).catch(() => undefined);
        if (file !== undefined) this.tell("preview", { picture: of, b64_json: file });
      });
    };
    const running = submission.start(this.stop.signal, {
      previews: submission.previews,
      onPreview: preview,
      onImage: (image) => {
        this.later(async () => {
          const file = await submission.file(image);
          this.bytes += file.length;
          this.files.push(file);
          const { width, height, seed } = image;
          this.tell("picture", { picture: this.files.length - 1, width, height, seed }, false);
        });
      },
      onState: (state) => {
        this.state = { ...state };
        if (this.status === "waiting") {
          this.status = "running";
          this.started = Date.now();
          this.tell("status", this.view());
        }
        // Other phases report, too, and change nothing here.
        const now = this.progress();
        if (JSON.stringify(now) !== told) this.tell("progress", now);
        told = JSON.stringify(now);
        if (submission.previews > 0 || !state.preview || state.preview === shown) return;
        shown = state.preview;
        preview(shown, state.picture);
      },
    });
    this.follow(running).finally(() => {
      submission.release();
      onEnd();
    });
    this.tell("status", this.view());
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.ended !== undefined;
  }

  /** Its state, as JSON. */
  view(): Readonly<Record<string, unknown>> {
    const { submission: { kind, model, pictures }, error, ended } = this;
    const time = (ms: number | undefined): string | null =>
      ms === undefined ? null : new Date(ms).toISOString();
    return {
      id: this.id,
      kind,
      model,
      status: this.status,
      created: time(this.created),
      started: time(this.started),
      ended: time(ended),
      forgotten: time(ended === undefined ? undefined : ended + this.kept.ms),
      pictures,
      ...this.progress(),
      error: error ? { error: error.code, detail: error.message, field: error.field ?? null } : null,
    };
  }

  /** Drops or stops it. False: it had ended. */
  cancel(): boolean {
    if (this.over) return false;
    this.stop.abort(new AbortedError());
    return true;
  }

  /**
   * The answer of the synchronous call.
   *
   * @throws {ApiError} 409 before the end, 410 for a cancelled one, the reason of one that failed.
   */
  answer(): unknown {
    if (this.error) throw this.error;
    if (!this.over) {
      throw new ApiError(409, "not_ready", `Job ${this.id} is ${this.status}: its result comes at its end`);
    }
    return this.result;
  }

  /**
   * Events from after one, in their order: waits for those to come, and ends with the job.
   *
   * @param after Number of the last one that the client has; 0 for none.
   */
  async *eventsAfter(after: number, signal: AbortSignal): AsyncGenerator<JobEvent | undefined, void> {
    let last = after;
    while (!signal.aborted) {
      const next = this.events.find(({ id }) => id > last);
      if (next) {
        last = next.id;
        yield next;
      } else if (this.over) return;
      else if (await this.waits(signal)) yield undefined;
    }
  }

  /** Whether all its events came before one. */
  toldAll(after: number): boolean {
    return this.over && after >= this.eventIds;
  }

  /** Waits for an event. True: there was none for a while. */
  private async waits(signal: AbortSignal): Promise<boolean> {
    const quiet = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => quiet.resolve(true), ALIVE_EVERY_MS);
    const leave = (): void => quiet.resolve(false);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([quiet.promise, this.wake.promise.then(() => false)]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
    }
  }

  /** Waits until the pictures that were finished so far are written. */
  async written(): Promise<void> {
    await this.writing;
  }

  private async follow(running: Promise<JobResult>): Promise<void> {
    const { submission } = this;
    try {
      const result = await running;
      await this.writing;
      this.result = submission.answer(result, this.files);
      this.status = "done";
    } catch (error) {
      await this.writing.catch(() => {});
      const cancelled = this.stop.signal.aborted;
      this.status = cancelled ? "cancelled" : "failed";
      this.error = cancelled
        ? new ApiError(410, "cancelled", `Job ${this.id} was cancelled`)
        : submission.failure(error);
      this.files.length = this.bytes = 0;
    }
    this.ended = Date.now();
    // Nobody needs the way there any more.
    this.forget("preview");
    this.tell("status", this.view());
  }

  private progress(): Readonly<Record<string, unknown>> {
    const { share = 0, picture = 0, step = 0, steps = 0 } = this.state ?? {};
    const done = this.status === "done";
    return { progress: done ? 1 : Math.min(1, share), finished: this.files.length || picture, step, steps };
  }

  /** Pictures are written one after another, in the order in which they were drawn. */
  private later(write: () => Promise<void>): void {
    this.writing = this.writing.then(write);
    // Whoever waits for the end hears of it.
    this.writing.catch(() => {});
  }

  private tell(name: string, data: unknown, replaces = true): void {
    if (replaces) this.forget(name);
    this.events.push({ id: ++this.eventIds, name, data });
    this.wake.resolve();
    this.wake = Promise.withResolvers();
  }

  private forget(name: string): void {
    const at = this.events.findIndex((event) => event.name === name);
    if (at >= 0) this.events.splice(at, 1);
  }
}

/** See the module. */
export class NamedJobs {
  private readonly jobs = new Map<string, NamedJob>();

  /** With what is kept of finished ones. */
  constructor(private readonly keeping: Keeping = KEEPING) {}

  /**
   * Puts a job in front of the queue.
   *
   * @throws {ApiError} 429 or 503 where there is no room, 400 for an id that another job has.
   */
  submit(submission: Submission): NamedJob {
    if (submission.id !== undefined && this.jobs.has(submission.id)) {
      throw new ApiError(
        400,
        "bad_field",
        `There is a job "${submission.id}" already; send another id, or none`,
      );
    }
    const job = new NamedJob(submission, this.keeping, () => this.sweep());
    this.jobs.set(job.id, job);
    return job;
  }

  /** The jobs of an owner, the last one first. */
  of(owner: string): NamedJob[] {
    this.sweep();
    return [...this.jobs.values()].filter(({ submission }) => submission.owner === owner).reverse();
  }

  /** Jobs by status. */
  counts(): Readonly<Record<JobStatus, number>> {
    this.sweep();
    const counts = { waiting: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
    for (const { status } of this.jobs.values()) counts[status]++;
    return counts;
  }

  /**
   * A job of an owner.
   *
   * @throws {ApiError} 404 where he has none of this name.
   */
  get(owner: string, id: string): NamedJob {
    this.sweep();
    const job = this.jobs.get(id);
    if (job?.submission.owner === owner) return job;
    throw new ApiError(
      404,
      "not_found",
      `There is no job "${id.slice(0, 60)}" here: jobs are kept for ${
        Math.round(this.keeping.ms / 60_000)
      } minutes after their end, ${this.keeping.jobs} of them at most, and belong to the token that submitted them`,
    );
  }

  /** Stops a job, or forgets one that has ended. */
  remove(job: NamedJob): void {
    if (!job.cancel()) this.jobs.delete(job.id);
  }

  /** Forgets what is too old or too much. */
  private sweep(): void {
    const over = [...this.jobs.values()].filter((job) => job.over).sort((a, b) => a.ended! - b.ended!);
    const { ms, jobs, bytes } = this.keeping;
    let held = over.reduce((sum, job) => sum + job.bytes, 0);
    let left = over.length;
    for (const job of over) {
      if (job.ended! + ms > Date.now() && left <= jobs && held <= bytes) break;
      this.jobs.delete(job.id);
      held -= job.bytes;
      left--;
    }
  }
}
