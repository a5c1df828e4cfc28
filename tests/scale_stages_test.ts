/** A large picture as two jobs: its first stages by a machine that draws small pictures only, its last one by a large machine. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import type { QueuedPicture } from "../lib/server/queue.ts";
import { JOB_FORMAT, jobId, type StoredJob } from "../scale/job.ts";
import { FileHashes, modelAt } from "../scale/models.ts";
import { queueName, type RedisQueue } from "../scale/redis_queue.ts";
import { listJobs } from "../scale/state.ts";
import { until } from "./waiting.ts";
import { HASH, MODEL, never, picture, Stage } from "./scale_setting.ts";

const LOW = queueName(HASH, 512);
const HIGH = queueName(HASH, 1024);
const STAGES = [320 ** 2, 640 ** 2];
const ALWAYS = { when: "always" as const, stages: () => STAGES };
const AUTO = { when: "auto" as const, stages: () => STAGES };

function large(prompt: string, seed = 1): QueuedPicture {
  const request = { prompt, seed, width: 640, height: 640 };
  return picture(prompt, seed, { request, pixels: 640 ** 2 });
}

/** Names, tries and states of all jobs of a queue. */
async function jobsOf(
  queue: RedisQueue,
  name: string,
): Promise<{ id: string; tries: number; state: string }[]> {
  const all = await Promise.all(
    (["waiting", "running", "done", "dead"] as const).map((s) => listJobs(queue, s, 100)),
  );
  return all.flat().filter((job) => job.queue === name).map(({ id, tries, state }) => ({ id, tries, state }));
}

Deno.test("a small machine draws the first stages, a large one the last, and clients see one picture", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue({ split: ALWAYS });
  await stage.machine({}, [MODEL], 512);
  const heard: unknown[] = [];
  const end = queue.submit(large("two stages", 7), {
    signal: never,
    onBegin: () => heard.push("begin"),
    onProgress: (progress) => heard.push(progress.stage),
  });
  // Nobody here draws the last one: it waits in a queue that the small machine does not look into.
  await until("the rest waits", async () => (await jobsOf(queue, HIGH)).length === 1);
  await until("the first is done", async () => (await jobsOf(queue, LOW))[0].state === "done");
  await stage.machine();
  const { images: [image] } = await end;
  assertEquals([image.width, image.seed, image.rgb[1]], [640, 7, 8]);
  assertEquals(heard.filter((word, i) => word !== heard[i - 1]), ["begin", 1, 2]);
  const states = async () =>
    [...await jobsOf(queue, LOW), ...await jobsOf(queue, HIGH)].map(({ state }) => state);
  assertEquals(await states(), ["done", "done"]);
  // Asked for again, by a server that would draw it whole: it is the same picture, at once.
  const other = await stage.queue({ split: AUTO });
  assertEquals((await other.submit(large("two stages", 7), { signal: never })).images[0].rgb, image.rgb);
  assertEquals(await states(), ["done", "done"]);
  // And the other way round.
  await other.submit(large("whole"), { signal: never });
  assertEquals((await jobsOf(queue, LOW)).length, 1);
  // A server that died meanwhile is not needed: the small machine itself puts the last stage into its queue.
  const { request } = large("nobody");
  const first: StoredJob = {
    ...{ v: JOB_FORMAT, model: HASH, request, inputs: {}, loras: {}, client: "c", priority: "normal" },
    ...{ pixels: STAGES[0], part: { until: 1, pixels: STAGES[1] } },
  };
  await queue.queue(LOW).add("picture", first, { jobId: await jobId(first), priority: 1 });
  await stage.redis.say("PUBLISH", "lssgen:wake", LOW);
  await until("both are done", async () => {
    const all = [...await jobsOf(queue, LOW), ...await jobsOf(queue, HIGH)];
    return all.length === 5 && all.every(({ state }) => state === "done");
  });
});

Deno.test("cancelling reaches the stage that runs, whoever cancels, and a picture that two want is drawn on", async () => {
  await using stage = await Stage.set();
  const [queue, other] = [await stage.queue({ split: ALWAYS }), await stage.queue({ split: ALWAYS })];
  await stage.machine({}, [MODEL], 512);
  await stage.machine();
  const follow = (queue: RedisQueue, prompt: string) => {
    const stop = new AbortController();
    const at: (number | undefined)[] = [];
    const end = queue.submit(large(prompt), {
      signal: stop.signal,
      onProgress: ({ stage }) => at.push(stage),
    });
    end.catch(() => {});
    return { stop, at, end };
  };
  const gone = async (): Promise<boolean> => (await listJobs(queue, "running", 10)).length === 0;
  // Whoever comes to the last stage when it runs already hears of its next step only.
  const lastRuns = async (): Promise<boolean> =>
    (await listJobs(queue, "running", 10)).some((job) => job.queue === HIGH);
  // The first stages, by the client.
  const first = follow(queue, "wait 60000");
  await until("it runs", () => first.at.includes(1));
  first.stop.abort();
  await until("it is stopped", gone);
  assertEquals(await jobsOf(queue, HIGH), []);
  // The last one, by the client; he is the second of two.
  const [one, two] = [follow(queue, "later 60000"), follow(other, "later 60000")];
  await until("it runs", lastRuns);
  one.stop.abort();
  await assertRejects(() => one.end, LssgenError);
  assertEquals(await gone(), false);
  two.stop.abort();
  await until("it is stopped", gone);
  // The last one, by an operator who knows the name of the first.
  const third = follow(queue, "later 60001");
  await until("it runs", lastRuns);
  const ofFirst = await Promise.all((await jobsOf(queue, LOW)).map(({ id }) => other.cancel(id)));
  assert(ofFirst.includes(true));
  await assertRejects(() => third.end, LssgenError, "was cancelled in the queue");
  await until("it is stopped", gone);
});

