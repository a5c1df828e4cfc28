/** Methods of growth in their limit cases and closed forms, on the CPU. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { TorchCpuGenerator } from "../lib/random_torch.ts";
import { dctMatrix, embedMatrix, growthMatrix, lowBandMatrix } from "../lib/scaling/dct.ts";
import { combineArrays, type Denoising, runPlan } from "../lib/scaling/lssgen.ts";
import { anchorSet, localVariance, moreAnchors, regularAnchors, TokenRun } from "../lib/scaling/tokens.ts";
import { ALL_METHODS } from "../lib/scaling/methods/registry.ts";
import { mixed } from "../lib/scaling/mixture.ts";
import { spectralScale, switchLevel } from "../lib/scaling/methods/spectral.ts";
import { fluxFlops } from "../lib/scaling/flops.ts";
import { cannyEdges, edgesBySquare } from "../lib/image/canny.ts";
import { RALU_PRESETS, raluMix } from "../lib/scaling/methods/ralu.ts";
import { guidedWithin } from "../lib/scaling/plan_guidance.ts";
import { planStages } from "../lib/scaling/plan_stages.ts";
import { formatPlan } from "../lib/scaling/plan_text.ts";
import type { PlanRequest, StagePlan } from "../lib/scaling/types.ts";
import { createScheduler, samplerConfig } from "../lib/schedulers/registry.ts";
import { addRings, fitPower } from "../tools/fit_spectrum.ts";

const FLUX = {
  _class_name: "FlowMatchEulerDiscreteScheduler",
  use_dynamic_shifting: true,
  base_shift: 0.5,
  max_shift: 1.15,
};
const SPECTRUM = { a: 203.615, beta: 1.9155 };

function request(more: Partial<PlanRequest> = {}): PlanRequest {
  return {
    width: 1024,
    height: 1024,
    minResolution: 512,
    baseResolution: 1024,
    steps: 50,
    initNoise: 0.75,
    shortenSteps: false,
    upsampler: "bicubic",
    spectrum: SPECTRUM,
    scheduler: createScheduler(FLUX),
    space: { vaeFactor: 8, patch: 2, indivisible: "round", sigmas: "linear" },
    ...more,
  };
}

type Matrix = readonly Float64Array[];
const times = (a: Matrix, b: Matrix): Float64Array[] =>
  a.map((row) =>
    Float64Array.from({ length: b[0].length }, (_, j) => row.reduce((sum, v, k) => sum + v * b[k][j], 0))
  );
const transposed = (a: Matrix): Float64Array[] =>
  Array.from({ length: a[0].length }, (_, j) => Float64Array.from(a, (row) => row[j]));
function assertMatrix(a: Matrix, b: Matrix) {
  a.forEach((row, i) => row.forEach((v, j) => assertAlmostEquals(v, b[i][j], 1e-12)));
}

/** One channel of latents on the CPU; the network's answer depends on latents, timestep and place. */
function onCpu(): Denoising<Float32Array> {
  const generator = new TorchCpuGenerator(5);
  const along = (x: Float32Array, h: number, w: number, rows: Matrix, columns: Matrix): Float32Array => {
    const grid: Matrix = Array.from({ length: h }, (_, i) => Float64Array.from(x.subarray(i * w, i * w + w)));
    const out = times(times(rows, grid), transposed(columns));
    return Float32Array.from(out.flatMap((row) => [...row]));
  };
  return {
    noise: (s) => generator.randn(s.latentHeight * s.latentWidth),
    stepNoise: (_, s) => generator.randn(s.latentHeight * s.latentWidth),
    denoise: (x, step) => x.map((v, i) => Math.tanh(v) + 0.001 * step.timestep + 0.01 * (i % 7)),
    upsample: (x, { latentHeight: h, latentWidth: w }) => {
      const side = Math.sqrt(x.length);
      return along(x, side, side, growthMatrix(side, h), growthMatrix(side, w));
    },
    highBand: (x, { latentHeight: h, latentWidth: w }, before) => {
      const low = along(x, h, w, lowBandMatrix(before.latentHeight, h), lowBandMatrix(before.latentWidth, w));
      return x.map((v, i) => v - low[i]);
    },
    combine: combineArrays,
    ...chosenTokens(),
  };
}

