/**
 * Handlers of whole pipelines: diffusers' own, and the staged ones of the LSSGen reference. Only the random
 * numbers come from the case; prompt, tokens, conditioning, stages and picture are computed.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { Recorder } from "../../lib/gpu/recorder.ts";
import { LatentUpsampler, latentUpsamplerConfig } from "../../lib/models/latent_upsampler.ts";
import { loadComponent, type LoadContext } from "../../lib/pipelines/family.ts";
import { familyOf } from "../../lib/pipelines/families.ts";
import { gpuDenoising } from "../../lib/pipelines/latents.ts";
import { loadVae } from "../../lib/pipelines/vae.ts";
import { runPlan } from "../../lib/scaling/lssgen.ts";
import { planStages } from "../../lib/scaling/plan_stages.ts";
import type { Plan, Upsampler } from "../../lib/scaling/types.ts";
import { createScheduler } from "../../lib/schedulers/registry.ts";
import { readModelIndex } from "../../lib/weights/model_folder.ts";
import type { Answer, CaseContext, Check, Handler, Tensors, Values } from "./case.ts";
import { downImage } from "./tensors.ts";

/** Arguments of the pipeline's call. */
interface PipelineCall {
  readonly prompt?: string | null;
  readonly prompt_2?: string | null;
  readonly prompt_3?: string | null;
  readonly negative_prompt?: string | null;
  readonly negative_prompt_2?: string | null;
  readonly negative_prompt_3?: string | null;
  readonly class_labels?: readonly number[];
  readonly height?: number;
  readonly width?: number;
  readonly base_height?: number;
  readonly base_width?: number;
  readonly num_inference_steps: number;
  readonly guidance_scale?: number;
  readonly true_cfg_scale?: number;
  readonly max_sequence_length?: number;
  readonly start_sigma?: number;
  readonly min_resolution?: number;
  readonly shorten_intermediate_steps?: boolean;
  readonly scaling_space?: string;
}

interface Draw {
  readonly purpose: string;
}

/** A stage as the reference ran it. */
interface Stage {
  readonly latent: readonly number[];
  readonly timesteps_used: readonly number[];
}

/** Sizes and timesteps of the stages are the reference's, exactly. */
function stageChecks(plan: Plan, stages: readonly Stage[] | undefined): Check[] {
  if (!stages) return [];
  const text = (rows: readonly { latent: readonly number[]; timesteps: readonly number[] }[]): string =>
    rows.map(({ latent, timesteps }) => `${latent.join("×")} at ${timesteps.map(Math.fround).join(" ")}`)
      .join("; ");
  const got = text(plan.stages.map((stage) => ({
    latent: [stage.latentHeight, stage.latentWidth],
    timesteps: stage.steps.map((step) => step.timestep),
  })));
  const want = text(stages.map(({ latent, timesteps_used }) => ({ latent, timesteps: timesteps_used })));
  return [{ name: "stages", ok: got === want, detail: `${got}, expected ${want}` }];
}

const IO = "io.safetensors";
/** The reference's names of the spaces in which latents grow. */
const SPACES: Readonly<Record<string, Upsampler>> = { resnet: "learned", latent: "bicubic", pixel: "pixel" };

