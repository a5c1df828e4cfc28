/**
 * `deno run -A bench/cold_start_child.ts FILE.png`: what the command line does for one picture of the embedded model,
 * with a clock at every phase; JSON on standard output. For bench/cold_start.ts, which measures the process around it.
 *
 * @module
 */

const started = performance.now();
import { writeWhole } from "../lib/cli/output.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { tuneOnce } from "../lib/gpu/tune.ts";
import { encodePng } from "../lib/image/png.ts";
import { embeddedFolder } from "../lib/pipelines/embedded_model.ts";
import { createPipeline, type GenerateRequest } from "../lib/pipelines/text_to_image.ts";
import type { FolderSource } from "../lib/weights/bytes.ts";
import type { Told } from "./cold_start.ts";

const phases: Record<string, number> = {};
let at = performance.now();

function lap(phase: string, except = 0): void {
  const now = performance.now();
  phases[phase] = now - at - except;
  at = now;
}

/** Milliseconds spent in a method from now on. */
function clocked(owner: object, name: string): { ms: number; calls: number } {
  const clock = { ms: 0, calls: 0 };
  const methods = owner as Record<string, (...args: unknown[]) => unknown>;
  const method = methods[name];
  methods[name] = function (this: unknown, ...args) {
    const start = performance.now();
    const done = (): void => {
      clock.ms += performance.now() - start;
      clock.calls++;
    };
    const result = method.apply(this, args);
    if (result instanceof Promise) result.then(done, done);
    else done();
    return result;
  };
  return clock;
}

/** The folder, with the time in which anything of it is being read: reads run side by side. */
function reading(folder: FolderSource): FolderSource & { ms: number } {
  let running = 0;
  let since = 0;
  const timed: FolderSource & { ms: number } = {
    name: folder.name,
    ms: 0,
    text: (path) => folder.text(path),
    open: async (path) => {
      const source = await during(() => folder.open(path));
      return source && {
        name: source.name,
        size: source.size,
        read: (offset, length) => during(() => source.read(offset, length)),
      };
    },
  };
  async function during<T>(read: () => Promise<T>): Promise<T> {
    if (running++ === 0) since = performance.now();
    try {
      return await read();
    } finally {
      if (--running === 0) timed.ms += performance.now() - since;
    }
  }
  return timed;
}

const device = await openDevice();
lap("device");
await tuneOnce(device);
lap("tuning");

const written = clocked(GPUQueue.prototype, "writeBuffer");
const compiled = clocked(GPUDevice.prototype, "createComputePipeline");
const compiledAside = clocked(GPUDevice.prototype, "createComputePipelineAsync");
const folder = reading(embeddedFolder());
const request: GenerateRequest = {
  prompt: "a red apple",
  width: 256,
  height: 256,
  steps: 20,
  seed: 42,
};
const pipeline = await createPipeline(folder, { device, firstPicture: request });
const uploadMs = written.ms;
lap("weights unpacked, kernels rehearsed and compiled aside", folder.ms + uploadMs);
phases["weights read"] = folder.ms;
phases["weights uploaded"] = uploadMs;

const steps: number[] = [];
const result = await pipeline.generate(request, {
  onProgress: ({ phase }) => void (phase === "denoise" && steps.push(performance.now())),
});
for (const { phase, ms } of result.timings) phases[phase] = ms;
phases["of denoise, above what its later steps take (drivers compile)"] = firstStep();
phases[`of all, ${compiled.calls} pipelines made at once`] = compiled.ms;
phases[`of all, ${compiledAside.calls} pipelines made aside`] = compiledAside.ms;
at = performance.now();

const [{ width, height, rgb }] = result.images;
await writeWhole(Deno.args[0], await encodePng({ width, height, channels: 3, data: rgb }));
lap("PNG");
const told: Told = { phases, totalMs: performance.now() - started };
await pipeline[Symbol.asyncDispose]();
device[Symbol.dispose]();
console.log(JSON.stringify(told));

/** Milliseconds that denoising took beyond as many median steps. */
function firstStep(): number {
  const each = steps.slice(1).map((time, i) => time - steps[i]).sort((a, b) => a - b);
  const denoise = result.timings.find(({ phase }) => phase === "denoise")!.ms;
  return Math.max(0, denoise - each.length * each[each.length >> 1]);
}
