/**
 * Runs benches and reports them: the same in Deno and in a page.
 *
 * @module
 */

import type { Device, DeviceInfo } from "../lib/gpu/device.ts";
import { shaderText } from "../lib/gpu/shaders.ts";
import { type MatmulTuning, type Operands, tuneMatmul } from "../lib/gpu/tune.ts";
import { attention } from "./attention.ts";
import { block } from "./block.ts";
import { conv } from "./conv.ts";
import {
  type Bench,
  type BenchCase,
  type Facts,
  LARGE_FLOPS,
  measure,
  type Peers,
  type Timing,
} from "./harness.ts";
import { matmul } from "./matmul.ts";
import { denoiser, upsample, vae } from "./model.ts";
import { norm } from "./norm.ts";
import { fastestCopy, fastestPeak, type Limit } from "./peak.ts";
import { picture } from "./picture.ts";
import { quantised } from "./quantised.ts";
import { resampling } from "./resampling.ts";
import { staticFacts } from "./static.ts";
import { type Encoding, encoding, type Profile, profile, trace } from "./trace.ts";
import { unet } from "./unet.ts";

/** Every bench that runs anywhere, in the order of the table. */
export const BENCHES: readonly Bench[] = [
  matmul,
  quantised,
  attention,
  conv,
  norm,
  resampling,
  block,
  unet,
  upsample,
  denoiser,
  vae,
  picture,
];

/** Runs that take longer are not made once more to see their encoding, which is nothing beside them. */
const ENCODED_MS = 10_000;

/** What to run. */
export interface RunOptions {
  /** What there is to choose from. */
  readonly benches: readonly Bench[];
  /** Names of benches; all of them without. */
  readonly only?: readonly string[];
  /** Cases whose name contains one of these. */
  readonly cases?: readonly string[];
  /** Repetitions of each contender. */
  readonly repetitions: number;
  /** Instead of what the tuning finds: all three structures have to be good somewhere. */
  readonly operands?: Operands;
  /** Other engines. */
  readonly peers?: Peers;
  /** Time every kernel of each case. */
  readonly profile?: boolean;
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
  /** Bytes that one run moves at least, where memory bounds it. */
  readonly bytes?: number;
  /** Of the text of our kernel that computes most. */
  readonly evidence?: Facts;
  /** Where our time goes. */
  readonly profile?: Profile;
  /** What the CPU does for a run of a network. */
  readonly encoding?: Encoding;
  /** What else was found. */
  readonly facts?: Facts;
  /** Ours first, the adapter's limits last. */
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
  /** The copy that counts as its bandwidth, timed in turns with what memory bounds; absent when there was nothing. */
  readonly copy?: string;
  /** Every case. */
  readonly report: readonly CaseReport[];
}

/** Runs what is asked for on a device. */
export async function runBenches(device: Device, o: RunOptions): Promise<RunReport> {
  const tuning = await tuneMatmul(device, [], { operands: o.operands });
  device.kernels.largeAfter = 0; // what long work comes to
  const probes = Object.entries(tuning.ms).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
  const sums = Object.entries(tuning.reductionMs).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
  o.say(`${device.info.description}: operands from ${tuning.operands} (probe: ${probes.join(", ")})`);
  o.say(
    `${tuning.tiles} tiles, ${tuning.texels} textures, rows summed up by ${tuning.reduction} (probe: ${
      sums.join(", ")
    })`,
  );
  if (tuning.operands === "tiled") {
    const norms = Object.entries(tuning.normMs).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
    o.say(`norms on load up to ${tuning.normLoads.toFixed(1)} loads of a value (probe: ${norms.join(", ")})`);
  }
  const peak = await fastestPeak(device);
  o.say(`peak: multiply-adds in registers, ${peak.label}`);
  let copy: Limit | undefined;
  const report: CaseReport[] = [];
  for (const bench of o.benches.filter(({ name }) => !o.only || o.only.includes(name))) {
    for (const { name, make } of bench.cases) {
      if (o.cases && !o.cases.some((part) => name.includes(part))) continue;
      const c = await make(device, o.peers);
      o.say(`\n${bench.name}: ${name}`);
      if (c.bytes !== undefined && !copy) {
        copy = await fastestCopy(device);
        o.say(`bandwidth: ${copy.label}`);
      }
      // Other engines say more than a textbook's kernel, which takes as long.
      const plain = !o.peers && c.flops <= LARGE_FLOPS;
      const ours = c.contenders.filter(({ kind }) => plain || kind !== "plain");
      const limits = [...c.flops > 0 ? [peak] : [], ...c.bytes !== undefined ? [copy!] : []];
      const timings = await measure(device, { ...c, contenders: [...ours, ...limits] }, o.repetitions);
      for (const t of timings) o.say(line(t, timings));
      const one: CaseReport = {
        bench: bench.name,
        case: name,
        flops: c.flops,
        bytes: c.bytes,
        ...await inside(device, c, o.profile ?? false, timings),
        facts: await c.facts?.(timings),
        timings,
      };
      for (const text of details(one, o.profile ?? false)) o.say(`    ${text}`);
      report.push(one);
      await c.dispose();
    }
  }
  peak.dispose();
  copy?.dispose();
  return { device: device.info, tuning, peak: peak.label, copy: copy?.label, report };
}

