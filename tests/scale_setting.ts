/** A Redis, a store, and queues and machines before them, whose drawing threads have no GPU. */

import type { QueuedPicture } from "../lib/server/queue.ts";
import { Drawing } from "../scale/drawing.ts";
import type { EngineChoice } from "../lib/parameters/engine_choice.ts";
import type { HeldModel } from "../scale/models.ts";
import { queueName, RedisQueue, type RedisQueueOptions } from "../scale/redis_queue.ts";
import { FolderStore } from "../scale/store.ts";
import { runWorker } from "../scale/worker.ts";
import { TestRedis } from "./redis.ts";

/** Of the model. */
export const HASH: string = "a".repeat(64);
/** It. */
export const MODEL: { readonly name: string; readonly hash: string } = { name: "fake", hash: HASH };
/** Of small pictures. */
export const QUEUE: string = queueName(HASH, 512);

/** See the module. */
export class Stage implements AsyncDisposable {
  private readonly stack = new AsyncDisposableStack();
  /** What was said to operators. */
  readonly notes: string[] = [];

  private constructor(readonly redis: TestRedis, readonly folder: string, readonly store: FolderStore) {
    this.stack.defer(() => Deno.remove(folder, { recursive: true }));
    this.stack.use(redis);
  }

  static async set(...more: string[]): Promise<Stage> {
    const folder = await Deno.makeTempDir();
    return new Stage(await TestRedis.start(...more), folder, await FolderStore.open(folder));
  }

  async queue(options: Partial<RedisQueueOptions> = {}): Promise<RedisQueue> {
    return this.stack.use(
      await RedisQueue.open({
        url: this.redis.url,
        store: this.store,
        model: MODEL,
        leaseMs: 2000,
        retryDelayMs: () => 50,
        note: (text) => this.notes.push(text),
        ...options,
      }),
    );
  }

  /** A machine, with `engine` one that draws. Returns what ends it. */
  async machine(
    options: Partial<RedisQueueOptions> = {},
    models: readonly HeldModel[] = [MODEL],
    side = 2048,
    engine: EngineChoice | undefined = undefined,
  ): Promise<() => Promise<void>> {
    const queue = await this.queue({ ...options, model: undefined });
    const thread = engine ? undefined : new URL("./scale_drawing.ts", import.meta.url);
    const drawing = new Drawing(() => {}, thread);
    const ending = new AbortController();
    const running = runWorker(queue, {
      models,
      maxPixels: side * side,
      engine,
      drawing,
      drainMs: 200,
      ending: ending.signal,
    });
    const end = async (): Promise<void> => {
      ending.abort();
      await running;
      drawing[Symbol.dispose]();
    };
    this.stack.defer(end);
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }
}

/** A small picture. */
export function picture(prompt: string, seed = 1, more: Partial<QueuedPicture> = {}): QueuedPicture {
  return {
    request: { prompt, seed, width: 64, height: 64 },
    pixels: 4096,
    client: "c",
    priority: "normal",
    ...more,
  };
}

/** Nobody leaves. */
export const never: AbortSignal = new AbortController().signal;
