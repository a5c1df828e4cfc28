/**
 * The queue of one process: jobs in memory, in the order of their clients' shares.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import type { Progress } from "../pipelines/types.ts";
import { FairShare, type Offer } from "./policy.ts";
import type { Claim, Drawn, JobQueue, Outcome, QueuedPicture, Watch } from "./queue.ts";

interface Entry {
  readonly claim: Claim;
  readonly watch: Watch;
  readonly start: number;
  readonly stop: AbortController;
  readonly end: PromiseWithResolvers<Drawn>;
}

/** See the module. Nothing is tried again: there is no other machine, and the engine reopens its own device. */
export class LocalQueue implements JobQueue {
  private readonly shares = new FairShare();
  private readonly waiting: Entry[] = [];
  private readonly running = new Map<string, Entry>();
  private ids = 0;
  private wake: (() => void)[] = [];

  /** See {@linkcode JobQueue}. */
  async submit(job: QueuedPicture, watch: Watch): Promise<Drawn> {
    if (watch.signal.aborted) throw new AbortedError();
    const stop = new AbortController();
    const id = String(++this.ids);
    const entry: Entry = {
      claim: { ...job, id, attempt: 1, signal: stop.signal },
      watch,
      start: this.shares.enter(job.client, job.priority),
      stop,
      end: Promise.withResolvers<Drawn>(),
    };
    const leave = (): void => void this.cancel(id);
    watch.signal.addEventListener("abort", leave, { once: true });
    this.waiting.push(entry);
    for (const wake of this.wake.splice(0)) wake();
    try {
      return await entry.end.promise;
    } finally {
      watch.signal.removeEventListener("abort", leave);
    }
  }

  /** See {@linkcode JobQueue}. */
  async claim(offer: () => Offer, signal: AbortSignal): Promise<Claim | undefined> {
    while (!signal.aborted) {
      const next = this.open(offer()).reduce<Entry | undefined>(
        (least, entry) => least && least.start <= entry.start ? least : entry,
        undefined,
      );
      if (next) {
        this.waiting.splice(this.waiting.indexOf(next), 1);
        this.shares.served(next.start);
        this.running.set(next.claim.id, next);
        next.watch.onBegin?.();
        return next.claim;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener("abort", wake);
          resolve();
        };
        signal.addEventListener("abort", wake, { once: true });
        this.wake.push(wake);
      });
    }
    return undefined;
  }

  /** Jobs that may be next: those of models that are in memory, as long as the machine stays with those. */
  private open({ ready = [], staysUntil = 0 }: Offer): readonly Entry[] {
    if (Date.now() >= staysUntil) return this.waiting;
    // What needs no model goes with any.
    const there = this.waiting.filter(({ claim: { model } }) => model === undefined || ready.includes(model));
    return there.length > 0 ? there : this.waiting;
  }

  /** See {@linkcode JobQueue}. */
  report({ id }: Claim, progress: Progress): void {
    this.running.get(id)?.watch.onProgress?.(progress);
  }

  /** See {@linkcode JobQueue}. */
  async finish({ id }: Claim, outcome: Outcome): Promise<void> {
    const entry = this.running.get(id);
    this.running.delete(id);
    if (!entry) return;
    if ("drawn" in outcome) entry.end.resolve(outcome.drawn);
    else entry.end.reject("error" in outcome ? outcome.error : new AbortedError());
    // Those who follow it hear of this end before the next job begins.
    await new Promise<void>((resolve) => setTimeout(resolve));
  }

  /** See {@linkcode JobQueue}. */
  cancel(id: string): Promise<boolean> {
    const at = this.waiting.findIndex(({ claim }) => claim.id === id);
    const [entry] = at < 0 ? [] : this.waiting.splice(at, 1);
    entry?.end.reject(new AbortedError());
    const running = this.running.get(id);
    // Its machine ends it within one step, and rejects with this reason.
    running?.stop.abort(new AbortedError());
    return Promise.resolve(entry !== undefined || running !== undefined);
  }
}
