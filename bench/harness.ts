/**
 * Timing of contenders side by side: repetitions interleaved, so that a busy moment of the machine hits all alike.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import type { Recorder } from "../lib/gpu/recorder.ts";
import type { Dtype } from "../lib/tensor.ts";

/** One way to do a case's work. */
export interface Contender {
  /** What is run, for the table. */
  readonly label: string;
  /** Absent: this project's own. `peak` and `copy` are the adapter's limits. */
  readonly kind?: "plain" | "peer" | "peak" | "copy";
  /** Floating-point operations of one run, where they differ from the case's. */
  readonly flops?: number;
  /** Bytes that one run has to move, where they differ from the case's. */
  readonly bytes?: number;
  /** Hands `times` runs to the queue, without waiting for the GPU. */
  readonly submit: (times: number) => void | Promise<void>;
  /** Waits for the GPU, where it is not the bench's own device. */
  readonly idle?: () => Promise<void>;
  /** Timed this often, however long it takes. */
  readonly repetitions?: number;
  /** Runs every kernel once at a small size, where a whole run takes long: drivers compile at the first launch. */
  readonly warm?: () => void | Promise<void>;
}

/** Work beyond which a case brings a small warm-up, and no textbook's kernel is run: on a CPU adapter it takes a minute. */
export const LARGE_FLOPS = 5e10;

/** What was found out about a case, beside its times. */
export type Facts = Readonly<Record<string, string | number>>;

/** Work to time. */
export interface BenchCase {
  /** Floating-point operations of one run; 0 where they are not what counts. */
  readonly flops: number;
  /** Bytes that one run has to read and write at least, where memory bounds it: every operand once. */
  readonly bytes?: number;
  /** The product's kernel first, then what it is compared with. */
  readonly contenders: readonly Contender[];
  /** One run of the first contender, recorded wherever it is asked for: to look at its launches. */
  readonly record?: {
    /** A kernel, or a network whose share of kernels and whose encoding are always reported. */
    readonly kind: "kernel" | "network";
    /** Type of its activations. */
    readonly dtype: Dtype;
    /** Records the run. */
    readonly run: (r: Recorder) => void;
  };
  /** What else there is to say, once all is timed. */
  readonly facts?: (timings: readonly Timing[]) => Facts | Promise<Facts>;
  /** Gives back what the case holds. */
  readonly dispose: () => void | Promise<void>;
}

/** A file of bench/: cases made one at a time, so that only one holds memory. */
export interface Bench {
  /** `--only` name. */
  readonly name: string;
  /** Its cases: the shape, for the table, and what makes the case. */
  readonly cases: readonly {
    readonly name: string;
    readonly make: (device: Device, peers?: Peers) => BenchCase | Promise<BenchCase>;
  }[];
}

/** Other engines, each as a contender at the same work. */
export interface Peers {
  /** y = x · w: [M, K] · [K, N]. */
  matmul(M: number, N: number, K: number): Promise<readonly PeerContender[]>;
  /** 3×3, padding 1, S × S pixels. */
  conv(S: number, Ci: number, Co: number): Promise<readonly PeerContender[]>;
  /** L queries and keys of `heads` × D. */
  attention(L: number, heads: number, D: number): Promise<readonly PeerContender[]>;
}

/** What has to be given back. */
export interface PeerContender extends Contender {
  /** Gives back what it holds. */
  readonly dispose: () => void | Promise<void>;
}

/** What one contender took. */
export interface Timing {
  /** Contender. */
  readonly label: string;
  /** Contender. */
  readonly kind?: Contender["kind"];
  /** Fastest repetition, milliseconds a run. */
  readonly minMs: number;
  /** Median repetition, milliseconds a run. */
  readonly medianMs: number;
  /** Slowest repetition, milliseconds a run. */
  readonly maxMs: number;
  /** Repetitions timed. */
  readonly repetitions: number;
  /** Each of them, milliseconds a run, in the order in which contenders took turns. */
  readonly laps: readonly number[];
  /** Billions of operations a second, by the fastest repetition; 0 where none are counted. */
  readonly gflops: number;
  /** Billions of bytes a second, by the fastest repetition, where memory bounds it. */
  readonly gbs?: number;
}