/** What the GPU's walk does with stages that choose their tokens; edges lie where the predicted picture is bright. */
function chosenTokens(): Pick<Denoising<Float32Array>, "regroup"> & { readonly run: TokenRun } {
  const run = new TokenRun();
  let begun = false;
  return {
    run,
    regroup(left, noise, stage) {
      const before = left.latents.length < noise.length ? 2 : 1;
      const [height, width] = [stage.latentHeight / before, stage.latentWidth / before];
      const grid = (data: Float32Array) => ({ height, width, channels: 1, data });
      const kept = { latents: grid(left.latents), x0: grid(left.x0), output: grid(left.output) };
      if (!begun) run.begin({ ...stage, part: stage.part && { ...stage.part, count: 0 } });
      begun = true;
      const edges = before === 2
        ? Float64Array.from({ length: height * width / 4 }, (_, i) => left.x0[4 * i])
        : undefined;
      return run.grow(kept, noise, stage, edges);
    },
  };
}

Deno.test("White noise stays white as it grows in the cosine transform", () => {
  for (const [n, N] of [[8, 16], [6, 9], [5, 20]]) {
    const embed = embedMatrix(n, N);
    const one = Array.from(
      { length: N },
      (_, i) => Float64Array.from({ length: N }, (_, j) => Number(i === j)),
    );
    assertMatrix(times(transposed(embed), embed), one.slice(0, n).map((row) => row.subarray(0, n)));
    // Covariance of what is embedded, and of the band above it: together the identity.
    const low = lowBandMatrix(n, N);
    assertMatrix(times(embed, transposed(embed)), low);
    assertMatrix(times(low, low), low);
    const ones = growthMatrix(n, N).map((row) => row.reduce((a, b) => a + b, 0));
    for (const v of ones) assertAlmostEquals(v, 1, 1e-12); // a constant stays that constant
  }
});

Deno.test("Two spectral doublings are one quadrupling: of the transform, of κ and of the level", () => {
  assertMatrix(times(embedMatrix(10, 20), embedMatrix(5, 10)), embedMatrix(5, 20));
  for (const t of [0.2, 0.718, 0.8527]) {
    const once = spectralScale(2, t);
    assertAlmostEquals(once * spectralScale(2, once * t), spectralScale(4, t), 1e-12);
  }
});

Deno.test("Spectral levels have the published values for FLUX", () => {
  const level = (omega: number, delta: number) => switchLevel(SPECTRUM, omega, delta);
  const close = (got: number, want: number) => assertAlmostEquals(got, want, 1e-4);
  [0.01, 0.05, 0.1].forEach((delta, i) => close(level(32, delta), [0.8527, 0.7180, 0.6381][i]));
  [0.01, 0.05, 0.1].forEach((delta, i) => close(level(64, delta), [0.7324, 0.5457, 0.4530][i]));
  close(0.8527 * spectralScale(2, 0.8527), 0.9205);
  close(0.7180 * spectralScale(2, 0.7180), 0.8359);
});

Deno.test("A spectral plan splits one schedule, and replaces one level of it", () => {
  const plan = planStages(request({ method: "spectral", spectralDelta: 0.05 }));
  const [small, full] = plan.stages;
  assertEquals(small.steps.length + full.steps.length, 50); // as many calls as direct
  assertAlmostEquals(small.steps.length / 50, 0.55, 0.02); // FIELD: 55 % of the steps
  const t = small.steps[small.steps.length - 1];
  const end = small.schedule.sigmas[t.index + 1];
  assert(end <= 0.7180 && t.sigma > 0.7180);
  assertAlmostEquals(full.steps[0].sigma, end * spectralScale(2, end), 1e-6);
  assertEquals(full.steps[1].sigma, small.schedule.sigmas[t.index + 2]);
  assert(formatPlan(plan).includes("spectral"));
  const three = planStages(request({ method: "spectral", minResolution: 256 }));
  assertEquals(three.stages.reduce((sum, s) => sum + s.steps.length, 0), 50);
});

