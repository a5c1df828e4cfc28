/**
 * `deno task bench [--only NAME] [--case TEXT] [--reps N] [--json [FILE]] [--peers] [--operands buffers|texels|tiled]`:
 * GFLOP/s of the kernels, their share of the peak that plain multiply-adds reach in the same run, and with `--peers`
 * onnxruntime-web at the same work in turns.
 *
 * @module
 */

import { openDevice } from "../lib/gpu/device.ts";
import type { Operands } from "../lib/gpu/tune.ts";
import type { Peers } from "./harness.ts";
import { onnxPeer } from "./peers_onnx.ts";
import { BENCHES, runBenches } from "./run.ts";

/** Computed, so that nobody fetches it who does not ask for it. */
const ONNX = ["npm:onnxruntime-web@1.30.0", "webgpu"].join("/");

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

const only = option("--only");
if (only !== undefined && !BENCHES.some(({ name }) => name === only)) {
  console.error(`No bench is called "${only}": choose one of ${BENCHES.map((b) => b.name).join(", ")}`);
  Deno.exit(2);
}

// With --json alone, standard output is the JSON and nothing else.
const wantsJson = Deno.args.includes("--json");
const file = option("--json")?.startsWith("--") ? undefined : option("--json");
const say = wantsJson && file === undefined ? console.error : console.log;
const peers: Peers | undefined = Deno.args.includes("--peers") ? onnxPeer(await import(ONNX)) : undefined;

using device = await openDevice();
const report = await runBenches(device, {
  only,
  filter: option("--case"),
  repetitions: Number(option("--reps") ?? 5),
  operands: option("--operands") as Operands | undefined,
  peers,
  say,
});
if (wantsJson) {
  const text = JSON.stringify(report, null, 2) + "\n";
  if (file === undefined) console.log(text);
  else await Deno.writeTextFile(file, text);
}
// onnxruntime-web keeps its device, and with it the process.
if (peers) Deno.exit(0);
