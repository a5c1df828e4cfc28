/** Methods of growth in their limit cases and closed forms, on the CPU. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { TorchCpuGenerator } from "../lib/random_torch.ts";
import { dctMatrix, embedMatrix, growthMatrix, lowBandMatrix } from "../lib/scaling/dct.ts";
import { combineArrays, type Denoising, runPlan } from "../lib/scaling/lssgen.ts";
import { ALL_METHODS } from "../lib/scaling/methods/registry.ts";
import { mixed } from "../lib/scaling/mixture.ts";
import { spectralScale, switchLevel } from "../lib/scaling/methods/spectral.ts";
import { formatPlan, guidedWithin, planStages } from "../lib/scaling/plan.ts";
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
    const model = { ...onCpu(), guide: (x: Float32Array) => x.slice() };
    const latents = await runPlan(plan, model);
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
