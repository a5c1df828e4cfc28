/**
 * What a sampler of a graph is asked, as requests to draw: the same that A1111's routes make of the same settings.
 *
 * @module
 */

import { samplerSpelling } from "../../comfyui/names.ts";
import type { GenerateRequest, ModelInfo } from "../../pipelines/types.ts";
import { firstSeed, MAX_SEED } from "../../random.ts";
import { isFlow } from "../../schedulers/registry.ts";
import { ApiError } from "../api_error.ts";
import { type Limits, sized } from "../limits.ts";
import { nameOf } from "../models.ts";
import { type AskedSampler, askedSampler } from "../sdapi_samplers.ts";
import { refused } from "./node_class.ts";
import type { Conditioning, GrownLatent, LoraUse, Model, Pass, RawLatent, Sigmas } from "./values.ts";

/** Inputs by which a fault is shown, where the reason lies in several. */
const LATENT = "latent_image";

/**
 * Sampler and schedule under ComfyUI's names.
 *
 * @throws {ApiError} 422 for what the model cannot follow.
 */
export function namedSampler(sampler: string, schedule: string, info: ModelInfo): AskedSampler {
  // Samplers with timesteps of their own walk from end to end, which is "normal".
  return askedSampler(samplerSpelling(sampler), schedule === "normal" ? "Uniform" : schedule, info);
}

/** The requests of a pass, one a picture, and what should be said of them. */
export function requestsOf(
  pass: Pass,
  limits: Limits,
): { readonly requests: readonly GenerateRequest[]; readonly notes: readonly string[] } {
  const { model, latent } = pass;
  const { info } = model.engine;
  const steps = pass.sigmas.steps - pass.sigmas.from;
  if (steps > limits.steps) {
    throw refused(
      "steps",
      `${steps} steps, this server makes at most ${limits.steps}`,
      "value_bigger_than_max",
    );
  }
  if (pass.sigmas.cut) {
    throw refused(
      "sigmas",
      "the schedule ends early (SplitSigmas' high_sigmas); one sampler goes to the end here",
    );
  }
  checkParts(pass);
  const request = sized(
    {
      ...texts(pass),
      width: latent.width,
      height: latent.height,
      ...sampling(pass, info),
      ...model.own,
      ...latent.is === "grown" ? second(pass, latent) : beginning(pass, latent, info),
    },
    info,
    limits,
  );
  const { seed, note } = seedOf(pass.seed, latent.count);
  return {
    requests: Array.from({ length: latent.count }, (_, i) => ({ ...request, seed: seed + i })),
    notes: note === undefined ? [] : [note],
  };
}

/** Seeds have 64 bits in ComfyUI, of which JSON's numbers keep 53. */
function seedOf(asked: number, count: number): { readonly seed: number; readonly note?: string } {
  const most = MAX_SEED - count + 1;
  if (asked <= most) return { seed: firstSeed(asked, count) };
  const seed = asked % most;
  return { seed, note: `seed ${asked} is beyond 2^53 - 1: drawn with ${seed}` };
}

/** All parts have to be of the model that draws. */
function checkParts({ model, positive, negative, latent }: Pass): void {
  const name = nameOf(model.engine.info);
  const same = (input: string, { engine }: { readonly engine: unknown }, what: string): void => {
    if (engine === model.engine) return;
    throw refused(input, `${what} of another model than "${name}", which draws; take its own`);
  };
  same("positive", positive.clip, "text encoders");
  if (negative) same("negative", negative.clip, "text encoders");
  if (latent.is === "raw" && latent.from) same(LATENT, latent.from.vae, "an autoencoder");
  for (
    const [input, told] of [["positive", positive.told], ["negative", negative?.told], [
      "model",
      model.told,
    ]] as const
  ) {
    if (!told || (told.width === latent.width && told.height === latent.height)) continue;
    throw refused(
      input,
      `node ${told.node} says ${told.width} × ${told.height}, the picture has ${latent.width} × ${latent.height}; ` +
        "the model is told the picture's own size here",
    );
  }
}

