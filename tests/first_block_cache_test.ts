/** Skipped blocks: decided on the GPU by diffusers' rule, and nothing else is changed. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { tuningOf } from "../lib/gpu/tune.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import type { BlockRun } from "../lib/models/block_run.ts";
import { FirstBlockCache } from "../lib/models/first_block_cache.ts";
import { combine } from "../lib/ops/elementwise.ts";
import { planMemory } from "../lib/pipelines/memory.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { rows, type Tensor } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";

/** diffusers' rule over steps of blocks that add `heads[t]`, then `tails[t]`, to x. */
function reference(x: Float32Array, heads: Float32Array[], tails: Float32Array[], threshold: number) {
  let ref: Float32Array | undefined, tail: Float32Array | undefined;
  const abs = (v: Float32Array): number => v.reduce((sum, a) => sum + Math.abs(a), 0);
  return heads.map((head, t) => {
    const change = ref && abs(head.map((h, i) => h - ref![i])) / abs(ref);
    const skipped = change !== undefined && change <= threshold;
    if (!skipped) [ref, tail] = [head, tails[t]];
    return { skipped, out: x.map((v, i) => v + head[i] + tail![i]) };
  });
}

Deno.test("The GPU skips blocks exactly where diffusers' rule does, in a part of a sequence, of two samples", async () => {
  using device = await openDevice();
  // Of 127 rows at most: the tokens come in pieces.
  Object.assign(device.info, { maxBindingBytes: 128 * 64 * 4 });
  using r = new Recorder(device, "f32");
  const [B, T, S, D] = [2, 3, 150, 64];
  const N = T + S;
  const x = numbers(B * N * D, 1);
  const steps = 8;
  // What the first block adds drifts; what the others add is new in every step.
  const drift = [0, 0.01, 0.02, 0.2, 0.21, 0.4, 0.41, 0.9];
  const [from, to] = [numbers(x.length, 2), numbers(x.length, 3)];
  const heads = drift.map((d) => from.map((v, i) => v + d * to[i]));
  const tails = drift.map((_, t) => numbers(x.length, 10 + t));
  const isPicture = (i: number): boolean => Math.floor(i / D) % N >= T;
  const picture = (v: Float32Array): Float32Array => v.filter((_, i) => isPicture(i));
  for (const threshold of [1e-9, 0.1, 0.25, 1e9]) {
    const want = reference(picture(x), heads.map(picture), tails.map(picture), threshold);
    using cache = new FirstBlockCache(device, threshold);
    const into = (stream: Tensor, added: Float32Array<ArrayBuffer>): void => {
      const a = r.upload([B, N, D], added);
      const sum = combine(r, [{ coef: 1, tensor: stream }, { coef: 1, tensor: a }]);
      // Back into the stream by a launch: copies are made whether blocks are skipped or not.
      r.dispatch({
        shader: "pointwise",
        types: { aElem: "f32", bElem: "f32", yElem: "f32" },
        constants: { OP: 7 },
        params: [
          sum.byteLength / 4,
          1e4,
          1,
          1,
          { f32: 1 },
          { f32: 0 },
          { f32: 0 },
          { f32: 0 },
          { f32: 3e38 },
          1,
          1,
          0,
        ],
        buffers: [sum, undefined, undefined, undefined, stream],
        groups: [Math.ceil(sum.byteLength / 4 / 64)],
      });
    };
    for (let t = 0; t < steps; t++) {
      using _ = r.scope();
      const stream = r.upload([B, N, D], x);
      cache.call(0, t, [0, 1])
        .run(r, rows(stream, T, S), () => into(stream, heads[t]), () => into(stream, tails[t]));
      const got = picture(await r.read(stream));
      const off = got.reduce((most, v, i) => Math.max(most, Math.abs(v - want[t].out[i])), 0);
      assert(off < 1e-5, `threshold ${threshold}, step ${t}: ${off} off`);
    }
    const skipped = want.filter((step) => step.skipped).length;
    assertEquals(await cache.counts(r), { skipped, calls: steps });
    assertEquals(skipped > 0, threshold > 1e-9);
  }
});

