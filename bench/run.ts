/**
 * Runs benches and reports them: the same in Deno and in a page.
 *
 * @module
 */

import type { Device, DeviceInfo } from "../lib/gpu/device.ts";
import { type MatmulTuning, tuneMatmul } from "../lib/gpu/tune.ts";
import { attention } from "./attention.ts";
import { conv } from "./conv.ts";
import { type Bench, measure, type Peers, type Timing } from "./harness.ts";
import { matmul } from "./matmul.ts";
import { denoiser, upsample, vae } from "./model.ts";
import { peakGflops } from "./peak.ts";

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
  /** Of one run, where memory limits it. */
  readonly bytes?: number;
  /** Facts of our kernel. */
  readonly evidence?: Readonly<Record<string, string | number>>;
  /** Ours first. */
  readonly timings: readonly Timing[];
}

/** A whole run. */
export interface RunReport {
  /** The adapter. */
  readonly device: DeviceInfo;
  /** Which operands the matmul was tuned to. */
  readonly tuning: MatmulTuning;
  /** Of plain multiply-adds, in the same run. */
  readonly peakGflops: number;
  /** Every case. */
  readonly report: readonly CaseReport[];
}

/** Runs what is asked for on a device. */
export async function runBenches(device: Device, o: RunOptions): Promise<RunReport> {
  const peak = await peakGflops(device);
  const tuning = await tuneMatmul(device);
  o.say(`${device.info.description}: peak ${peak.toFixed(0)} GFLOP/s by register multiply-adds`);
  const probes = Object.entries(tuning.ms).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
  o.say(`operands from ${tuning.operands} (probe: ${probes.join(", ")})`);
  const wanted = o.filter?.split("|");
  const report: CaseReport[] = [];
  for (const bench of BENCHES.filter(({ name }) => o.only === undefined || name === o.only)) {
    for (const { name, make } of bench.cases) {
      if (wanted && !wanted.some((part) => name.includes(part))) continue;
      const c = await make(device, o.peers);
      const timings = await measure(device, c, o.repetitions);
      c.dispose();
      o.say(`\n${bench.name}: ${name}`);
      for (const t of timings) o.say(line(t, timings[0], peak, c.bytes));
      const { flops, bytes, evidence } = c;
      report.push({ bench: bench.name, case: name, flops, bytes, evidence, timings });
    }
  }
  return { device: device.info, tuning, peakGflops: peak, report };
}

function line(t: Timing, ours: Timing, peak: number, bytes: number | undefined): string {
  const share = (100 * t.gflops / peak).toFixed(1);
  const speed = bytes === undefined ? "" : `  ${(bytes / t.minMs / 1e6).toFixed(1)} GB/s`;
  const ratio = t.kind === undefined ? "" : `  ours is ${(t.minMs / ours.minMs).toFixed(2)}×`;
  return `  ${t.label.padEnd(28)} ${t.gflops.toFixed(1).padStart(7)} GFLOP/s  ${share.padStart(5)} %  ` +
    `min ${t.minMs.toFixed(2)}  median ${t.medianMs.toFixed(2)}  max ${
      t.maxMs.toFixed(2)
    } ms${speed}${ratio}`;
}
