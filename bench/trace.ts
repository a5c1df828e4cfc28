/**
 * What a recording launches, and what each launch takes: by the adapter's timestamps where it has them. Otherwise, and
 * for copies, which timestamps of passes do not see, each is made by itself, repeated until waiting for the queue (11 ms
 * in Deno) no longer counts.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import type { KernelSpec } from "../lib/gpu/kernel.ts";
import { type Binding, type Dispatch, Recorder } from "../lib/gpu/recorder.ts";
import type { Dtype, Tensor } from "../lib/tensor.ts";

/** One kind of launch: the same kernel with the same sizes. */
export interface Launch {
  /** Shader, or what is copied. */
  readonly kernel: string;
  /** The compiled kernel; absent for copies. */
  readonly spec?: KernelSpec;
  /** How often. */
  times: number;
  /** Floating-point operations of each. */
  readonly flops: number;
  /** Does it once more; what it works on may have changed. */
  readonly again: () => void;
}

/** One line of a profile. */
export interface ProfileRow {
  /** Shader, or what is copied. */
  readonly kernel: string;
  /** Launches. */
  readonly launches: number;
  /** Milliseconds of all. */
  readonly ms: number;
  /** Share of all kernels' and copies' time. */
  readonly share: number;
  /** Billions of operations a second, where they are counted. */
  readonly gflops: number;
}

/** Where the time of a recording goes. */
export interface Profile {
  /** Slowest kernel first. */
  readonly rows: readonly ProfileRow[];
  /** Launches of kernels. */
  readonly kernels: number;
  /** Milliseconds of all rows. */
  readonly ms: number;
  /** Share of the time that is not in matmul, attention or convolution kernels, copies included. */
  readonly outside: number;
  /** Share that copies to textures and between buffers take, also part of `outside`. */
  readonly copies: number;
}

/** Whether a kernel does the multiplying; those that only lay out its operands do not. */
function multiplies(kernel: string): boolean {
  return /^(matmul|attention|conv)/.test(kernel) && !/_(pack|pad|copy)/.test(kernel);
}

/** A recorder that remembers launches in place of making them. */
class Tracer extends Recorder {
  /** Launches are made again later, with the buffers that they had. */
  override trim(): void {}

  /** By kind, in the order of their first launch. */
  readonly launches: Map<string, Launch> = new Map();
  private inside = false;

  override dispatch(d: Dispatch): void {
    const key = JSON.stringify([d.shader, d.types, d.constants, d.params, d.groups]);
    this.note(key, d.shader, () => super.dispatch(d), d.flops ?? 0, d);
  }

  override texels(x: Tensor | Binding): GPUTexture {
    if (this.inside) return super.texels(x);
    const size = "tensor" in x ? x.size : x.byteLength;
    this.note(`texels ${size}`, "(copy to texture)", () => void super.texels(x), 0);
    return super.texels(x); // what is launched later binds it
  }

  override copy(from: Tensor, fromOffset: number, to: Tensor, toOffset: number, bytes: number): void {
    this.note(
      `copy ${bytes}`,
      "(copy)",
      () => super.copy(from, fromOffset, to, toOffset, bytes),
      0,
    );
  }

  /** Counts a launch, unless it is part of another. */
  private note(key: string, kernel: string, act: () => void, flops: number, spec?: KernelSpec): void {
    if (this.inside) return act();
    const known = this.launches.get(key);
    if (known) known.times++;
    else {
      const again = (): void => {
        using _textures = this.scope();
        this.inside = true;
        try {
          act();
        } finally {
          this.inside = false;
        }
      };
      this.launches.set(key, { kernel, spec, times: 1, flops, again });
    }
  }
}

/** Milliseconds of the CPU for one run that the GPU is given. */
export interface Encoding {
  /** To record it. */
  readonly recordMs: number;
  /** To hand it over; with more than one submission, some of it may be waiting for the GPU. */
  readonly submitMs: number;
  /** Command buffers. */
  readonly submissions: number;
}

/** A recorder that times its submissions. */
class Clocked extends Recorder {
  submitMs = 0;
  submissions = 0;

  override submit(): void {
    const start = performance.now();
    super.submit();
    const spent = performance.now() - start;
    this.submitMs += spent;
    // What submits nothing takes no time.
    if (spent > 0.02) this.submissions++;
  }
}

/** Encoding is measured anew for this long. */
const ENCODE_MS = 2000;

