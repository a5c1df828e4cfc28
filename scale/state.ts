/**
 * The queue's state: for a terminal, for Prometheus, and as a page.
 *
 * @module
 */

import { parseJson } from "./job.ts";
import { PREFIX, type RedisQueue, type WorkerState } from "./redis_queue.ts";

/** States of jobs, as people call them. */
export const STATES = {
  waiting: ["wait", "prioritized"],
  delayed: ["delayed"],
  running: ["active"],
  done: ["completed"],
  dead: ["failed"],
} as const;

/** One of them. */
export type JobStateName = keyof typeof STATES;

/** Jobs of a queue by state. */
export interface QueueCounts {
  /** Name of the queue. */
  readonly name: string;
  /** Model, by the name that workers give it, or the beginning of its hash. */
  readonly model: string;
  /** Size class. */
  readonly side: number;
  /** Workers that draw from it. */
  readonly workers: number;
  /** Jobs. */
  readonly counts: Readonly<Record<JobStateName, number>>;
  /** Seconds that the next job has waited. */
  readonly oldest: number;
}

/** A job in a list. */
export interface ListedJob {
  /** Its name. */
  readonly id: string;
  /** Its queue. */
  readonly queue: string;
  /** Where it is. */
  readonly state: JobStateName;
  /** Seconds since it was sent. */
  readonly age: number;
  /** Who sent it. */
  readonly client: string;
  /** Beginning of the prompt. */
  readonly prompt: string;
  /** Times it was tried. */
  readonly tries: number;
  /** Why it failed. */
  readonly reason?: string;
}

/** Every queue with its counts. */
export async function queueCounts(
  queue: RedisQueue,
  workers: readonly WorkerState[],
): Promise<QueueCounts[]> {
  const rows: QueueCounts[] = [];
  for (const { name, model, side } of await queue.names()) {
    const all = await queue.queue(name).getJobCounts(
      "wait",
      "prioritized",
      "delayed",
      "active",
      "completed",
      "failed",
    );
    const able = workers.filter(({ models, maxPixels }) =>
      side * side <= maxPixels && models.some(({ hash }) => hash.startsWith(model))
    );
    const known = able.flatMap(({ models }) => models).find(({ hash }) => hash.startsWith(model));
    const [next] = await queue.queue(name).getJobs(["wait", "prioritized"], 0, 0, true);
    rows.push({
      name,
      model: known?.name ?? model,
      side,
      workers: able.length,
      counts: Object.fromEntries(
        Object.entries(STATES).map((
          [state, kinds],
        ) => [state, kinds.reduce((sum, kind) => sum + (all[kind] ?? 0), 0)]),
      ) as Record<JobStateName, number>,
      oldest: next?.timestamp ? Math.max(0, (Date.now() - next.timestamp) / 1000) : 0,
    });
  }
  return rows;
}

/** Jobs of a state. */
export async function listJobs(queue: RedisQueue, state: JobStateName, most: number): Promise<ListedJob[]> {
  const all: ListedJob[] = [];
  for (const { name } of await queue.names()) {
    const ids: string[] = [];
    for (const kind of STATES[state]) {
      const key = `${PREFIX}:${name}:${kind}`;
      const left = Math.min(most - all.length - ids.length, 1 << 20);
      if (left <= 0) break;
      ids.push(
        ...kind === "wait" || kind === "active"
          ? (await queue.redis.lrange(key, -left, -1)).reverse()
          : await queue.redis.zrange(key, "0", String(left - 1)),
      );
    }
    // The fields of the list alone: BullMQ's own list reads whole jobs.
    const pipeline = queue.redis.pipeline();
    for (const id of ids) {
      pipeline.hmget(`${PREFIX}:${name}:${id}`, "data", "timestamp", "atm", "failedReason");
    }
    const rows = await pipeline.exec() ?? [];
    for (const [i, [error, fields]] of rows.entries()) {
      const [data, time, tries, reason] = (fields ?? []) as (string | null)[];
      // A job may have left while the list was made.
      if (!error && data !== null) all.push(listed(ids[i], name, state, { data, time, tries, reason }));
    }
    if (all.length >= most) break;
  }
  return all;
}

