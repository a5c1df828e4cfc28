/**
 * Kernels compiled while a model's weights load: those that it used earlier, and those of a rehearsal.
 *
 * Which kernels a picture needs is known when it is drawn, and by then the weights are there. A list of the last time, or of
 * a rehearsal, is as good: it says nothing but what to compile first, several at once, and what it misses is compiled when
 * it is met.
 *
 * @module
 */

import type { Dtype } from "../tensor.ts";
import type { Device } from "./device.ts";
import type { Kernel, KernelSpec } from "./kernel.ts";
import { isSpec, type KernelMemory, MOST_KERNELS } from "./stored.ts";
import { SHADERS_DIGEST } from "./shaders.gen.ts";
import { hasShader } from "./shaders.ts";

/** A call that takes longer compiled before it returned, as Deno's does. */
const BLOCKING_MS = 5;

/** The key of a model's kernels on a device: another adapter, other shaders or another model has another list. */
export function kernelListKey({ info }: Device, model: string, dtype: Dtype): string {
  return [info.vendor, info.architecture, info.description, SHADERS_DIGEST, model, dtype].join("|");
}

/** A model's list, which grows with what its pictures use. */
export class KernelList {
  private readonly known: Set<string>;

  /** @param memory Where it is kept. @param key Under which key. @param kernels What is kept there now. */
  constructor(
    private readonly memory: KernelMemory,
    private readonly key: string,
    private kernels: readonly KernelSpec[],
  ) {
    this.known = new Set(kernels.map((spec) => JSON.stringify(spec)));
  }

  /** Keeps what is new among the kernels that were launched. */
  add(launched: Iterable<Pick<Kernel, "spec">>): void {
    const fresh = [...launched].map(({ spec }) => spec).filter((spec) =>
      !this.known.has(JSON.stringify(spec))
    );
    if (fresh.length === 0) return;
    this.kernels = [...this.kernels, ...fresh].slice(-MOST_KERNELS);
    for (const spec of fresh) this.known.add(JSON.stringify(spec));
    this.memory.remember(this.key, this.kernels);
  }
}

/**
 * Compiles kernels several at once, without blocking where the platform can. Where it cannot, between the reads of what is
 * loading, half of the time and no longer than that takes. A list from elsewhere does no harm: what does not compile is passed over.
 *
 * @param lists In this order; what is known later is waited for.
 * @param loaded Fires when what happens meanwhile is over.
 */
export async function warmKernels(
  device: Device,
  lists: readonly (readonly KernelSpec[] | Promise<readonly KernelSpec[]>)[],
  loaded: AbortSignal,
): Promise<void> {
  const jobs: Promise<unknown>[] = [];
  let blocks = false;
  const compile = async (kernels: readonly KernelSpec[]): Promise<void> => {
    for (const spec of kernels.slice(-MOST_KERNELS)) {
      if (blocks && loaded.aborted) return;
      if (!isSpec(spec) || !hasShader(spec.shader)) continue;
      const start = performance.now();
      device.gpu.pushErrorScope("validation");
      let ready = false;
      const done = (): void => void (ready = true);
      jobs.push(device.kernels.prepare(spec).then(done, done), device.gpu.popErrorScope());
      const blocked = performance.now() - start;
      if (blocked <= BLOCKING_MS) continue;
      // A busy machine's calls take long too, but leave the kernel to be waited for.
      await new Promise((resolve) => setTimeout(resolve));
      if (ready) {
        blocks = true;
        // As long again for what loads: a small model is there before its kernels, and drivers work on the first meanwhile.
        await pause(blocked, loaded);
      }
    }
  };
  for (const list of lists) await compile(await list);
  await Promise.all(jobs);
}

/** Waits for so many milliseconds, or until the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, signal.aborted ? 0 : ms);
    signal.addEventListener("abort", end);
  });
}