const FLUX = fileFolder(new URL("./golden/pipelines/flux_dev/model", import.meta.url).pathname);
const DIT = fileFolder(new URL("./golden/pipelines/dit/model", import.meta.url).pathname);
const SD3 = fileFolder(new URL("./golden/pipelines/sd3/model", import.meta.url).pathname);
const SD15 = fileFolder(new URL("./golden/pipelines/sd15/model", import.meta.url).pathname);

Deno.test("Threshold 0 and a tiny one change no byte of a picture, a huge one skips all but each stage's first step", async () => {
  const asked = {
    prompt: "a fox",
    width: 64,
    height: 64,
    minResolution: 32,
    shortenSteps: false,
    steps: 5,
    upsampler: "bicubic",
  } as const;
  const kinds: readonly [typeof FLUX, Partial<GenerateRequest>, calls: number][] = [
    [FLUX, {}, 1],
    [FLUX, { trueCfgScale: 3, negativePrompt: "a dog" }, 1],
    [SD3, {}, 1],
    [DIT, { prompt: "3" }, 1],
  ];
  for (const [folder, more] of kinds) {
    await using pipeline = await createPipeline(folder, { dtype: "f32" });
    const draw = async (request: Partial<GenerateRequest>) =>
      (await pipeline.generate({ ...asked, ...more, ...request })).images[0];
    const plan = pipeline.plan({ ...asked, ...more });
    const steps = plan.stages.reduce((sum, stage) => sum + stage.steps.length, 0);
    assertEquals(plan.stages.length, 2);
    const plain = await draw({});
    assertEquals(plain.cached, undefined);
    const zero = await draw({ cacheThreshold: 0, cacheMode: "first-block" });
    assertEquals([zero.rgb, zero.cached], [plain.rgb, undefined]);
    const tiny = await draw({ cacheThreshold: 1e-9 });
    assertEquals([tiny.rgb, tiny.cached], [plain.rgb, { skipped: 0, calls: steps }]);
    const huge = await draw({ cacheThreshold: 1e9 });
    assertEquals(huge.cached, { skipped: steps - 2, calls: steps });
    assert(huge.rgb.join() !== plain.rgb.join());
    assertEquals(huge.parameters.cacheThreshold, 1e9);
  }
});

Deno.test("On tiny models the GPU's decisions are those of the rule on the CPU, for each call of guidance", async () => {
  using device = await openDevice();
  const { call } = FirstBlockCache.prototype;
  const seen = new Map<string, { before: Tensor; after: Tensor }[]>();
  const copy = (r: Recorder, t: Tensor): Tensor => {
    const out = device.memory.tensor(t.shape, "f32");
    r.copy(t, 0, out, 0, t.byteLength);
    return out;
  };
  // What goes through the first block is kept beside, of the whole stream.
  FirstBlockCache.prototype.call = function (stage, step, samples): BlockRun {
    const run = call.call(this, stage, step, samples);
    return {
      run(r, tokens, first, others) {
        const { tensor, at, count } = tokens as { tensor: Tensor; at: number; count: number };
        const [, N, D] = tensor.shape;
        assertEquals(at + count, N);
        let before: Tensor;
        run.run(r, tokens, () => {
          before = copy(r, tensor);
          first();
          const key = `${stage}|${samples}|${at * D}`;
          seen.set(key, [...seen.get(key) ?? [], { before, after: copy(r, tensor) }]);
        }, others);
      },
    };
  };
  try {
    const options = { device, dtype: "f32", maxActivationBytes: 1 } as const;
    await using pipeline = await createPipeline(FLUX, options);
    const asked = {
      prompt: "a fox",
      width: 64,
      height: 64,
      minResolution: 32,
      shortenSteps: false,
      steps: 6,
      upsampler: "bicubic",
    } as const;
    const guided = { trueCfgScale: 3, negativePrompt: "a dog" };
    using r = new Recorder(device, "f32");
    const rates: number[] = [];
    for (const threshold of [0.1, 0.7, 1.2]) {
      seen.clear();
      const { images: [{ cached }] } = await pipeline.generate({
        ...asked,
        ...guided,
        cacheThreshold: threshold,
      });
      assertEquals(seen.size, 4, "two stages, two calls a step");
      let [skipped, calls] = [0, 0];
      for (const [key, steps] of seen) {
        const from = Number(key.split("|")[2]);
        const heads: Float32Array[] = [];
        for (const { before, after } of steps) {
          const [a, b] = [await r.read(after), await r.read(before)];
          heads.push(a.map((v, i) => v - b[i]).slice(from));
          for (const { buffer } of [before, after]) device.memory.release(buffer);
        }
        const rule = reference(heads[0], heads, heads, threshold);
        skipped += rule.filter((step) => step.skipped).length;
        calls += rule.length;
      }
      assertEquals(cached, { skipped, calls }, `threshold ${threshold}`);
      rates.push(skipped / calls);
    }
    assert(rates[0] < rates[2] && rates[2] > 0, rates.join());
  } finally {
    FirstBlockCache.prototype.call = call;
  }
});

