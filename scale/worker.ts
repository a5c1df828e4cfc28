/**
 * `worker`: draws for a queue until SIGTERM or Ctrl-C.
 *
 * @module
 */

import { LssgenError } from "../lib/errors.ts";
import type { Parsed } from "../lib/cli/options.ts";
import type { EngineChoice } from "../lib/parameters/engine_choice.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { VERSION } from "../lib/version.ts";
import { SIZE_CLASSES } from "../lib/server/policy.ts";
import { type Claim, type Drawn, type JobQueue, LeftForOthers, work } from "../lib/server/queue.ts";
import { Drawing } from "./drawing.ts";
import { JOB_FORMAT } from "./job.ts";
import { embeddedModel, type HeldModel, modelsIn } from "./models.ts";
import { fileHashes, openQueue } from "./opening.ts";
import { ANNOUNCE_MS, type RedisQueue } from "./redis_queue.ts";

/** Side of the largest picture, without `--max-size`. */
const MAX_SIDE = 2048;
/** Seconds that the running job may take after SIGTERM, without `--drain`. */
const DRAIN_S = 25;

/** Milliseconds beyond that until the process ends in any case. */
const END_MS = 10_000;

/** How a worker behaves. */
export interface WorkerOptions {
  /** Its models. */
  readonly models: readonly HeldModel[];
  /** Pixels of the largest picture that it draws. */
  readonly maxPixels: number;
  /** How models are opened. */
  readonly engine?: EngineChoice;
  /** What draws. Default a thread with the engine of this package. */
  readonly drawing: Drawing;
  /** The running job may take so many milliseconds after `ending`; then it is left for another worker. */
  readonly drainMs: number;
  /** Fires when no further job is to be claimed. */
  readonly ending: AbortSignal;
}

/** Draws for a queue until `ending` fires. */
export async function runWorker(queue: RedisQueue, options: WorkerOptions): Promise<void> {
  const { models, maxPixels, drawing, ending, engine = {} } = options;
  const id = crypto.randomUUID();
  let job: string | undefined;
  let done = 0;
  const announce = (): Promise<void> =>
    queue.announce({
      id,
      host: `${hostname()} ${Deno.pid}`,
      version: VERSION,
      format: JOB_FORMAT,
      models: models.map(({ name, hash }) => ({ name, hash })),
      maxPixels,
      loaded: drawing.loaded,
      job,
      done,
    }).catch(() => {});
  await announce();
  const announcing = setInterval(announce, ANNOUNCE_MS);
  const late = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (): void => {
    timer = setTimeout(() => late.abort(), options.drainMs);
  };
  if (ending.aborted) end();
  else ending.addEventListener("abort", end, { once: true });
  const draw = async (claim: Claim): Promise<Drawn> => {
    job = claim.id;
    announce();
    try {
      const { request, previews, pixels } = await queue.withInputs(claim);
      return await drawing.draw(
        {
          model: models.find(({ hash }) => hash === claim.model)!,
          engine,
          request,
          pixels,
          part: await queue.partOf(claim),
          loras: queue.lorasOf(claim),
          previews,
        },
        AbortSignal.any([claim.signal, late.signal]),
        (progress) => queue.report(claim, progress),
      );
    } catch (error) {
      if (late.signal.aborted && !claim.signal.aborted) throw new LeftForOthers("This worker ends", "now");
      throw error;
    } finally {
      done++;
      job = undefined;
    }
  };
  const offer = () => ({
    models: models.map(({ hash }) => hash),
    maxPixels,
    loaded: drawing.loaded,
    staysUntil: drawing.staysUntil,
  });
  try {
    await work(queue as JobQueue, offer, draw, ending);
  } finally {
    clearTimeout(timer);
    clearInterval(announcing);
    await queue.goodbye(id).catch(() => {});
  }
}

/** Runs the command. */
export async function worker(options: Parsed, terminal: Terminal): Promise<void> {
  if (options.words.length > 0) {
    throw new LssgenError(
      "bad_option",
      `\`worker\` takes no prompt, got "${options.words.join(" ")}"; to draw it: cli.ts generate "worker ${
        options.words.join(" ")
      }"`,
    );
  }
  const { models: folder, loraModelDir, dtype } = options.text;
  const models = folder === undefined ? [await embeddedModel()] : await modelsIn(folder, fileHashes());
  const side = options.number.maxSize ?? MAX_SIDE;
  const classes = SIZE_CLASSES.filter((least) => least <= side);
  if (classes.length === 0) {
    throw new LssgenError(
      "bad_option",
      `--max-size is ${side}, expected at least ${SIZE_CLASSES[0]}, the smallest class of sizes`,
    );
  }
  const note = (text: string): void => {
    if (!options.flag.quiet) terminal.note(`${text.trimEnd()}\n`);
  };
  const ending = new AbortController();
  const drainMs = 1000 * (options.number.drain ?? DRAIN_S);
  terminal.signal.addEventListener("abort", () => ending.abort(), { once: true });
  const signals = Deno.build.os !== "windows";
  const terminate = (): void => {
    if (ending.signal.aborted) Deno.exit(143);
    note("Ending after this job; a second signal ends at once");
    ending.abort();
    // Whatever hangs, Redis or a GPU, the end comes; the job's lease ends with it.
    Deno.unrefTimer(setTimeout(() => Deno.exit(1), drainMs + END_MS));
  };
  if (signals) Deno.addSignalListener("SIGTERM", terminate);
  await using queue = await openQueue(options, { note });
  using drawing = new Drawing(note);
  const last = classes.at(-1)!;
  terminal.print(`Drawing ${models.map(({ name }) => name).join(", ")} up to ${last} × ${last}`);
  if (last < side) {
    note(
      `--max-size ${side} lies between two classes of sizes: pictures of more than ${last} × ${last} pixels go to other workers`,
    );
  }
  try {
    await runWorker(queue, {
      models,
      maxPixels: side * side,
      engine: {
        dtype: dtype as EngineChoice["dtype"],
        loraModelDir,
        maxActivation: options.number.maxActivation,
      },
      drawing,
      drainMs,
      ending: ending.signal,
    });
  } finally {
    if (signals) Deno.removeSignalListener("SIGTERM", terminate);
  }
}

function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "a host";
  }
}
