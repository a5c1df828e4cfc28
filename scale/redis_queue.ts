/**
 * The queue of many machines: BullMQ's jobs, locks, tries and dead letters on Redis or Valkey, one of its queues for each model
 * and size class. Order and choice of machines are those of lib/server/policy.ts.
 *
 * Beside BullMQ's keys: `lssgen:queues` (names), `lssgen:workers` (who is there), `lssgen:fair:QUEUE` and `lssgen:shares:QUEUE`
 * (virtual time, clients' shares), `lssgen:holders:ID` (who wants a job), `lssgen:stopped:ID` (it was cancelled),
 * `lssgen:next:ID` (queue and name of the job that draws the later stages); and the channels `lssgen:wake`, `lssgen:job:ID` (reports) and `lssgen:claim:ID` (word to the machine that has it).
 *
 * @module
 */

import { AbortedError, type ErrorCode, LssgenError } from "../lib/errors.ts";
import { openPicture } from "../lib/image/picture_file.ts";
import { decodePng, encodePng, type Picture } from "../lib/image/png.ts";
import type {
  GeneratedImage,
  GenerateOptions,
  GenerateRequest,
  Progress,
  StageLatents,
} from "../lib/pipelines/types.ts";
import {
  claimOrder,
  cutBefore,
  fairTag,
  MAX_ATTEMPTS,
  MAX_LOST,
  type Offer,
  type Pool,
  type QueueHead,
  retryDelayMs,
  sizeClass,
  type SplitStages,
  worthRetrying,
  worthSplitting,
} from "../lib/server/policy.ts";
import type { Claim, Drawn, JobQueue, Outcome, QueuedPicture, Watch } from "../lib/server/queue.ts";
import { createRedisBackend, Job, Queue, Redis, UnrecoverableError, Worker } from "./bullmq.ts";
import {
  canonical,
  followUp,
  JOB_FORMAT,
  jobId,
  parseJson,
  readJob,
  readResult,
  sha256,
  type StoredJob,
  type StoredResult,
} from "./job.ts";
import { getHashed, MAX_OBJECT, type ObjectStore, putHashed } from "./store.ts";

/** In front of all keys and channels. */
export const PREFIX = "lssgen";
/** Seconds a finished job is known: the same request within them is answered from the store. */
const KEPT_S = 3600;
/** Seconds that it is known who wants a job, and which one follows it. */
const HELD_S = 86_400;
/** Code, in a failed job's reason, of {@linkcode LostLatentsError}. */
const LATENTS_LOST = "latents_lost";
/** Seconds that jobs stay in the dead-letter list, and how many of a queue. */
const DEAD_S = 7 * 24 * 3600;
const DEAD_COUNT = 10_000;
/** Milliseconds between looks for ends and jobs whose message was lost. */
const SWEEP_MS = 2000;
/** Milliseconds that Redis may take to answer before a request is refused. */
const ANSWER_MS = 15_000;
/** Milliseconds between reports of a job that are no previews. */
const REPORT_MS = 200;
/** Milliseconds between previews of a job. */
const PREVIEW_MS = 1000;
/** How many machines may leave a job for others. */
const MAX_LEFT = 10;
/** BullMQ's greatest priority, and the start in virtual time from which the scale is moved. */
const MAX_PRIORITY = 2 ** 21 - 1;
const MOVE_AT = 2 ** 20;
/** Characters of a model's hash in the name of a queue. */
const SHORT = 16;

/** How a queue is opened. */
export interface RedisQueueOptions {
  /** `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, or `rediss://` for TLS. */
  readonly url: string;
  /** Where pictures lie. */
  readonly store: ObjectStore;
  /** The model that {@linkcode RedisQueue.submit} asks for, by hash. */
  readonly model?: { readonly name: string; readonly hash: string };
  /** Hash of a LoRA that a prompt names; the machine has to have the same. */
  readonly loraHash?: (name: string) => Promise<string>;
  /** Names of the LoRAs in a request. */
  readonly loraNames?: (request: GenerateRequest) => readonly string[];
  /** When the first stages of a picture are a job of their own, and the pixels of its stages; undefined: it is not to be cut. */
  readonly split?: {
    readonly when: SplitStages;
    readonly stages: (request: GenerateRequest) => readonly number[] | undefined;
  };
  /** Milliseconds that a machine may be silent before its job is given to another. Default 30 s. */
  readonly leaseMs?: number;
  /** Milliseconds that Redis may take to answer before a request is refused. Default 15 s. */
  readonly answerMs?: number;
  /** Milliseconds that a request waits while no machine that could draw it is there. Default 60 s. */
  readonly patienceMs?: number;
  /** Milliseconds until the next try of a job that failed so many times. Default the policy's. */
  readonly retryDelayMs?: (attempt: number) => number;
  /** Told what an operator should know. */
  readonly note?: (sentence: string) => void;
}

/** What a machine says of itself. */
export interface WorkerState {
  /** A name of its own. */
  readonly id: string;
  /** Host and process. */
  readonly host: string;
  /** Version of the program, and of the job format. */
  readonly version: string;
  /** See version. */
  readonly format: number;
  /** Models by name and hash. */
  readonly models: readonly { readonly name: string; readonly hash: string }[];
  /** See {@linkcode Offer}. */
  readonly maxPixels: number;
  /** The model on its GPU. */
  readonly loaded?: string;
  /** The job it draws. */
  readonly job?: string;
  /** Jobs it has ended. */
  readonly done: number;
  /** Milliseconds of the epoch. */
  readonly at: number;
}

/** The queues of one model and size class. */
export interface QueueName {
  /** In Redis. */
  readonly name: string;
  /** First characters of the model's hash. */
  readonly model: string;
  /** Size class. */
  readonly side: number;
}

interface Head extends QueueHead, QueueName {}

interface Follower {
  readonly queue: string;
  readonly onBegin?: () => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly look: () => void;
}

interface Held {
  readonly job: Job;
  readonly token: string;
  readonly stop: AbortController;
  readonly renewing: ReturnType<typeof setInterval>;
  reported: number;
  previewed: number;
  lost: boolean;
}

