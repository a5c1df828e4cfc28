/** The queue on a real Redis, with machines in this process whose drawing threads have no GPU. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { parseOptions } from "../lib/cli/options.ts";
import { LssgenError } from "../lib/errors.ts";
import type { Drawn, QueuedPicture } from "../lib/server/queue.ts";
import { ImageServer } from "../lib/server/server.ts";
import { jobId, type StoredJob } from "../scale/job.ts";
import { queueCommand } from "../scale/queue_command.ts";
import type { RedisQueue } from "../scale/redis_queue.ts";
import { listJobs, queueCounts, queueMetrics, statePage } from "../scale/state.ts";
import type { FolderStore } from "../scale/store.ts";
import { FakeEngine, get, OPTIONS, post } from "./fake_engine.ts";
import { pause, until } from "./waiting.ts";
import { HASH, MODEL, never, picture, QUEUE, Stage } from "./scale_setting.ts";

Deno.test("a job goes through Redis and back: the picture is the machine's, reports arrive, the same request is drawn once", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  await stage.machine();
  const heard: string[] = [];
  let previews = 0;
  const drawn = await queue.submit(picture("wait 300", 7), {
    signal: never,
    onBegin: () => heard.push("begin"),
    onProgress: ({ phase, preview }) => {
      heard.push(phase);
      if (preview) previews++;
    },
  });
  const [image] = drawn.images;
  assertEquals([image.width, image.height, image.seed, image.rgb[1]], [64, 64, 7, 8]);
  assertEquals(image.parameters.prompt, "wait 300");
  assertEquals([heard[0], heard.includes("denoise"), previews], ["begin", true, 1]);
  // Twice more at once, and once from another server: all of them have the first one's picture, at once.
  const other = await stage.queue();
  const began: number[] = [];
  const again = await Promise.all(
    [queue, queue, other].map((q) =>
      q.submit(picture("wait 300", 7), { signal: never, onBegin: () => began.push(1) })
    ),
  );
  assertEquals(again.map(({ images }) => images[0].rgb), [image.rgb, image.rgb, image.rgb]);
  assertEquals(began, []);
  // Nothing but parameters lies in Redis.
  const keys = await stage.redis.say("KEYS", "lssgen:*");
  assertStringIncludes(keys, QUEUE);
  const size = Number(
    /:(\d+)/.exec(await stage.redis.say("MEMORY", "USAGE", `lssgen:${QUEUE}:${await idOf("wait 300", 7)}`))
      ?.[1],
  );
  assert(size > 0 && size < 4096, `${size} bytes`);
  // A picture that the store lost is drawn again.
  for await (const { name } of Deno.readDir(`${stage.folder}/pictures`)) {
    await Deno.remove(`${stage.folder}/pictures/${name}`);
  }
  const renewed = await queue.submit(picture("wait 300", 7), { signal: never, onBegin: () => began.push(2) });
  assertEquals([renewed.images[0].rgb, began], [image.rgb, [2]]);
});

async function idOf(prompt: string, seed: number): Promise<string> {
  return await jobId({
    v: 2,
    model: HASH,
    request: { prompt, seed, width: 64, height: 64 },
    inputs: {},
    loras: {},
    pixels: 4096,
    client: "",
    priority: "normal",
  });
}

Deno.test("a submission that blocks its thread for ten seconds keeps its lease of two, and is drawn once", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  await stage.machine();
  await stage.machine();
  let begun = 0;
  const { images } = await queue.submit(picture("block 10000"), { signal: never, onBegin: () => begun++ });
  assertEquals([images.length, begun], [1, 1]);
});

Deno.test("who leaves stops the job within a step, unless others wait for it; an operator stops it for all", async () => {
  await using stage = await Stage.set();
  const [one, two] = [await stage.queue(), await stage.queue()];
  await stage.machine();
  const follow = (queue: RedisQueue, prompt: string) => {
    const stop = new AbortController();
    const begun = Promise.withResolvers<void>();
    const end = queue.submit(picture(prompt), { signal: stop.signal, onBegin: begun.resolve });
    end.catch(() => {});
    return { stop, begun: begun.promise, end };
  };
  const first = follow(one, "wait 1000");
  await first.begun;
  const second = follow(two, "wait 1000");
  await until(
    "both wait for it",
    async () =>
      (await stage.redis.say("SCARD", `lssgen:holders:${await idOf("wait 1000", 1)}`)).startsWith(":2"),
  );
  first.stop.abort();
  await assertRejects(() => first.end, LssgenError, "stopped");
  assertEquals((await second.end).images.length, 1);
  // Alone: another job begins long before the minute is over.
  const third = follow(one, "wait 60000");
  await third.begun;
  third.stop.abort();
  assertEquals((await follow(two, "wait 1").end).images.length, 1);
  // Waiting, and left: it is gone.
  const fourth = follow(one, "wait 60001");
  await fourth.begun;
  const fifth = follow(one, "wait 60002");
  await until("it waits", async () => (await listJobs(two, "waiting", 10)).length === 1);
  fifth.stop.abort();
  await until("it is gone", async () => (await listJobs(two, "waiting", 10)).length === 0);
  // By an operator, from another connection.
  assertEquals(await two.cancel(await idOf("wait 60001", 1)), true);
  await assertRejects(() => fourth.end, LssgenError, "was cancelled in the queue");
  assertEquals(await two.cancel("0".repeat(64)), false);
  // And it may be asked for again.
  const sixth = follow(one, "wait 60001");
  await sixth.begun;
  sixth.stop.abort();
});

Deno.test("a request's own fault fails at once, a machine's is tried three times, and dead letters can be tried again", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  await stage.machine();
  let begun = 0;
  const watch = { signal: never, onBegin: () => begun++ };
  await assertRejects(
    () => queue.submit(picture("fail bad_option"), watch),
    LssgenError,
    "it said bad_option",
  );
  assertEquals(begun, 1);
  const error = await assertRejects(() => queue.submit(picture("fail out_of_memory"), watch), LssgenError);
  assertEquals([error.code, error.message, begun], ["out_of_memory", "it said out_of_memory", 4]);
  await assertRejects(() => queue.submit(picture("crash"), watch), LssgenError, "The drawing thread failed");
  const dead = await listJobs(queue, "dead", 10);
  assertEquals(dead.map(({ tries }) => tries).sort(), [1, 3, 3]);
  assertEquals((await queueCounts(queue, await queue.machines()))[0].counts.dead, 3);
  // Asked for again, it is tried again: the thread that crashed was replaced.
  await assertRejects(() => queue.submit(picture("fail bad_option"), watch), LssgenError);
  assertEquals((await queue.submit(picture("fine"), watch)).images.length, 1);
});

Deno.test("poisoned jobs end in one clear error each, and the next good one is drawn", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const bull = queue.queue(QUEUE);
  await stage.redis.say(
    "SADD",
    "lssgen:queues",
    QUEUE,
    "../../etc",
    "x".repeat(1000),
    `${"b".repeat(16)}-512-v9`,
  );
  const good = {
    v: 2,
    model: HASH,
    request: { prompt: "x", seed: 1 },
    inputs: {},
    loras: {},
    pixels: 4096,
    client: "",
    priority: "normal",
  };
  const poison: [unknown, string][] = [
    [null, '"job" is'],
    ["text", '"job" is'],
    [[], '"job" is'],
    [{ ...good, v: 1 }, '"v" is 1, expected 2'],
    [{ ...good, part: { until: 0, pixels: 4096 } }, '"part.until" is 0'],
    [{ ...good, part: { until: 1, pixels: 4096, path: "/etc/passwd" } }, '"part.path" is unknown'],
    [{ ...good, part: { after: 1, latents: "../../etc/passwd" } }, '"part.latents" is'],
    [{ ...good, part: 7 }, '"part" is 7'],
    [{ ...good, model: "../../etc/passwd" }, '"model" is'],
    [{ ...good, request: { prompt: 7 } }, '"request.prompt" is 7'],
    [{ ...good, request: { prompt: "x", steps: 1e9 } }, '"request.steps" is 1000000000'],
    [{ ...good, request: { prompt: "x", image: "file:///etc/passwd" } }, '"request.image" is no parameter'],
    [{ ...good, request: { prompt: "x", toString: "y" } }, '"request.toString" is no parameter'],
    [{ ...good, inputs: { image: "http://169.254.169.254/" } }, '"inputs.image" is'],
    [{ ...good, loras: { "../../x": "y" } }, '"loras.../../x" is'],
    [{ ...good, pixels: -1 }, '"pixels" is -1'],
    [{ ...good, pixels: 2 ** 24, request: { prompt: "x" } }, "another model or size"],
    [{ ...good, request: { prompt: "x".repeat(20_001) } }, "expected a text"],
    [good, "its name is not its hash"],
  ];
  const ids: string[] = [];
  for (const [i, [data, words]] of poison.entries()) {
    ids.push(words.startsWith("another") ? await jobId(data as StoredJob) : `poison${i}`);
    await bull.add("picture", data, { jobId: ids[i], priority: 1 });
  }
  await stage.machine();
  assertEquals((await queue.submit(picture("fine"), { signal: never })).images.length, 1);
  const dead = await listJobs(queue, "dead", 100);
  assertEquals(dead.length, poison.length);
  for (const [i, [, words]] of poison.entries()) {
    const { reason = "", tries } = dead.find(({ id }) => id === ids[i])!;
    assertStringIncludes(reason, "bad_file: The job in the queue is damaged");
    assertStringIncludes(reason, words);
    assertEquals(tries, 1);
  }
  // Results, messages and announcements of strangers neither.
  const id = await idOf("liar", 1);
  await bull.add("picture", { ...good, request: { prompt: "liar", seed: 1, width: 64, height: 64 } }, {
    jobId: id,
    priority: 1,
  });
  await until("it is done", async () => (await queue.queue(QUEUE).getJobState(id)) === "completed");
  await stage.redis.say(
    "HSET",
    `lssgen:${QUEUE}:${id}`,
    "returnvalue",
    '{"v":2,"images":[{"picture":"../../etc/passwd"}]}',
  );
  await stage.redis.say("HSET", "lssgen:workers", "w", '{"id":"<script>","models":[{}]}');
  await stage.redis.say(
    "PUBLISH",
    `lssgen:job:${id}`,
    '{"t":"progress","p":{"phase":{},"step":"x","preview":"../x"}}',
  );
  assertEquals((await queue.submit(picture("liar"), { signal: never })).images.length, 1);
  assert(!(await (await statePage(queue)).text()).includes("<script>"));
});

Deno.test("a full or read-only store and a full Redis end in one clear error, and nothing is lost", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const full = {
    ...stage.store,
    name: "folder",
    put: () =>
      Promise.reject(
        new LssgenError(
          "unavailable",
          "Cannot write in the object store, folder: No space left on device (os error 28)",
        ),
      ),
    get: () => Promise.resolve(undefined),
    remove: () => Promise.resolve(),
  };
  const end = await stage.machine({ store: full as unknown as FolderStore });
  const error = await assertRejects(
    () => queue.submit(picture("full"), { signal: never }),
    LssgenError,
    "No space left on device",
  );
  assertEquals(error.code, "unavailable");
  await end();
  // It is a dead letter; with room again an operator has it tried again.
  const [dead] = await listJobs(queue, "dead", 10);
  assertEquals(dead.tries, 3);
  await stage.machine();
  await (await queue.queue(QUEUE).getJob(dead.id))!.retry("failed", { resetAttemptsMade: true });
  await until("it is drawn", async () => (await queue.queue(QUEUE).getJobState(dead.id)) === "completed");
  // Redis without memory refuses new jobs in words, and what it has is finished when there is room.
  const running = Promise.withResolvers<void>();
  const slow = queue.submit(picture("wait 700"), { signal: never, onBegin: running.resolve });
  await running.promise;
  await stage.redis.say("CONFIG", "SET", "maxmemory", "1mb");
  const refused = await assertRejects(
    () => queue.submit(picture("no room"), { signal: never }),
    LssgenError,
    "its memory is full (maxmemory)",
  );
  assertEquals(refused.code, "unavailable");
  await pause(1500);
  await stage.redis.say("CONFIG", "SET", "maxmemory", "0");
  assertEquals((await slow).images.length, 1);
  assertEquals((await queue.submit(picture("no room"), { signal: never })).images.length, 1);
});

Deno.test("a worker with another version of the model leaves the job, and the request ends in one clear error", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue({ patienceMs: 400 });
  const lone = (prompt: string) => queue.submit(picture(prompt), { signal: never });
  await assertRejects(() => lone("nobody"), LssgenError, "none is there; start one: cli.ts worker");
  const end = await stage.machine({}, [{ name: "fake", hash: "b".repeat(64) }]);
  await assertRejects(
    () => lone("other"),
    LssgenError,
    "hold another version of it (bbbbbbbbbbbb); give both the same files",
  );
  await end();
  const small = await stage.machine({}, [MODEL], 256);
  await assertRejects(() => lone("large"), LssgenError, "start one with a larger --max-size");
  await small();
  // Nothing of them is left to be drawn for nobody; and with the right worker beside the wrong one it is drawn.
  // Whoever asked is told first, and the job is dropped then.
  await until("nothing waits", async () => (await listJobs(queue, "waiting", 10)).length === 0);
  await stage.machine({}, [{ name: "fake", hash: "b".repeat(64) }]);
  await stage.machine();
  assertEquals((await lone("other")).images.length, 1);
});

Deno.test("shares are fair: the second client's one picture does not wait for the first one's twenty; high before low", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const order: string[] = [];
  const send = async (
    client: string,
    seed: number,
    priority: QueuedPicture["priority"] = "normal",
  ): Promise<Drawn> => {
    const drawn = await queue.submit(picture(`by ${client} ${priority}`, seed, { client, priority }), {
      signal: never,
    });
    order.push(`${client}${priority === "normal" ? "" : ` ${priority}`}`);
    return drawn;
  };
  const jobs: Promise<unknown>[] = [];
  for (let i = 0; i < 20; i++) jobs.push(send("a", i));
  await until("they wait", async () => (await listJobs(queue, "waiting", 100)).length === 20);
  jobs.push(send("b", 0));
  for (let i = 0; i < 4; i++) jobs.push(send("c", i, "low"), send("d", i, "high"));
  await until("all wait", async () => (await listJobs(queue, "waiting", 100)).length === 29);
  await stage.machine();
  await Promise.all(jobs);
  assert(order.indexOf("b") <= 4, order.join());
  assert(
    order.lastIndexOf("d high") < order.lastIndexOf("c low") && order.lastIndexOf("d high") < 9,
    order.join(),
  );
  assert(order.lastIndexOf("c low") > 8 && order.length === 29, order.join());
});

Deno.test("a worker that ends gives its job back at once, and one that another machine took ends nothing", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const end = await stage.machine();
  let begun = 0;
  const job = queue.submit(picture("wait 3000"), { signal: never, onBegin: () => begun++ });
  await until("it runs", () => begun === 1);
  await end();
  assertEquals((await listJobs(queue, "waiting", 10)).length, 1);
  await stage.machine();
  assertEquals([(await job).images.length, begun], [1, 2]);
});

Deno.test("a machine that lost its lease changes nothing any more, and its job is another's", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const slow = await stage.queue({ leaseMs: 1000 });
  const follow = queue.submit(picture("lost"), { signal: never });
  const claim = (await slow.claim(() => ({ models: [HASH], maxPixels: 2048 ** 2 }), never))!;
  await stage.redis.say("DEL", `lssgen:${QUEUE}:${claim.id}:lock`);
  await until("it hears of it", () => claim.signal.aborted);
  const image = { width: 1, height: 1, rgb: new Uint8Array(3), seed: 1, parameters: {} };
  await slow.finish(claim, { drawn: { images: [image], warnings: [] } });
  await stage.machine({ leaseMs: 1000 });
  assertEquals((await follow).images[0].width, 64);
});

Deno.test("through the server: previews and pictures arrive as events, progress and state are told, shares go by client", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  await stage.machine();
  const engine = new FakeEngine();
  const server = new ImageServer(engine, {
    ...OPTIONS,
    queue,
    gets: { "/queue": () => statePage(queue) },
    metrics: () => queueMetrics(queue),
  });
  const body = { prompt: "wait 1200", size: "64x32", seed: 5, stream: true, partial_images: 1 };
  const stream = await server.handle(post("/v1/images/generations", body), "somebody");
  await until("it runs", async () => {
    const { progress } = await (await server.handle(get("/sdapi/v1/progress"))).json();
    return progress > 0;
  });
  const text = await stream.text();
  assertEquals([...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name), [
    "image_generation.partial_image",
    "image_generation.completed",
  ]);
  assertEquals(engine.asked, [], "this server draws nothing itself");
  // A job with an id goes the same way.
  const job = { txt2img: { prompt: "wait 10", width: 64, height: 32, seed: 6 } };
  const { id } = await (await server.handle(post("/lssgen/v1/jobs", job))).json();
  const events = await (await server.handle(get(`/lssgen/v1/jobs/${id}/events`))).text();
  assertStringIncludes(events, '"status":"done"');
  const result = await (await server.handle(get(`/lssgen/v1/jobs/${id}/result`))).json();
  assertEquals([result.images.length, JSON.parse(result.info).seed], [1, 6]);
  const bad = await server.handle(
    post("/v1/images/generations", { prompt: "fail unsupported", size: "64x32" }),
  );
  assertEquals([bad.status, (await bad.json()).error.message], [400, "it said unsupported"]);
  assertStringIncludes(
    await (await server.handle(get("/metrics"))).text(),
    'lssgen_queue_jobs{model="fake",side="512",state="done"} 2',
  );
  assertStringIncludes(
    await (await server.handle(get("/queue"))).text(),
    "<td>fake</td><td>512²</td><td>1</td>",
  );
  await server.close();
});

Deno.test("operators list, cancel, drain and try again from a terminal", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const told = async (...words: string[]): Promise<string> => {
    const lines: string[] = [];
    const options = parseOptions(["queue", ...words, "--queue", stage.redis.url, "--store", stage.folder]);
    await queueCommand(options, {
      print: (line) => lines.push(line),
      note: () => {},
      draw: () => {},
      tty: false,
      columns: 80,
      signal: never,
    });
    return lines.join("\n");
  };
  const ends = ["one", "two", "three", "four"].map((prompt) =>
    queue.submit(picture(prompt), { signal: never }).then(() => "drawn", (error: Error) => error.message)
  );
  await until("they wait", async () => (await listJobs(queue, "waiting", 10)).length === 4);
  const { jobs, queues } = JSON.parse(await told("list", "--json"));
  assertEquals([jobs.length, queues[0].counts.waiting, queues[0].workers], [4, 4, 0]);
  assertStringIncludes(await told("list", "waiting"), "waiting      0 s  c");
  assertEquals(await told("workers"), "No workers");
  const one = jobs.find(({ prompt }: { prompt: string }) => prompt === "one").id;
  assertEquals(await told("cancel", one.slice(0, 12)), "1 cancelled");
  assertEquals(await ends[0], `Job ${one.slice(0, 12)} was cancelled in the queue`);
  assertEquals(await told("drain"), "3 dropped");
  for (const end of ends) assertStringIncludes(await end, "was cancelled in the queue");
  await stage.machine();
  await assertRejects(() => queue.submit(picture("fail unsupported"), { signal: never }), LssgenError);
  assertStringIncludes(await told("list", "dead"), "1 tries: unsupported: it said unsupported");
  assertEquals(await told("retry", "all"), "1 tried again");
  await until("it failed again", async () => (await listJobs(queue, "dead", 10)).length === 1);
  assertStringIncludes(await told("workers"), "fake (aaaaaaaaaaaa) up to 2048 × 2048");
  for (
    const words of [["cancel"], ["cancel", "0a"], ["retry", "0123456789"], ["list", "lost"], ["drain", "x"]]
  ) {
    await assertRejects(() => told(...words), LssgenError, "`queue ");
  }
});

Deno.test("a thousand waiting jobs are listed, counted and dropped; the log says what a job costs beside its work", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue();
  const draw = stage.machine();
  await draw;
  await queue.submit(picture("warm"), { signal: never });
  const times: number[] = [];
  for (let i = 0; i < 40; i++) {
    const began = performance.now();
    await queue.submit(picture("cost", i), { signal: never });
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  await (await draw)();
  const stop = new AbortController();
  const waiting = Array.from(
    { length: 1000 },
    (_, i) => queue.submit(picture("many", i), { signal: stop.signal }).catch(() => {}),
  );
  await until("they wait", async () => (await queueCounts(queue, []))[0].counts.waiting === 1000);
  const lists: number[] = [];
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    assertEquals((await listJobs(queue, "waiting", 1000)).length, 1000);
    lists.push(performance.now() - began);
  }
  lists.sort((a, b) => a - b);
  console.log(
    `A job through the queue, picture and all: median ${times[20].toFixed(1)} ms; 1000 waiting listed in ${
      lists[2].toFixed(1)
    } ms (median of 5)`,
  );
  assertStringIncludes(await queueMetrics(queue), 'state="waiting"} 1000');
  stop.abort();
  await Promise.all(waiting);
  await until("all are dropped", async () => (await queueCounts(queue, []))[0].counts.waiting === 0);
});
