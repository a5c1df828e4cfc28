/**
 * `queue`: what waits, runs and failed, and what an operator does about it.
 *
 * @module
 */

import { LssgenError } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";
import type { Parsed } from "../lib/cli/options.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { Job } from "./bullmq.ts";
import { openQueue } from "./opening.ts";
import type { RedisQueue } from "./redis_queue.ts";
import { type JobStateName, type ListedJob, listJobs, queueCounts, STATES } from "./state.ts";

/** Jobs that `list` prints of a state. */
const LISTED = 1000;
/** Characters of a job's name that are enough, where there is one that begins so. */
const SHORT = 6;

/** What `queue` can do. */
const ACTIONS: Readonly<
  Record<
    string,
    { readonly help: string; run(queue: RedisQueue, words: readonly string[], say: Say): Promise<void> }
  >
> = {
  list: { help: "list [waiting|delayed|running|done|dead]", run: list },
  workers: { help: "workers", run: workers },
  retry: { help: "retry JOB…|all: dead letters are tried again", run: retry },
  cancel: { help: "cancel JOB…: drops or stops them, whoever waits", run: cancel },
  drain: { help: "drain: drops everything that waits", run: drain },
};

interface Say {
  readonly json: boolean;
  print(line: string): void;
}

/** Runs the command. */
export async function queueCommand(options: Parsed, terminal: Terminal): Promise<void> {
  const [action = "list", ...words] = options.words;
  if (!Object.hasOwn(ACTIONS, action)) {
    const near = nearest(action, Object.keys(ACTIONS));
    throw new LssgenError(
      "bad_option",
      `\`queue ${action}\` is unknown${
        near
          ? `, did you mean \`queue ${near}\`?`
          : `: expected ${Object.values(ACTIONS).map(({ help }) => help).join("; ")}`
      }`,
    );
  }
  await using queue = await openQueue(options, { note: (text) => terminal.note(`${text}\n`) });
  await ACTIONS[action].run(queue, words, {
    json: options.flag.json ?? false,
    print: (line) => terminal.print(line),
  });
}

async function list(queue: RedisQueue, words: readonly string[], { json, print }: Say): Promise<void> {
  const unknown = words.find((word) => !Object.hasOwn(STATES, word));
  if (unknown !== undefined) {
    throw new LssgenError(
      "bad_option",
      `\`queue list ${unknown}\`: expected ${Object.keys(STATES).join(", ")}`,
    );
  }
  const states = (words.length > 0 ? words : ["running", "waiting", "delayed", "dead"]) as JobStateName[];
  const counts = await queueCounts(queue, await queue.machines());
  const jobs: ListedJob[] = [];
  for (const state of states) jobs.push(...await listJobs(queue, state, LISTED));
  if (json) return print(JSON.stringify({ queues: counts, jobs }));
  for (const { model, side, workers, counts: n, oldest } of counts) {
    const numbers = Object.entries(n).map(([state, count]) => `${count} ${state}`).join(", ");
    print(`${model} up to ${side} × ${side}: ${numbers}; ${workers} workers; oldest ${oldest.toFixed(1)} s`);
  }
  for (const { id, state, age, client, prompt, tries, reason } of jobs) {
    print(
      `${id.slice(0, 12)}  ${state.padEnd(8)}${age.toFixed(0).padStart(6)} s  ${client.padEnd(16)}  ` +
        (reason === undefined ? prompt : `${tries} tries: ${reason}`),
    );
  }
}

async function workers(queue: RedisQueue, _: readonly string[], { json, print }: Say): Promise<void> {
  const all = await queue.machines();
  if (json) return print(JSON.stringify({ workers: all }));
  for (const { host, version, models, maxPixels, job, done } of all) {
    const side = Math.floor(Math.sqrt(maxPixels));
    const names = models.map(({ name, hash }) => `${name} (${hash.slice(0, 12)})`).join(", ");
    print(
      `${host}: ${names} up to ${side} × ${side}, ${
        job ? `draws ${job.slice(0, 12)}` : "idle"
      }, ${done} done, ${version}`,
    );
  }
  if (all.length === 0) print("No workers");
}

async function retry(queue: RedisQueue, words: readonly string[], { print }: Say): Promise<void> {
  const dead = await listJobs(queue, "dead", Infinity);
  const wanted = named(words, dead, "retry");
  for (const { id, queue: name } of wanted) {
    const job = await Job.fromId(queue.queue(name), id);
    await job?.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
  }
  await queue.redis.publish("lssgen:wake", "");
  print(`${wanted.length} tried again`);
}

async function cancel(queue: RedisQueue, words: readonly string[], { print }: Say): Promise<void> {
  const jobs: ListedJob[] = [];
  for (const state of ["running", "waiting", "delayed"] as const) {
    jobs.push(...await listJobs(queue, state, Infinity));
  }
  let done = 0;
  for (const { id } of named(words, jobs, "cancel")) if (await queue.cancel(id)) done++;
  print(`${done} cancelled`);
}

async function drain(queue: RedisQueue, words: readonly string[], { print }: Say): Promise<void> {
  if (words.length > 0) throw new LssgenError("bad_option", "`queue drain` takes no further words");
  let done = 0;
  for (const state of ["waiting", "delayed"] as const) {
    for (const { id } of await listJobs(queue, state, Infinity)) if (await queue.cancel(id)) done++;
  }
  print(`${done} dropped`);
}

/** The jobs that words name: by their whole names, or by beginnings that are theirs alone. */
function named(words: readonly string[], jobs: readonly ListedJob[], action: string): readonly ListedJob[] {
  if (words.length === 0) {
    throw new LssgenError(
      "bad_option",
      `\`queue ${action}\` needs names of jobs, as \`queue list\` shows them`,
    );
  }
  if (words.length === 1 && words[0] === "all") return jobs;
  return words.map((word) => {
    const found = jobs.filter(({ id }) => id.startsWith(word));
    if (found.length === 1 && word.length >= SHORT) return found[0];
    throw new LssgenError(
      "bad_option",
      `\`queue ${action} ${word.slice(0, 80)}\`: ${
        found.length === 0
          ? "there is no such job to " + action
          : `give at least ${SHORT} characters, ${found.length} jobs begin so`
      }`,
    );
  });
}