/** See the module. */
export class RedisQueue implements JobQueue, AsyncDisposable {
  /**
   * The commands' connection.
   *
   * @ignore
   */
  readonly redis: Redis;
  private readonly scripts: Scripts;
  private readonly listening: Redis;
  private readonly queues = new Map<string, Queue>();
  private readonly workers = new Map<string, Worker>();
  private readonly followers = new Map<string, Set<Follower>>();
  private readonly held = new Map<string, Held>();
  private readonly holder = crypto.randomUUID();
  private readonly leaseMs: number;
  private readonly sweeping: ReturnType<typeof setInterval>;
  private readonly where: string;
  private wake: (() => void)[] = [];
  /** When the next delayed job is due that this machine could draw, in milliseconds. */
  private due = Infinity;
  private seen?: { readonly at: number; readonly machines: Promise<WorkerState[]> };
  private trouble = "";
  private ended = false;

  private constructor(private readonly options: RedisQueueOptions) {
    const { url } = options;
    this.where = shownUrl(url);
    this.leaseMs = options.leaseMs ?? 30_000;
    const settings = {
      maxRetriesPerRequest: null,
      retryStrategy: (times: number) => Math.min(2000, 50 * 2 ** Math.min(times, 6)),
      connectionName: PREFIX,
    };
    this.redis = new Redis(url, settings);
    this.listening = new Redis(url, settings);
    this.redis.defineCommand("lssgenEnter", { lua: ENTER });
    this.scripts = this.redis as unknown as Scripts;
    for (const connection of [this.redis, this.listening]) {
      connection.on("error", (error: Error) => {
        if (this.trouble !== error.message && !this.ended) {
          this.options.note?.(`${this.where}: ${readableTrouble(error.message)}`);
        }
        this.trouble = error.message;
      });
      connection.on("ready", () => this.trouble = "");
    }
    this.listening.on("message", (channel: string, message: string) => this.heard(channel, message));
    this.sweeping = setInterval(() => this.sweep(), SWEEP_MS);
  }

  /**
   * Connects.
   *
   * @throws {LssgenError} `bad_option` for an address that is none, `unavailable` when nothing answers there.
   */
  static async open(options: RedisQueueOptions): Promise<RedisQueue> {
    checkUrl(options.url);
    const queue = new RedisQueue(options);
    try {
      await queue.answered(queue.listening.subscribe(`${PREFIX}:wake`));
      const info = await queue.answered(queue.redis.info());
      const fact = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
      if (!["noeviction", ""].includes(fact("maxmemory_policy"))) {
        options.note?.(
          `Warning: ${queue.where} has maxmemory-policy ${
            fact("maxmemory_policy")
          }, which drops jobs when memory is short; set noeviction`,
        );
      }
      if (fact("aof_enabled") === "0") {
        options.note?.(
          `Warning: ${queue.where} has no append-only file: jobs are lost when it ends; set appendonly yes`,
        );
      }
      return queue;
    } catch (error) {
      await queue[Symbol.asyncDispose]();
      throw error;
    }
  }

  // ---------------------------------------------------------------------------------------------------- who asks

  /** See {@linkcode JobQueue}. The pictures come from the store; a job that Redis lost is put in again. */
  async submit(job: QueuedPicture, watch: Watch): Promise<Drawn> {
    const stored = await this.cut(await this.encode(job), job.request);
    const first = await placeOf(stored);
    let begun = false;
    const begin = (): void => {
      begun = true;
      watch.onBegin?.();
    };
    for (let tries = 0;; tries++) {
      if (watch.signal.aborted) throw new AbortedError();
      let { id, queue } = first;
      let result = await this.follow(id, queue, stored, { ...watch, onBegin: begin });
      if (result?.latents !== undefined) {
        // For who follows it, it is one picture: it does not begin anew with its later stages.
        const rest = await this.followRest(followUp(stored, result.latents), {
          ...watch,
          onBegin: () => begun || begin(),
        });
        if (rest) ({ id, queue, result } = rest);
      }
      const drawn = result && result.latents === undefined ? await this.fetch(result) : undefined;
      if (drawn) return drawn;
      if (tries >= 3) {
        throw new LssgenError(
          "unavailable",
          result
            ? `The picture of job ${
              id.slice(0, 12)
            } is not in the object store, ${this.options.store.name}, again and again`
            : `Job ${id.slice(0, 12)} vanished from ${this.where} again and again`,
        );
      }
      // The store lost it: it is drawn again.
      if (result) await (await Job.fromId(this.queue(queue), id))?.remove().catch(() => {});
    }
  }

  /** The first stages as a job of their own, where that pays; else the whole picture. */
  private async cut(whole: StoredJob, request: GenerateRequest): Promise<StoredJob> {
    const { when, stages } = this.options.split ?? { when: "never" };
    if (when === "never") return whole;
    const pixels = stages!(request);
    const until = pixels && cutBefore(pixels);
    if (until === undefined) return whole;
    const first: StoredJob = { ...whole, part: { until, pixels: whole.pixels }, pixels: pixels![until - 1] };
    if (when === "always") return first;
    return await this.answered(this.isWorthCutting(whole, first)) ? first : whole;
  }

  /** What was asked for before stays as it was; else {@linkcode worthSplitting} tells. */
  private async isWorthCutting(whole: StoredJob, first: StoredJob): Promise<boolean> {
    const known = this.redis.pipeline();
    for (const { id, queue } of [await placeOf(whole), await placeOf(first)]) {
      known.exists(`${PREFIX}:${queue}:${id}`);
    }
    const [knownWhole, knownFirst] = results(await known.exec());
    if (knownWhole === 1 || knownFirst === 1) return knownWhole !== 1;
    const [low, side] = [sizeClass(first.pixels), sizeClass(whole.pixels)];
    const machines = (await this.recentMachines()).filter(({ format, models }) =>
      format === JOB_FORMAT && models.some(({ hash }) => hash === whole.model)
    );
    const able = (side: number): number => machines.filter(({ maxPixels }) => side ** 2 <= maxPixels).length;
    const names = await this.names();
    const lengths = this.redis.pipeline();
    for (const { name } of names) {
      lengths.llen(`${PREFIX}:${name}:wait`).zcard(`${PREFIX}:${name}:prioritized`);
    }
    const found = results(await lengths.exec()) as number[];
    const pool = (machines: number, holds: (side: number) => boolean): Pool => ({
      machines,
      waiting: names.reduce(
        (sum, { side }, i) => sum + (holds(side) ? (found[2 * i] + found[2 * i + 1]) * side ** 2 : 0),
        0,
      ),
    });
    return worthSplitting(
      pool(able(side), (one) => one >= side),
      pool(able(low) - able(side), (one) => one < side),
    );
  }

