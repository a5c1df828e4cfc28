/**
 * `deno task bench`: GFLOP/s of the kernels, their share of the peak that plain multiply-adds reach in the same run, and
 * with `--peers` other engines at the same work in turns. `--help` lists the rest.
 *
 * @module
 */

import { spreadThreads } from "../lib/cli/software_adapter.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { runInChromium } from "./chromium.ts";
import { coldStart } from "./cold_start.ts";
import { loading } from "./loading.ts";
import { published } from "./published.ts";
import { streaming } from "./streaming.ts";
import type { Peers } from "./harness.ts";
import { BadOption, type BenchOptions, helpText, parseOptions } from "./options.ts";
import { onnxPeer } from "./peers_onnx.ts";
import { BENCHES, runBenches, type RunReport } from "./run.ts";

/** Computed, so that nobody fetches it who does not ask for it. */
const ONNX = ["npm:onnxruntime-web@1.30.0", "webgpu"].join("/");

/** Those that need files or processes are Deno's alone; parts of published models take longer than a page's visitor waits. */
const ALL = [...BENCHES, published, loading, streaming, coldStart];
const NAMES = ALL.map(({ name }) => name);

function options(): BenchOptions {
  try {
    return parseOptions(Deno.args, NAMES);
  } catch (error) {
    if (!(error instanceof BadOption)) throw error;
    console.error(`${error.message}\n--help says what each does`);
    Deno.exit(2);
  }
}

spreadThreads();
const o = options();
if (o.help) {
  console.log(helpText(NAMES));
  Deno.exit(0);
}
// With --json alone, standard output is the JSON and nothing else.
const say = o.json && o.file === undefined ? console.error : console.log;

async function run(): Promise<RunReport> {
  if (o.peers === "chromium") return await runInChromium(o, say);
  const peers: Peers | undefined = o.peers && onnxPeer(await import(ONNX));
  using device = await openDevice();
  return await runBenches(device, { ...o, benches: ALL, peers, say });
}

const report = await run();
if (o.json) {
  const text = JSON.stringify(report, null, 2) + "\n";
  if (o.file === undefined) console.log(text);
  else await Deno.writeTextFile(o.file, text);
}
// onnxruntime-web keeps its device, and with it the process.
Deno.exit(0);
