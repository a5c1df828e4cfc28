/**
 * `serve`: the page, and A1111's and OpenAI's APIs, on one model.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Pipeline } from "../pipelines/text_to_image.ts";
import { isLocalName } from "../server/guard.ts";
import { baseName } from "../server/names.ts";
import { ReopeningEngine } from "../server/reopening.ts";
import { ImageServer } from "../server/server.ts";
import { openPipeline, quietly, startProgress } from "./generate.ts";
import { listen } from "./http.ts";
import { loraNames } from "./lora_folder.ts";
import type { Parsed } from "./options.ts";
import { buildPage, pageFiles } from "./page_files.ts";
import { environmentVariable } from "./permissions.ts";
import { pictureFile, pictureText } from "./picture.ts";
import { type EngineChoice, toEngineChoice } from "./request.ts";
import type { Terminal } from "./terminal.ts";

/** A1111's. */
const DEFAULT_PORT = 7860;
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
/** Milliseconds that the running request may take to end after SIGTERM. */
const DRAIN_MS = 10_000;
/** Milliseconds that clients may take to read their answers then. */
const ANSWER_MS = 2_000;
/** Milliseconds until the process ends in any case. */
const END_MS = 15_000;
/** Exit codes: the machine failed; ended by SIGTERM (128 + 15). */
const EXIT_FAILED = 1;
const EXIT_TERMINATED = 143;
/** Environment variable for the token: an option can be read by everybody on the machine. */
const TOKEN_VARIABLE = "LSSGEN_TOKEN";

/** Runs the command until Ctrl-C or SIGTERM. */
export async function serve(options: Parsed, terminal: Terminal): Promise<void> {
  if (options.words.length > 0) {
    throw new LssgenError("bad_option", `\`serve\` takes no prompt, got "${options.words.join(" ")}"`);
  }
  const hostname = options.text.host ?? "127.0.0.1";
  const open = !["127.0.0.1", "::1", "localhost"].includes(hostname);
  const token = options.text.token ?? environmentVariable(TOKEN_VARIABLE);
  const engine = toEngineChoice(options);
  const address = freeAddress(hostname, options.number.port ?? DEFAULT_PORT);
  const stop = Promise.withResolvers<void>();
  const progress = startProgress(options, terminal);
  const reopen = async (): Promise<Pipeline> =>
    await openPipeline(engine, quietly(options, terminal), progress.onProgress);
  let failed: LssgenError | undefined;
  await using pipeline = new ReopeningEngine(await reopen(), reopen, (error, end) => {
    progress.end();
    terminal.note(`${error.message}${end ? "; the server ends" : ", it is opened again"}\n`);
    if (!end) return;
    failed = error;
    stop.resolve();
  });
  progress.end();
  const page = await pageFiles() ?? (await buildPage() ? await pageFiles() : undefined);
  const how = {
    embeddedGuidance: pipeline.info.embeddedGuidance,
    metadata: !options.flag.disableImageMetadata,
    scheduler: pipeline.info.scheduler,
  };
  // Clients get names of files; where they lie is nobody else's business.
  const shown = namesOnly(engine);
  const { loraModelDir } = engine;
  const origins = options.texts.cors?.map((origin) => origin.toLowerCase().replace(/\/$/, ""));
  // Who allows the pages of a name may call the server by it.
  const friends = [hostname, ...origins ?? []].map((name) =>
    name.replace(/^https?:\/\//, "").replace(/:\d+$/, "").toLowerCase()
  );
  const api = new ImageServer(pipeline, {
    pictureFile: (image) => pictureFile(image, shown, how),
    pictureText: (image) => pictureText(image, shown, how),
    token: token || undefined,
    hosts: !open ? LOOPBACK : token ? undefined : (name) => isLocalName(name) || friends.includes(name),
    origins,
    loras: loraModelDir === undefined ? undefined : () => loraNames(loraModelDir),
    limits: options.number.maxSize === undefined ? undefined : {
      pixels: options.number.maxSize ** 2,
      steps: 150,
      pictures: 16,
    },
    page,
    onError: (error) => terminal.note(`${error instanceof Error ? error.stack ?? error.message : error}\n`),
  });
  terminal.signal.addEventListener("abort", () => stop.resolve(), { once: true });
  if (terminal.signal.aborted) stop.resolve();
  let ending = false;
  const terminate = (): void => {
    if (ending) Deno.exit(EXIT_TERMINATED);
    ending = true;
    terminal.note(`Ending within ${END_MS / 1000} s; a second signal ends at once\n`);
    stop.resolve();
  };
  // Windows has no SIGTERM to listen to.
  const signals = Deno.build.os !== "windows";
  if (signals) Deno.addSignalListener("SIGTERM", terminate);
  const server = await listen(address, api.handle);
  terminal.print(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${server.port}/`);
  if (!page) terminal.note("The page was not built (deno task web:build); the API answers without it\n");
  if (open && !token) {
    terminal.note(`Warning: anybody who reaches ${hostname} can use this GPU; set ${TOKEN_VARIABLE}\n`);
  }
  await stop.promise;
  // Whatever hangs, a GPU or a client, the end comes.
  const late = setTimeout(() => {
    terminal.note("The GPU did not come to an end; stopped\n");
    Deno.exit(EXIT_FAILED);
  }, END_MS);
  // Waiting requests are refused first: they would hold the server open until their turn.
  await api.close(failed ? 0 : DRAIN_MS);
  await server.end(ANSWER_MS);
  clearTimeout(late);
  if (signals) Deno.removeSignalListener("SIGTERM", terminate);
  if (failed) throw failed;
}

/** The engine with the last part of each path. */
function namesOnly(engine: EngineChoice): EngineChoice {
  const last = (value: unknown): unknown =>
    typeof value === "string" ? baseName(value) : Array.isArray(value) ? value.map(last) : value;
  return Object.fromEntries(Object.entries(engine).map(([key, value]) => [key, last(value)])) as EngineChoice;
}

/** Makes sure that the port can be had before a model is loaded for minutes. */
function freeAddress(hostname: string, port: number): { hostname: string; port: number } {
  try {
    const probe = Deno.listen({ hostname, port });
    const taken = (probe.addr as Deno.NetAddr).port;
    probe.close();
    return { hostname, port: taken };
  } catch (cause) {
    const why = cause instanceof Deno.errors.AddrInUse
      ? "another program has it; choose another with --port"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new LssgenError("bad_option", `Cannot listen on ${hostname} port ${port}: ${why}`, { cause });
  }
}