function listed(
  id: string,
  queue: string,
  state: JobStateName,
  fields: Readonly<Record<"data" | "time" | "tries" | "reason", string | null>>,
): ListedJob {
  const data = (parseJson(fields.data) ?? {}) as Record<string, unknown>;
  const { prompt } = (data.request ?? {}) as { readonly prompt?: unknown };
  return {
    id,
    queue,
    state,
    age: Math.max(0, (Date.now() - Number(fields.time)) / 1000),
    client: String(data.client ?? "").slice(0, 64),
    prompt: String(prompt ?? "").slice(0, 80),
    tries: Number(fields.tries ?? 0),
    ...fields.reason !== null && { reason: fields.reason.slice(0, 300) },
  };
}

/** Prometheus' text. */
export async function queueMetrics(queue: RedisQueue): Promise<string> {
  const workers = await queue.machines();
  const rows = await queueCounts(queue, workers);
  const label = (text: string): string => text.replace(/[\\"\n]/g, (c) => c === "\n" ? "\\n" : `\\${c}`);
  const labels = ({ model, side }: QueueCounts): string => `model="${label(model)}",side="${side}"`;
  const metric = (name: string, help: string, lines: readonly string[]): string =>
    `# HELP lssgen_${name} ${help}\n# TYPE lssgen_${name} gauge\n${
      lines.map((line) => `lssgen_${name}${line}\n`).join("")
    }`;
  return metric(
    "queue_jobs",
    "Jobs in the queue by model, size class and state.",
    rows.flatMap((row) =>
      Object.entries(row.counts).map(([state, n]) => `{${labels(row)},state="${state}"} ${n}`)
    ),
  ) +
    metric(
      "queue_oldest_seconds",
      "Seconds that the next job has waited.",
      rows.map((row) => `{${labels(row)}} ${row.oldest.toFixed(3)}`),
    ) +
    metric(
      "queue_workers",
      "Workers that draw from the queue.",
      rows.map((row) => `{${labels(row)}} ${row.workers}`),
    ) +
    metric("workers", "Workers that are there.", [` ${workers.length}`]) +
    metric("workers_busy", "Workers that draw.", [
      ` ${workers.filter(({ job }) => job !== undefined).length}`,
    ]);
}

/** A page that renews itself. */
export async function statePage(queue: RedisQueue): Promise<Response> {
  const workers = await queue.machines();
  const rows = await queueCounts(queue, workers);
  const dead = await listJobs(queue, "dead", 50);
  const running = await listJobs(queue, "running", 50);
  const table = (head: readonly string[], lines: readonly (readonly unknown[])[]): string =>
    `<table><tr>${head.map((cell) => `<th>${escape(cell)}</th>`).join("")}</tr>${
      lines.map((cells) => `<tr>${cells.map((cell) => `<td>${escape(String(cell))}</td>`).join("")}</tr>`)
        .join("")
    }</table>`;
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>Queue</title>
<style>body{font:14px system-ui;margin:2em}table{border-collapse:collapse;margin:0 0 2em}td,th{padding:.3em .8em;text-align:left;border-bottom:1px solid #8884}:root{color-scheme:light dark}</style>
<h1>Queue</h1>
${
    table(
      ["model", "up to", "workers", ...Object.keys(STATES), "oldest, s"],
      rows.map((
        row,
      ) => [row.model, `${row.side}²`, row.workers, ...Object.values(row.counts), row.oldest.toFixed(1)]),
    )
  }
<h2>Workers</h2>
${
    table(
      ["host", "version", "models", "up to", "loaded", "draws", "done"],
      workers.map((w) => [
        w.host,
        w.version,
        w.models.map(({ name }) => name).join(", "),
        `${Math.floor(Math.sqrt(w.maxPixels))}²`,
        w.models.find(({ hash }) => hash === w.loaded)?.name ?? "",
        w.job?.slice(0, 12) ?? "",
        w.done,
      ]),
    )
  }
<h2>Running</h2>
${
    table(
      ["job", "client", "age, s", "prompt"],
      running.map((j) => [j.id.slice(0, 12), j.client, j.age.toFixed(0), j.prompt]),
    )
  }
<h2>Dead letters</h2>
${
    table(
      ["job", "client", "tries", "reason"],
      dead.map((j) => [j.id.slice(0, 12), j.client, j.tries, j.reason ?? ""]),
    )
  }
</html>`;
  return new Response(html, {
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
  });
}

/** Prompts and reasons are strangers' texts. */
function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
