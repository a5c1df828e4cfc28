import { assert, assertEquals, assertRejects } from "@std/assert";
import { clocked, comparisonRows, ownSize } from "../lib/cli/compare.ts";
import { fileFolder } from "../lib/cli/files.ts";
import { withUpsampler } from "../lib/cli/generate.ts";
import { METHODS } from "../lib/cli/options.ts";
import { LssgenError } from "../lib/errors.ts";
import { planPicture, readModelInfo } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/types.ts";
import type { MethodName } from "../lib/scaling/types.ts";

Deno.test("a comparison has the single methods in one row and each staged one over the noise levels", () => {
  assertEquals(comparisonRows(["lssgen", "direct", "lssgen"], [0.6, 0.9]), [
    [{ method: "direct" }],
    [{ method: "lssgen", initNoise: 0.6 }, { method: "lssgen", initNoise: 0.9 }],
  ]);
  assertEquals(comparisonRows(["lssgen"], [1]), [[{ method: "lssgen", initNoise: 1 }]]);
});

Deno.test("all methods are compared under the name all, four beside each other at most", () => {
  const rows = comparisonRows(["all"], [0.6, 0.7, 0.75, 0.8, 0.9]);
  assertEquals(new Set(rows.flat().map(({ method }) => method)), new Set(METHODS));
  assert(rows.every((row) => row.length <= 4));
});

Deno.test("a comparison begins with the model's own size where the picture is larger, in the picture's shape", async () => {
  const info = await readModelInfo(fileFolder(path("sd3")));
  const own = ownSize({ width: 2048, height: 1536 }, info);
  assertEquals(own, { width: 1360, height: 1024 }); // 1365.3, to whole tokens of 16
  assertEquals(ownSize({ width: 1024, height: 1024 }, info), undefined);
  assertEquals(ownSize({ width: 512, height: 768 }, info), undefined);
  assertEquals(comparisonRows(["direct"], [], own), [[{ method: "direct", size: own }, {
    method: "direct",
  }]]);
});

const path = (name: string) => new URL(`./golden/pipelines/${name}/model`, import.meta.url).pathname;

Deno.test("all that a comparison launches has run once before anything is clocked, in as few steps as can be", async () => {
  const info = await readModelInfo(fileFolder(path("sd3")));
  const asked = {
    prompt: "a fox",
    width: 64,
    height: 64,
    minResolution: 32,
    steps: 12,
    guidance: 3,
  } as const;
  const methods: MethodName[] = ["direct", "lssgen", "refine", "jit", "ralu", "diffusehigh"];
  const requests: GenerateRequest[] = methods.map((method) => ({ ...asked, method, upsampler: "bicubic" }));
  requests.push({ ...requests[1], initNoise: 0.6 }, { ...requests[1], initNoise: 1 }, {
    ...requests[1],
    upsampler: "pixel",
  });
  requests.push({ ...asked, method: "direct", skipLayers: [1] });
  const drawn: GenerateRequest[] = [];
  const results = await clocked(requests, (r) => planPicture(info, r), (r) => {
    drawn.push(r);
    return Promise.resolve(r.method);
  });
  assertEquals(results.map(({ made }) => made), requests.map(({ method }) => method));
  assertEquals(drawn.slice(-requests.length), requests);
  const warm = drawn.slice(0, -requests.length);
  // refine enlarges as lssgen does, diffusehigh has no stages at this size: their kernels have run.
  assertEquals(warm.map(({ method }) => method), ["direct", "lssgen", "jit", "ralu", "lssgen", "direct"]);
  assertEquals(warm.map(({ steps }) => steps), [1, 1, 3, 3, 1, 6]);
});

Deno.test("a cache of steps, however it is asked for, runs a second step before a comparison is clocked", async () => {
  const info = await readModelInfo(fileFolder(path("sd3")));
  const asked = { prompt: "a fox", width: 64, height: 64, steps: 12, method: "direct" } as const;
  for (const cache of [{ cacheThreshold: 0.1 }, { cacheMode: "first-block" }] as const) {
    const drawn: (number | undefined)[] = [];
    await clocked([{ ...asked, ...cache }], (r) => planPicture(info, r), ({ steps }) => {
      drawn.push(steps);
      return Promise.resolve();
    });
    assertEquals(drawn, [2, 12], JSON.stringify(cache));
  }
});

Deno.test("what cannot be drawn ends a comparison before its first picture", async () => {
  const info = await readModelInfo(fileFolder(path("sdxl")));
  const requests = (["direct", "ralu"] as const).map((method) => ({
    prompt: "a fox",
    width: 64,
    height: 64,
    method,
  }));
  await assertRejects(
    () => clocked(requests, (r) => planPicture(info, r), () => Promise.reject(new Error("drawn"))),
    LssgenError,
    "hands a transformer",
  );
});

Deno.test("a file of --upsampler-weights is an ESRGAN network, a folder the learned upsampler, in whatever is planned", async () => {
  const info = { ...await readModelInfo(fileFolder(path("sd3"))), learnedUpsampler: false };
  const known = (upsamplerWeights?: string): [boolean, boolean | undefined] => {
    const { learnedUpsampler, esrganUpsampler } = withUpsampler(info, { upsamplerWeights });
    return [learnedUpsampler, esrganUpsampler];
  };
  assertEquals(known("x4plus.safetensors"), [false, true]);
  assertEquals(known("upsampler"), [true, false]);
  assertEquals(known(), [false, false]);
});
