/** Staged runs against the reference's traces: what is planned exactly, what is computed within tolerance. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { combineArrays, type Denoising, lssgen, runPlan } from "../lib/scaling/lssgen.ts";
import { METHODS } from "../lib/scaling/methods/registry.ts";
import { planStages } from "../lib/scaling/plan_stages.ts";
import type {
  LatentSpace,
  Method,
  Plan,
  PlanRequest,
  StageOption,
  StepProgress,
  Upsampler,
} from "../lib/scaling/types.ts";
import { createScheduler } from "../lib/schedulers/registry.ts";
import { bytesOf } from "../lib/weights/bytes.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";

const ROOT = new URL("./golden/lssgen/", import.meta.url);
const FLUX: LatentSpace = { vaeFactor: 8, patch: 2, indivisible: "round", sigmas: "linear" };
const SD3: LatentSpace = { vaeFactor: 8, patch: 2, indivisible: "refuse", sigmas: "scheduler" };
const UNET: LatentSpace = { vaeFactor: 8, patch: 1, indivisible: "refuse", sigmas: "scheduler" };
const SPACES: Readonly<Record<string, LatentSpace>> = {
  flux: FLUX,
  sd3: SD3,
  sd15: UNET,
  sdxl: UNET,
  sd: UNET,
};

interface Call {
  height: number;
  width: number;
  base_height?: number;
  base_width?: number;
  num_inference_steps: number;
  start_sigma: number;
  min_resolution: number;
  shorten_intermediate_steps: boolean;
  scaling_space: string;
  guidance_scale?: number;
}

interface Trace {
  class: string;
  call: Call;
  scheduler_class: string;
  scheduler_config: Record<string, unknown>;
  stages: {
    latent: [number, number];
    pixels: [number, number];
    schedule: { timesteps: number[]; sigmas: number[] | null; mu: number | null };
    timesteps_used: number[];
    begin_index: number;
    mix_sigma?: number | null;
    noise: number;
  }[];
  tolerances: { f32: { max_abs: number } };
}

const parse = (text: string) => JSON.parse(text.replace(/-?Infinity/g, "null"));
const UPSAMPLERS: Readonly<Record<string, Upsampler>> = {
  resnet: "learned",
  latent: "bicubic",
  pixel: "pixel",
};

function request(call: Call, space: LatentSpace, config: Record<string, unknown>): PlanRequest {
  return {
    width: call.width,
    height: call.height,
    minResolution: call.min_resolution,
    baseResolution: { width: call.base_width ?? 1024, height: call.base_height ?? 1024 },
    steps: call.num_inference_steps,
    initNoise: call.start_sigma,
    shortenSteps: call.shorten_intermediate_steps,
    upsampler: UPSAMPLERS[call.scaling_space],
    scheduler: createScheduler(config),
    space,
  };
}

/** Guidance of a CFG batch [negative, positive], or the tokens of FLUX put back in place. */
function toLatents(output: Float32Array, shape: readonly number[], h: number, w: number, guidance: number) {
  if (shape.length === 3) {
    const out = new Float32Array(output.length);
    const [, tokens, width] = shape;
    for (let t = 0; t < tokens; t++) {
      for (let k = 0; k < width; k++) {
        const [c, dy, dx] = [k >> 2, (k >> 1) & 1, k & 1];
        const [y, x] = [Math.floor(t / (w / 2)) * 2 + dy, t % (w / 2) * 2 + dx];
        out[(c * h + y) * w + x] = output[t * width + k];
      }
    }
    return out;
  }
  if (shape[0] === 1) return output;
  const n = output.length / 2;
  return Float32Array.from({ length: n }, (_, i) => output[i] + guidance * (output[n + i] - output[i]));
}

function difference(a: Float32Array, b: Float32Array): number {
  assertEquals(a.length, b.length);
  return a.reduce((worst, v, i) => Math.max(worst, Math.abs(v - b[i])), 0);
}

const cases = [...Deno.readDirSync(ROOT)].map((entry) => entry.name).filter((name) => !name.startsWith("_"))
  .sort();