/** What it takes to encode a run, the GPU being idle at its beginning: the least of several. */
export async function encoding(device: Device, dtype: Dtype, run: (r: Recorder) => void): Promise<Encoding> {
  using r = new Clocked(device, dtype);
  const began = performance.now();
  let best: Encoding | undefined;
  do {
    r.submitMs = r.submissions = 0;
    const start = performance.now();
    {
      using _outputs = r.scope();
      run(r);
    }
    r.submit();
    const { submitMs, submissions } = r;
    const recordMs = performance.now() - start - submitMs;
    if (!best || recordMs + submitMs < best.recordMs + best.submitMs) {
      best = { recordMs, submitMs, submissions };
    }
    await device.idle();
  } while (performance.now() - began < ENCODE_MS);
  return best;
}

/** Launches of a run, none of which is made. */
export function trace(device: Device, dtype: Dtype, run: (r: Recorder) => void): Launch[] {
  using tracer = new Tracer(device, dtype);
  return record(tracer, run);
}

function record(tracer: Tracer, run: (r: Recorder) => void): Launch[] {
  using _outputs = tracer.scope();
  run(tracer);
  tracer.submit();
  return [...tracer.launches.values()];
}

/** A batch of one kernel lasts this long at least. */
const BATCH_MS = 100;

/** Time and work of a kernel's launches in one run. */
interface Sum {
  launches: number;
  ms: number;
  flops: number;
}

/** Times every launch of a run, whose kernels must be warm. */
export async function profile(device: Device, dtype: Dtype, run: (r: Recorder) => void): Promise<Profile> {
  const sums: Map<string, Sum> = device.info.timestamps ? await timestamps(device, dtype, run) : new Map();
  const stamped = new Set(sums.keys());
  using tracer = new Tracer(device, dtype);
  for (const { kernel, times, flops, again } of record(tracer, run)) {
    if (stamped.has(kernel)) continue;
    const ms = await batch(device, tracer, again);
    addTo(sums, kernel, { launches: times, ms: times * ms, flops: times * flops });
  }
  const total = [...sums.values()].reduce((all, { ms }) => all + ms, 0);
  const share = (is: (kernel: string) => boolean): number =>
    [...sums].reduce((part, [kernel, { ms }]) => part + (is(kernel) ? ms : 0), 0) / total;
  const isCopy = (kernel: string): boolean => kernel.startsWith("(");
  return {
    rows: [...sums].map(([kernel, { launches, ms, flops }]) => ({
      kernel,
      launches,
      ms,
      share: ms / total,
      gflops: flops / ms / 1e6,
    })).sort((a, b) => b.ms - a.ms),
    kernels: [...sums].reduce((n, [kernel, { launches }]) => n + (isCopy(kernel) ? 0 : launches), 0),
    ms: total,
    outside: share((kernel) => !multiplies(kernel)),
    copies: share(isCopy),
  };
}

function addTo(sums: Map<string, Sum>, kernel: string, { launches, ms, flops }: Sum): void {
  const sum = sums.get(kernel) ?? { launches: 0, ms: 0, flops: 0 };
  sums.set(kernel, { launches: sum.launches + launches, ms: sum.ms + ms, flops: sum.flops + flops });
}

/** Runs are looked at by timestamps for this long. */
const STAMPED_MS = 1500;

/** Kernels of the fastest run of several. */
async function timestamps(
  device: Device,
  dtype: Dtype,
  run: (r: Recorder) => void,
): Promise<Map<string, Sum>> {
  using r = new Recorder(device, dtype);
  const began = performance.now();
  let best: { sums: Map<string, Sum>; ms: number } | undefined;
  do {
    r.startProfile();
    {
      using _outputs = r.scope();
      run(r);
    }
    const sums = new Map<string, Sum>();
    let ms = 0;
    for (const entry of await r.endProfile()) {
      addTo(sums, entry.kernel, { launches: 1, ...entry });
      ms += entry.ms;
    }
    if (!best || ms < best.ms) best = { sums, ms };
  } while (performance.now() - began < STAMPED_MS);
  return best.sums;
}

/** Milliseconds of one launch among many of its like: the faster of two batches, where they are short. */
async function batch(device: Device, tracer: Tracer, again: () => void): Promise<number> {
  const spend = async (times: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < times; i++) again();
    tracer.submit();
    await device.idle();
    return performance.now() - start;
  };
  let times = 1;
  let spent = await spend(1);
  while (spent < BATCH_MS && times < 4096) {
    times = Math.ceil(times * Math.min(16, Math.max(2, 1.5 * BATCH_MS / spent)));
    spent = await spend(times);
  }
  return Math.min(spent, spent < 10 * BATCH_MS ? await spend(times) : Infinity) / times;
}
