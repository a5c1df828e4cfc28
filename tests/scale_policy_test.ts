/** Whose job is next, which machine takes it, and what that makes of a thousand machines. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { LocalQueue } from "../lib/server/local_queue.ts";
import {
  claimOrder,
  cutBefore,
  FairShare,
  fairTag,
  type Priority,
  retryDelayMs,
  sizeClass,
  stayMs,
  worthRetrying,
  worthSplitting,
} from "../lib/server/policy.ts";
import type { QueuedPicture } from "../lib/server/queue.ts";
import { canonical, jobId, readJob, readResult, type StoredJob } from "../scale/job.ts";
import { dayCurve, jain, simulate } from "../scale/simulation.ts";
import { LARGE_WORKS, run, SCARCE, split, THOUSAND, WORKS } from "../tools/simulate.ts";

const HASH = "a".repeat(64);

Deno.test("shares: a client's jobs follow each other in virtual time, a new client begins at the present, weights are shares", () => {
  assertEquals(fairTag(0, 0, "normal"), { start: 0, finish: 4 });
  assertEquals(fairTag(100, 8, "high"), { start: 100, finish: 101 });
  assertEquals(fairTag(100, 200, "low"), { start: 200, finish: 216 });
  // Three clients with more work than there is time: each gets in proportion to its weight, whoever came first.
  const share = new FairShare();
  const waiting: { client: Priority; start: number }[] = [];
  for (const client of ["low", "normal", "high"] as const) {
    for (let i = 0; i < 200; i++) waiting.push({ client, start: share.enter(client, client) });
  }
  waiting.sort((a, b) => a.start - b.start);
  const served = waiting.slice(0, 210);
  for (const { start } of served) share.served(start);
  const of = (client: string): number => served.filter((job) => job.client === client).length;
  assert(
    of("high") === 160 && of("normal") === 40 && of("low") === 10,
    `${of("high")} ${of("normal")} ${of("low")}`,
  );
  // Nobody who comes later is before those who wait.
  assertEquals(share.enter("new", "normal"), served.at(-1)!.start);
});

Deno.test("size classes hold what their names say, and failures are tried again where another machine may do better", () => {
  assertEquals([1, 512 * 512, 512 * 512 + 1, 2048 * 2048, 16384 ** 2].map(sizeClass), [
    512,
    512,
    1024,
    2048,
    16384,
  ]);
  assertEquals([
    worthRetrying("out_of_memory", 1),
    worthRetrying("out_of_memory", 3),
    worthRetrying("bad_option", 1),
  ], [
    true,
    false,
    false,
  ]);
  assertEquals([1, 2, 3, 9].map(retryDelayMs), [1000, 4000, 16_000, 60_000]);
});

Deno.test("a machine stays with its model while that has work, then takes what waited longest, of its largest class first", () => {
  const heads = [
    { model: "a", side: 512, since: 90_000 },
    { model: "b", side: 1024, since: 1000 },
    { model: "b", side: 2048, since: 0 },
    { model: "c", side: 512, since: 0 },
    { model: "a", side: 1024 },
  ];
  const order = (more: object, now = 100_000) =>
    claimOrder({ models: ["a", "b"], maxPixels: 1024 ** 2, loaded: "a", ...more }, heads, now)
      .map(({ model, side }) => `${model}${side}`);
  assertEquals(order({}), ["b1024", "a512"]);
  assertEquals(order({ staysUntil: 100_001 }), ["a512", "b1024"]);
  assertEquals(order({ maxPixels: 512 ** 2 }), ["a512"]);
  assertEquals(order({ models: [] }), []);
  // Loading takes a twentieth of the time at most.
  assertEquals(stayMs(30_000), 600_000);
});

Deno.test("a thousand machines: nine tenths of their time goes into pictures, shares are fair, failures lose nothing", () => {
  const saturated = simulate(run(1.3, { jobs: 30_000, failEvery: 3600 }));
  assert(saturated.utilisation >= 0.9, `utilisation ${saturated.utilisation}`);
  assert(saturated.loading <= 0.06 && saturated.wasted > 0, `loading ${saturated.loading}`);
  assert(
    saturated.backlogged > 3 && saturated.fairness > 0.95,
    `${saturated.fairness} of ${saturated.backlogged}`,
  );
  assertEquals(saturated.done + saturated.dead, 30_000);
  assert(saturated.dead < 30, `${saturated.dead} dead`);
  const quiet = simulate(run(0.5, { jobs: 10_000, curve: dayCurve }));
  assert(quiet.wait.p95 < 1, `p95 ${quiet.wait.p95}`);
  const mean = Array.from({ length: 1000 }, (_, i) => dayCurve((i + 0.5) / 1000)).reduce((a, b) => a + b) /
    1000;
  assert(Math.abs(mean - 1) < 0.01, `${mean}`);
  assertEquals([jain([1, 1, 1, 1]), jain([1, 0, 0, 0])], [1, 0.25]);
  // Stages as jobs: what is left of the picture comes after its first stage, and both are counted.
  const stages = split(0.35, 1)({ model: "m", side: 2048, seconds: 60, share: 1 });
  assertEquals(stages.map(({ side, seconds }) => [side, seconds]), [[1024, 22], [2048, 40]]);
});

Deno.test("stages are jobs of their own where large machines are scarce, and cost nothing where they are not", () => {
  const pool = (machines: number, waiting: number) => ({ machines, waiting });
  const rows: [ReturnType<typeof pool>, ReturnType<typeof pool>, boolean][] = [
    [pool(1, 4e6), pool(1, 0), true],
    [pool(1, 0), pool(1, 0), false], // a large one is free, or will be
    [pool(0, 4e6), pool(1, 0), false], // nobody could finish it
    [pool(1, 4e6), pool(0, 0), false],
    [pool(2, 4e6), pool(1, 1e6), false],
    [pool(2, 4.1e6), pool(1, 1e6), true],
  ];
  for (const [large, small, so] of rows) assertEquals(worthSplitting(large, small), so);
  assertEquals(
    [[4096], [512 ** 2, 1024 ** 2], [256 ** 2, 512 ** 2], [512 ** 2, 1500 ** 2, 2048 ** 2]].map(cutBefore),
    [undefined, 1, undefined, 1],
  );
  const stages = split(0.35, 1);
  for (
    const [name, fleets, works] of [["balanced", THOUSAND, WORKS], ["scarce", SCARCE, LARGE_WORKS]] as const
  ) {
    const at = (more: object) => simulate(run(1.2, { jobs: 10_000, fleets, works, ...more }));
    const [whole, always, rule] = [at({}), at({ stages }), at({ stages, splitsByRule: true })];
    assertEquals([whole.split, rule.done + rule.dead, rule.split < always.split], [0, 10_000, true]);
    // Throughput, as a share of that without splits.
    const gain = whole.makespan / rule.makespan;
    assert(gain > (name === "scarce" ? 1.2 : 0.98), `${name}: ${gain}`);
  }
});

Deno.test("the in-process queue serves clients by turns, and those who leave are out at once", async () => {
  const queue = new LocalQueue();
  const never = new AbortController().signal;
  const order: string[] = [];
  const send = (client: string, signal = never): Promise<unknown> => {
    const job = { request: { prompt: client }, pixels: 1, client, priority: "normal" } as QueuedPicture;
    return queue.submit(job, { signal }).then(() => order.push(client), () => order.push(`${client} left`));
  };
  const stop = new AbortController();
  const all = [send("a"), send("a"), send("a"), send("b"), send("c", stop.signal), send("b")];
  stop.abort();
  const offer = () => ({ models: [], maxPixels: Infinity });
  for (let i = 0; i < 5; i++) {
    const claim = (await queue.claim(offer, never))!;
    await queue.finish(claim, { drawn: { images: [], warnings: [] } });
  }
  await Promise.all(all);
  assertEquals(order, ["c left", "a", "b", "a", "b", "a"]);
  const ending = new AbortController();
  const idle = queue.claim(offer, ending.signal);
  ending.abort();
  assertEquals([await idle, await queue.cancel("1")], [undefined, false]);
});

Deno.test("a job's name is the hash of what makes its picture, whatever the order of its fields and whoever asks", async () => {
  const job: StoredJob = {
    v: 2,
    model: HASH,
    request: { prompt: "x", seed: 1, width: 64 },
    inputs: {},
    loras: {},
    pixels: 4096,
    client: "a",
    priority: "normal",
  };
  const id = await jobId(job);
  const same = [
    { ...job, client: "b", priority: "high" as const },
    { ...job, request: { width: 64, seed: 1, prompt: "x", steps: undefined } },
    { ...job, previews: { every: 1, kind: "auto" } },
    { ...job, left: 3 },
  ];
  for (const other of same) assertEquals(await jobId(other), id);
  const others = [
    { ...job, model: "b".repeat(64) },
    { ...job, request: { ...job.request, seed: 2 } },
    { ...job, inputs: { image: HASH } },
    { ...job, inputs: { mask: HASH } },
    { ...job, loras: { x: HASH } },
    { ...job, part: { until: 1, pixels: 9 } },
    { ...job, part: { until: 1, pixels: 10 } },
    { ...job, part: { until: 2, pixels: 9 } },
    { ...job, part: { after: 1, latents: HASH } },
    { ...job, part: { after: 1, latents: "b".repeat(64) } },
  ];
  const ids = await Promise.all(others.map(jobId));
  assertEquals(new Set([id, ...ids]).size, 11);
  // What is read is what was written; what Redis may hold besides is refused, by name.
  assertEquals(readJob(JSON.parse(JSON.stringify(job))), job);
  assertEquals(canonical({ prompt: "x", count: 3 } as never), { prompt: "x" } as never);
  const image = { picture: HASH, seed: 1, parameters: {} };
  assertEquals(readResult({ v: 2, images: [image] }), { v: 2, images: [image], warnings: [] });
  for (
    const bad of [
      { v: 2 },
      { v: 1, images: [image] },
      { v: 2, images: [] },
      { v: 2, images: [image], latents: HASH },
      { v: 2, images: [], latents: "../x" },
      { v: 2, images: [{ ...image, picture: "../x" }] },
      { v: 2, images: [{ ...image, seed: -1 }] },
      { v: 2, images: [image], warnings: [7] },
      null,
    ]
  ) assertThrows(() => readResult(bad), LssgenError, "damaged");
});
