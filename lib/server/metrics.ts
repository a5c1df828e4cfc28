/**
 * What the server counts, as Prometheus reads it.
 *
 * @module
 */

/** Counts of a server. */
export interface ServerCounts {
  /** Requests that wait for the GPU. */
  readonly waiting: number;
  /** 1 while the GPU draws, else 0. */
  readonly running: number;
  /** Requests that were begun since the start. */
  readonly begun: number;
  /** Seconds that a step of the last picture took. */
  readonly secondsPerStep: number;
  /** Bytes of bodies that are held. */
  readonly heldBytes: number;
  /** Jobs with ids that are known, by status. */
  readonly jobs: Readonly<Record<string, number>>;
  /** Answers by status. */
  readonly answered: ReadonlyMap<number, number>;
}

/** The text format, version 0.0.4. */
export function metricsText(counts: ServerCounts): string {
  const metric = (
    name: string,
    type: string,
    help: string,
    values: readonly (readonly [string, number])[],
  ): string =>
    `# HELP lssgen_${name} ${help}\n# TYPE lssgen_${name} ${type}\n` +
    values.map(([labels, value]) => `lssgen_${name}${labels} ${value}\n`).join("");
  return metric("queue_length", "gauge", "Requests that wait for the GPU.", [["", counts.waiting]]) +
    metric("running", "gauge", "Requests that are being drawn.", [["", counts.running]]) +
    metric("requests_begun_total", "counter", "Requests whose drawing was begun.", [["", counts.begun]]) +
    metric("step_seconds", "gauge", "Seconds a step of the last picture took.", [[
      "",
      counts.secondsPerStep,
    ]]) +
    metric("held_body_bytes", "gauge", "Bytes of request bodies in memory.", [["", counts.heldBytes]]) +
    metric(
      "jobs",
      "gauge",
      "Jobs with ids that the server knows, by status.",
      Object.entries(counts.jobs).map(([status, n]) => [`{status="${status}"}`, n]),
    ) +
    metric(
      "answers_total",
      "counter",
      "Answers by HTTP status.",
      [...counts.answered].sort(([a], [b]) => a - b).map(([status, n]) => [`{status="${status}"}`, n]),
    );
}
