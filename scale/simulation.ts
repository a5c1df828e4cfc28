/**
 * A thousand machines and a day of requests on a virtual clock, over the policy that the queues use: fairTag(), claimOrder(),
 * sizeClass(), worthRetrying(), retryDelayMs(). What is made up here are machines, clients and times, nothing of the order.
 *
 * @module
 */

import {
  claimOrder,
  FairShare,
  MAX_LOST,
  type Offer,
  type QueueHead,
  retryDelayMs,
  sizeClass,
  stayMs,
  worthRetrying,
  worthSplitting,
} from "../lib/server/policy.ts";

/** A kind of picture. */
export interface Work {
  /** The model. */
  readonly model: string;
  /** Side of the picture in pixels. */
  readonly side: number;
  /** Seconds of a machine. */
  readonly seconds: number;
  /** Share of the requests. */
  readonly share: number;
}

/** A kind of machine. */
export interface Fleet {
  /** Machines. */
  readonly count: number;
  /** Side of the largest picture. */
  readonly maxSide: number;
  /** Models that they hold. */
  readonly models: readonly string[];
  /** Speed; 1 draws a picture in its seconds. */
  readonly speed: number;
}

/** What is simulated. */
export interface SimulationOptions {
  /** Requests in all. */
  readonly jobs: number;
  /** Their kinds. */
  readonly works: readonly Work[];
  /** The machines. */
  readonly fleets: readonly Fleet[];
  /** Seconds in which all requests arrive. */
  readonly span: number;
  /** Requests a second at a share of the span, over the mean; 1 is an even stream. */
  readonly curve?: (share: number) => number;
  /** Clients; a few of them send most. */
  readonly clients: number;
  /** How uneven clients are: the k-th sends as 1 / k^skew. */
  readonly skew?: number;
  /** Seconds that loading a model takes. */
  readonly loadSeconds: number;
  /** Mean seconds between two failures of a machine; it is away for `awaySeconds`, its job is found after the lease. */
  readonly failEvery?: number;
  /** Seconds. */
  readonly awaySeconds?: number;
  /** Seconds until the job of a machine that failed is given to another. */
  readonly leaseSeconds?: number;
  /** Share of the jobs whose try fails, by the machine's fault. */
  readonly faults?: number;
  /** Splits a picture into stages that are jobs of their own; undefined: it is one. */
  readonly stages?: (work: Work) => readonly Work[];
  /** They are jobs of their own only where worthSplitting() says so when the picture is asked for. */
  readonly splitsByRule?: boolean;
  /** Seconds after which clients' shares are counted, and until when. Default the middle half of the span. */
  readonly counted?: readonly [from: number, to: number];
  /** Seed of the chance. */
  readonly seed?: number;
}

/** What came of it. */
export interface SimulationResult {
  /** Jobs that ended well, and those set aside. */
  readonly done: number;
  /** See done. */
  readonly dead: number;
  /** Share of machine time that was spent on pictures that ended well, within `counted`, of machines that were there. */
  readonly utilisation: number;
  /** Share spent on loading models. */
  readonly loading: number;
  /** Share spent on pictures whose machine failed. */
  readonly wasted: number;
  /**
   * Jain's index of machine time over the clients of a queue that had work waiting there throughout `counted`, in the queue where
   * it is least: 1 is fair, 1/n is one for all.
   */
  readonly fairness: number;
  /** Most clients that it is over. */
  readonly backlogged: number;
  /** Seconds from request to begin: median, 95th and 99th percentile. */
  readonly wait: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** 95th percentile of the wait by kind of work, "model side". */
  readonly p95: Readonly<Record<string, number>>;
  /** Seconds from the first request to the last end. */
  readonly makespan: number;
  /** Pictures whose stages became jobs of their own. */
  readonly split: number;
}

interface Job {
  readonly client: number;
  readonly work: Work;
  /** Stages after this one. */
  readonly rest: readonly Work[];
  readonly arrived: number;
  readonly start: number;
  attempt: number;
  lost: number;
  begun: number;
}

interface Machine {
  readonly offer: { models: readonly string[]; maxPixels: number; loaded?: string; staysUntil?: number };
  readonly speed: number;
  /** Raised by a failure: what was planned for it before counts no more. */
  life: number;
  job?: Job;
  since: number;
  away: boolean;
}

/** A heap: the least comes first. */
class Heap<Item> {
  private readonly items: Item[] = [];
  constructor(private readonly less: (a: Item, b: Item) => boolean) {}
  get size(): number {
    return this.items.length;
  }
  get first(): Item | undefined {
    return this.items[0];
  }
  push(item: Item): void {
    const { items, less } = this;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!less(items[at], items[up])) break;
      [items[at], items[up]] = [items[up], items[at]];
      at = up;
    }
  }
  pop(): Item | undefined {
    const { items, less } = this;
    const [first] = items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    items[0] = last;
    for (let at = 0;;) {
      let least = at;
      for (const down of [2 * at + 1, 2 * at + 2]) {
        if (down < items.length && less(items[down], items[least])) least = down;
      }
      if (least === at) return first;
      [items[at], items[least]] = [items[least], items[at]];
      at = least;
    }
  }
}