  /** Follows the job of the later stages. Undefined: the latents of the first ones are lost. */
  private async followRest(
    stored: StoredJob,
    watch: Watch,
  ): Promise<{ id: string; queue: string; result: StoredResult | undefined } | undefined> {
    const { id, queue } = await placeOf(stored);
    try {
      return { id, queue, result: await this.follow(id, queue, stored, watch) };
    } catch (error) {
      if (error instanceof LostLatentsError) return undefined;
      throw error;
    }
  }

  /** Follows a job to its end. Undefined: Redis does not know it any more. */
  private async follow(
    id: string,
    queue: string,
    stored: StoredJob,
    watch: Watch,
  ): Promise<StoredResult | undefined> {
    const { signal } = watch;
    const end = Promise.withResolvers<StoredResult | undefined>();
    end.promise.catch(() => {});
    let looking = false;
    const look = async (): Promise<void> => {
      if (looking) return;
      looking = true;
      try {
        const result = await this.ending(queue, id);
        if (result !== "none yet") end.resolve(result);
      } catch (error) {
        // Redis may be on its way back; the next look tells.
        if (error instanceof LssgenError) end.reject(error);
      } finally {
        looking = false;
      }
    };
    const follower: Follower = {
      queue,
      onBegin: watch.onBegin,
      onProgress: watch.onProgress,
      look: () => void look(),
    };
    const leave = (): void => {
      end.reject(new AbortedError());
      this.leave(queue, id).catch(() => {});
    };
    const known = this.followers.get(id);
    if (known) known.add(follower);
    else this.followers.set(id, new Set([follower]));
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    const lonely = this.noMachine(stored, (error) => {
      end.reject(error);
      this.leave(queue, id).catch(() => {});
    });
    try {
      await Promise.race([end.promise, this.answered(this.enter(id, queue, stored))]);
      follower.look();
      return await end.promise;
    } finally {
      clearInterval(lonely);
      signal.removeEventListener("abort", leave);
      const followers = this.followers.get(id);
      followers?.delete(follower);
      if (followers?.size === 0) {
        this.followers.delete(id);
        this.listening.unsubscribe(`${PREFIX}:job:${id}`).catch(() => {});
      }
    }
  }

  /**
   * Puts a job into its queue, unless it is there.
   *
   * @param follows Whether this process wants it; else those do who are in its list already.
   */
  private async enter(id: string, queue: string, stored: StoredJob, follows = true): Promise<void> {
    const heard = follows ? this.listening.subscribe(`${PREFIX}:job:${id}`) : undefined;
    const { start, finish } = fairTag(0, 0, stored.priority);
    const [there, finished, value, priority, virtual, base] = await this.scripts.lssgenEnter(
      6,
      `${PREFIX}:fair:${queue}`,
      `${PREFIX}:shares:${queue}`,
      `${PREFIX}:${queue}:${id}`,
      `${PREFIX}:queues`,
      `${PREFIX}:holders:${id}`,
      `${PREFIX}:stopped:${id}`,
      stored.client,
      finish - start,
      queue,
      follows ? this.holder : "",
    );
    await heard;
    // It waits or runs: there is nothing more to do.
    if (there === 1 && finished === null) return;
    // One that failed, or was cancelled, is tried anew when somebody asks for it again.
    if (finished !== null) {
      if (isResult(value)) return;
      await (await Job.fromId(this.queue(queue), id))?.remove().catch(() => {});
    }
    const moved = priority > MOVE_AT ? await this.moveScale(queue, virtual, base) - base : 0;
    await this.queue(queue).add("picture", stored, {
      jobId: id,
      priority: Math.min(MAX_PRIORITY, Math.max(1, 1 + priority - moved)),
      attempts: MAX_ATTEMPTS,
      backoff: { type: "custom" },
      removeOnComplete: { age: KEPT_S },
      removeOnFail: { age: DEAD_S, count: DEAD_COUNT },
      stackTraceLimit: 0,
    });
    await this.redis.publish(`${PREFIX}:wake`, queue);
  }

  /** Priorities have 21 bits: now and then virtual time is counted from a later start, the waiting jobs with it. */
  private async moveScale(queue: string, virtual: number, base: number): Promise<number> {
    const mine = await this.redis.set(`${PREFIX}:moving:${queue}`, this.holder, "EX", 60, "NX");
    if (mine === null) return base;
    for (const job of await this.queue(queue).getJobs(["prioritized"], 0, -1)) {
      await job.changePriority({ priority: Math.max(1, (job.priority || 1) - (virtual - base)) }).catch(
        () => {},
      );
    }
    await this.redis.hset(`${PREFIX}:fair:${queue}`, "base", virtual);
    await this.redis.del(`${PREFIX}:moving:${queue}`);
    return virtual;
  }

  /** How a job ended. Undefined: there is no such job. */
  private async ending(queue: string, id: string): Promise<StoredResult | undefined | "none yet"> {
    const key = `${PREFIX}:${queue}:${id}`;
    const [there, [finished, failed, value], stopped] = results(
      await this.redis.pipeline().exists(key).hmget(key, "finishedOn", "failedReason", "returnvalue")
        .exists(`${PREFIX}:stopped:${id}`).exec(),
    ) as [number, (string | null)[], number];
    // The reason of a try that failed stays when a later one ends well.
    const fell = failed !== null && value === null;
    if (stopped === 1 && (there === 0 || (finished !== null && !fell && !isResult(value)))) {
      throw new LssgenError("unavailable", `Job ${id.slice(0, 12)} was cancelled in the queue`);
    }
    if (there === 0) return undefined;
    if (finished === null) return "none yet";
    if (fell) throw readFailure(failed!);
    return readResult(parseJson(value));
  }

  /**
   * One who followed a job does not want it any more; the last one stops it.
   *
   * @param mine How many here follow it that leave now: 0 for a job of later stages that he has not come to.
   */
  private async leave(queue: string, id: string, mine = 1): Promise<void> {
    if ((this.followers.get(id)?.size ?? 0) > mine) return;
    const [, left, then] = results(
      await this.redis.multi().srem(`${PREFIX}:holders:${id}`, this.holder).scard(`${PREFIX}:holders:${id}`)
        .get(`${PREFIX}:next:${id}`).exec(),
    ) as [number, number, string | null];
    if (left === 0) await this.stop(queue, id);
    const next = mine > 0 ? readNext(then) : undefined;
    if (next) await this.leave(next.queue, next.id, 0);
  }

  /** See {@linkcode JobQueue}. */
  async cancel(id: string): Promise<boolean> {
    for (const { name } of await this.names()) if (await this.stop(name, id)) return true;
    return false;
  }