Deno.test("A call that has missed a step is computed", async () => {
  await using pipeline = await createPipeline(FLUX, { dtype: "f32", maxActivationBytes: 1 });
  const asked = {
    prompt: "a fox",
    width: 64,
    height: 64,
    steps: 6,
    method: "direct",
    cacheThreshold: 1e9,
  } as const;
  const guided = { trueCfgScale: 3, negativePrompt: "a dog" };
  const { images: [{ cached }] } = await pipeline.generate({ ...asked, ...guided, guidanceStart: 0.3 });
  const { stages: [{ steps }] } = pipeline.plan({ ...asked, ...guided, guidanceStart: 0.3 });
  const both = steps.filter((step) => !step.unguided).length;
  assert(both > 0 && both < steps.length);
  assertEquals(cached, { skipped: steps.length - 1 + both - 1, calls: steps.length + both });
});

Deno.test("Caching is refused by name where it cannot be, and told of where it saves less", async () => {
  await using unet = await createPipeline(SD15, { dtype: "f32" });
  const asked = { prompt: "a fox", width: 64, height: 64, steps: 2, method: "direct" } as const;
  const refused = (request: Partial<GenerateRequest>, says: string) =>
    assertRejects(() => unet.generate({ ...asked, ...request }), LssgenError, says);
  await refused({ cacheMode: "first-block" }, "is not for StableDiffusionPipeline");
  await refused({ cacheThreshold: 0.1 }, "is not for StableDiffusionPipeline");
  await refused({ cacheMode: "teacache" as "none" }, "expected one of none, first-block");
  await refused({ cacheMode: "none", cacheThreshold: 0.1 }, "leave one of them out");
  await refused({ cacheThreshold: -1 }, "cacheThreshold (--cache-threshold) is -1");
  assertEquals((await unet.generate({ ...asked, cacheMode: "none" })).images[0].cached, undefined);

  const picture = { ...asked, steps: 4, cacheThreshold: 1e9 } as const;
  using device = await deviceReading("buffers");
  const where = { adapter: device.info, tuning: tuningOf(device) };
  const { least } = await planMemory(FLUX, picture, { dtype: "f32", ...where });
  const tight = { device, dtype: "f32", maxVramBytes: least, firstPicture: picture } as const;
  await using flux = await createPipeline(FLUX, tight);
  const { warnings, images: [{ cached, rgb }] } = await flux.generate(picture);
  assert(warnings.some((warning) => warning.includes("saves computing, not reading")), warnings.join());
  assertEquals(cached, { skipped: 3, calls: 4 });
  await using whole = await createPipeline(FLUX, { device, dtype: "f32" });
  assertEquals((await whole.generate(picture)).images[0].rgb, rgb);
});