type Texts = Pick<
  GenerateRequest,
  | "prompt"
  | "prompt2"
  | "prompt3"
  | "negativePrompt"
  | "negativePrompt2"
  | "negativePrompt3"
  | "guidance"
  | "trueCfgScale"
  | "clipSkip"
>;

/** Prompts with their LoRAs, and guidance. */
function texts({ model, positive, negative, cfg }: Pass): Texts {
  const { info } = model.engine;
  if (positive.zeroed) {
    throw refused("positive", "a text that was zeroed out draws nothing; leave ConditioningZeroOut out");
  }
  if (info.embeddedGuidance && (negative?.guidance ?? positive.guidance) !== positive.guidance && cfg > 1) {
    throw refused(
      "negative",
      "another FluxGuidance than the positive text's; both calls of the network take one",
    );
  }
  const [prompt = "", prompt2, prompt3] = positive.texts;
  const against = cfg > 1 ? negativeTexts(negative, positive, info) : {};
  return {
    prompt: prompt + loraTags(model, positive),
    prompt2,
    prompt3,
    ...against,
    ...info.embeddedGuidance ? { guidance: positive.guidance, trueCfgScale: cfg } : { guidance: cfg },
    clipSkip: positive.clip.layer,
  };
}

/** The negative text, of which the network is asked where guidance is above 1. */
function negativeTexts(
  negative: Conditioning | undefined,
  positive: Conditioning,
  info: ModelInfo,
): Partial<Texts> {
  if (!negative) return {};
  if (negative.clip.layer !== positive.clip.layer) {
    throw refused("negative", "another layer of CLIP than the positive text's; both are read alike here");
  }
  if (!sameLoras(negative.clip.loras, positive.clip.loras)) {
    throw refused(
      "negative",
      "other LoRAs than the positive text's; both are read by the same encoders here",
    );
  }
  if (negative.zeroed) {
    // Its empty text is zeros, as its index says.
    if (info.pipeline.startsWith("StableDiffusionXL")) return {};
    throw refused(
      "negative",
      `${info.pipeline} knows no zeros in place of a text; link an empty CLIPTextEncode, or set cfg to 1`,
    );
  }
  const [first, negativePrompt2, negativePrompt3] = negative.texts;
  return { negativePrompt: first || undefined, negativePrompt2, negativePrompt3 };
}

function sameLoras(a: readonly LoraUse[], b: readonly LoraUse[]): boolean {
  const [x, y] = [a, b].map(added);
  return x.size === y.size && [...x].every(([name, scale]) => y.get(name) === scale);
}

/** Each LoRA once. */
function added(loras: readonly LoraUse[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const { name, scale } of loras) sum.set(name, (sum.get(name) ?? 0) + scale);
  return sum;
}

/** LoRAs of the denoiser and of the text encoders as the tags that prompts have. */
function loraTags(model: Model, { clip }: Conditioning): string {
  const [own, text] = [added(model.loras), added(clip.loras)];
  return [...new Set([...own.keys(), ...text.keys()])].map((name) => {
    if (/[:<>]/.test(name)) {
      throw refused("model", `no prompt can name the LoRA ${JSON.stringify(name)}; rename its file`);
    }
    return ` <lora:${name}:${text.get(name) ?? 0}:${own.get(name) ?? 0}>`;
  }).join("");
}

/** Sampler and schedule. */
function sampling({ sampler, sigmas }: Pass, info: ModelInfo): AskedSampler {
  try {
    return namedSampler(sampler, sigmas.scheduler, info);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw refused("scheduler", `"${sigmas.scheduler}" does not go with "${sampler}" on ${info.pipeline}`);
  }
}