for (const name of cases) {
  Deno.test(`${name} is planned and mixed as the reference does`, async () => {
    const folder = new URL(`${name}/`, ROOT);
    const trace = parse(Deno.readTextFileSync(new URL("case.json", folder))) as Trace;
    const file = await openSafetensors(bytesOf(name, Deno.readFileSync(new URL("io.safetensors", folder))));
    const config = { ...trace.scheduler_config, _class_name: trace.scheduler_class };
    const quirks = trace.class === "reference LSSStableDiffusionPipeline";
    const asked = { ...request(trace.call, SPACES[name.split("_")[0]], config), referenceQuirks: quirks };
    const plan = planStages(asked);
    assertEquals(plan.stages.length, trace.stages.length);
    for (const [i, want] of trace.stages.entries()) {
      const stage = plan.stages[i];
      assertEquals([stage.latentHeight, stage.latentWidth], want.latent);
      assertEquals([stage.height, stage.width], want.pixels);
      assertEquals([...stage.schedule.timesteps], want.schedule.timesteps);
      if (asked.scheduler.kind === "flow") assertEquals([...stage.schedule.sigmas], want.schedule.sigmas);
      if (stage.schedule.mu !== undefined) {
        assert(Math.abs(stage.schedule.mu - want.schedule.mu!) < 1e-12);
      }
      assertEquals(stage.steps.map((step) => step.timestep), want.timesteps_used);
      assertEquals(stage.begin, want.begin_index);
      if (asked.scheduler.kind === "flow") assertEquals(stage.grow?.mix.noise ?? null, want.mix_sigma);
    }

    // The recorded network and upsampler answer; what lies between them is ours to compute.
    const read = (i: number, what: string) => file.readF32(`mid.stage${i}.${what}`);
    const close = async (got: Float32Array, i: number, what: string) => {
      const worst = difference(got, await read(i, what));
      assert(worst <= trace.tolerances.f32.max_abs, `stage ${i} ${what}: off by ${worst}`);
    };
    const model: Denoising<Float32Array> = {
      noise: (stage) => file.readF32(`in.noise.${trace.stages[stage.index].noise}`),
      upsample: (_, stage) => read(stage.index, "upsampled"),
      combine: combineArrays,
      async denoise(input, step, stage) {
        const latents = input.map((v) => v / step.inputScale);
        const at = step.index - stage.begin;
        if (at === 1) await close(latents, stage.index, "step0");
        if (at > 0) return new Float32Array(input.length);
        await close(latents, stage.index, "mixed");
        const key = `mid.stage${stage.index}.first_model_output`;
        const { latentHeight: h, latentWidth: w } = stage;
        return toLatents(
          await file.readF32(key),
          file.info(key)!.shape,
          h,
          w,
          trace.call.guidance_scale ?? 1,
        );
      },
    };
    await lssgen(asked, model);
  });
}

/** What the reference makes of sizes and noise levels at the edge; where it crashes, one clear error here. */
Deno.test("edge cases are planned as the reference does, or refused by the option's name", () => {
  const configs: Record<string, Record<string, unknown>> = {
    flux: { _class_name: "FlowMatchEulerDiscreteScheduler", use_dynamic_shifting: true, shift: 3 },
    sd3: { _class_name: "FlowMatchEulerDiscreteScheduler", shift: 3 },
    sdxl: {
      _class_name: "EulerDiscreteScheduler",
      beta_start: 0.00085,
      beta_end: 0.012,
      beta_schedule: "scaled_linear",
      timestep_spacing: "leading",
      steps_offset: 1,
    },
  };
  configs.sd = { ...configs.sdxl, _class_name: "DDIMScheduler", clip_sample: false };
  const refused: Readonly<Record<string, string>> = {
    min_resolution_above_size: "minResolution",
    shorten_to_zero_steps: "steps",
    start_sigma_zero: "initNoise",
    start_sigma_small: "steps",
    start_sigma_above_one: "initNoise",
    size_not_divisible: "Size",
  };
  // A batch is the pipeline's matter, and so are given latents; a plan has neither.
  const elsewhere = ["two_images_per_prompt", "user_latents_first_stage_size"];
  const edges = parse(Deno.readTextFileSync(new URL("_edge_cases/edges.json", ROOT))) as {
    name: string;
    family: string;
    call: Call;
    result: { ok: boolean; stages: { timesteps: number[] }[] };
  }[];
  for (const { name, family, call, result } of edges.filter((edge) => !elsewhere.includes(edge.name))) {
    const asked = request(call, SPACES[family], configs[family]);
    // SDXL's reference refuses pixel scaling, and above noise level 1 nothing is meant: the rest must agree.
    if (name === "start_sigma_above_one" || (!result.ok && name !== "pixel")) {
      const error = assertThrows(() => planStages(asked), LssgenError, refused[name], `${family} ${name}`);
      assertEquals((error as LssgenError).code, "bad_option");
      continue;
    }
    if (!result.ok) continue;
    const got = planStages(asked).stages.map((stage) => stage.steps.map((step) => step.timestep));
    assertEquals(got, result.stages.map((stage) => stage.timesteps), `${family} ${name}`);
  }
});