Deno.test("spectral refuses what it cannot do, by name", () => {
  const refused = (more: Partial<PlanRequest>, part: string) =>
    assertThrows(() => planStages(request({ method: "spectral", ...more })), LssgenError, part);
  refused({ spectrum: undefined }, "tools/fit_spectrum.ts");
  refused({ steps: 1 }, "take more steps");
  refused({ spectralDelta: 2 }, "spectralDelta is 2");
  refused(
    { scheduler: createScheduler(samplerConfig({ _class_name: "PNDMScheduler" }, "euler")) },
    "flow models",
  );
});

Deno.test("Without growth every method is direct, bit for bit", async () => {
  const small = { width: 128, height: 128, minResolution: 128, baseResolution: 128, steps: 6 };
  const want = await runPlan(planStages(request({ ...small, method: "direct" })), onCpu());
  for (const { name } of ALL_METHODS) {
    const plan = planStages(request({ ...small, method: name, stages: "128:6" }));
    assertEquals(await runPlan(plan, onCpu()), want, name);
  }
});

Deno.test("Every method reaches the size, with finite latents", async () => {
  for (const { name } of ALL_METHODS) {
    const size = { width: 256, height: 256, minResolution: 128, baseResolution: 128, steps: 8 };
    const plan = planStages(request({ ...size, method: name, stages: "128:8,192@0.7,256@0.5:4" }));
    // Everything that is made is given back once, but for the result.
    const live = new Set<Float32Array>();
    const made = (x: Float32Array): Float32Array => {
      live.add(x);
      return x;
    };
    const cpu = { ...onCpu(), guide: (x: Float32Array) => x.slice() };
    const model: Denoising<Float32Array> = {
      noise: async (s) => made(await cpu.noise(s)),
      stepNoise: async (t, s) => made(await cpu.stepNoise!(t, s)),
      denoise: async (x, t, s) => made(await cpu.denoise(x, t, s)),
      upsample: async (x, s, u) => made(await cpu.upsample(x, s, u)),
      guide: (x) => made(cpu.guide(x)),
      highBand: async (x, s, b) => made(await cpu.highBand!(x, s, b)),
      regroup: async (l, n, s) => made(await cpu.regroup!(l, n, s)),
      combine: (parts) => made(cpu.combine(parts)),
      release: (x) => assert(live.delete(x), `${name} releases latents twice`),
    };
    const latents = await runPlan(plan, model);
    assertEquals([...live], [latents], name);
    assertEquals(latents.length, 32 * 32, name);
    assert(latents.every(Number.isFinite), name);
  }
});

Deno.test("refine at noise level 0 is the grown picture, and else ends in steps that no shift moves", async () => {
  const size = { width: 256, height: 256, minResolution: 128, baseResolution: 256, steps: 4 };
  const plan = planStages(request({ ...size, method: "refine", initNoise: 0 }));
  assertEquals(plan.stages.map((s) => s.steps.length), [4, 0]);
  const grown = await runPlan(plan, onCpu());
  const low = await runPlan({ ...plan, stages: plan.stages.slice(0, 1) }, onCpu());
  assertEquals(grown, await onCpu().upsample(low, plan.stages[1], "bicubic"));
  const three = planStages(request({ ...size, method: "refine", initNoise: 0.12, refineSteps: 3 }));
  const levels = three.stages[1].schedule.sigmas;
  [0.12, 0.08, 0.04, 0].forEach((level, i) => assertAlmostEquals(levels[i], level, 1e-6));
  assertAlmostEquals(three.stages[1].steps[0].timestep, 120, 1e-3);
  const sd = { _class_name: "PNDMScheduler", beta_schedule: "scaled_linear", skip_prk_steps: true };
  const unet = request({ ...size, method: "refine", initNoise: 0.12, scheduler: createScheduler(sd) });
  assertThrows(() => planStages(unet), LssgenError, "has its own timesteps");
  const euler = { ...unet, scheduler: createScheduler(samplerConfig(sd, "euler")) };
  assertAlmostEquals(planStages(euler).stages[1].steps[0].sigma, 0.12 / 0.88, 1e-6);
});

