/**
 * Timing of contenders side by side: repetitions interleaved, so that a busy moment of the machine hits all alike.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";

/** One way to do a case's work. */
export interface Contender {
  /** What is run, for the table. */
  readonly label: string;
  /** Absent: this project's own. */
  readonly kind?: "plain" | "peer" | "peak";
  /** Floating-point operations of one run, where they differ from the case's. */
  readonly flops?: number;
  /** Hands `times` runs to the queue, without waiting for the GPU. */
  readonly submit: (times: number) => void | Promise<void>;
  /** Waits for the GPU, where it is not the bench's own device. */
  readonly idle?: () => Promise<void>;
}

/** Work to time. */
export interface BenchCase {
  /** Floating-point operations of one run. */
  readonly flops: number;
  /** The product's kernel first, then what it is compared with. */
  readonly contenders: readonly Contender[];
  /** Facts of the first contender's kernel: tile, intensity, workgroup memory. */
  readonly evidence?: Readonly<Record<string, string | number>>;
  /** Gives back what the case holds. */
  readonly dispose: () => void;
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
  /** Billions of operations a second, by the fastest repetition. */
  readonly gflops: number;
}

/** Milliseconds of one repetition: waiting is quantised to 11 ms in Deno, so that less would be noise. */
const REPETITION_MS = 200;
/** A run longer than this is timed once. */
const SLOW_MS = 2000;

async function timed(device: Device, contender: Contender, times: number): Promise<number> {
  const start = performance.now();
  await contender.submit(times);
  await (contender.idle?.() ?? device.idle());
  return performance.now() - start;
}

/** Times all contenders of a case, `repetitions` times each in turns, after a warm-up that compiles. */
export async function measure(device: Device, c: BenchCase, repetitions: number): Promise<Timing[]> {
  const runs: number[] = [];
  const ms: number[][] = c.contenders.map(() => []);
  for (const [j, contender] of c.contenders.entries()) {
    await timed(device, contender, 1);
    const once = await timed(device, contender, 1);
    runs.push(Math.max(1, Math.round(REPETITION_MS / once)));
    // What takes seconds is not noise: once is enough, and a textbook's kernel on a CPU would take minutes.
    if (once > SLOW_MS) ms[j].push(once);
  }
  for (let i = 0; i < repetitions; i++) {
    for (const [j, contender] of c.contenders.entries()) {
      if (ms[j].length > 0 && ms[j][0] > SLOW_MS) continue;
      ms[j].push(await timed(device, contender, runs[j]) / runs[j]);
    }
  }
  return c.contenders.map(({ label, kind, flops = c.flops }, j) => {
    const sorted = ms[j].toSorted((a, b) => a - b);
    const minMs = sorted[0];
    return {
      label,
      kind,
      minMs,
      medianMs: sorted[sorted.length >> 1],
      maxMs: sorted[sorted.length - 1],
      gflops: flops / minMs / 1e6,
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