/** A picture to begin with, or none. */
function beginning({ sigmas }: Pass, { from, count }: RawLatent, info: ModelInfo): Partial<GenerateRequest> {
  if (!from) {
    if (sigmas.from > 0) {
      throw refused(
        LATENT,
        "empty latents are drawn from pure noise: set denoise to 1, or encode a picture (VAEEncode)",
      );
    }
    return { steps: sigmas.steps };
  }
  const { images, mask } = from;
  if (images.count > 1 && images.count !== count) throw refused(LATENT, "several pictures, each repeated");
  if (images.count > 1) throw refused(LATENT, `${images.count} pictures to begin with, one is taken`);
  const strength = strengthFor(sigmas, isFlow(info.scheduler));
  return {
    steps: sigmas.steps,
    image: images.file(0),
    mask: mask?.file,
    // A denoiser that sees the picture begins with noise alone.
    ...!(info.maskInput && sigmas.from === 0) && { strength },
  };
}

/** The strength that runs just the steps that are left; as round a number as there is. */
function strengthFor({ steps, from }: Sigmas, flow: boolean): number {
  const left = steps - from;
  const runs = (strength: number): number =>
    flow ? steps - Math.floor(steps - steps * strength) : Math.floor(steps * strength);
  const shares = [left / steps, (left + 0.25) / steps, (left - 0.25) / steps];
  const round = Math.round(100 * left / steps) / 100;
  return [round, ...shares].find((share) => share > 0 && share <= 1 && runs(share) === left) ?? 1;
}

/**
 * Two samplers with a larger size between them as two stages of one picture: text, model, guidance, sampler and schedule are one's,
 * so those of both have to agree.
 */
function second(pass: Pass, latent: GrownLatent): Partial<GenerateRequest> {
  const { pass: first, upsampler, width, height } = latent;
  const { method, minResolution, initNoise, upsampler: other } = pass.model.own ?? {};
  if ([method, minResolution, initNoise, other].some((one) => one !== undefined)) {
    throw refused(
      "model",
      "LSSGenSettings says how the picture grows, and so do two samplers; leave one of them out",
    );
  }
  if (first.latent.is !== "raw" || first.latent.from || first.sigmas.from > 0 || first.sigmas.cut) {
    throw refused(
      LATENT,
      "latents are enlarged for a second sampler where the first one has drawn them whole from noise; decode them " +
        "(VAEDecode), resize the picture (ImageScale) and encode it (VAEEncode)",
    );
  }
  const small = first.latent;
  const [before, after] = [Math.min(small.width, small.height), Math.min(width, height)];
  if (
    after <= before || Math.abs(small.width * height - small.height * width) > 8 * Math.max(width, height)
  ) {
    throw refused(
      LATENT,
      `from ${small.width} × ${small.height} to ${width} × ${height}: expected a larger size of the same shape`,
    );
  }
  const differs = (
    [
      [
        "model",
        first.model.engine === pass.model.engine && sameLoras(first.model.loras, pass.model.loras) &&
        JSON.stringify(first.model.own) === JSON.stringify(pass.model.own),
      ],
      ["positive", same(first.positive, pass.positive)],
      ["negative", same(first.negative, pass.negative) || pass.cfg <= 1],
      ["cfg", first.cfg === pass.cfg],
      ["seed", first.seed === pass.seed],
      ["sampler_name", first.sampler === pass.sampler],
      ["scheduler", first.sigmas.scheduler === pass.sigmas.scheduler],
    ] as const
  ).find(([, alike]) => !alike);
  if (differs) {
    throw refused(
      differs[0],
      `not that of node ${first.node}, whose latents are enlarged here: both passes are one run. For another one decode ` +
        "(VAEDecode), resize (ImageScale) and encode (VAEEncode) between them",
    );
  }
  const { steps, from } = pass.sigmas;
  const level = Math.min(1, (steps - from + 0.25) / steps);
  return {
    method: "stages",
    stages: `${before}:${first.sigmas.steps},${after}@${level.toFixed(5)}:${steps}`,
    entry: "count",
    upsampler,
  };
}

function same(a: Conditioning | undefined, b: Conditioning | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.clip.engine === b.clip.engine &&
    a.clip.layer === b.clip.layer && a.guidance === b.guidance && a.zeroed === b.zeroed &&
    JSON.stringify(a.texts) === JSON.stringify(b.texts) && sameLoras(a.clip.loras, b.clip.loras));
}
