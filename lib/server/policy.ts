/**
 * Who is served next, and by which machine: pure functions, which the in-process queue, the queue on Redis and the
 * simulation of a thousand machines all call.
 *
 * @module
 */

/** How much of the machines a job's client gets beside others: `high` four times `normal`, `low` a quarter of it. */
export type Priority = "high" | "normal" | "low";

/** Every {@linkcode Priority}. */
export const PRIORITIES: readonly Priority[] = ["high", "normal", "low"];

/** Sides of the largest square of each size class, in pixels. */
export const SIZE_CLASSES: readonly number[] = [512, 1024, 2048, 4096, 16384];

/** The size class of a picture: the side of the smallest class that holds its pixels. */
export function sizeClass(pixels: number): number {
  return SIZE_CLASSES.find((side) => pixels <= side * side) ?? SIZE_CLASSES.at(-1)!;
}

/** What a picture costs its client in virtual time, by priority; whole numbers, since Redis' priorities are. */
const COST: Readonly<Record<Priority, number>> = { high: 1, normal: 4, low: 16 };

/** A job's place in the order of a queue. */
export interface FairTag {
  /** The job with the least start is served next. */
  readonly start: number;
  /** The earliest start of the same client's next job. */
  readonly finish: number;
}

/**
 * Start-time fair queuing: a client's jobs follow each other in virtual time, which is the start of the job served last. Who
 * has sent a thousand jobs waits for his own, and nobody starves: starts are fixed, and virtual time passes them.
 *
 * @param virtual Virtual time of the queue.
 * @param last The client's last finish; 0 for a new one.
 *
 * Source: Goyal, Vin, Cheng, "Start-time Fair Queuing", SIGCOMM 1996.
 */
export function fairTag(virtual: number, last: number, priority: Priority): FairTag {
  const start = Math.max(virtual, last);
  return { start, finish: start + COST[priority] };
}

/** {@linkcode fairTag} with its state in memory. */
export class FairShare {
  private virtual = 0;
  private readonly last = new Map<string, number>();

  /** The start of a new job. */
  enter(client: string, priority: Priority): number {
    const { start, finish } = fairTag(this.virtual, this.last.get(client) ?? 0, priority);
    this.last.set(client, finish);
    return start;
  }

  /** Tells that a job is being served. */
  served(start: number): void {
    this.virtual = Math.max(this.virtual, start);
    if (this.last.size < 4096) return;
    // A client that is not ahead of virtual time is a new one.
    for (const [client, finish] of this.last) if (finish <= this.virtual) this.last.delete(client);
  }
}

/** What a machine can draw. */
export interface Offer {
  /** Models that it holds, by hash. */
  readonly models: readonly string[];
  /** Pixels of the largest picture that it can draw. */
  readonly maxPixels: number;
  /** The model that is on the GPU. */
  readonly loaded?: string;
  /** All models that are in memory, where a machine holds several at once. */
  readonly ready?: readonly string[];
  /** While that model has work, no other one is loaded before this time, in milliseconds ({@linkcode stayMs}). */
  readonly staysUntil?: number;
}

/** The head of a queue: one model, one size class. */
export interface QueueHead {
  /** The model's hash. */
  readonly model: string;
  /** Size class. */
  readonly side: number;
  /** When its next job was sent, in milliseconds; undefined: nothing waits. */
  readonly since?: number;
}

/** A machine stays with a model so many times as long as loading it took: a twentieth of its time goes to loading at most. */
const STAY_TIMES = 20;
/** Milliseconds that the largest pictures a machine can draw come before others. */
const LARGEST_MS = 30_000;

/** Milliseconds that a machine stays with a model whose loading took so many. */
export function stayMs(loadMs: number): number {
  return STAY_TIMES * loadMs;
}

/** Whether a machine may take jobs of a queue. */
export function canTake(offer: Offer, { model, side }: QueueHead): boolean {
  return side * side <= offer.maxPixels && offer.models.includes(model);
}

/**
 * The queues that a machine asks, in this order: those of its loaded model while it stays with that, then those whose head has
 * waited longest, half a minute added in the largest class that the machine can draw, where smaller ones cannot help. Waits
 * alone would have machines change models all the time: under load every queue has a head that has waited longer.
 *
 * @param now Milliseconds, on the clock of `since`.
 */
export function claimOrder<Head extends QueueHead>(
  offer: Offer,
  heads: readonly Head[],
  now: number,
): Head[] {
  const open = heads.filter((head) => head.since !== undefined && canTake(offer, head));
  const largest = Math.max(...open.map(({ side }) => side));
  const stays = now < (offer.staysUntil ?? 0);
  const urgency = ({ model, side, since }: Head): number =>
    now - since! + (side === largest ? LARGEST_MS : 0) + (stays && model === offer.loaded ? Infinity : 0);
  const before = (a: Head, b: Head): number => {
    const [first, second] = [urgency(a), urgency(b)];
    // Of two that wait as long, or that both come first, the longer wait.
    return first === second ? a.since! - b.since! : second - first;
  };
  return open.sort(before);
}

/** When the first stages of a picture are a job of their own, for a smaller machine than the last ones. */
export type SplitStages = "never" | "auto" | "always";

/** Every {@linkcode SplitStages}. */
export const SPLIT_STAGES: readonly SplitStages[] = ["never", "auto", "always"];

/** Machines, and the pictures that wait for them. */
export interface Pool {
  /** Machines that are there. */
  readonly machines: number;
  /** Pixels of all pictures that wait: what they cost goes with that. */
  readonly waiting: number;
}

/** How much longer a large machine's line has to be than a small one's. */
const LONGER = 2;

/**
 * Whether it pays to draw the first stages of a picture on a smaller machine: pictures wait for those that can draw it whole, and
 * each of these has more than twice as many pixels before it as each of those that can draw the first stages only. Where both have
 * as much to do, a split costs time (the prompt is read twice, latents are written and read) and brings none: docs/SCALE.md.
 *
 * @param large Machines that could draw it whole, and pictures that no smaller one can draw.
 * @param small Machines that could draw the first stages only, and pictures that they can draw.
 */
export function worthSplitting(large: Pool, small: Pool): boolean {
  if (large.machines === 0 || small.machines === 0 || large.waiting === 0) return false;
  return large.waiting / large.machines > LONGER * small.waiting / small.machines;
}

/** The stage before which a picture is cut: the first of its last size class. Undefined: all are of one class. */
export function cutBefore(stagePixels: readonly number[]): number | undefined {
  const classes = stagePixels.map(sizeClass);
  const at = classes.indexOf(classes.at(-1)!);
  return at > 0 ? at : undefined;
}

/** How often a job is tried that fails on a machine, the first time included. */
export const MAX_ATTEMPTS = 3;
/** How many machines a job may take along (killed, lost) before it is set aside. */
export const MAX_LOST = 3;

/** Errors that another machine, or another try, may not have. All others are the request's own. */
const OF_THE_MACHINE: readonly string[] = ["device_lost", "out_of_memory", "no_adapter", "internal"];

/** Whether a job that failed with this code is tried again. */
export function worthRetrying(code: string, attempt: number): boolean {
  return attempt < MAX_ATTEMPTS && OF_THE_MACHINE.includes(code);
}

/** Milliseconds until the next try of a job that failed `attempt` times. */
export function retryDelayMs(attempt: number): number {
  return Math.min(60_000, 1000 * 4 ** (attempt - 1));
}