  /** Drops or stops a job of a queue, and the one of its later stages. */
  private async stop(queue: string, id: string): Promise<boolean> {
    const stopped = await this.stopOne(queue, id);
    const next = readNext(await this.redis.get(`${PREFIX}:next:${id}`));
    return next && await this.stopOne(next.queue, next.id) || stopped;
  }

  /** Drops or stops that job alone. */
  private async stopOne(queue: string, id: string): Promise<boolean> {
    const job = await Job.fromId(this.queue(queue), id);
    if (!job || job.finishedOn) return false;
    await this.redis.pipeline().set(`${PREFIX}:stopped:${id}`, "1", "EX", KEPT_S)
      .publish(`${PREFIX}:claim:${id}`, "stop").exec();
    // One that a machine has is locked: that machine has been told.
    await job.remove().catch(() => {});
    await this.redis.publish(`${PREFIX}:job:${id}`, '{"t":"end"}');
    return true;
  }

  /** Where no machine could ever draw a job, waiting has no end: it is told after a while. */
  private noMachine(stored: StoredJob, tell: (error: LssgenError) => void): ReturnType<typeof setInterval> {
    const patience = this.options.patienceMs ?? 60_000;
    let alone = 0;
    const every = Math.min(5000, Math.max(50, patience / 4));
    return setInterval(async () => {
      const workers = await this.recentMachines().catch(() => undefined);
      if (!workers) return;
      const updated = workers.filter(({ format }) => format === JOB_FORMAT);
      const holds = ({ models }: WorkerState): boolean => models.some(({ hash }) => hash === stored.model);
      const able = updated.some((worker) =>
        holds(worker) && sizeClass(stored.pixels) ** 2 <= worker.maxPixels
      );
      alone = able ? 0 : alone + every;
      if (alone < patience) return;
      const name = this.options.model?.name ?? "the model";
      const held = workers.flatMap(({ models }) => models);
      const same = held.find((model) => model.name === name && model.hash !== stored.model);
      const small = updated.some(holds);
      const old = workers.find(holds);
      tell(
        new LssgenError(
          "unavailable",
          `No worker can draw this picture with "${name}" (${stored.model.slice(0, 12)}): ` +
            (small
              ? `none of those that hold it draws up to ${
                sizeClass(stored.pixels)
              }² pixels; start one with a larger --max-size`
              : old
              ? `those that hold it are of another version of this program (${
                old.version.slice(0, 20)
              }), whose jobs are others; update them`
              : same
              ? `those that are there hold another version of it (${
                same.hash.slice(0, 12)
              }); give both the same files`
              : workers.length === 0
              ? "none is there; start one: cli.ts worker --queue …"
              : "none of those that are there holds it; put it into their --models folder"),
        ),
      );
    }, every);
  }

  /** Parameters as they go to Redis, pictures to begin with as they go to the store. */
  private async encode({ request, pixels, client, priority, previews }: QueuedPicture): Promise<StoredJob> {
    const { model, store, loraHash, loraNames } = this.options;
    if (!model) throw new LssgenError("internal", "This queue was opened without a model");
    const { image, mask, ...parameters } = request;
    const loras: Record<string, string> = {};
    for (const name of loraNames?.(request) ?? []) {
      const hash = await loraHash?.(name);
      if (hash !== undefined) loras[name] = hash;
    }
    const put = async (picture: GenerateRequest["image"]): Promise<string> => {
      const pixels: Picture = "decode" in picture! ? await picture.decode() : picture!;
      return await putHashed(store, "inputs", await encodePng(pixels));
    };
    return readJob(JSON.parse(JSON.stringify({
      v: JOB_FORMAT,
      model: model.hash,
      request: canonical(parameters),
      inputs: { ...image && { image: await put(image) }, ...mask && { mask: await put(mask) } },
      loras,
      pixels,
      client: client.length > 64 ? await sha256(client) : client,
      priority,
      ...previews && { previews: { every: previews.previewEvery ?? 1, kind: previews.preview ?? "auto" } },
    })));
  }

  /** The pictures of a result; undefined where the store has not all of them. */
  private async fetch({ images, warnings }: StoredResult): Promise<Drawn | undefined> {
    const found: GeneratedImage[] = [];
    for (const { picture, seed, parameters } of images) {
      const bytes = await getHashed(this.options.store, "pictures", picture);
      if (!bytes) return undefined;
      const { width, height, channels, data } = await decodePng(bytes, "picture of the store");
      if (channels !== 3) {
        throw new LssgenError("bad_file", `The picture ${picture.slice(0, 12)} of the store is not RGB`);
      }
      found.push({ width, height, rgb: data, seed, parameters });
    }
    return { images: found, warnings };
  }

  // ------------------------------------------------------------------------------------------------ who draws

  /** See {@linkcode JobQueue}. */
  async claim(offer: () => Offer, signal: AbortSignal): Promise<Claim | undefined> {
    while (!signal.aborted && !this.ended) {
      try {
        const trying = this.tryClaim(offer());
        const over = new AbortController();
        const claim = await Promise.race([trying, pauseAfter(signal, 2000, over.signal)])
          .finally(() => over.abort());
        if (claim) return claim;
        if (signal.aborted) {
          // Redis is away; what it says later is for others.
          trying.then((late) => late && this.finish(late, { release: "This worker ends", when: "now" }))
            .catch(() => {});
          return undefined;
        }
      } catch (error) {
        // Redis may be away for a while: machines wait for it.
        this.options.note?.(`${this.where}: ${(error as Error).message}`);
        await pause(1000, signal);
      }
      // Idle machines are many: they do not ask all at once.
      await new Promise<void>((resolve) => {
        const soon = Math.max(20, this.due - Date.now());
        const timer = setTimeout(done, Math.min(soon, 1000 + 1000 * Math.random()));
        const wake = this.wake;
        function done(): void {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          const at = wake.indexOf(done);
          if (at >= 0) wake.splice(at, 1);
          resolve();
        }
        signal.addEventListener("abort", done, { once: true });
        if (signal.aborted) done();
        else wake.push(done);
      });
    }
    return undefined;
  }

  /** Asks the queues once, in the policy's order. */
  private async tryClaim(offer: Offer): Promise<Claim | undefined> {
    const short: Offer = {
      ...offer,
      models: offer.models.map((hash) => hash.slice(0, SHORT)),
      loaded: offer.loaded?.slice(0, SHORT),
    };
    const heads = await this.heads(short);
    for (const { name } of claimOrder(short, heads, Date.now())) {
      const token = crypto.randomUUID();
      const job: Job | undefined = await this.worker(name).getNextJob(token, { block: false });
      if (!job?.id) continue;
      const claim = await this.take(name, job, token, offer);
      if (claim) return claim;
      return await this.tryClaim(offer);
    }
    return undefined;
  }