/** Milliseconds of one repetition: waiting is quantised to 11 ms in Deno, so that less would be noise. */
const REPETITION_MS = 200;
/** The adapter's limits are timed this often at least. */
const LIMIT_REPETITIONS = 5;
/** All repetitions of a contender together take about this long, or one of them does. */
const BUDGET_MS = 12_000;
/** Of another engine or a textbook's kernel, a first run this long is its measurement. */
const LONG_MS = 10_000;
/** The budget of a textbook's kernel: it is there for scale only. */
const PLAIN_BUDGET_MS = 2_000;

/** Milliseconds of each of `times` runs. */
async function timed(device: Device, contender: Contender, times: number): Promise<number> {
  const start = performance.now();
  await contender.submit(times);
  await (contender.idle?.() ?? device.idle());
  return (performance.now() - start) / times;
}

/**
 * Times all contenders of a case, up to `repetitions` times each in turns, after a warm-up that compiles. What takes
 * seconds is not noise and has fewer repetitions, down to one.
 */
export async function measure(device: Device, c: BenchCase, repetitions: number): Promise<Timing[]> {
  const plans: { runs: number; repetitions: number }[] = [];
  const laps: number[][] = c.contenders.map(() => []);
  for (const [j, contender] of c.contenders.entries()) {
    let once = 0;
    if (contender.warm) {
      await contender.warm();
      await device.idle();
    } else once = await timed(device, contender, 1);
    // Compilation is nothing beside a very long run; but ours is always measured warm.
    const compared = contender.kind === "plain" || contender.kind === "peer";
    if (!compared || once < LONG_MS) once = await timed(device, contender, 1);
    const runs = Math.max(1, Math.round(REPETITION_MS / once));
    const budget = contender.kind === "plain" ? PLAIN_BUDGET_MS : BUDGET_MS;
    const fits = Math.max(1, Math.floor(budget / (once * runs)));
    // Shares are shares of the limits' best moment.
    const limit = contender.kind === "peak" || contender.kind === "copy";
    plans.push({
      runs,
      repetitions: contender.repetitions ??
        Math.min(limit ? Math.max(LIMIT_REPETITIONS, repetitions) : repetitions, fits),
    });
    // The second run of what takes seconds is as good a measurement as any.
    if (once > 10 * REPETITION_MS && !contender.repetitions) laps[j].push(once);
  }
  for (let i = 0; i < Math.max(...plans.map((plan) => plan.repetitions)); i++) {
    for (const [j, contender] of c.contenders.entries()) {
      if (laps[j].length < plans[j].repetitions) laps[j].push(await timed(device, contender, plans[j].runs));
    }
  }
  return c.contenders.map(({ label, kind, flops = c.flops, bytes = c.bytes }, j) => {
    const sorted = laps[j].toSorted((a, b) => a - b);
    const minMs = sorted[0];
    return {
      label,
      kind,
      minMs,
      medianMs: sorted[sorted.length >> 1],
      maxMs: sorted[sorted.length - 1],
      repetitions: sorted.length,
      laps: laps[j],
      gflops: flops / minMs / 1e6,
      gbs: bytes === undefined ? undefined : bytes / minMs / 1e6,
    };
  });
}

/** A kernel of the bench's own, outside the library's shader module. Binding 0 is a uniform block of `params`. */
export function plainKernel(
  device: Device,
  label: string,
  code: string,
  params: readonly number[],
  buffers: readonly GPUBuffer[],
  groups: readonly [number, number, number],
): Contender & { readonly dispose: () => void } {
  const { gpu } = device;
  const pipeline = gpu.createComputePipeline({
    layout: "auto",
    compute: { module: gpu.createShaderModule({ code }) },
  });
  const uniform = gpu.createBuffer({ size: 256, usage: 0x40 | 0x08 }); // UNIFORM | COPY_DST
  gpu.queue.writeBuffer(uniform, 0, Uint32Array.from(params));
  const group = gpu.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [uniform, ...buffers].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  return {
    label,
    kind: "plain",
    submit: (times) => {
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...groups);
      pass.end();
      gpu.queue.submit([encoder.finish()]);
    },
    dispose: () => uniform.destroy(),
  };
}