const SMALL: PlanRequest = {
  width: 64,
  height: 64,
  minResolution: 32,
  baseResolution: 64,
  steps: 6,
  initNoise: 0.75,
  shortenSteps: true,
  upsampler: "nearest",
  scheduler: createScheduler({ _class_name: "FlowMatchEulerDiscreteScheduler" }),
  space: FLUX,
};

/** A velocity that leads to 0.5 everywhere from noise 1, and counts what it handed out. */
function counting(live: Set<Float32Array>): Denoising<Float32Array> {
  const own = (latents: Float32Array) => {
    live.add(latents);
    return latents;
  };
  return {
    noise: (s) => own(new Float32Array(s.latentHeight * s.latentWidth).fill(1)),
    denoise: (x) => own(x.map(() => 0.5)),
    upsample: (x, s) => own(new Float32Array(s.latentHeight * s.latentWidth).fill(x[0])),
    stepNoise: (_, s) => own(new Float32Array(s.latentHeight * s.latentWidth).fill(1)),
    image: (s) => own(new Float32Array(s.latentHeight * s.latentWidth).fill(0.25)),
    inpaint: (x, known) => own(x.map((v, i) => i === 0 ? known[i] : v)),
    guide: (x) => own(x.map((v) => v)),
    preview: (x) => assert(live.has(x)),
    combine: (parts) => own(combineArrays(parts)),
    release: (x) => assert(live.delete(x), "released twice, or not ours"),
  };
}

for (const method of METHODS.map(({ name }) => name)) {
  for (
    const _class_name of [
      "FlowMatchEulerDiscreteScheduler",
      "PNDMScheduler",
      "DPMSolverMultistepScheduler",
      "LCMScheduler",
    ]
  ) {
    Deno.test(`${method} with ${_class_name} releases every latents once, except the last`, async () => {
      const live = new Set<Float32Array>();
      const config = { _class_name, skip_prk_steps: true };
      const flow = _class_name.startsWith("Flow");
      const space = flow ? FLUX : UNET;
      const asked = {
        ...SMALL,
        method,
        steps: 12,
        baseResolution: 32,
        space,
        scheduler: createScheduler(config),
      };
      const result = await lssgen(asked, counting(live));
      assertEquals([...live], [result]);
      assertEquals(result.length, 64);

      live.clear();
      const inpainting = { ...asked, strength: 0.75, inpaint: true };
      const kept = await lssgen(inpainting, counting(live), { previewEvery: 2 });
      assertEquals([...live], [kept]);
      assertEquals(kept[0], 0.25); // clean in the end, whatever was drawn there
      if (flow) assert(Math.abs(result[0] - 0.5) < 0.3);
    });
  }
}