/** @param staged Whether the case is a staged run of the reference. @param quirks Its defect with SD1.5's noise. */
function pipeline(staged: boolean, quirks = false): Handler {
  return async (c: CaseContext): Promise<Answer> => {
    const call = c.json.call as PipelineCall;
    const device = await c.device();
    const folder = c.sibling(String(c.json.pipeline ?? c.json.model ?? "model"));
    const index = await readModelIndex(folder);
    const family = await familyOf(index);
    const info = await family.read(folder, index);
    const context: LoadContext = { folder, index, device, dtype: c.dtype };

    using network = await family.load(context);
    using vae = await loadVae(context, info.latentChannels);
    using upsampler = typeof c.json.upsampler === "string"
      ? await loadComponent(
        { ...context, folder: c.sibling(c.json.upsampler) },
        "",
        (w, config) => new LatentUpsampler(w, latentUpsamplerConfig(config)),
      )
      : { model: undefined, [Symbol.dispose]: () => {} };
    const stored = c.json.scheduler_config as Record<string, unknown> | undefined;
    const { width = info.defaults.width, height = info.defaults.height } = call;
    const base = info.defaults.baseResolution;
    const plan = planStages({
      method: staged ? "lssgen" : "direct",
      width,
      height,
      minResolution: call.min_resolution ?? 1,
      baseResolution: { width: call.base_width ?? base, height: call.base_height ?? base },
      steps: call.num_inference_steps,
      initNoise: call.start_sigma ?? 1,
      shortenSteps: call.shorten_intermediate_steps ?? false,
      upsampler: SPACES[call.scaling_space ?? "latent"],
      referenceQuirks: quirks,
      scheduler: createScheduler(
        stored ? { ...stored, _class_name: c.json.scheduler_class } : info.scheduler,
      ),
      space: info.space,
    });

    using r = new Recorder(device, c.dtype);
    const encoded = await network.encode(r, {
      prompt: call.prompt ?? (call.class_labels ?? []).join(", "),
      prompt2: call.prompt_2 ?? undefined,
      prompt3: call.prompt_3 ?? undefined,
      negativePrompt: call.negative_prompt ?? undefined,
      negativePrompt2: call.negative_prompt_2 ?? undefined,
      negativePrompt3: call.negative_prompt_3 ?? undefined,
      guidance: call.guidance_scale ?? info.defaults.guidance,
      trueCfgScale: call.true_cfg_scale ?? 1,
      maxSequenceLength: call.max_sequence_length,
    });
    // Each class is a picture of its own; what the reference drew at once for all of them is dealt out.
    const pictures = encoded.prompts?.length ?? 1;
    const images: Values[] = [];
    const finals: Values[] = [];
    for (let picture = 0; picture < pictures; picture++) {
      const noise = draws(c.io.get(IO), c.json.noise_draws as Draw[] | undefined ?? [], picture, pictures);
      using scope = r.scope();
      const latents = await runPlan(
        plan,
        gpuDenoising({
          r,
          scope,
          channels: info.latentChannels,
          denoise: encoded.denoiser(picture),
          vae,
          upsampler: upsampler.model,
          noise: (_, count, use) => noise(use === "posterior", count),
        }),
      );
      const decoded = await vae.decode(r, latents);
      const data = (await r.read(decoded)).map((v) => Math.min(1, Math.max(0, v / 2 + 0.5)));
      images.push({ shape: decoded.shape, data });
      finals.push(await downImage(r, latents));
    }
    // DiTPipeline carries both halves of the guidance batch, which are equal, to the end.
    const copies = info.pipeline === "DiTPipeline" ? encoded.calls : 1;
    const outputs = new Map([
      ["out.image", batch(images)],
      ["out.latents", batch(Array.from({ length: copies }, () => finals).flat())],
    ]);
    return {
      outputs: new Map([[IO, outputs]]),
      checks: stageChecks(plan, c.json.stages as Stage[] | undefined),
    };
  };
}

/** Samples [1, ..] of one shape as a batch, [n, ..]. */
function batch(samples: readonly Values[]): Values {
  const size = samples[0].data.length;
  const data = new Float32Array(size * samples.length);
  samples.forEach((sample, i) => data.set(sample.data, i * size));
  return { shape: [samples.length, ...samples[0].shape.slice(1)], data };
}

/** One picture's part of the recorded draws in order: those of the VAE's posterior apart from the others. */
function draws(
  io: Tensors | undefined,
  list: readonly Draw[],
  picture: number,
  pictures: number,
): (posterior: boolean, count: number) => Float32Array<ArrayBuffer> {
  const queue = (posterior: boolean): number[] =>
    list.flatMap(({ purpose }, i) => (purpose === "vae_posterior") === posterior ? [i] : []);
  const queues = { true: queue(true), false: queue(false) };
  return (posterior, count) => {
    const i = queues[`${posterior}`].shift();
    const values = io?.get(`in.noise.${i}`);
    if (!values || values.data.length !== count * pictures) {
      throw new LssgenError("bad_file", `The case holds no draw ${i} of ${count} numbers`);
    }
    return Float32Array.from(values.data.subarray(picture * count, (picture + 1) * count));
  };
}

const direct = pipeline(false);
const staged = pipeline(true);

/** Class of case.json → handler. */
export const PIPELINE_HANDLERS: Readonly<Record<string, Handler>> = {
  FluxPipeline: direct,
  StableDiffusion3Pipeline: direct,
  StableDiffusionXLPipeline: direct,
  StableDiffusionPipeline: direct,
  LatentConsistencyModelPipeline: direct,
  DiTPipeline: direct,
  "reference LSSFluxPipeline": staged,
  "reference LSSStableDiffusion3Pipeline": staged,
  "reference LSSStableDiffusionXLPipeline": staged,
  "own driver on top of the reference LSSStableDiffusionXLPipeline": staged,
  "reference LSSStableDiffusionPipeline": pipeline(true, true),
};