  /** Makes a claim of a job that BullMQ has handed out. Undefined: it was none to be drawn, and has been ended. */
  private async take(name: string, job: Job, token: string, offer: Offer): Promise<Claim | undefined> {
    const id = job.id!;
    const fail = async (code: ErrorCode, why: string): Promise<undefined> => {
      await job.moveToFailed(new UnrecoverableError(`${code}: ${why}`), token, false);
      await this.redis.publish(`${PREFIX}:job:${id}`, '{"t":"end"}');
    };
    if (job.deferredFailure) {
      return await fail(
        "internal",
        `This job took ${MAX_LOST + 1} machines along (killed or lost), and is set aside`,
      );
    }
    let stored: StoredJob;
    try {
      stored = readJob(job.data);
      if (await jobId(stored) !== id) {
        throw new LssgenError("bad_file", "The job in the queue is damaged: its name is not its hash");
      }
    } catch (error) {
      return await fail("bad_file", (error as Error).message);
    }
    if (queueName(stored.model, sizeClass(stored.pixels)) !== name) {
      return await fail(
        "bad_file",
        "The job in the queue is damaged: it lies in the queue of another model or size",
      );
    }
    if (!offer.models.includes(stored.model)) {
      // The first characters of two hashes are equal: as likely as a strike of lightning, or meant.
      return await fail("bad_file", "The job in the queue is damaged: no model has this hash");
    }
    const stop = new AbortController();
    const held: Held = {
      job,
      token,
      stop,
      reported: 0,
      previewed: 0,
      lost: false,
      renewing: setInterval(() => this.renew(held), this.leaseMs / 3),
    };
    this.held.set(id, held);
    try {
      await this.begin(name, held);
    } catch (error) {
      // Nobody would end it: its lease has to.
      clearInterval(held.renewing);
      this.held.delete(id);
      throw error;
    }
    const { request, pixels, client, priority, previews } = stored;
    return {
      id,
      model: stored.model,
      attempt: job.attemptsMade + 1,
      signal: stop.signal,
      request,
      pixels,
      client,
      priority,
      previews: previews && { previewEvery: previews.every, preview: previews.kind as "proj" | "auto" },
    };
  }

  /** Tells those who follow a job that it begins, moves virtual time, and hears whether it was cancelled meanwhile. */
  private async begin(name: string, { job, stop }: Held): Promise<void> {
    const id = job.id!;
    const heard = this.listening.subscribe(`${PREFIX}:claim:${id}`);
    const [fair, stopped] = results(
      await this.redis.pipeline()
        .hmget(`${PREFIX}:fair:${name}`, "virtual", "base")
        .exists(`${PREFIX}:stopped:${id}`)
        .publish(`${PREFIX}:job:${id}`, '{"t":"begin"}')
        .exec(),
    ) as [[string | null, string | null], number];
    const start = (job.opts.priority ?? 1) - 1 + whole(fair[1]);
    if (start > whole(fair[0])) this.redis.hset(`${PREFIX}:fair:${name}`, "virtual", start).catch(() => {});
    if (stopped === 1) stop.abort();
    await heard;
  }

  /** Hashes of the LoRAs that a job's sender has; a machine compares its own. */
  lorasOf({ id }: Claim): Readonly<Record<string, string>> {
    return (this.held.get(id)?.job.data as StoredJob | undefined)?.loras ?? {};
  }

  /** A claim whose pictures to begin with have been fetched. */
  async withInputs(claim: Claim): Promise<Claim> {
    const { inputs } = this.held.get(claim.id)?.job.data as StoredJob ?? { inputs: {} };
    const open = async (hash: string | undefined) =>
      hash === undefined ? undefined : await (await readInput(this.options.store, hash)).decode();
    return {
      ...claim,
      request: { ...claim.request, image: await open(inputs?.image), mask: await open(inputs?.mask) },
    };
  }

  /**
   * Which stages of a claimed job's picture are drawn, from which latents.
   *
   * @throws {LssgenError} `unavailable` where the store has not the latents.
   */
  async partOf({ id }: Claim): Promise<Pick<GenerateOptions, "stopAfter" | "resume">> {
    const { part } = (this.held.get(id)?.job.data ?? {}) as Partial<StoredJob>;
    if (part === undefined) return {};
    if ("until" in part) return { stopAfter: part.until };
    const { store } = this.options;
    const bytes = await getHashed(store, "latents", part.latents);
    if (bytes && bytes.length % 4 === 0) {
      return { resume: { stages: part.after, data: new Float32Array(bytes.slice().buffer) } };
    }
    throw new LostLatentsError(
      `The latents ${
        part.latents.slice(0, 12)
      } of the first stages are not in the object store, ${store.name}`,
    );
  }

  /** Holds a lease for longer, or hears that it is another's. */
  private async renew(held: Held): Promise<void> {
    try {
      if (Number(await held.job.extendLock(held.token, this.leaseMs)) === 1) return;
      held.lost = true;
      held.stop.abort();
    } catch {
      // Redis is away: nobody else can take the job either.
    }
  }

  /** See {@linkcode JobQueue}. */
  report({ id }: Claim, progress: Progress): void {
    const held = this.held.get(id);
    if (!held || held.lost) return;
    const { preview, ...rest } = progress;
    const now = Date.now();
    const send = (more: object): void =>
      void this.redis.publish(
        `${PREFIX}:job:${id}`,
        JSON.stringify({ t: "progress", p: { ...rest, ...more } }),
      )
        .catch(() => {});
    if (preview && now - held.previewed >= PREVIEW_MS) {
      held.previewed = now;
      const { width, height, rgb: data } = preview;
      encodePng({ width, height, channels: 3, data }).then(async (png) => {
        await this.options.store.put(`previews/${id}.png`, png);
        send({ preview: await sha256(png) });
      }).catch(() => {});
    } else if (now - held.reported >= REPORT_MS) {
      held.reported = now;
      send({});
    }
  }