Deno.test("Guidance by structure takes over the output: x0 as it is changes nothing, another x0 is reached", async () => {
  const asked: PlanRequest = {
    ...SMALL,
    method: "diffusehigh",
    steps: 20,
    baseResolution: 32,
    shortenSteps: false,
  };
  const plan = planStages(asked);
  assertEquals(plan.stages.map(({ steps, guided }) => [steps.length, guided]), [[20, undefined], [6, 2]]);
  assertEquals(plan.stages[1].grow?.sharpen, 1);
  const run = async (guide: (x: Float32Array) => Float32Array) => {
    const model = counting(new Set());
    return await lssgen(asked, { ...model, release: undefined, guide });
  };
  const same = await run((x) => x);
  const without = await runPlan(
    { ...plan, stages: plan.stages.map((stage) => ({ ...stage, guided: 0 })) },
    { ...counting(new Set()), release: undefined },
  );
  same.forEach((v, i) => assert(Math.abs(v - without[i]) < 1e-6));
  const higher = await run((x) => x.map((v) => v + 1));
  assert(higher[0] > same[0] + 0.1);
});

Deno.test("Image-to-image enters as diffusers counts, and only the first stage", () => {
  const flow = planStages({ ...SMALL, steps: 7, strength: 0.6, shortenSteps: false });
  assertEquals(flow.stages.map(({ begin }) => begin)[0], 2); // ⌊7 − 4.2⌋
  assertEquals(flow.stages[0].grow?.from, "image");
  assertEquals(flow.stages[1].grow?.from, "latents");
  const scheduler = createScheduler({ _class_name: "DDIMScheduler", clip_sample: false });
  const ddim = planStages({ ...SMALL, space: UNET, scheduler, steps: 7, strength: 0.6, shortenSteps: false });
  assertEquals(ddim.stages[0].begin, 3); // 7 − ⌊4.2⌋
});

Deno.test("A run stops within one step of its signal and rejects with its reason", async () => {
  const stop = new AbortController();
  const reason = new RangeError("enough");
  const seen: StepProgress[] = [];
  const run = lssgen(SMALL, counting(new Set()), {
    signal: stop.signal,
    onProgress: (progress) => {
      seen.push(progress);
      if (progress.step === 2) stop.abort(reason);
    },
  });
  assertEquals(await run.catch((error) => error), reason);
  assertEquals(seen.map(({ step, of, stage }) => [stage, step, of]), [[0, 0, 3], [0, 1, 3], [0, 2, 3]]);
});

Deno.test("A plan warns when the reference's entry throws the stage before away, and atMost keeps it", () => {
  const short: PlanRequest = { ...SMALL, baseResolution: 1024, steps: 16 };
  const discards = (plan: Plan) => plan.warnings.some((warning) => warning.includes("thrown away"));
  assert(discards(planStages(short)));
  const kept = planStages({ ...short, entry: "atMost" });
  assert(!discards(kept));
  assert(kept.stages[1].grow!.level <= 0.75);
  assertEquals(planStages({ ...short, entry: "exact" }).stages[1].grow!.level, 0.75);
});

const FLUX_DEV: PlanRequest = {
  ...SMALL,
  width: 2048,
  height: 2048,
  minResolution: 512,
  baseResolution: 1024,
  steps: 4,
  scheduler: createScheduler({ _class_name: "FlowMatchEulerDiscreteScheduler", use_dynamic_shifting: true }),
};

Deno.test("A direct run shifts on beyond the scheduler's largest size as diffusers does, a staged one does not", () => {
  const round = (values: readonly number[]) => values.map((v) => Math.round(v * 1e5) / 1e5);
  const direct = planStages({ ...FLUX_DEV, method: "direct" }).stages[0].schedule;
  assertEquals(round([direct.mu!, ...direct.sigmas]), [3.23, 1, 0.98699, 0.96195, 0.89392, 0]);
  const middle = planStages({ ...FLUX_DEV, method: "direct", width: 1536, height: 1536 });
  assertEquals(round([middle.stages[0].schedule.mu!]), [2.01667]);
  for (const method of ["lssgen", "megafusion", "hires-fix"]) {
    const { stages } = planStages({ ...FLUX_DEV, method, shortenSteps: false, steps: 20 });
    assert(stages.length > 1);
    assertEquals(round([stages[stages.length - 1].schedule.mu!]), [1.15], method);
  }
});