Deno.test("selflift grows at the schedule's own next level", () => {
  const plan = planStages(request({ method: "selflift", steps: 4 }));
  assertEquals(plan.stages.map((s) => s.steps.length), [3, 1]);
  const [first, last]: readonly StagePlan[] = plan.stages;
  assertEquals(last.grow?.from, "x0");
  assertEquals(last.steps[0].sigma, first.schedule.sigmas[3]);
  assertThrows(() => planStages(request({ method: "selflift", steps: 1 })), LssgenError, "too few");
});

Deno.test("SelfLift's mixture has the values that its formula gives in torch, and the two ways as its limits", () => {
  const latent = Float32Array.from({ length: 24 }, (_, i) => ((i * 7) % 11) / 3 - 1.5);
  const pixel = Float32Array.from({ length: 24 }, (_, i) => ((i * 5) % 13) / 4 - 1.2);
  // deno-fmt-ignore
  const want = [
    -1.5, 0.83333, -0.5, -0.7, 0.55, 1.8, 1.5, 0.16667, -1.16667, 0.50583, 1.14229, -0.69937,
    0.83333, -0.5, 1.83333, 0.5, -0.83333, 1.5, 0.16667, -1.16667, 1.16667, -0.72479, -0.2175, 1.34396,
  ];
  mixed(latent, pixel, 3, 0.4).forEach((v, i) => assertAlmostEquals(v, want[i], 1e-5));
  const everywhere = mixed(latent, pixel, 3, 1, [1, 1]);
  everywhere.forEach((v, i) => assertAlmostEquals(v, pixel[i], 1e-6)); // the way through pixels
  assertEquals(mixed(latent, pixel, 3, 1, [0, 0]), latent); // nearest neighbour
  assertEquals(mixed(latent, latent, 3, 0.4), latent);
  const changed = mixed(latent, pixel, 3, 0).filter((v, i) => v !== latent[i]).length;
  assert(changed > 0 && changed <= 3, "share 0 leaves the largest difference alone");
});

Deno.test("SelfLift keeps 3 of 4 and 6 of 8 steps small, and mixes 0.4 and 0.3 of the latents, as published", () => {
  for (const [steps, small, share] of [[4, 3, 0.4], [8, 6, 0.3]]) {
    const { stages } = planStages(request({ method: "selflift", steps, upsampler: "mixture" }));
    assertEquals(stages.map((s) => s.steps.length), [small, steps - small]);
    assertEquals([stages[1].grow!.upsampler, stages[1].grow!.share], ["mixture", share]);
  }
});

Deno.test("jit doubles its anchors from one of each square to all, and has the published speeds for FLUX.1", () => {
  const flux = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
  const widths = { in_channels: 64, joint_attention_dim: 4096, pooled_projection_dim: 768 };
  const shape = { ...flux, ...widths, guidance_embeds: true };
  const cost = { denoiserStep: (h: number, w: number) => fluxFlops(shape, h * w / 4, 512) };
  const of50 = planStages(request({ method: "direct", cost })).flops!;
  for (const [steps, published] of [[18, 4.24], [11, 7.07]]) {
    const plan = planStages(request({ method: "jit", steps, cost }));
    assertEquals(plan.stages.map((s) => s.tokens), [1024, 2048, 4096]);
    assertEquals(plan.denoiserCalls, steps);
    assertAlmostEquals(of50 / plan.flops! / published, 1, 0.1); // the paper's are of whole pictures
  }
  const five = planStages(request({ method: "jit", minResolution: 256, steps: 12 }));
  assertEquals(five.stages.map((s) => s.steps.length), [2, 2, 2, 3, 3]);
  assertThrows(() => planStages(request({ method: "jit", steps: 2 })), LssgenError, "too few for 3 stages");
  assertThrows(() => planStages(request({ method: "jit", strength: 0.5 })), LssgenError, "takes no picture");
});

