/**
 * A whole picture of the embedded model, direct and with LSSGen: what the plan's saving of FLOPs is worth by the clock.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateResult } from "../lib/pipelines/text_to_image.ts";
import type { Bench, BenchCase, Contender, Facts, Timing } from "./harness.ts";

const METHODS = ["direct", "lssgen"] as const;
type Method = typeof METHODS[number];

/** Calls that wait for the GPU, counted until disposed. */
function countWaits(): Disposable & { count: number } {
  const queue = GPUQueue.prototype;
  const buffer = GPUBuffer.prototype;
  const { onSubmittedWorkDone } = queue;
  const { mapAsync } = buffer;
  const waits = {
    count: 0,
    [Symbol.dispose]() {
      queue.onSubmittedWorkDone = onSubmittedWorkDone;
      buffer.mapAsync = mapAsync;
    },
  };
  queue.onSubmittedWorkDone = function () {
    waits.count++;
    return onSubmittedWorkDone.call(this);
  };
  buffer.mapAsync = function (...args) {
    waits.count++;
    return mapAsync.apply(this, args);
  };
  return waits;
}

async function make(device: Device, side: number): Promise<BenchCase> {
  const pipeline = await createPipeline(undefined, { device });
  const request = (method: Method) => ({
    prompt: "a red apple",
    width: side,
    height: side,
    seed: 42,
    method,
  });
  const last: Partial<Record<Method, GenerateResult>> = {};
  let waitsAStep = 0;
  const contenders = METHODS.map((method): Contender => ({
    label: method,
    flops: pipeline.plan(request(method)).flops,
    // All sizes and kernels of the method in few steps.
    warm: async () => void await pipeline.generate({ ...request(method), steps: 2 }),
    submit: async (times) => {
      for (let i = 0; i < times; i++) last[method] = await pipeline.generate(request(method));
    },
  }));
  const facts = async ([direct, lssgen]: readonly Timing[]): Promise<Facts> => {
    {
      using waits = countWaits();
      const seen: number[] = [];
      await pipeline.generate({ ...request("direct"), steps: 8 }, {
        onProgress: ({ phase }) => void (phase === "denoise" && seen.push(waits.count)),
      });
      waitsAStep = (seen.at(-1)! - seen[0]) / (seen.length - 1);
    }
    const predicted = last.lssgen!.plan.speedup ?? 1;
    const phase = (method: Method, name: string): number =>
      last[method]!.timings.find(({ phase }) => phase === name)?.ms ?? 0;
    const phases = (method: Method): string =>
      last[method]!.timings.map(({ phase, ms }) => `${phase} ${(ms / 1000).toFixed(2)} s`).join(", ");
    const whole = direct.minMs / lssgen.minMs;
    const denoising = phase("direct", "denoise") / phase("lssgen", "denoise");
    return {
      direct: phases("direct"),
      lssgen: phases("lssgen"),
      "speed-up predicted by FLOPs of denoising": predicted.toFixed(2),
      "of the whole picture": `${whole.toFixed(2)}, ${(whole / predicted).toFixed(2)} of the prediction`,
      "of its denoising": `${denoising.toFixed(2)}, ${(denoising / predicted).toFixed(2)} of the prediction`,
      "waits a step": waitsAStep.toFixed(2),
    };
  };
  return {
    flops: pipeline.plan(request("direct")).flops ?? 0,
    contenders,
    facts,
    dispose: async () => await pipeline[Symbol.asyncDispose](),
  };
}

/** Pictures. */
export const picture: Bench = {
  name: "picture",
  cases: [{ name: "512², the model's own steps", make: (device) => make(device, 512) }],
};