Deno.test("LSSGen from pure noise is a direct run: no step is shortened, nothing asked of the first stage's size", () => {
  const asked = { ...FLUX_DEV, width: 256, height: 256, minResolution: 512 };
  for (const width of [256, 2048]) {
    const plans = [{ method: "direct" }, { method: "lssgen", initNoise: 1, shortenSteps: true }]
      .map((how) => planStages({ ...asked, width, ...how }));
    assertEquals(plans[1].stages, plans[0].stages);
    assertEquals(plans[1].denoiserCalls, 4);
  }
});

Deno.test("Steps and sides that nobody can mean are refused at once", () => {
  for (const method of METHODS.map(({ name }) => name)) {
    for (
      const [key, value] of [["steps", 2 ** 32 - 1], ["width", 2 ** 31], ["height", 1e300], [
        "steps",
        1.5,
      ]] as const
    ) {
      assertThrows(() => planStages({ ...SMALL, method, [key]: value }), LssgenError, `${key} is`);
    }
  }
});

Deno.test("hires-fix begins at the size that is asked for and enters the second pass where its strength says", () => {
  const sizes = (how: Partial<PlanRequest>) =>
    planStages({
      ...FLUX_DEV,
      width: 1536,
      height: 1536,
      steps: 20,
      upsampler: "bicubic",
      method: "hires-fix",
      ...how,
    })
      .stages.map(({ width, steps }) => [width, steps.length]);
  assertEquals(sizes({ minResolution: 1024, initNoise: 0.3 }), [[1024, 20], [1536, 6]]);
  assertEquals(sizes({ minResolution: 768, initNoise: 0.7 }), [[768, 20], [1536, 14]]);
  assertEquals(sizes({ minResolution: 1536, initNoise: 0.7 }), [[1536, 20]]);
  assertThrows(
    () => sizes({ minResolution: 1024, initNoise: 0.3, upsampler: "learned" }),
    LssgenError,
    "no doubling",
  );
  assertEquals(sizes({ minResolution: 768, initNoise: 0.7, upsampler: "learned" }), [[768, 20], [1536, 14]]);
});

Deno.test("the learned upsampler that nobody asked for gives way to bicubic growth where sizes do not double", () => {
  const growths = (how: Partial<PlanRequest>) =>
    planStages({
      ...FLUX_DEV,
      width: 1536,
      height: 1536,
      steps: 20,
      initNoise: 0.5,
      upsampler: "learned",
      upsamplerIsDefault: true,
      ...how,
    }).stages.map(({ grow }) => grow?.upsampler);
  assertEquals(growths({ method: "hires-fix", minResolution: 1024 }), [undefined, "bicubic"]);
  assertEquals(growths({ method: "hires-fix", minResolution: 768 }), [undefined, "learned"]);
  assertEquals(growths({ method: "stages", stages: "512,1024,1536" }), [undefined, "learned", "bicubic"]);
});

Deno.test("every method heeds the options of stages that it says, and no other", () => {
  const base = { ...FLUX_DEV, steps: 20, upsampler: "bicubic", initNoise: 0.6, shortenSteps: false } as const;
  const other = {
    minResolution: 2048,
    initNoise: 0.4,
    upsampler: "nearest",
    entry: "exact",
    shortenSteps: true,
  } as const;
  const told = (how: Partial<PlanRequest>, method: Method): string => {
    const stages = method.name === "stages" ? "1024,2048" : undefined;
    const { speedup: _, ...plan } = planStages({ ...base, stages, ...how, method: method.name });
    return JSON.stringify(plan);
  };
  for (const method of METHODS) {
    if (method.tokens || method.name === "spectral") continue; // These need a spectrum or a size of their own.
    for (const [field, value] of Object.entries(other)) {
      const heeded = told({}, method) !== told({ [field]: value }, method);
      assertEquals(
        heeded,
        !method.heeds || method.heeds.includes(field as StageOption),
        `${method.name}, ${field}`,
      );
    }
  }
});
