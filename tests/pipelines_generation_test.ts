/** A run as a promise and as a loop over its steps. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { AbortedError, LssgenError } from "../lib/errors.ts";
import { generation } from "../lib/pipelines/generation.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateOptions, GenerateRequest, GenerateResult, Progress } from "../lib/pipelines/types.ts";
import { ALL_METHODS } from "../lib/scaling/methods/registry.ts";
import type { MethodName } from "../lib/scaling/types.ts";
import { SAMPLER_NAMES, SCHEDULE_NAMES } from "../lib/schedulers/registry.ts";

const RESULT = { images: [], timings: [], warnings: [] } as unknown as GenerateResult;

/** Three steps, a task apart. */
async function threeSteps({ onProgress, signal }: GenerateOptions): Promise<GenerateResult> {
  for (let step = 1; step <= 3; step++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (signal?.aborted) throw new AbortedError();
    onProgress?.({ phase: "denoise", step, steps: 3 });
  }
  return RESULT;
}

async function all(events: AsyncIterable<Progress>): Promise<(number | undefined)[]> {
  const steps: (number | undefined)[] = [];
  for await (const { step } of events) steps.push(step);
  return steps;
}

Deno.test("a run is awaited, looped over, both, and by several", async () => {
  assertEquals(await generation(threeSteps, {}), RESULT);
  const heard: (number | undefined)[] = [];
  const run = generation(threeSteps, { onProgress: ({ step }) => heard.push(step) });
  assertEquals(await Promise.all([all(run), all(run)]), [[1, 2, 3], [1, 2, 3]]);
  assertEquals(await run, RESULT);
  assertEquals(heard, [1, 2, 3]);
  assertEquals(await all(run), [], "a loop that begins after the end ends at once");
});

Deno.test("names of methods, samplers and schedules are types: another one does not compile", () => {
  const request = (asked: Partial<GenerateRequest>): Partial<GenerateRequest> => asked;
  request({
    method: "direct",
    scheduler: "dpm++2m",
    schedule: "karras",
    upsampler: "bicubic",
    entry: "exact",
  });
  // @ts-expect-error -- no such method
  request({ method: "directly" });
  // @ts-expect-error -- no such sampler
  request({ scheduler: "eulerr" });
  // @ts-expect-error -- no such schedule
  request({ schedule: "karas" });
  // The types name what the registries hold, and nothing else: their tables are typed by them.
  assertEquals(new Set<MethodName>(ALL_METHODS.map(({ name }) => name)).size, ALL_METHODS.length);
  for (const sampler of SAMPLER_NAMES) request({ scheduler: sampler });
  for (const schedule of SCHEDULE_NAMES) request({ schedule });
});

Deno.test("leaving the loop stops the run, and no rejection is left over", async () => {
  const run = generation(threeSteps, {});
  for await (const { step } of run) if (step === 2) break;
  await assertRejects(() => run, AbortedError);
});

Deno.test("the loop throws what the run throws, after the steps before it", async () => {
  const run = generation(async ({ onProgress }) => {
    await Promise.resolve();
    onProgress?.({ phase: "encode", step: 1 });
    throw new LssgenError("numeric", "no");
  }, {});
  const steps: (number | undefined)[] = [];
  await assertRejects(
    async () => {
      for await (const { step } of run) steps.push(step);
    },
    LssgenError,
    "no",
  );
  assertEquals(steps, [1]);
});

Deno.test("a pipeline's steps arrive in order, a signal and `break` end it, and the next picture is drawn", async () => {
  await using pipeline = await createPipeline();
  const request = { prompt: "a red apple", width: 64, height: 64, steps: 3, method: "direct" } as const;
  const drawing = pipeline.generate(request);
  const phases: string[] = [];
  for await (const { phase, step } of drawing) phases.push(phase === "denoise" ? `${phase} ${step}` : phase);
  assertEquals(
    phases.filter((phase) => !phase.startsWith("load")),
    ["encode", "denoise 0", "denoise 1", "denoise 2", "denoise 3", "decode"],
  );
  for await (const { step } of pipeline.generate(request)) if (step === 1) break;
  for (const reason of [undefined, new RangeError("enough"), "a text"]) {
    const stop = new AbortController();
    const run = pipeline.generate(request, { signal: stop.signal });
    const loop = async () => {
      for await (const { step } of run) if (step === 1) stop.abort(reason);
    };
    // Both reject with what was given, or with the platform's own AbortError.
    const rejected = (promise: Promise<unknown>) => promise.then(() => "drawn", (error) => error);
    assertEquals([await rejected(loop()), await rejected(run)], [stop.signal.reason, stop.signal.reason]);
    assert(reason === undefined ? stop.signal.reason.name === "AbortError" : stop.signal.reason === reason);
  }
  const before = { signal: AbortSignal.abort(new Error("before")) };
  await assertRejects(async () => await pipeline.generate(request, before), Error, "before");
  // Previews come when a kind is named, and progress says how much of the whole is done and left.
  const events: Progress[] = [];
  for await (const event of pipeline.generate({ ...request, count: 2 }, { preview: "auto" })) {
    events.push(event);
  }
  const previews = events.filter(({ preview }) => preview);
  const every = [0, 1].flatMap((image) => [1, 2, 3].map((step) => [image, step]));
  assertEquals(previews.map(({ image, step }) => [image, step]), every);
  const shares = events.flatMap(({ phase, share }) => phase === "load" || share === undefined ? [] : [share]);
  assertEquals(shares, [...shares].sort((a, b) => a - b));
  assert(shares[0] === 0 && shares[shares.length - 1] > 0.8 && shares[shares.length - 1] < 1, shares.join());
  const etas = events.filter(({ phase }) => phase === "denoise").map(({ etaMs }) => etaMs);
  assert(etas[0] === undefined && etas[etas.length - 1]! > 0, etas.join());
  const plain: Progress[] = [];
  await pipeline.generate(request, { onProgress: (event) => void plain.push(event) });
  assert(plain.every(({ preview }) => preview === undefined));
  assertEquals((await pipeline.generate(request)).images[0].rgb, (await drawing).images[0].rgb);
});

Deno.test("a model's source is a folder, a URL, or an address; other texts are refused", async () => {
  const address = new URL("../weights/lssgen-emoji", import.meta.url);
  for (const source of [address, address.href, `${address.href}/`]) {
    await using pipeline = await createPipeline(source);
    assert(pipeline.info.name === "lssgen-emoji");
  }
  const error = await assertRejects(() => createPipeline("./flux"), LssgenError, '"./flux"');
  assertEquals(error.code, "bad_option");
});

Deno.test("the second picture of a run is the one its seed draws alone", async () => {
  await using pipeline = await createPipeline();
  // Of this size, so that what the first picture kept for its stage is taken for something else in the second.
  const request = { prompt: "a red apple", width: 256, height: 256, steps: 2, method: "direct" } as const;
  const { images: [, second] } = await pipeline.generate({ ...request, seed: 5, count: 2 });
  const { images: [alone] } = await pipeline.generate({ ...request, seed: 6 });
  // Counted: a comparison of so many bytes that differ takes minutes to put into words.
  assertEquals(second.rgb.length, alone.rgb.length);
  assertEquals(second.rgb.filter((v, i) => v !== alone.rgb[i]).length, 0, "bytes differ");
});
