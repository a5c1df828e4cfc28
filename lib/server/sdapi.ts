/**
 * The API of A1111's web UI, as stable-diffusion.cpp's server speaks it too: `/sdapi/v1/…`.
 *
 * Fields that make no picture different here (`send_images`, `override_settings`, …) are taken and left alone, because
 * clients send dozens of them; those that would make it different and are not supported are refused by name.
 *
 * @module
 */

import { decodePng } from "../image/png.ts";
import type { GeneratedImage, GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import { SAMPLER_NAMES } from "../schedulers/registry.ts";
import { firstSeed, MAX_SEED } from "../random.ts";
import { ApiError, Fields, furtherPrompts } from "./fields.ts";
import type { JobResult, JobState } from "./jobs.ts";
import { type Limits, sized } from "./limits.ts";

/** A1111's names of our samplers. */
const SAMPLERS: Readonly<Record<string, string>> = {
  "Euler": "euler",
  "Euler a": "euler_a",
  "DDIM": "ddim",
  "PLMS": "pndm",
  "DPM++ 2M": "dpm++2m",
  "DPM++ 2M Karras": "dpm++2mk",
  "LCM": "lcm",
};

/** What would change the picture and is not there. */
const REFUSED: Readonly<Record<string, string>> = {
  tiling: "pictures that tile",
  restore_faces: "face restoration",
  refiner_checkpoint: "refiners",
  alwayson_scripts: "scripts",
  script_name: "scripts",
};

/** Requests of one picture each. `init_images` and `mask` only in img2img. */
export async function pictureRequests(
  body: unknown,
  info: ModelInfo,
  limits: Limits,
  fromPicture: boolean,
): Promise<GenerateRequest[]> {
  const f = new Fields(body);
  for (const [name, what] of Object.entries(REFUSED)) {
    const value = (body as Record<string, unknown>)[name];
    const empty = value === undefined || value === null || value === false || value === "" ||
      (typeof value === "object" && Object.keys(value).length === 0);
    if (!empty) throw new ApiError(422, "unsupported", `"${name}": ${what} are not supported`, name);
  }
  const batch = (f.whole("batch_size", 1, limits.pictures) ?? 1) *
    (f.whole("n_iter", 1, limits.pictures) ?? 1);
  if (batch > limits.pictures) {
    throw new ApiError(
      422,
      "bad_field",
      `batch_size × n_iter is ${batch}, at most ${limits.pictures}`,
      "n_iter",
    );
  }
  const sampler = f.text("sampler_name") ?? f.text("sampler_index");
  const scheduler = sampler && samplerOf(sampler, f.text("scheduler"));
  // Models that take guidance as an input (FLUX.1-dev) also know classifier-free guidance, as Forge's API has it.
  const cfg = f.number("cfg_scale", 0, 100);
  const distilled = f.number("distilled_cfg_scale", 0, 100);
  const guidance = info.embeddedGuidance
    ? { guidance: distilled, trueCfgScale: cfg }
    : { guidance: cfg ?? distilled };
  const width = f.whole("width", 16, 16_384);
  const height = f.whole("height", 16, 16_384);
  const flow = info.scheduler._class_name === "FlowMatchEulerDiscreteScheduler";
  const request: GenerateRequest = sized(
    {
      prompt: f.text("prompt") ?? "",
      negativePrompt: info.embeddedGuidance && (cfg ?? 1) <= 1
        ? undefined
        : f.text("negative_prompt") || undefined,
      width,
      height,
      steps: f.whole("steps", 1, limits.steps),
      ...guidance,
      scheduler: flow ? undefined : scheduler,
      // Our own words, for those who know them.
      method: f.text("method"),
      minResolution: f.whole("min_resolution", 16, 16_384),
      initNoise: f.number("init_noise", 0.01, 1),
      upsampler: f.text("upsampler") as GenerateRequest["upsampler"],
      ...furtherPrompts(f),
      ...highResolution(f, fromPicture, width ?? info.defaults.width, height ?? info.defaults.height),
      ...fromPicture && await startingPicture(f),
    },
    info,
    limits,
  );
  const first = firstSeed(f.whole("seed", -1, MAX_SEED) ?? -1, batch);
  return Array.from({ length: batch }, (_, i) => ({ ...request, seed: first + i }));
}

/** "DPM++ 2M" and "Karras" may come in one field or in two, in A1111's spelling or in ours. */
function samplerOf(sampler: string, schedule: string | undefined): string {
  const wanted = schedule?.toLowerCase() === "karras" && !sampler.endsWith("Karras")
    ? `${sampler} Karras`
    : sampler;
  const known = SAMPLERS[wanted] ?? SAMPLERS[sampler] ??
    (SAMPLER_NAMES.includes(sampler) ? sampler : undefined);
  if (known === undefined) {
    throw new ApiError(
      422,
      "unsupported",
      `Sampler "${sampler.slice(0, 60)}" is not supported, expected one of ${
        Object.keys(SAMPLERS).join(", ")
      }`,
      "sampler_name",
    );
  }
  return known;
}

/** `enable_hr`: A1111 names the first size and a factor, we name the last size and the first stage. */
function highResolution(
  f: Fields,
  fromPicture: boolean,
  width: number,
  height: number,
): Partial<GenerateRequest> {
  if (fromPicture || !f.flag("enable_hr")) return {};
  const scale = f.number("hr_scale", 1, 8) ?? 2;
  return {
    method: "hires-fix",
    width: f.whole("hr_resize_x", 0, 16_384) || Math.round(width * scale),
    height: f.whole("hr_resize_y", 0, 16_384) || Math.round(height * scale),
    minResolution: Math.min(width, height),
    initNoise: f.number("denoising_strength", 0.01, 1) ?? 0.7,
  };
}

async function startingPicture(f: Fields): Promise<Partial<GenerateRequest>> {
  const [first, ...more] = f.texts("init_images", Infinity) ?? [];
  if (first === undefined) {
    throw new ApiError(422, "bad_field", '"init_images" is missing: one PNG in base64', "init_images");
  }
  if (more.length > 0) {
    throw new ApiError(
      422,
      "unsupported",
      '"init_images" holds several pictures, one is taken',
      "init_images",
    );
  }
  const mask = f.text("mask", Infinity);
  return {
    image: await decodePng(bytesOf(first, "init_images"), "init_images"),
    mask: mask === undefined ? undefined : await decodePng(bytesOf(mask, "mask"), "mask"),
    strength: f.number("denoising_strength", 0.01, 1) ?? 0.75,
  };
}

/** Base64, with or without `data:image/png;base64,` in front. */
function bytesOf(text: string, field: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text.replace(/^data:[^,]*,/, "")), (c) => c.charCodeAt(0));
  } catch {
    throw new ApiError(422, "bad_field", `"${field}" is no base64`, field);
  }
}

