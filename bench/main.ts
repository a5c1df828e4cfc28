/**
 * `deno task bench [--only NAME] [--case TEXT] [--reps N] [--json [FILE]]`: GFLOP/s of the kernels, and their share of
 * the peak that plain multiply-adds reach in the same run.
 *
 * @module
 */

import { openDevice } from "../lib/gpu/device.ts";
import { tuneMatmul } from "../lib/gpu/tune.ts";
import { attention } from "./attention.ts";
import { type Bench, measure } from "./harness.ts";
import { conv } from "./conv.ts";
import { matmul } from "./matmul.ts";
import { denoiser, upsample, vae } from "./model.ts";
import { peakGflops } from "./peak.ts";

/** Every bench, in the order of the table. */
const BENCHES: readonly Bench[] = [matmul, attention, conv, upsample, denoiser, vae];

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

const only = option("--only");
const wanted = BENCHES.filter((b) => only === undefined || b.name === only);
if (wanted.length === 0) {
  console.error(`No bench is called "${only}": choose one of ${BENCHES.map((b) => b.name).join(", ")}`);
  Deno.exit(2);
}
const filter = option("--case");
const repetitions = Number(option("--reps") ?? 5);

// With --json alone, standard output is the JSON and nothing else.
const wantsJson = Deno.args.includes("--json");
const file = option("--json")?.startsWith("--") ? undefined : option("--json");
const say = wantsJson && file === undefined ? console.error : console.log;

using device = await openDevice();
const peak = await peakGflops(device);
const tuning = await tuneMatmul(device);
say(`${device.info.description}: peak ${peak.toFixed(0)} GFLOP/s by register multiply-adds`);
say(
  `operands from ${tuning.operands} (probe: ${
    Object.entries(tuning.ms).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`).join(", ")
  })`,
);
const report = [];
for (const bench of wanted) {
  for (const { name, make } of bench.cases) {
    if (filter !== undefined && !name.includes(filter)) continue;
    const c = await make(device);
    const timings = await measure(device, c, repetitions);
    c.dispose();
    say(`\n${bench.name}: ${name}`);
    for (const t of timings) {
      const share = (100 * t.gflops / peak).toFixed(1);
      say(
        `  ${t.label.padEnd(28)} ${t.gflops.toFixed(1).padStart(7)} GFLOP/s  ${share.padStart(5)} %  ` +
          `min ${t.minMs.toFixed(2)}  median ${t.medianMs.toFixed(2)}  max ${t.maxMs.toFixed(2)} ms`,
      );
    }
    report.push({ bench: bench.name, case: name, flops: c.flops, evidence: c.evidence, timings });
  }
}
if (wantsJson) {
  const text = JSON.stringify({ device: device.info, tuning, peakGflops: peak, report }, null, 2) + "\n";
  if (file === undefined) console.log(text);
  else await Deno.writeTextFile(file, text);
}
