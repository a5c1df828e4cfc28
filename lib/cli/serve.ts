/**
 * `serve`: the page, and A1111's and OpenAI's APIs, on one model.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { ImageServer } from "../server/server.ts";
import { openPipeline, quietly, startProgress } from "./generate.ts";
import type { Parsed } from "./options.ts";
import { buildPage, pageFiles } from "./page_files.ts";
import { pictureFile } from "./picture.ts";
import { toEngineChoice } from "./request.ts";
import type { Terminal } from "./terminal.ts";

/** A1111's. */
const DEFAULT_PORT = 7860;
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
/** Environment variable for the token: an option can be read by everybody on the machine. */
const TOKEN_VARIABLE = "LSSGEN_TOKEN";

/** Runs the command until Ctrl-C or SIGTERM. */
export async function serve(options: Parsed, terminal: Terminal): Promise<void> {
  if (options.words.length > 0) {
    throw new LssgenError("bad_option", `\`serve\` takes no prompt, got "${options.words.join(" ")}"`);
  }
  const hostname = options.text.host ?? "127.0.0.1";
  const open = !["127.0.0.1", "::1", "localhost"].includes(hostname);
  const token = options.text.token ?? Deno.env.get(TOKEN_VARIABLE);
  const engine = toEngineChoice(options);
  const address = freeAddress(hostname, options.number.port ?? DEFAULT_PORT);
  const stop = Promise.withResolvers<void>();
  const progress = startProgress(options, terminal);
  await using pipeline = await openPipeline(engine, quietly(options, terminal), progress.onProgress);
  progress.end();
  const page = await pageFiles() ?? (await buildPage() ? await pageFiles() : undefined);
  const api = new ImageServer(pipeline, {
    pictureFile: (image) => pictureFile(image, engine),
    token: token || undefined,
    hosts: open ? undefined : LOOPBACK,
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
  const terminate = (): void => stop.resolve();
  // Windows has no SIGTERM to listen to.
  const signals = Deno.build.os !== "windows";
  if (signals) Deno.addSignalListener("SIGTERM", terminate);
  const server = Deno.serve({
    ...address,
    onListen: ({ port }) => {
      terminal.print(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`);
      if (!page) terminal.note("The page was not built (deno task web:build); the API answers without it\n");
      if (open && !token) {
        terminal.note(`Warning: anybody who reaches ${hostname} can use this GPU; set ${TOKEN_VARIABLE}\n`);
      }
    },
  }, api.handle);
  await stop.promise;
  // Waiting requests are refused first: they would hold the server open until their turn.
  await api.close();
  await server.shutdown();
  if (signals) Deno.removeSignalListener("SIGTERM", terminate);
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