Deno.test("Anchors keep their values, and what lies between them is their mean", () => {
  const anchors = regularAnchors(4, 4, 2);
  assertEquals([...anchors.keys()].filter((i) => anchors[i]), [0, 2, 8, 10]);
  const { full: { pairs, K }, places } = anchorSet(anchors, 4, 4, 2);
  assertEquals(places, [[0, 0], [0, 2], [2, 0], [2, 2]]);
  const at = (token: number): number[] => {
    const weights = [0, 0, 0, 0];
    for (let k = 0; k < K; k++) weights[pairs[(token * K + k) * 2]] += pairs[(token * K + k) * 2 + 1];
    return weights;
  };
  assertEquals(at(10), [0, 0, 0, 1]);
  assertEquals(at(5), [0.25, 0.25, 0.25, 0.25]);
  for (let token = 0; token < 16; token++) assertAlmostEquals(at(token).reduce((a, b) => a + b), 1, 1e-6);
  // More of them where the velocity changes most; those that there were stay.
  const score = Float64Array.from({ length: 16 }, (_, i) => i === 5 || i === 15 ? 2 : 1);
  const more = moreAnchors(anchors, score, 6);
  assertEquals([...more.keys()].filter((i) => more[i]), [0, 2, 5, 8, 10, 15]);
  const step = {
    height: 4,
    width: 4,
    channels: 1,
    data: Float32Array.from({ length: 16 }, (_, i) => i % 4 < 2 ? 0 : 1),
  };
  const change = localVariance(step, 1);
  assert(change[5] > 0 && change[6] > 0 && change[4] === 0 && change[7] === 0);
});

Deno.test("jit's new anchors begin at the noised interpolation of the predicted picture, and nothing else changes", () => {
  const plan = planStages(request({ width: 64, height: 64, minResolution: 32, method: "jit", steps: 6 }));
  const [first, second] = plan.stages;
  const run = new TokenRun();
  run.begin(first);
  assertEquals(run.set?.count, 4);
  const data = Float32Array.from({ length: 64 }, (_, i) => i / 64);
  const grid = (data: Float32Array) => ({ height: 8, width: 8, channels: 1, data });
  const noise = new Float32Array(64).fill(10);
  const left = { latents: grid(data), x0: grid(new Float32Array(64).fill(3)), output: grid(data) };
  const out = run.grow(left, noise, second);
  const { signal, noise: factor } = second.grow!.mix;
  const changed = [...out.keys()].filter((i) => out[i] !== data[i]);
  assertEquals(changed.length, 4 * 4); // four tokens of four latents became anchors
  for (const i of changed) assertAlmostEquals(out[i], signal * 3 + factor * 10, 1e-5);
  assertEquals(run.set?.count, 8);
  run.grow({ latents: grid(out), x0: grid(out), output: grid(out) }, noise, plan.stages[2]);
  assertEquals(run.set, undefined); // all of them: no selection
});

