/**
 * The command line: options in, exit code out.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { readModelInfo } from "../pipelines/text_to_image.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import type { CommandName } from "./commands.ts";
import { compare } from "./compare.ts";
import { convert } from "./convert.ts";
import { download } from "./download.ts";
import { generate } from "./generate.ts";
import { inspect } from "./inspect.ts";
import { helpText } from "./help.ts";
import { openModel } from "./model.ts";
import { type Parsed, parseOptions } from "./options.ts";
import { plan } from "./plan.ts";
import { type LoadScale, scaleCommand } from "./scale_entry.ts";
import { modelChoice } from "./request.ts";
import { environmentVariable } from "./permissions.ts";
import { serve } from "./serve.ts";
import { upscale } from "./upscale.ts";
import { setThreads } from "./software_adapter.ts";
import { type Command, printable, type Terminal } from "./terminal.ts";
import { tunePlan } from "./tune_plan.ts";
import { VERSION } from "../version.ts";

const commands = (scale: LoadScale | undefined): Readonly<Record<CommandName, Command>> => ({
  generate,
  plan,
  inspect,
  compare,
  "tune-plan": tunePlan,
  serve: (options, terminal) => serve(options, terminal, scale),
  worker: scaleCommand(scale, ({ worker }, options, terminal) => worker(options, terminal)),
  queue: scaleCommand(scale, ({ queueCommand }, options, terminal) => queueCommand(options, terminal)),
  upscale,
  convert,
  download,
});

/** Commands whose help depends on a model. */
const DRAWS: readonly CommandName[] = ["generate", "plan", "compare", "tune-plan", "serve"];

/** Exit code of a run stopped by Ctrl-C, as shells have it (128 + SIGINT). */
const EXIT_ABORTED = 130;
const EXIT_BAD_INPUT = 2;
const EXIT_FAILED = 1;

/**
 * Runs one command line.
 *
 * @param args Arguments after the program's name.
 * @param scale Fetches the package's entry `scale`, for queues. Without it they are refused.
 * @returns Exit code: 0, 1 when the machine failed, 2 for bad options or files, 130 after Ctrl-C.
 */
export async function main(args: readonly string[], scale?: LoadScale): Promise<number> {
  const encoder = new TextEncoder();
  const controller = new AbortController();
  const draw = (text: string): void => {
    try {
      Deno.stderr.writeSync(encoder.encode(text));
    } catch (error) {
      // Nobody reads any more (`2>&1 | head`): that must not end a run of many minutes.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
  const terminal: Terminal = {
    print: (line) => console.log(printable(line)),
    note: (text) => draw(printable(text)),
    draw,
    // A terminal that knows no control sequences says so.
    tty: Deno.stderr.isTerminal() && environmentVariable("TERM") !== "dumb",
    get columns() {
      return width();
    },
    signal: controller.signal,
  };
  const interrupt = () => {
    if (controller.signal.aborted) Deno.exit(EXIT_ABORTED);
    terminal.note("\nStopping after this step; Ctrl-C again stops at once\n");
    controller.abort(new AbortedError());
  };
  Deno.addSignalListener("SIGINT", interrupt);
  let verbose = false;
  try {
    const options = parseOptions(args);
    if (options.ask === "help") {
      const columns = Deno.stdout.isTerminal() ? terminal.columns : undefined;
      terminal.print(helpText(options.command, await helpModel(options, terminal), columns).trimEnd());
    } else if (options.ask === "version") terminal.print(VERSION);
    else {
      for (const note of options.flag.quiet ? [] : options.notes) terminal.note(`Note: ${note}\n`);
      setThreads(options.number.threads);
      verbose = options.flag.verbose ?? false;
      await commands(scale)[options.command](options, terminal);
    }
    return 0;
  } catch (error) {
    // What fails after Ctrl-C failed because of it.
    const code = controller.signal.aborted ? EXIT_ABORTED : exitCode(error);
    terminal.note(`${code === EXIT_ABORTED ? "Stopped" : message(error, verbose)}\n`);
    return code;
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

/** The model whose defaults the help tells: the one that is named, else the embedded one, where it can be read. */
async function helpModel(options: Parsed, terminal: Terminal): Promise<ModelInfo | undefined> {
  const { model, diffusionModel } = options.text;
  const named = model !== undefined || diffusionModel !== undefined;
  if (!DRAWS.includes(options.command)) return undefined;
  try {
    const { model } = await openModel(modelChoice(options), terminal, { headersOnly: true });
    return await readModelInfo(model);
  } catch (error) {
    if (named) throw error;
    return undefined;
  }
}

/** Width of lines where nobody says. */
const NO_COLUMNS = 80;

function width(): number {
  try {
    return Deno.consoleSize().columns || NO_COLUMNS; // a terminal without a window says 0
  } catch {
    return NO_COLUMNS; // neither standard stream is a terminal
  }
}

/** The exit code that an error means. */
export function exitCode(error: unknown): number {
  if (!(error instanceof LssgenError)) return EXIT_FAILED;
  switch (error.code) {
    case "aborted":
      return EXIT_ABORTED;
    case "bad_option":
    case "bad_file":
    case "bad_tensor":
    case "unsupported":
      return EXIT_BAD_INPUT;
    default:
      return EXIT_FAILED;
  }
}

/** One line for an error on purpose; everything there is for one that nobody foresaw, and with `--verbose`. */
function message(error: unknown, verbose: boolean): string {
  if (error instanceof LssgenError && error.code !== "internal") {
    const line = `Error: ${error.message.replace(/\s*\n\s*/g, " ")}`;
    const { stack = "", cause } = error;
    const places = stack.split("\n").filter((text) => /^\s+at /.test(text));
    const because = cause instanceof Error ? [`Because of ${cause.stack ?? cause.message}`] : [];
    return verbose ? [line, ...places, ...because].join("\n") : line;
  }
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