/** What a case's launches tell. */
async function inside(
  device: Device,
  { record }: BenchCase,
  profiled: boolean,
  [ours]: readonly Timing[],
): Promise<Pick<CaseReport, "evidence" | "profile" | "encoding">> {
  if (!record) return {};
  const { kind, dtype, run } = record;
  const found = profiled || kind === "network" ? await profile(device, dtype, run) : undefined;
  if (kind === "network") {
    return {
      profile: found,
      encoding: ours.minMs < ENCODED_MS ? await encoding(device, dtype, run) : undefined,
    };
  }
  const main = trace(device, dtype, run).reduce((most, launch) => launch.flops > most.flops ? launch : most);
  await device.idle();
  const evidence = main.spec && {
    kernel: main.kernel,
    ...staticFacts(shaderText(main.kernel) ?? "", main.spec),
  };
  return { profile: found, evidence };
}

/** Share of the limit in the same turns: of the bandwidth where bytes count, else of the peak. */
export function shareOf(t: Timing, all: readonly Timing[]): number | undefined {
  if (t.gbs !== undefined) {
    const copy = all.find(({ kind }) => kind === "copy");
    return copy && t.gbs / copy.gbs!;
  }
  const peak = all.find(({ kind }) => kind === "peak");
  return peak && t.gflops > 0 ? t.gflops / peak.gflops : undefined;
}

function line(t: Timing, all: readonly Timing[]): string {
  const share = shareOf(t, all);
  const compared = t.kind === "plain" || t.kind === "peer";
  return [
    `  ${t.label.padEnd(40)}`,
    t.gflops > 0 ? `${t.gflops.toFixed(1).padStart(7)} GFLOP/s` : "",
    t.gbs === undefined ? "" : `${t.gbs.toFixed(2).padStart(7)} GB/s`,
    share === undefined ? "" : `${(100 * share).toFixed(1).padStart(5)} %`,
    `min ${t.minMs.toFixed(2)}  median ${t.medianMs.toFixed(2)}  max ${
      t.maxMs.toFixed(2)
    } ms of ${t.repetitions}`,
    compared ? `ours is ${(t.minMs / all[0].minMs).toFixed(2)}×` : "",
  ].filter((part) => part !== "").join("  ");
}

function details({ evidence, profile, encoding, facts, timings }: CaseReport, profiled: boolean): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const lines = Object.entries({ ...evidence, ...facts }).map(([name, value]) => `${name}: ${value}`);
  if (profile) {
    lines.push(
      `${profile.kernels} kernels, ${profile.ms.toFixed(1)} ms in all; outside matmul, attention and ` +
        `convolution ${percent(profile.outside)}, copies among it ${percent(profile.copies)}`,
    );
    if (encoding) {
      const { recordMs, submitMs, submissions } = encoding;
      lines.push(
        `encoding: ${recordMs.toFixed(1)} ms to record, ${
          submitMs.toFixed(1)
        } ms to submit in ${submissions}` +
          `${submissions > 1 ? " (the later may wait for the GPU)" : ""}, ` +
          `${percent((recordMs + submitMs) / timings[0].minMs)} of a run`,
      );
    }
    if (profiled) {
      for (const { kernel, launches, ms, share, gflops } of profile.rows) {
        lines.push(
          `  ${kernel.padEnd(44)} ${String(launches).padStart(5)}× ${ms.toFixed(2).padStart(10)} ms ` +
            `${percent(share).padStart(7)}${gflops > 0 ? `  ${gflops.toFixed(1).padStart(6)} GFLOP/s` : ""}`,
        );
      }
    }
  }
  return lines;
}
