/**
 * What the command line needs of the package's entry `scale`, which is fetched with `--queue` only.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { notPermitted } from "../not_permitted.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import type { Engine, JobQueue } from "../server/queue.ts";
import type { Parsed } from "./options.ts";
import type { Command, Terminal } from "./terminal.ts";

/** What a server has in place of a GPU. */
export interface ServingParts {
  /** Jobs go there. */
  readonly queue: JobQueue;
  /** Plans, and does not draw. */
  readonly engine: Engine;
  /** Further routes. */
  readonly gets: Readonly<Record<string, () => Promise<Response>>>;
  /** Further lines of `/metrics`. */
  readonly metrics: () => Promise<string>;
  /** Leaves the queue. */
  readonly close: () => Promise<void>;
}

/** The entry. */
export interface ScaleEntry {
  /** `worker`. */
  readonly worker: Command;
  /** `queue`. */
  readonly queueCommand: Command;
  /** `serve --queue`. */
  readonly serving: (
    options: Parsed,
    info: ModelInfo,
    note: (sentence: string) => void,
  ) => Promise<ServingParts>;
}

/** Fetches it. */
export type LoadScale = () => Promise<ScaleEntry>;

/**
 * The address of `--queue`.
 *
 * @throws {LssgenError} `bad_option` without one.
 */
export function queueOf({ command, words, text: { queue } }: Parsed): string {
  if (queue !== undefined) return queue;
  // "queue retry all" may be meant as one, "worker on a roof" and "queue at a baker's shop" are prompts.
  const prompt = words.length > (command === "queue" ? 2 : 0)
    ? `; to draw it: cli.ts generate "${[command, ...words].join(" ")}"`
    : "";
  throw new LssgenError(
    "bad_option",
    `\`${command}\` needs --queue, for example redis://localhost:6379${prompt}`,
  );
}

/** The command of the entry, or an error where the program was built without it. */
export function scaleCommand(
  load: LoadScale | undefined,
  run: (entry: ScaleEntry, options: Parsed, terminal: Terminal) => Promise<void>,
): Command {
  return async (options, terminal) => {
    queueOf(options); // said before the entry and what it imports are fetched
    await run(await loadScale(load), options, terminal);
  };
}

/** The entry, or an error where the program was built without it. */
export async function loadScale(load: LoadScale | undefined): Promise<ScaleEntry> {
  if (!load) {
    throw new LssgenError("unsupported", "This program was built without queues; run cli.ts of the package");
  }
  try {
    return await load();
  } catch (cause) {
    if (!notPermitted(cause)) throw cause;
    throw new LssgenError("bad_option", `Cannot open what queues need: ${(cause as Error).message}`, {
      cause,
    });
  }
}