Deno.test("ralu's levels have the published values, its noise is white after each boundary", () => {
  const plan = planStages(request({ method: "ralu", steps: 18 }));
  assertEquals(plan.stages.map((s) => s.steps.length), [5, 6, 7]);
  assertEquals(plan.stages.map((s) => s.tokens), [1024, 1024 + 3 * 307, 4096]);
  const [one, two, three] = plan.stages;
  assertAlmostEquals(1 - two.grow!.level, 0.0635, 5e-5);
  assertAlmostEquals(1 - three.grow!.level, 0.1147, 5e-5);
  assertAlmostEquals(one.schedule.sigmas[5], 0.7, 1e-6);
  assertAlmostEquals(two.schedule.sigmas[6], 0.55, 1e-6);
  assertEquals(three.schedule.sigmas[7], 0);
  assertEquals(planStages(request({ method: "ralu", steps: 10 })).stages.map((s) => s.steps.length), [
    2,
    3,
    5,
  ]);
  for (const { ends, z } of RALU_PRESETS) {
    for (const e of ends.slice(0, 2)) {
      const { signal: beta, noise: alpha } = raluMix(e, z);
      assertAlmostEquals(alpha ** 2 / z ** 2, beta ** 2 * (1 - e) ** 2, 1e-12);
      assertAlmostEquals(beta * e + alpha, 1, 1e-12);
    }
  }
  // Covariance of the noise from impulses: 2 × 2 tokens of one latent, of which one is split first.
  const small = planStages(
    request({
      ...{ method: "ralu", width: 32, height: 32, minResolution: 16, steps: 18 },
      space: { vaeFactor: 8, patch: 1, indivisible: "round", sigmas: "linear" },
    }),
  ).stages;
  assertEquals(small.map((s) => s.tokens), [4, 7, 16]);
  const grid = (side: number, data: Float32Array) => ({ height: side, width: side, channels: 1, data });
  const unit = (n: number, at: number) => Float32Array.from({ length: n }, (_, i) => Number(i === at));
  const edges = Float64Array.from([0, 9, 0, 0]);
  const after = (latents: Float32Array, noise: Float32Array, again?: [Float32Array, Float32Array]) => {
    const run = new TokenRun();
    const left = (g: ReturnType<typeof grid>) => ({ latents: g, x0: g, output: g });
    const out = run.grow(left(grid(2, latents)), noise, small[1], edges);
    return again ? run.grow(left(grid(4, again[0])), again[1], small[2]) : out;
  };
  const zero = (n: number) => new Float32Array(n);
  const covariance = (columns: readonly Float32Array[]) =>
    Array.from(
      { length: 16 },
      (_, i) => Array.from({ length: 16 }, (_, j) => columns.reduce((sum, c) => sum + c[i] * c[j], 0)),
    );
  const ends = RALU_PRESETS[0].ends;
  const first = covariance([
    ...[0, 1, 2, 3].map((i) => after(unit(4, i).map((v) => v * (1 - ends[0])), zero(16))),
    ...Array.from({ length: 16 }, (_, i) => after(zero(4), unit(16, i))),
  ]);
  const level = small[1].grow!.level ** 2;
  const block = (i: number) => Math.floor(i / 8) * 2 + Math.floor(i % 4 / 2);
  for (let i = 0; i < 16; i++) {
    for (let j = 0; j < 16; j++) {
      // Of a token that stays one, the four places hold the same noise.
      const same = i === j || (block(i) === block(j) && block(i) !== 1);
      assertAlmostEquals(first[i][j], same ? level : 0, 1e-5, `${i}, ${j}`);
    }
  }
  const last = covariance([
    ...[0, 2, 3].map((own) =>
      after(zero(4), zero(16), [
        Float32Array.from({ length: 16 }, (_, i) => block(i) === own ? 1 - ends[1] : 0),
        zero(16),
      ])
    ),
    ...[2, 3, 6, 7].map((i) =>
      after(zero(4), zero(16), [unit(16, i).map((v) => v * (1 - ends[1])), zero(16)])
    ),
    ...Array.from({ length: 16 }, (_, i) => after(zero(4), zero(16), [zero(16), unit(16, i)])),
  ]);
  const end = small[2].grow!.level ** 2;
  last.forEach((row, i) =>
    row.forEach((v, j) => assertAlmostEquals(v, i === j ? end : 0, 1e-5, `${i}, ${j}`))
  );
});

Deno.test("Edges are where brightness steps, one pixel wide, and weak ones only beside strong ones", () => {
  const grey = (of: (y: number, x: number) => number) =>
    Float32Array.from({ length: 16 * 16 }, (_, i) => of(Math.floor(i / 16), i % 16));
  const edges = (g: Float32Array) => cannyEdges(g, 16, 16, 100, 200);
  const step = edges(grey((_, x) => x < 8 ? 0 : 255));
  for (let y = 0; y < 16; y++) {
    const row = [...step.slice(16 * y, 16 * y + 16)];
    assertEquals(row.reduce((a, b) => a + b), 1);
    assert(row[7] + row[8] === 1);
  }
  assertEquals(edges(grey((_, x) => x < 8 ? 0 : 40)).some((v) => v), false); // 160 begins nothing
  const fading = edges(grey((y, x) => x < 8 ? 0 : y < 8 ? 255 : 40));
  assert(fading[16 * 14 + 7] + fading[16 * 14 + 8] === 1, "a weak edge that hangs on a strong one");
  const rgb = Float32Array.from({ length: 16 * 16 * 3 }, (_, i) => Math.floor(i / 3) % 16 < 8 ? -1 : 1);
  const counts = [...edgesBySquare(rgb, 16, 16, 8)];
  assertEquals(counts.reduce((a, b) => a + b), 16);
});