interface Line extends QueueHead {
  readonly share: FairShare;
  readonly waiting: Heap<Job & { readonly turn: number }>;
  since?: number;
  /** By client: jobs that wait, whether there was a time without one, seconds that were drawn. */
  readonly waitingOf: Int32Array;
  readonly everIdle: Uint8Array;
  readonly served: Float64Array;
}

/** Runs it. */
export function simulate(options: SimulationOptions): SimulationResult {
  const {
    jobs,
    works,
    span,
    curve = () => 1,
    clients,
    skew = 1,
    loadSeconds,
    failEvery = Infinity,
    awaySeconds = 300,
    leaseSeconds = 30,
    faults = 0,
    counted = [span / 4, 3 * span / 4],
  } = options;
  const random = generator(options.seed ?? 1);
  const lines = new Map<string, Line>();
  const lineOf = ({ model, side }: Work): Line => {
    const size = sizeClass(side * side);
    const name = `${model} ${size}`;
    let line = lines.get(name);
    if (!line) {
      line = {
        model,
        side: size,
        share: new FairShare(),
        waitingOf: new Int32Array(clients),
        everIdle: new Uint8Array(clients),
        served: new Float64Array(clients),
        waiting: new Heap((a, b) => a.start < b.start || (a.start === b.start && a.turn < b.turn)),
      };
      lines.set(name, line);
    }
    return line;
  };
  const machines: Machine[] = options.fleets.flatMap(({ count, maxSide, models, speed }) =>
    Array.from({ length: count }, (_, i) => ({
      offer: { models, maxPixels: maxSide ** 2, loaded: models[i % models.length] },
      speed,
      life: 0,
      since: 0,
      away: false,
    }))
  );
  const idle = new Set<Machine>(machines);
  const events = new Heap<{ readonly at: number; readonly turn: number; readonly run: () => void }>((a, b) =>
    a.at < b.at || (a.at === b.at && a.turn < b.turn)
  );
  let turn = 0;
  let now = 0;
  const after = (seconds: number, run: () => void): void =>
    events.push({ at: now + seconds, turn: turn++, run });
  const overlap = (from: number, to: number): number =>
    Math.max(0, Math.min(to, counted[1]) - Math.max(from, counted[0]));
  let useful = 0;
  let loading = 0;
  let wasted = 0;
  let there = machines.length * (counted[1] - counted[0]);
  let done = 0;
  let dead = 0;
  let split = 0;
  let last = 0;
  const waits: number[] = [];
  const waitsOf = new Map<string, number[]>();
  const within = (): boolean => now >= counted[0] && now <= counted[1];

  const head = (line: Line): void => {
    const arrived = line.waiting.first?.arrived;
    line.since = arrived === undefined ? undefined : 1000 * arrived;
  };
  const enter = (job: Job): void => {
    const line = lineOf(job.work);
    line.waiting.push({ ...job, turn: turn++ });
    line.waitingOf[job.client]++;
    head(line);
    // Machines that are idle hear of it; the one that can and has the model loaded is as quick as any.
    let best: Machine | undefined;
    for (const machine of idle) {
      const { maxPixels, models, loaded } = machine.offer;
      if (line.side ** 2 > maxPixels || !models.includes(line.model)) continue;
      best ??= machine;
      if (loaded === line.model) {
        best = machine;
        break;
      }
    }
    if (best) claim(best);
  };
  /** What stands before the machines that can draw some side, and are no larger than another. */
  const pool = (from: number, below: number): { machines: number; waiting: number } => {
    let [count, waiting] = [0, 0];
    for (const { away, offer } of machines) {
      if (!away && offer.maxPixels >= from ** 2 && offer.maxPixels < below ** 2) count++;
    }
    for (const { side, waiting: line } of lines.values()) {
      if (side < below && (below < Infinity || side >= from)) waiting += line.size * side ** 2;
    }
    return { machines: count, waiting };
  };
  const stagesOf = (work: Work): readonly Work[] => {
    const stages = options.stages?.(work) ?? [work];
    if (stages.length === 1 || !options.splitsByRule) return stages;
    const [low, side] = [stages[0], work].map((part) => sizeClass(part.side ** 2));
    return worthSplitting(pool(side, Infinity), pool(low, side)) ? stages : [work];
  };
  const submit = (client: number, work: Work): void => {
    const [first, ...rest] = stagesOf(work);
    if (rest.length > 0) split++;
    const start = lineOf(first).share.enter(String(client), "normal");
    enter({ client, work: first, rest, arrived: now, start, attempt: 1, lost: 0, begun: 0 });
  };

  const claim = (machine: Machine): void => {
    idle.delete(machine);
    const [line] = claimOrder(machine.offer as Offer, [...lines.values()], 1000 * now) as Line[];
    const job = line?.waiting.pop();
    if (!line || !job) {
      idle.add(machine);
      return;
    }
    head(line);
    line.share.served(job.start);
    if (--line.waitingOf[job.client] === 0 && within()) line.everIdle[job.client] = 1;
    if (job.begun === 0) {
      const waited = now - job.arrived;
      waits.push(waited);
      const kind = `${job.work.model} ${job.work.side}`;
      const list = waitsOf.get(kind);
      if (list) list.push(waited);
      else waitsOf.set(kind, [waited]);
      job.begun = now;
    }
    const load = machine.offer.loaded === line.model ? 0 : loadSeconds;
    machine.offer.loaded = line.model;
    if (load > 0) machine.offer.staysUntil = 1000 * (now + load) + stayMs(1000 * load);
    machine.job = job;
    machine.since = now;
    const { life } = machine;
    const seconds = job.work.seconds / machine.speed * (0.8 + 0.4 * random());
    after(load + seconds, () => {
      if (machine.life !== life) return;
      machine.job = undefined;
      loading += overlap(machine.since, machine.since + load);
      const spent = overlap(machine.since + load, now);
      if (random() < faults) {
        wasted += spent;
        if (worthRetrying("out_of_memory", job.attempt)) {
          after(retryDelayMs(job.attempt) / 1000, () => enter({ ...job, attempt: job.attempt + 1 }));
        } else dead++;
      } else {
        useful += spent;
        line.served[job.client] += spent;
        last = now;
        const [next, ...rest] = job.rest;
        if (next) {
          const start = lineOf(next).share.enter(String(job.client), "normal");
          enter({ ...job, work: next, rest, start, attempt: 1 });
        } else done++;
      }
      claim(machine);
    });
  };

  const fail = (machine: Machine): void => {
    machine.life++;
    const { job } = machine;
    machine.job = undefined;
    idle.delete(machine);
    if (job) {
      wasted += overlap(machine.since, now);
      if (job.lost >= MAX_LOST) dead++;
      else after(leaseSeconds * (1 + random()), () => enter({ ...job, lost: job.lost + 1 }));
    }
    there -= overlap(now, now + awaySeconds);
    machine.away = true;
    after(awaySeconds, () => {
      machine.away = false;
      machine.offer.loaded = undefined;
      claim(machine);
    });
    after(awaySeconds - failEvery * Math.log(1 - random()), () => fail(machine));
  };
  if (failEvery < Infinity) {
    for (const machine of machines) after(-failEvery * Math.log(1 - random()), () => fail(machine));
  }

  // Arrivals: a stream whose density is the curve's, each from a client of the uneven crowd.
  const weights = Array.from({ length: clients }, (_, k) => 1 / (k + 1) ** skew);
  const pickClient = picker(weights, random);
  const pickWork = picker(works.map(({ share }) => share), random);
  const buckets = 1000;
  const pickTime = picker(Array.from({ length: buckets }, (_, i) => curve((i + 0.5) / buckets)), random);
  for (let i = 0; i < jobs; i++) {
    const at = (pickTime() + random()) / buckets * span;
    const client = pickClient();
    const work = works[pickWork()];
    events.push({ at, turn: turn++, run: () => submit(client, work) });
  }
  let started = false;
  while (events.size > 0 && done + dead < jobs) {
    const { at, run } = events.pop()!;
    now = at;
    if (!started && now >= counted[0]) {
      started = true;
      for (const { waitingOf, everIdle } of lines.values()) {
        for (let k = 0; k < clients; k++) if (waitingOf[k] === 0) everIdle[k] = 1;
      }
    }
    run();
  }
  const shares = [...lines.values()].map(({ served, everIdle }) => [...served].filter((_, k) => !everIdle[k]))
    .filter((list) => list.length > 1);
  waits.sort((a, b) => a - b);
  return {
    done,
    dead,
    utilisation: useful / there,
    loading: loading / there,
    wasted: wasted / there,
    fairness: Math.min(1, ...shares.map(jain)),
    backlogged: Math.max(0, ...shares.map(({ length }) => length)),
    wait: { p50: quantile(waits, 0.5), p95: quantile(waits, 0.95), p99: quantile(waits, 0.99) },
    p95: Object.fromEntries(
      [...waitsOf].map(([kind, list]) => [kind, quantile(list.sort((a, b) => a - b), 0.95)]),
    ),
    makespan: last,
    split,
  };
}

/** (Σx)² / (n Σx²): 1 where all have the same. Source: Jain, Chiu, Hawe, DEC-TR-301, 1984. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0);
  const squares = shares.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? 1 : sum * sum / (shares.length * squares);
}

/** A day's curve: little at night, most in the evening; its mean is 1. */
export function dayCurve(share: number): number {
  return 1 + 0.6 * Math.sin(2 * Math.PI * (share - 0.375)) + 0.2 * Math.sin(4 * Math.PI * (share - 0.35));
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
}

function picker(weights: readonly number[], random: () => number): () => number {
  const sums: number[] = [];
  let sum = 0;
  for (const weight of weights) sums.push(sum += weight);
  return () => {
    const wanted = random() * sum;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Mulberry32: the same chance on every machine. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
