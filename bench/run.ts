/**
 * Runs benches and reports them: the same in Deno and in a page.
 *
 * @module
 */

import type { Device, DeviceInfo } from "../lib/gpu/device.ts";
import { forceTuning, type MatmulTuning, type Operands, tuneMatmul } from "../lib/gpu/tune.ts";
import { attention } from "./attention.ts";
import { conv } from "./conv.ts";
import { type Bench, measure, type Peers, type Timing } from "./harness.ts";
import { matmul } from "./matmul.ts";
import { denoiser, upsample, vae } from "./model.ts";
import { fastestPeak } from "./peak.ts";

/** Every bench, in the order of the table. */
export const BENCHES: readonly Bench[] = [matmul, attention, conv, upsample, denoiser, vae];

/** What to run. */
export interface RunOptions {
  /** Name of a bench; all of them without one. */
  readonly only?: string;
  /** Cases whose name contains one of these, parted by `|`. */
  readonly filter?: string;
  /** Repetitions of each contender. */
  readonly repetitions: number;
  /** Instead of what the tuning finds: all three structures have to be good somewhere. */
  readonly operands?: Operands;
  /** Other engines. */
  readonly peers?: Peers;
  /** Lines as they come. */
  readonly say: (line: string) => void;
}

/** One case's figures. */
export interface CaseReport {
  /** Name of the bench. */
  readonly bench: string;
  /** Name of the case. */
  readonly case: string;
  /** Of one run. */
  readonly flops: number;
  /** Facts of our kernel. */
  readonly evidence?: Readonly<Record<string, string | number>>;
  /** Ours first, the peak last. */
  readonly timings: readonly Timing[];
}

/** A whole run. */
export interface RunReport {
  /** The adapter. */
  readonly device: DeviceInfo;
  /** Which operands the matmul was tuned to. */
  readonly tuning: MatmulTuning;
  /** The multiply-adds that count as the adapter's peak: they are timed in turns with every case. */
  readonly peak: string;
  /** Every case. */
  readonly report: readonly CaseReport[];
}

/** Runs what is asked for on a device. */
export async function runBenches(device: Device, o: RunOptions): Promise<RunReport> {
  let tuning = await tuneMatmul(device);
  if (o.operands) forceTuning(device, tuning = { ...tuning, operands: o.operands });
  const probes = Object.entries(tuning.ms).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
  const sums = Object.entries(tuning.reductionMs).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
  o.say(`${device.info.description}: operands from ${tuning.operands} (probe: ${probes.join(", ")})`);
  o.say(`rows summed up by ${tuning.reduction} (probe: ${sums.join(", ")})`);
  const peak = await fastestPeak(device);
  o.say(`peak: multiply-adds in registers, ${peak.label}`);
  const wanted = o.filter?.split("|");
  const report: CaseReport[] = [];
  for (const bench of BENCHES.filter(({ name }) => o.only === undefined || name === o.only)) {
    for (const { name, make } of bench.cases) {
      if (wanted && !wanted.some((part) => name.includes(part))) continue;
      const c = await make(device, o.peers);
      // Other engines say more than a textbook's kernel, which takes as long.
      const others = c.contenders.filter(({ kind }) => !(o.peers && kind === "plain"));
      const timings = await measure(device, { ...c, contenders: [...others, peak] }, o.repetitions);
      c.dispose();
      o.say(`\n${bench.name}: ${name}`);
      for (const t of timings) o.say(line(t, timings));
      const { flops, evidence } = c;
      report.push({ bench: bench.name, case: name, flops, evidence, timings });
    }
  }
  peak.dispose();
  return { device: device.info, tuning, peak: peak.label, report };
}

function line(t: Timing, all: readonly Timing[]): string {
  const share = (100 * t.gflops / all[all.length - 1].gflops).toFixed(1);
  const compared = t.kind === "plain" || t.kind === "peer";
  const ratio = compared ? `  ours is ${(t.minMs / all[0].minMs).toFixed(2)}×` : "";
  return `  ${t.label.padEnd(40)} ${t.gflops.toFixed(1).padStart(7)} GFLOP/s  ${share.padStart(5)} %  ` +
    `min ${t.minMs.toFixed(2)}  median ${t.medianMs.toFixed(2)}  max ${t.maxMs.toFixed(2)} ms${ratio}`;
}