/** The answer of txt2img and img2img. */
export function pictureAnswer(
  body: unknown,
  { images, interrupted, warnings }: JobResult,
  files: readonly string[],
): unknown {
  const seeds = images.map(({ seed }) => seed);
  const first = images[0] as GeneratedImage | undefined;
  const { prompt = "", negativePrompt = "", steps, guidance, method } = first?.parameters ?? {};
  const { init_images: _, mask: __, ...parameters } = body as Record<string, unknown>;
  const info = {
    prompt,
    all_prompts: images.map(() => prompt),
    negative_prompt: negativePrompt,
    seed: seeds[0],
    all_seeds: seeds,
    width: first?.width,
    height: first?.height,
    steps,
    cfg_scale: guidance,
    method,
    batch_size: images.length,
    interrupted,
    warnings,
  };
  return { images: files, parameters, info: JSON.stringify(info) };
}

/** The answer of progress. */
export function progressAnswer(
  state: JobState | undefined,
  waiting: number,
  preview: string | null,
): unknown {
  const seconds = state ? (Date.now() - state.started) / 1000 : 0;
  const share = state?.share ?? 0;
  return {
    progress: share,
    // A client that divides by it must not meet infinity.
    eta_relative: share > 0 ? seconds * (1 - share) / share : 0,
    state: {
      skipped: false,
      interrupted: state?.interrupted ?? false,
      job: state ? `job ${state.id}` : "",
      job_count: state ? state.pictures : 0,
      job_no: state?.picture ?? 0,
      job_timestamp: state ? new Date(state.started).toISOString().replace(/\D/g, "").slice(0, 14) : "0",
      sampling_step: state?.step ?? 0,
      sampling_steps: state?.steps ?? 0,
      queued: waiting,
    },
    current_image: preview,
    textinfo: null,
  };
}

/** Names of the samplers that the model can use. */
export function samplersAnswer(info: ModelInfo): unknown {
  const flow = info.scheduler._class_name === "FlowMatchEulerDiscreteScheduler";
  return Object.entries(SAMPLERS).filter(([, own]) => !flow || own === "euler")
    .map(([name, own]) => ({ name, aliases: [own], options: {} }));
}

/** The one model there is. */
export function modelsAnswer(info: ModelInfo): unknown {
  return [{
    title: info.name,
    model_name: info.name,
    hash: null,
    sha256: null,
    filename: info.name,
    config: null,
  }];
}
