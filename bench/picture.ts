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

/** Pictures of each method, in turns: the clock of a shared machine moves by more than what is looked for. */
const PAIRS = 3;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

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
  const results: Record<Method, GenerateResult[]> = { direct: [], lssgen: [] };
  let waitsAStep = 0;
  const contenders = METHODS.map((method): Contender => ({
    label: method,
    flops: pipeline.plan(request(method)).flops,
    repetitions: PAIRS,
    // All sizes and kernels of the method in few steps.
    warm: async () => void await pipeline.generate({ ...request(method), steps: 2 }),
    submit: async (times) => {
      for (let i = 0; i < times; i++) results[method].push(await pipeline.generate(request(method)));
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
    const timed = (method: Method): GenerateResult[] => results[method].slice(-PAIRS);
    const { speedup: predicted = 1, wholeSpeedup: predictedWhole = predicted } = timed("lssgen")[0].plan;
    const phase = ({ timings }: GenerateResult, name: string): number =>
      timings.find(({ phase }) => phase === name)?.ms ?? 0;
    const phases = (method: Method): string =>
      timed(method)[0].timings.map(({ phase: name }) => {
        const ms = median(timed(method).map((result) => phase(result, name)));
        return `${name} ${(ms / 1000).toFixed(2)} s`;
      }).join(", ");
    const whole = direct.laps.map((ms, i) => ms / lssgen.laps[i]);
    const denoising = timed("direct").map((result, i) =>
      phase(result, "denoise") / phase(timed("lssgen")[i], "denoise")
    );
    const against = (ratios: readonly number[], predicted: number): string =>
      `${median(ratios).toFixed(2)} in the middle of ${ratios.map((x) => x.toFixed(2)).join(", ")}: ${
        (median(ratios) / predicted).toFixed(2)
      } of the prediction`;
    return {
      direct: phases("direct"),
      lssgen: phases("lssgen"),
      "speed-up predicted by FLOPs": `${predicted.toFixed(2)} of denoising, ${
        predictedWhole.toFixed(2)
      } with decoding`,
      "of the whole picture": against(whole, predictedWhole),
      "of its denoising": against(denoising, predicted),
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