  /** See {@linkcode JobQueue}. The job is in Redis until its end is: whatever fails here is tried until the lease is lost. */
  async finish({ id, attempt }: Claim, outcome: Outcome): Promise<void> {
    const held = this.held.get(id);
    if (!held) return;
    const { job, token, stop } = held;
    let end: () => Promise<unknown>;
    const fail = (error: unknown): void => {
      const code = error instanceof LssgenError ? error.code : "internal";
      const kind = error instanceof LostLatentsError ? LATENTS_LOST : code;
      const why = `${kind}: ${error instanceof Error ? error.message : String(error)}`.slice(0, 2000);
      const again = code === "unavailable" ? attempt < MAX_ATTEMPTS : worthRetrying(code, attempt);
      end = () => job.moveToFailed(again ? new Error(why) : new UnrecoverableError(why), token, false);
    };
    try {
      if (held.lost) return;
      if ("drawn" in outcome) {
        try {
          const first = (job.data as StoredJob).part !== undefined &&
            "until" in (job.data as StoredJob).part!;
          const { latents } = outcome.drawn;
          if (first !== (latents !== undefined)) {
            throw new LssgenError("internal", "The machine drew other stages than the job's");
          }
          const value = latents === undefined
            ? await this.keep(outcome.drawn)
            : await this.keepLatents(latents, outcome.drawn.warnings);
          end = async () => {
            // The later stages first: whoever dies in between leaves a job that is done twice, at worst, and none that is lost.
            if (value.latents !== undefined) {
              await this.enterRest(id, followUp(readJob(job.data), value.latents));
            }
            await job.moveToCompleted(value, token, false);
          };
        } catch (error) {
          fail(error);
        }
      } else if ("release" in outcome) {
        const left = ((job.data as StoredJob).left ?? 0) + 1;
        if (outcome.when === "now") end = () => job.moveToWait(token);
        else if (left >= MAX_LEFT) {
          fail(new LssgenError("unsupported", `${left} machines left it for others: ${outcome.release}`));
        } else {
          await job.updateData({ ...job.data, left });
          end = () => job.moveToDelayed(Date.now() + (this.options.retryDelayMs ?? retryDelayMs)(1), token);
        }
      } else if (stop.signal.aborted) {
        // Cancelled, or its machine was told to end at once; the latter puts it back.
        end = () => job.moveToCompleted({ stopped: true }, token, false);
      } else fail(outcome.error);
      await this.until(held, end!);
    } finally {
      clearInterval(held.renewing);
      this.held.delete(id);
      this.listening.unsubscribe(`${PREFIX}:claim:${id}`).catch(() => {});
      this.redis.publish(`${PREFIX}:job:${id}`, '{"t":"end"}').catch(() => {});
      if ("release" in outcome) this.redis.publish(`${PREFIX}:wake`, job.queueName).catch(() => {});
      this.options.store.remove(`previews/${id}.png`).catch(() => {});
    }
  }

  /** Tries an end until Redis has taken it, or the job is another machine's. */
  private async until(held: Held, end: () => Promise<unknown>): Promise<void> {
    for (let wait = 100; !held.lost && !this.ended; wait = Math.min(2000, wait * 2)) {
      try {
        await end();
        return;
      } catch (error) {
        const { message } = error as Error;
        // Its lock is another machine's, it was removed, or the same end got there in a first try whose answer was lost.
        if (/missing (lock|key)|not in the active state|lock mismatch|could not renew/i.test(message)) return;
        this.options.note?.(`${this.where}: ${readableTrouble(message)}; the result is kept and sent again`);
      }
      await pause(wait);
    }
  }

  /** Puts pictures into the store. */
  private async keep({ images, warnings }: Drawn): Promise<StoredResult> {
    const kept = [];
    for (const { width, height, rgb: data, seed, parameters } of images) {
      const picture = await putHashed(
        this.options.store,
        "pictures",
        await encodePng({ width, height, channels: 3, data }),
      );
      kept.push({ picture, seed, parameters });
    }
    return { v: JOB_FORMAT, images: kept, warnings };
  }