Deno.test("the later stages are tried again alone; latents that are lost or damaged are drawn again", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue({ split: ALWAYS });
  const small = await stage.machine({}, [MODEL], 512);
  const end = await stage.machine();
  assertEquals((await queue.submit(large("once out_of_memory"), { signal: never })).images.length, 1);
  assertEquals([(await jobsOf(queue, LOW))[0].tries, (await jobsOf(queue, HIGH))[0].tries], [1, 2]);
  // A dead letter of the later stages is tried again alone, too.
  const error = await assertRejects(
    () => queue.submit(large("fail2 unsupported"), { signal: never }),
    LssgenError,
  );
  assertEquals(error.code, "unsupported");
  await small();
  const [{ id }] = await listJobs(queue, "dead", 10);
  await (await queue.queue(HIGH).getJob(id))!.retry("failed", { resetAttemptsMade: true });
  await until("it failed again", async () => (await listJobs(queue, "dead", 10)).length === 1);
  await end();
  for (const harm of ["remove", "damage"]) {
    const stop = await stage.machine({}, [MODEL], 512);
    const lost = queue.submit(large(`${harm}d`, harm.length), { signal: never });
    await until("the rest waits", async () => (await listJobs(queue, "waiting", 10)).length === 1);
    const folder = `${stage.folder}/latents`;
    for await (const { name } of Deno.readDir(folder)) {
      if (harm === "remove") await Deno.remove(`${folder}/${name}`);
      else await Deno.writeFile(`${folder}/${name}`, new Uint8Array(256));
    }
    const leave = await stage.machine();
    assertEquals((await lost).images[0].rgb[0], harm.length);
    await leave();
    await stop();
  }
});

Deno.test("pictures are cut by the rule: while others wait for the large machine and a small one is free", async () => {
  await using stage = await Stage.set();
  const queue = await stage.queue({ split: AUTO });
  await stage.machine();
  await stage.machine({}, [MODEL], 512);
  await until("both are there", async () => (await queue.machines()).length === 2);
  const jobs = [queue.submit(large("wait 2500", 1), { signal: never })];
  await until("it runs", async () => (await listJobs(queue, "running", 10)).length === 1);
  jobs.push(queue.submit(large("second", 2), { signal: never }));
  await until("one waits", async () => (await listJobs(queue, "waiting", 10)).length === 1);
  assertEquals(await jobsOf(queue, LOW), []);
  jobs.push(queue.submit(large("third", 3), { signal: never }));
  await Promise.all(jobs);
  assertEquals([(await jobsOf(queue, LOW)).length, (await jobsOf(queue, HIGH)).length], [1, 3]);
});

Deno.test("two worker processes draw one picture, each is killed once, and it has the single machine's bytes", async () => {
  await using stage = await Stage.set();
  const root = new URL("../", import.meta.url).pathname;
  const folder = `${stage.folder}/models`;
  await Deno.mkdir(folder);
  await Deno.symlink(`${root}tests/golden/pipelines/dit/model`, `${folder}/dit`);
  const model = await modelAt(`${folder}/dit`, new FileHashes());
  const request: GenerateRequest = {
    ...{ prompt: "3", seed: 5, width: 544, height: 544, minResolution: 272, steps: 2, guidance: 1 },
    ...{ shortenSteps: false, upsampler: "bicubic" },
  };
  const worker = (side: number) =>
    new Deno.Command(Deno.execPath(), {
      args: [
        ...[
          "run",
          "-A",
          "--no-check",
          "cli.ts",
          "worker",
          "--queue",
          stage.redis.url,
          "--store",
          stage.folder,
        ],
        ...["--models", folder, "--dtype", "f32", "--lease", "1", "--max-size", String(side), "--quiet"],
      ],
      cwd: root,
      stdout: "null",
      stderr: "null",
    }).spawn();
  const queue = await stage.queue({
    model,
    leaseMs: 1000,
    patienceMs: 600_000,
    split: { when: "always", stages: () => [272 ** 2, 544 ** 2] },
  });
  const begun: string[] = [];
  const at: (number | undefined)[] = [];
  const end = queue.submit(picture("", 0, { request, pixels: 544 ** 2 }), {
    signal: never,
    onProgress: ({ stage }) => at.push(stage),
  });
  const running = async (): Promise<string | undefined> => (await listJobs(queue, "running", 10))[0]?.queue;
  const killed = async (side: number): Promise<void> => {
    await using machine = worker(side);
    await until("it draws", async () => await running() !== undefined, 300_000);
    begun.push((await running())!.split("-")[1]);
    machine.kill("SIGKILL");
    await machine.status;
  };
  const kept = async (side: number, until: () => Promise<unknown>): Promise<void> => {
    const machine = worker(side);
    await until();
    machine.kill("SIGKILL");
    await machine.status;
  };
  await killed(512);
  await kept(512, () =>
    until("the rest waits", async () => {
      const counts = await queue.queue(queueName(model.hash, 1024)).getJobCounts("prioritized", "wait");
      const first = await queue.queue(queueName(model.hash, 512)).getJobCounts("completed");
      return counts.prioritized + counts.wait === 1 && first.completed === 1;
    }, 300_000));
  await killed(2048);
  await kept(2048, () => end);
  assertEquals(begun, ["512", "1024"]);
  assertEquals(at.filter((stage, i) => stage !== undefined && at.indexOf(stage) === i), [1, 2]);
  await using pipeline = await createPipeline(fileFolder(`${folder}/dit`), { dtype: "f32" });
  const { images: [want] } = await pipeline.generate(request);
  const { images: [image] } = await end;
  assertEquals([image.width, image.rgb, image.seed], [544, want.rgb, 5]);
});
