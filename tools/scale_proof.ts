/**
 * Many machines, proven: one server, worker processes that are killed with −9 at random, a Redis that is restarted in the
 * middle, clients that leave. Every accepted request ends once, with the picture's right bytes. `deno task scale:proof` runs it
 * with the embedded model, whose pictures are compared with those of a single machine.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { decodePng } from "../lib/image/png.ts";
import { RedisQueue } from "../scale/redis_queue.ts";
import { listJobs, queueCounts } from "../scale/state.ts";
import { FolderStore } from "../scale/store.ts";
import { TestRedis } from "../tests/redis.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** A run. */
export interface ProofOptions {
  /** Requests of one picture. */
  readonly jobs: number;
  /** Worker processes. */
  readonly workers: number;
  /** Arguments of a worker process, behind `deno run -A --no-check`. */
  readonly worker: (redis: string, store: string) => readonly string[];
  /** Mean milliseconds between two kills. */
  readonly killEveryMs: number;
  /** Kills at most. */
  readonly kills: number;
  /** Requests at the same time. */
  readonly clients: number;
  /** The picture that a request has to have, as base64 of its file; undefined: it is compared with others of its kind only. */
  readonly expected: (seed: number, file: string) => Promise<boolean>;
  /** Told of what happens. */
  readonly say?: (line: string) => void;
}

/** What came of it. */
export interface ProofResult {
  /** Requests that were answered with their picture, and those whose client left. */
  readonly answered: number;
  /** See answered. */
  readonly left: number;
  /** Answers with another picture than the right one. */
  readonly wrong: number;
  /** Requests that had to be sent again (503). */
  readonly sentAgain: number;
  /** Workers that were killed. */
  readonly killed: number;
  /** Jobs in Redis at the end: waiting, running, dead. */
  readonly remaining: number;
  /** Seconds. */
  readonly seconds: number;
}

/** A process of this repository. */
function start(...args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

/** A server process, once it listens. */
export async function startServer(
  ...args: readonly string[]
): Promise<{ process: Deno.ChildProcess; url: string }> {
  const process = start("cli.ts", "serve", "--port", "0", "--quiet", ...args);
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  reader.cancel();
  return { process, url: value.trim() };
}

/** The body of a request. */
export function body(seed: number): string {
  return JSON.stringify({ prompt: "a red apple", size: "64x64", steps: 1, method: "direct", seed });
}

/** Asks for a picture: base64 of its file, or the status. */
export async function ask(url: string, seed: number, signal?: AbortSignal): Promise<string | number> {
  const response = await fetch(`${url}v1/images/generations`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: body(seed),
    signal,
  });
  const text = await response.text();
  return response.ok ? JSON.parse(text).data[0].b64_json : response.status;
}

/** Runs it. */
export async function prove(options: ProofOptions): Promise<ProofResult> {
  const { say = () => {} } = options;
  const folder = await Deno.makeTempDir();
  await using redis = await TestRedis.start();
  const server = await startServer("--queue", redis.url, "--store", folder);
  const begin = (): Deno.ChildProcess => {
    const process = start(...options.worker(redis.url, folder));
    process.stdout.cancel();
    return process;
  };
  const workers = Array.from({ length: options.workers }, begin);
  const began = performance.now();
  const counts = { answered: 0, left: 0, wrong: 0, sentAgain: 0, killed: 0 };
  let over = false;
  let restarted = false;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const killing = (async () => {
    await pause(options.killEveryMs);
    while (!over) {
      if (counts.killed < options.kills && counts.answered > 0) {
        const i = Math.floor(Math.random() * workers.length);
        workers[i].kill("SIGKILL");
        await workers[i].status;
        counts.killed++;
        say(`worker ${i} killed after ${counts.answered} answers`);
        workers[i] = begin();
      }
      if (!restarted && counts.answered >= options.jobs / 3) {
        restarted = true;
        await redis.kill();
        say(`Redis killed after ${counts.answered} answers`);
        await pause(500);
        await redis.begin();
      }
      await pause(options.killEveryMs * (0.5 + Math.random()));
    }
  })();
  const client = async (seed: number): Promise<void> => {
    // One in ten leaves before long.
    const leaves = seed % 10 === 3;
    const stop = new AbortController();
    const timer = leaves ? setTimeout(() => stop.abort(), 200 * Math.random()) : undefined;
    try {
      for (;;) {
        const file = await ask(server.url, seed, stop.signal);
        if (typeof file === "string") {
          if (!await options.expected(seed, file)) counts.wrong++;
          counts.answered++;
          return;
        }
        counts.sentAgain++;
        await pause(500);
      }
    } catch (error) {
      if (!leaves) throw error;
      counts.left++;
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    let next = 0;
    await Promise.all(Array.from({ length: options.clients }, async () => {
      while (next < options.jobs) await client(next++);
    }));
    const seconds = (performance.now() - began) / 1000;
    over = true;
    await killing;
    await using queue = await RedisQueue.open({ url: redis.url, store: await FolderStore.open(folder) });
    // Jobs whose client left as its machine was killed are found when their lease is over, and stopped.
    let remaining = Infinity;
    for (let tries = 0; tries < 60 && remaining > 0; tries++) {
      if (tries > 0) await pause(500);
      const rows = await queueCounts(queue, []);
      remaining = rows.reduce((sum, { counts: n }) => sum + n.waiting + n.delayed + n.running + n.dead, 0);
    }
    for (const { id, reason } of await listJobs(queue, "dead", 20)) say(`dead: ${id} ${reason}`);
    return { ...counts, remaining, seconds };
  } finally {
    over = true;
    await killing.catch(() => {});
    for (const process of [server.process, ...workers]) {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await process.status;
    }
    await Deno.remove(folder, { recursive: true });
  }
}

/** RGB of a picture in base64. */
export async function pixelsOf(file: string): Promise<Uint8Array<ArrayBuffer>> {
  return (await decodePng(Uint8Array.from(atob(file), (c) => c.charCodeAt(0)))).data;
}

if (import.meta.main) {
  const jobs = Number(Deno.args[0] ?? 300);
  console.log(`${jobs} pictures by a single machine, for comparison`);
  const single = await startServer();
  const began = performance.now();
  const files: string[] = [];
  for (let seed = 0; seed < jobs; seed++) files.push(await ask(single.url, seed) as string);
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s`);
  single.process.kill("SIGTERM");
  await single.process.status;
  const result = await prove({
    jobs,
    workers: 4,
    worker: (
      redis,
      store,
    ) => ["cli.ts", "worker", "--queue", redis, "--store", store, "--lease", "5", "--quiet"],
    killEveryMs: 4_000,
    kills: 8,
    clients: 16,
    expected: (seed, file) => Promise.resolve(file === files[seed]),
    say: (line) => console.log(line),
  });
  console.log(JSON.stringify(result));
  const { answered, left, wrong, remaining } = result;
  Deno.exit(answered + left === jobs && wrong === 0 && remaining === 0 ? 0 : 1);
}