  /** Puts latents into the store. */
  private async keepLatents({ data }: StageLatents, warnings: readonly string[]): Promise<StoredResult> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return {
      v: JOB_FORMAT,
      images: [],
      latents: await putHashed(this.options.store, "latents", bytes),
      warnings,
    };
  }

  /** Puts the job of the later stages into its queue, for those who want the one of the first. */
  private async enterRest(id: string, stored: StoredJob): Promise<void> {
    const next = await placeOf(stored);
    const holders = `${PREFIX}:holders:${next.id}`;
    results(
      await this.redis.pipeline().set(`${PREFIX}:next:${id}`, `${next.queue} ${next.id}`, "EX", HELD_S)
        .sunionstore(holders, holders, `${PREFIX}:holders:${id}`).expire(holders, HELD_S).exec(),
    );
    await this.enter(next.id, next.queue, stored, false);
    // Who stopped it before this line looked for the next one too early.
    if (await this.redis.exists(`${PREFIX}:stopped:${id}`) === 1) await this.stopOne(next.queue, next.id);
  }

  /** Says that a machine is there; for a while. */
  async announce(state: Omit<WorkerState, "at">): Promise<void> {
    await this.redis.hset(`${PREFIX}:workers`, state.id, JSON.stringify({ ...state, at: Date.now() }));
  }

  /** Says that a machine has gone. */
  async goodbye(id: string): Promise<void> {
    await this.redis.hdel(`${PREFIX}:workers`, id);
  }

  /** The machines that are there. */
  async machines(): Promise<WorkerState[]> {
    const all = await this.redis.hgetall(`${PREFIX}:workers`);
    const now = Date.now();
    const there: WorkerState[] = [];
    for (const [id, text] of Object.entries(all)) {
      const state = readWorker(parseJson(text as string));
      if (state && now - state.at < 3 * ANNOUNCE_MS) there.push(state);
      // Who was killed has not said goodbye.
      else if (!state || now - state.at > 3600_000) await this.redis.hdel(`${PREFIX}:workers`, id);
    }
    return there;
  }

  /** The same for all who ask within a second or so: many wait, and the list is long. */
  private async recentMachines(): Promise<WorkerState[]> {
    const every = Math.min(2000, (this.options.patienceMs ?? 60_000) / 4);
    if (!this.seen || Date.now() - this.seen.at > every) {
      this.seen = { at: Date.now(), machines: this.machines() };
    }
    return await this.seen.machines;
  }

  // ------------------------------------------------------------------------------------------------- what there is

  /** Every queue there is. */
  async names(): Promise<QueueName[]> {
    const names: string[] = await this.redis.smembers(`${PREFIX}:queues`);
    return names.flatMap((name) => {
      const [, model, side] = QUEUE.exec(name) ?? [];
      return model === undefined ? [] : [{ name, model, side: Number(side) }];
    }).sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /**
   * A BullMQ queue by its name.
   *
   * @ignore
   */
  queue(name: string): Queue {
    let queue = this.queues.get(name);
    if (!queue) {
      // The script's hash is enough; Redis' version was read with the first.
      queue = new Queue(name, { connection: this.redis, prefix: PREFIX, skipMetasUpdate: true });
      queue.on("error", () => {});
      this.queues.set(name, queue);
    }
    return queue;
  }

  /** The heads of the queues that a machine may take from. */
  private async heads(offer: Offer): Promise<Head[]> {
    const names = (await this.names()).filter(({ model, side }) =>
      side * side <= offer.maxPixels && offer.models.includes(model)
    );
    // Jobs of machines that died are put back by the machines that could draw them.
    for (const { name } of names) this.worker(name);
    if (names.length === 0) return [];
    const pipeline = this.redis.pipeline();
    for (const { name } of names) {
      pipeline.lindex(`${PREFIX}:${name}:wait`, -1)
        .zrange(`${PREFIX}:${name}:prioritized`, "0", "0")
        .zrange(`${PREFIX}:${name}:delayed`, "0", "0", "WITHSCORES");
    }
    const found = results(await pipeline.exec());
    const now = Date.now();
    this.due = Infinity;
    const first = names.map(({ name }, i) => {
      const [waiting, [next], [delayed, score]] = found.slice(3 * i, 3 * i + 3) as [
        string | null,
        string[],
        string[],
      ];
      const at = delayed === undefined ? Infinity : Number(score) / 0x1000;
      const due = at <= now ? delayed : undefined;
      if (at > now) this.due = Math.min(this.due, at);
      return { name, id: waiting ?? next ?? due };
    });
    const times = this.redis.pipeline();
    for (const { name, id } of first) times.hget(`${PREFIX}:${name}:${id ?? "none"}`, "timestamp");
    const since = results(await times.exec());
    return names.map((name, i) => ({
      ...name,
      // A job whose record is gone is found, and dropped, by BullMQ.
      since: first[i].id === undefined ? undefined : whole(since[i] as string | null) || now,
    }));
  }

  /** BullMQ's side of a machine for a queue: it hands out jobs and finds those of dead machines. */
  private worker(name: string): Worker {
    let worker = this.workers.get(name);
    if (!worker) {
      worker = new Worker(
        name,
        null,
        {
          connection: this.redis,
          prefix: PREFIX,
          autorun: false,
          lockDuration: this.leaseMs,
          stalledInterval: this.leaseMs,
          maxStalledCount: MAX_LOST,
          settings: { backoffStrategy: this.options.retryDelayMs ?? retryDelayMs },
        },
        (queue: string, options: object) => createRedisBackend(queue, options as never, { blocking: false }),
      );
      worker.on("error", () => {});
      worker.startStalledCheckTimer().catch(() => {});
      this.workers.set(name, worker);
    }
    return worker;
  }

  /** A message of a channel. */
  private heard(channel: string, message: string): void {
    if (channel === `${PREFIX}:wake`) {
      for (const wake of [...this.wake]) wake();
      return;
    }
    const [, what, id] = channel.split(":");
    if (what === "claim") this.held.get(id)?.stop.abort();
    const followers = this.followers.get(id);
    if (what !== "job" || !followers) return;
    const said = parseJson(message) as { readonly t?: unknown; readonly p?: unknown } | undefined;
    if (said?.t === "begin") { for (const { onBegin } of followers) onBegin?.(); }
    if (said?.t === "end") { for (const { look } of followers) look(); }
    if (said?.t === "progress") this.progress(id, followers, said.p);
  }

  /** A report: its preview is fetched first. */
  private progress(id: string, followers: ReadonlySet<Follower>, value: unknown): void {
    const { preview, ...progress } = readProgress(value);
    const tell = (more: Partial<Progress>): void => {
      for (const { onProgress } of followers) onProgress?.({ ...progress, ...more });
    };
    if (preview === undefined) return tell({});
    this.options.store.get(`previews/${id}.png`, MAX_OBJECT).then(async (bytes) => {
      // The next preview may have taken its place by now.
      if (!bytes || await sha256(bytes) !== preview) return tell({});
      const { width, height, channels, data } = await decodePng(bytes, "preview");
      tell(channels === 3 ? { preview: { width, height, rgb: data } } : {});
    }).catch(() => {});
  }

  /** Messages get lost when a connection breaks: every job that is followed is looked at. */
  private sweep(): void {
    for (const followers of this.followers.values()) for (const { look } of followers) look();
  }

  /** What Redis answers; an error where it does not. */
  private async answered<T>(asked: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() =>
        reject(
          new LssgenError(
            "unavailable",
            `The queue at ${this.where} does not answer${
              this.trouble && `: ${readableTrouble(this.trouble)}`
            }`,
          ),
        ), this.options.answerMs ?? ANSWER_MS);
    });
    try {
      return await Promise.race([asked, late]);
    } catch (error) {
      if (error instanceof LssgenError) throw error;
      throw new LssgenError(
        "unavailable",
        `The queue at ${this.where} refused: ${readableTrouble((error as Error).message)}`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Leaves Redis; jobs in its hands stay there until their lease ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.ended = true;
    clearInterval(this.sweeping);
    for (const { renewing } of this.held.values()) clearInterval(renewing);
    for (const wake of [...this.wake]) wake();
    for (const worker of this.workers.values()) await worker.close().catch(() => {});
    for (const queue of this.queues.values()) await queue.close().catch(() => {});
    this.redis.disconnect();
    this.listening.disconnect();
  }
}

/** What Redis does in one go when a job comes: who else asks for it, whether it is there, and its place by fairTag(). */
const ENTER = `
if ARGV[4] ~= "" then redis.call("SADD", KEYS[5], ARGV[4]) end
redis.call("EXPIRE", KEYS[5], ${HELD_S})
redis.call("SADD", KEYS[4], ARGV[3])
redis.call("DEL", KEYS[6])
local job = redis.call("HMGET", KEYS[3], "finishedOn", "returnvalue")
local there = redis.call("EXISTS", KEYS[3])
local virtual = tonumber(redis.call("HGET", KEYS[1], "virtual") or 0)
local base = tonumber(redis.call("HGET", KEYS[1], "base") or 0)
local start = math.max(virtual, tonumber(redis.call("ZSCORE", KEYS[2], ARGV[1]) or 0))
if there == 0 or job[1] then
  -- A client that is not ahead of virtual time is a new one.
  redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", virtual)
  redis.call("ZADD", KEYS[2], start + tonumber(ARGV[2]), ARGV[1])
end
return { there, job[1], job[2], start - base, virtual, base }
`;