Deno.test("bottleneck is high, low, high on one schedule", () => {
  const { stages } = planStages(request({ method: "bottleneck", steps: 28 }));
  assertEquals(stages.map((s) => [s.width, s.steps.length]), [[1024, 2], [512, 22], [1024, 4]]);
  assertEquals(stages[1].steps[0].sigma, stages[0].schedule.sigmas[2]);
  assertEquals(stages.map((s) => s.grow?.from), [undefined, "x0", "x0"]);
  const begun = planStages(request({ method: "bottleneck", steps: 28, strength: 0.5 })).stages;
  assertEquals(begun.map((s) => [s.width, s.grow?.from]), [[512, "image"], [1024, "x0"]]);
});

Deno.test("Stages by hand have any ratio, noise level and number of steps", () => {
  const { stages } = planStages(
    request({
      width: 768,
      height: 512,
      method: "stages",
      stages: "256:20,384@0.8:12,512@0.6",
      entry: "atMost",
    }),
  );
  assertEquals(stages.map((s) => `${s.width}×${s.height}`), ["384×256", "576×384", "768×512"]);
  assertEquals(stages.map((s) => s.schedule.steps), [20, 12, 50]);
  assert(stages[1].grow!.level <= 0.8 && stages[2].grow!.level <= 0.6);
  const refused = (text: string, part: string, more: Partial<PlanRequest> = {}) =>
    assertThrows(() => planStages(request({ method: "stages", stages: text, ...more })), LssgenError, part);
  refused("512:x", '"512:x" is no stage');
  refused("512,512", "last stage is 512");
  refused("1024@0.5", "begins with noise");
  refused("512,768,1024", "is no doubling", { upsampler: "learned" });
  refused("512:0,1024", "0 steps");
  refused("512,1024@1.5", "noise level 1.5");
});

Deno.test("A list of noise levels is every stage's schedule, or refused where steps are shortened", () => {
  const levels = [1, 0.8, 0.5, 0.2];
  const { stages } = planStages(request({ steps: 4, levels, method: "direct" }));
  assertEquals(stages[0].schedule.sigmas, [...levels, 0].map(Math.fround));
  assertThrows(
    () => planStages(request({ steps: 4, levels, shortenSteps: true })),
    LssgenError,
    "sigmas holds 4 noise levels",
  );
});

Deno.test("Guidance on the interval 0 to 1 changes no step; on a smaller one only steps inside it take two calls", () => {
  const asked = request({ method: "direct", steps: 10, cost: { denoiserStep: () => 2 } });
  const plan = planStages(asked);
  const single = { denoiserStep: () => 1 };
  assertEquals(guidedWithin(plan, asked.scheduler, 0, 1, single), plan);
  const half = guidedWithin(plan, asked.scheduler, 0.25, 0.75, single);
  for (const { sigma, unguided = false } of half.stages[0].steps) {
    assertEquals(unguided, 1 - sigma < 0.25 || 1 - sigma > 0.75);
  }
  const off = half.stages[0].steps.filter((step) => step.unguided).length;
  assert(off > 0 && off < 10);
  assertAlmostEquals(half.flops!, 20 - off, 1e-9);
  assertEquals(half.directFlops, 20);
});

Deno.test("The fit finds the spectrum that latents were drawn from", () => {
  const n = 32;
  const D = dctMatrix(n);
  const generator = new TorchCpuGenerator(3);
  const [sums, counts] = [new Float64Array(n), new Float64Array(n)];
  for (let picture = 0; picture < 12; picture++) {
    const draws = generator.randn(n * n);
    // Coefficients of power 50·ω^(−2), then back to latents of one channel.
    const grid = Array.from(
      { length: n },
      (_, ky) =>
        Float64Array.from(
          { length: n },
          (_, kx) => draws[ky * n + kx] * Math.sqrt(50 * Math.max(1, Math.hypot(kx, ky)) ** -2),
        ),
    );
    const latents = times(times(transposed(D), grid), D).flatMap((row) => [...row]);
    addRings(Float32Array.from(latents), n, 1, sums, counts);
  }
  const { a, beta } = fitPower(sums, counts);
  assertAlmostEquals(beta, 2, 0.1);
  assertAlmostEquals(Math.log(a), Math.log(50), 0.3);
});