/** The script as a command. */
interface Scripts {
  lssgenEnter(
    keys: number,
    ...words: (string | number)[]
  ): Promise<
    [
      there: number,
      finished: string | null,
      value: string | null,
      priority: number,
      virtual: number,
      base: number,
    ]
  >;
}

/** Milliseconds between a machine's announcements. */
export const ANNOUNCE_MS = 5000;

const QUEUE = new RegExp(`^([0-9a-f]{${SHORT}})-(\\d{1,6})-v${JOB_FORMAT}$`);

/** The queue of a model and a size class. */
export function queueName(model: string, side: number): string {
  return `${model.slice(0, SHORT)}-${side}-v${JOB_FORMAT}`;
}

/** The name of a job, and the queue in which it lies. */
async function placeOf(stored: StoredJob): Promise<{ id: string; queue: string }> {
  return { id: await jobId(stored), queue: queueName(stored.model, sizeClass(stored.pixels)) };
}

/** The job after one of first stages. */
function readNext(text: string | null): { queue: string; id: string } | undefined {
  const [queue, id] = text?.split(" ") ?? [];
  return queue !== undefined && QUEUE.test(queue) && /^[0-9a-f]{64}$/.test(id ?? "")
    ? { queue, id }
    : undefined;
}

/** Why a job of later stages fails whose latents are lost: the first stages are drawn again then. */
class LostLatentsError extends LssgenError {
  constructor(message: string) {
    super("unavailable", message);
    this.name = "LostLatentsError";
  }
}

/** A failed job's reason as the error that it was; hostile texts stay texts. */
function readFailure(reason: string): LssgenError {
  const [, code, why] = /^([a-z_]{3,20}): ([\s\S]*)$/.exec(reason) ?? [];
  const known: readonly string[] = [
    "bad_option",
    "bad_file",
    "bad_tensor",
    "unsupported",
    "no_adapter",
    "device_lost",
    "out_of_memory",
    "numeric",
    "unavailable",
    "internal",
  ];
  if (code === LATENTS_LOST) return new LostLatentsError(why.slice(0, 2000));
  return code !== undefined && known.includes(code)
    ? new LssgenError(code as ErrorCode, why.slice(0, 2000))
    : new LssgenError("internal", `The worker failed: ${reason.slice(0, 2000)}`);
}

function isResult(value: string | null): boolean {
  try {
    readResult(parseJson(value));
    return true;
  } catch {
    return false;
  }
}

/** Numbers of a report; whoever can publish in Redis may have written anything. */
function readProgress(value: unknown): Omit<Progress, "preview"> & { readonly preview?: string } {
  const from = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const phases = ["load", "encode", "denoise", "upsample", "decode"] as const;
  const number = (key: string): number | undefined =>
    Number.isFinite(from[key]) ? from[key] as number : undefined;
  return {
    phase: phases.find((phase) => phase === from.phase) ?? "load",
    stage: number("stage"),
    stages: number("stages"),
    step: number("step"),
    steps: number("steps"),
    preview: typeof from.preview === "string" ? from.preview : undefined,
  };
}

function readWorker(value: unknown): WorkerState | undefined {
  const state = value as WorkerState | undefined;
  const fits = typeof state === "object" && state !== null && typeof state.id === "string" &&
    typeof state.host === "string" && typeof state.version === "string" && Number.isFinite(state.maxPixels) &&
    Number.isFinite(state.at) && Array.isArray(state.models) &&
    state.models.every((model) => typeof model?.name === "string" && typeof model.hash === "string");
  return fits ? state : undefined;
}

async function readInput(store: ObjectStore, hash: string) {
  const bytes = await getHashed(store, "inputs", hash);
  if (bytes) return openPicture(bytes, { name: "picture to begin with" });
  throw new LssgenError(
    "unavailable",
    `The picture to begin with, ${hash.slice(0, 12)}, is not in the object store, ${store.name}`,
  );
}

function whole(value: string | null | undefined): number {
  const number = Math.floor(Number(value ?? 0));
  return Number.isSafeInteger(number) ? number : 0;
}

/** Answers of a pipeline; the first error is thrown. */
function results(answers: [Error | null, unknown][] | null): unknown[] {
  return (answers ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

/** What a user of Redis needs to be a queue's. */
const ACL_RULES = `~${PREFIX}:* &${PREFIX}:* +@all -@dangerous +info`;

/** What Redis says, in words that say what to do. */
function readableTrouble(message: string): string {
  if (/^(.* )?OOM /.test(message)) return "its memory is full (maxmemory); give it more, or drain the queue";
  if (/NOAUTH|WRONGPASS|invalid password/i.test(message)) {
    return "it wants a password: redis://:PASSWORD@HOST";
  }
  if (/NOPERM/.test(message)) {
    return `its user may not do what a queue needs (${message.slice(0, 80)}); ACL SETUSER NAME ${ACL_RULES}`;
  }
  if (/self-signed certificate|unable to (get|verify)|UnknownIssuer/i.test(message)) {
    return `${message.slice(0, 100)}; name the file of its authority: DENO_CERT=CA.pem`;
  }
  if (/ECONNRESET|EPIPE/.test(message)) {
    return `it hangs up (${message.slice(0, 60)}); one that wants TLS is rediss://`;
  }
  if (/MISCONF/.test(message)) return "it cannot write to its disk";
  if (/READONLY/.test(message)) return "it is a replica, which takes no jobs";
  return message.slice(0, 200);
}

function checkUrl(url: string): void {
  let protocol = "";
  try {
    protocol = new URL(url).protocol;
  } catch {
    // Said below.
  }
  if (protocol !== "redis:" && protocol !== "rediss:") {
    throw new LssgenError(
      "bad_option",
      `--queue is "${shownUrl(url)}", expected redis://HOST:6379, or rediss:// for TLS`,
    );
  }
}

/** An address without its password. */
export function shownUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//").slice(0, 200);
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted) done();
  });
}

/** Resolves some time after a signal, unless `over` fires first. */
function pauseAfter(signal: AbortSignal, ms: number, over: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const wait = (): void => void pause(ms, over).then(() => resolve(undefined));
    if (signal.aborted) wait();
    else signal.addEventListener("abort", wait, { once: true, signal: over });
  });
}
