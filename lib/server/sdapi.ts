/**
 * The API of A1111's web UI, as stable-diffusion.cpp's server speaks it too: `/sdapi/v1/…`.
 *
 * Clients send dozens of fields: sdapi_fields.ts says of each what becomes of it.
 *
 * @module
 */

import type { GeneratedImage, GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import { a1111Names, a1111Sampler } from "../schedulers/a1111_names.ts";
import { isFlow } from "../schedulers/registry.ts";
import { firstSeed } from "../random.ts";
import { ApiError } from "./api_error.ts";
import { Fields } from "./fields.ts";
import { changedMask, sentPicture } from "./incoming_pictures.ts";
import type { JobResult, JobState } from "./jobs.ts";
import { blank, checkFields, refuseExtraArgs } from "./known_fields.ts";
import { type Limits, sized } from "./limits.ts";
import { baseName } from "../base_name.ts";
import { type ServedModel, withoutEnding } from "./models.ts";
import { ownSettings } from "./own_fields.ts";
import { IMG2IMG_FIELDS, REQUEST_SETTINGS, SETTINGS, TXT2IMG_FIELDS } from "./sdapi_fields.ts";
import { askedSampler } from "./sdapi_samplers.ts";

/** A1111's upscalers of latents, as our upsamplers. */
const UPSCALERS: Readonly<Record<string, GenerateRequest["upsampler"]>> = {
  "Latent": "bilinear",
  "Latent (bicubic)": "bicubic",
  "Latent (nearest)": "nearest",
};

/** Width and height of img2img where a client names none. */
const IMG2IMG_SIDE = 512;

/** Requests and what the client should know of them. */
export interface AskedPictures {
  /** One a picture. */
  readonly requests: readonly GenerateRequest[];
  /** Sentences for the answer. */
  readonly notes: readonly string[];
}

/** Requests of one picture each. `init_images` and `mask` only in img2img. The model's own name is the caller's to read. */
export function pictureRequests(
  body: unknown,
  info: ModelInfo,
  limits: Limits,
  fromPicture: boolean,
): AskedPictures {
  const table = fromPicture ? IMG2IMG_FIELDS : TXT2IMG_FIELDS;
  const f = new Fields(body, table, limits);
  const where = fromPicture ? "img2img" : "txt2img";
  const fields = body as Record<string, unknown>;
  const sampler = askedSampler(f.text("sampler_name") || f.text("sampler_index"), f.text("scheduler"), info);
  const context = {
    body: fields,
    sampler: sampler.scheduler ?? (isFlow(info.scheduler) ? "euler" : ownSampler(info)),
    embeddedGuidance: info.embeddedGuidance,
  };
  const notes = [
    ...checkFields(table, context, where),
    ...checkSettings(fields.override_settings),
  ];
  refuseExtraArgs(fields.prompt, "prompt");
  refuseExtraArgs(fields.negative_prompt, "negative_prompt");
  const batch = (f.whole("batch_size") ?? 1) *
    (f.whole("n_iter") ?? 1);
  if (batch > limits.pictures) {
    throw new ApiError(
      422,
      "bad_field",
      `batch_size × n_iter is ${batch}, at most ${limits.pictures}`,
      "n_iter",
    );
  }
  // Models that take guidance as an input (FLUX.1-dev) also know classifier-free guidance, as Forge's API has it.
  const cfg = f.number("cfg_scale");
  const distilled = f.number("distilled_cfg_scale");
  const guidance = info.embeddedGuidance ? { guidance: distilled, trueCfgScale: cfg } : { guidance: cfg };
  // A1111's img2img has a size of its own, whatever the picture's.
  const width = f.whole("width") ?? (fromPicture ? IMG2IMG_SIDE : undefined);
  const height = f.whole("height") ?? (fromPicture ? IMG2IMG_SIDE : undefined);
  const request: GenerateRequest = sized(
    {
      prompt: (f.text("prompt") ?? "") + loraTags(fields.lora),
      negativePrompt: info.embeddedGuidance && (cfg ?? 1) <= 1
        ? undefined
        : f.text("negative_prompt") || undefined,
      width,
      height,
      steps: f.whole("steps"),
      ...guidance,
      ...sampler,
      clipSkip: askedClipSkip(f, info),
      ...ownSettings(f),
      ...highResolution(f, fromPicture, width ?? info.defaults.width, height ?? info.defaults.height),
      ...fromPicture && startingPicture(f, limits),
    },
    info,
    limits,
  );
  const first = firstSeed(f.whole("seed") ?? -1, batch);
  return { requests: Array.from({ length: batch }, (_, i) => ({ ...request, seed: first + i })), notes };
}

/** The model's own sampler in stable-diffusion.cpp's spelling. */
function ownSampler({ scheduler }: ModelInfo): string | undefined {
  return a1111Sampler(a1111Names({}, scheduler).sampler ?? "")?.own;
}

/** stable-diffusion.cpp's `lora` as the tags that prompts have. */
function loraTags(value: unknown): string {
  if (blank(value)) return "";
  if (!Array.isArray(value)) throw loraRefused("is no list");
  if (value.length > MAX_LORAS) throw loraRefused(`names more than ${MAX_LORAS} files`);
  return value.map((entry) => {
    const { path, multiplier = 1, is_high_noise = false, ...more } = (entry ?? {}) as Record<string, unknown>;
    const [other] = Object.keys(more);
    if (other !== undefined) throw loraRefused(`has "${other.slice(0, 60)}", expected path and multiplier`);
    if (is_high_noise !== false) throw loraRefused("has is_high_noise, which no model here has");
    if (typeof path !== "string" || path === "" || /[:<>]/.test(path)) {
      throw loraRefused('has no "path", expected a file in the folder of --lora-model-dir');
    }
    if (typeof multiplier !== "number" || !(Math.abs(multiplier) <= 100)) {
      throw loraRefused("has a multiplier that is no number from -100 to 100");
    }
    return ` <lora:${path.replace(/\.safetensors$/, "")}:${multiplier}>`;
  }).join("");
}

const MAX_LORAS = 32;

function loraRefused(why: string): ApiError {
  return new ApiError(422, "bad_field", `"lora" ${why}`, "lora");
}

/**
 * Checks settings of the web UI. The model that they name is the caller's to look for.
 *
 * @param ofRequest Whether they are those of a request; the server itself keeps but one, the model.
 * @returns Sentences for the answer.
 */
export function checkSettings(value: unknown, ofRequest = true): string[] {
  if (blank(value)) return [];
  const within = ofRequest ? "override_settings." : "";
  if (typeof value !== "object" || Array.isArray(value)) {
    const field = ofRequest ? "override_settings" : "options";
    throw new ApiError(422, "bad_field", `"${field}" is no object`, field);
  }
  const table = ofRequest ? { ...SETTINGS, ...REQUEST_SETTINGS } : SETTINGS;
  return checkFields(table, { body: value as Record<string, unknown> }, "this server", within);
}

/**
 * The model that a request names, if any, and the field that does.
 *
 * @throws {ApiError} 422 where two fields name two models.
 */
export function namedModel(body: unknown): { readonly name: unknown; readonly field: string } {
  const fields = body as { override_settings?: unknown; model?: unknown } | null;
  const settings = fields?.override_settings;
  const name = (settings as { sd_model_checkpoint?: unknown } | null | undefined)?.sd_model_checkpoint;
  const field = "override_settings.sd_model_checkpoint";
  if (blank(fields?.model)) return { name, field };
  if (!blank(name) && name !== fields!.model) {
    throw new ApiError(422, "bad_field", `"model" and "${field}" name two models: send one`, "model");
  }
  return { name: fields!.model, field: "model" };
}

/**
 * `clip_skip` and `override_settings.CLIP_stop_at_last_layers`: 1 is CLIP's last layer, 2 the one before. Models that read an
 * earlier layer anyway (SDXL the last but one) ignore what lies after it, as A1111 does.
 *
 * @returns Undefined for the model's own layer.
 */
function askedClipSkip(f: Fields, { clipLayers, pipeline }: ModelInfo): number | undefined {
  const setting = "CLIP_stop_at_last_layers";
  const settings = new Fields(f.raw("override_settings") ?? {}, REQUEST_SETTINGS);
  const asked = [
    ["clip_skip", f.whole("clip_skip")],
    [`override_settings.${setting}`, settings.whole(setting)],
  ] as const;
  const { own = 1, most = 1 } = clipLayers ?? {};
  for (const [name, layers = own] of asked) {
    if (layers <= Math.max(own, most)) continue;
    throw new ApiError(
      422,
      "unsupported",
      `"${name}": ${layers} is not supported; ${
        most > own
          ? `this model's text encoder has ${most} layers`
          : `${pipeline} reads ${
            own === 2 ? "CLIP's last layer but one, which is 2" : "its text encoder's last layer, which is 1"
          }`
      }`,
      name,
    );
  }
  const given = [...new Set(asked.flatMap(([, layers = 0]) => layers > 0 ? [layers] : []))];
  // Clients send 1 in one of the two unasked.
  const [layers = own, other] = given.length > 1 ? given.filter((n) => n > 1) : given;
  if (other !== undefined) {
    throw new ApiError(
      422,
      "bad_field",
      `"clip_skip" is ${layers} and "override_settings.${setting}" ${other}: send one`,
      "clip_skip",
    );
  }
  return layers > own ? layers : undefined;
}

/** `enable_hr`: A1111 names the first size and a factor, we name the last size and the first stage. */
function highResolution(
  f: Fields,
  fromPicture: boolean,
  width: number,
  height: number,
): Partial<GenerateRequest> {
  if (fromPicture || !f.flag("enable_hr")) return {};
  const scale = f.number("hr_scale") ?? 2;
  const size = {
    width: f.whole("hr_resize_x") || Math.round(width * scale),
    height: f.whole("hr_resize_y") || Math.round(height * scale),
  };
  return {
    method: "hires-fix",
    ...size,
    minResolution: Math.min(width, height),
    initNoise: strengthOf(f) ?? 0.7,
    ...upscalerOf(f),
  };
}

/** Clients send 0 unasked where it is not used. */
function strengthOf(f: Fields): number | undefined {
  const strength = f.number("denoising_strength");
  if (strength === undefined || strength >= LEAST_STRENGTH) return strength;
  throw new ApiError(
    422,
    "bad_field",
    `"denoising_strength" is ${strength}, expected a number from ${LEAST_STRENGTH} to 1`,
    "denoising_strength",
  );
}

const LEAST_STRENGTH = 0.01;

function upscalerOf(f: Fields): Pick<GenerateRequest, "upsampler"> {
  const name = f.text("hr_upscaler");
  // Clients that offer no choice send the first of A1111's list.
  if (!name || f.has("upsampler")) return {};
  if (Object.hasOwn(UPSCALERS, name)) return { upsampler: UPSCALERS[name] };
  throw new ApiError(
    422,
    "unsupported",
    `"hr_upscaler": "${name.slice(0, 60)}" is not supported, expected one of ${
      Object.keys(UPSCALERS).join(", ")
    }`,
    "hr_upscaler",
  );
}

function startingPicture(f: Fields, limits: Limits): Partial<GenerateRequest> {
  const [first, ...more] = f.texts("init_images") ?? [];
  if (first === undefined) {
    // An empty list.
    throw new ApiError(422, "bad_field", '"init_images" is missing: one picture in base64', "init_images");
  }
  if (more.length > 0) {
    throw new ApiError(
      422,
      "unsupported",
      '"init_images" holds several pictures, one is taken',
      "init_images",
    );
  }
  const mask = f.text("mask");
  // A1111 has it as a number, some clients as a truth.
  const inverted = f.switched("inpainting_mask_invert") ?? false;
  const blur = f.whole("mask_blur") ?? 0;
  const fill = f.whole("inpainting_fill") ?? 1;
  if (fill > 1) {
    throw new ApiError(
      422,
      "unsupported",
      `"inpainting_fill": ${fill} is not supported; the masked part begins with what the picture holds there, which is 1`,
      "inpainting_fill",
    );
  }
  if (mask === undefined && inverted) {
    throw new ApiError(422, "bad_field", '"inpainting_mask_invert" needs a "mask"', "inpainting_mask_invert");
  }
  return {
    image: sentPicture(first, "init_images", limits),
    mask: mask === undefined ? undefined : changedMask(sentPicture(mask, "mask", limits), { inverted, blur }),
    strength: strengthOf(f) ?? 0.75,
  };
}

/** The answer of txt2img and img2img. `texts` describes each picture as A1111 does. */
export function pictureAnswer(
  body: unknown,
  { images, interrupted, warnings }: JobResult,
  files: readonly string[],
  texts: readonly string[],
  info: ModelInfo,
): unknown {
  const seeds = images.map(({ seed }) => seed);
  const first = images[0] as GeneratedImage | undefined;
  const { prompt = "", negativePrompt = "", steps, guidance, trueCfgScale = 1, method } = first?.parameters ??
    {};
  const { init_images: _, mask: __, auth: ___, ...parameters } = body as Record<string, unknown>;
  const { send_images = true } = parameters;
  const { sampler = null } = a1111Names(first?.parameters ?? {}, info.scheduler);
  const said = {
    prompt,
    all_prompts: images.map(() => prompt),
    negative_prompt: negativePrompt,
    all_negative_prompts: images.map(() => negativePrompt),
    seed: seeds[0],
    all_seeds: seeds,
    // Noise of a second seed is not mixed in.
    subseed: seeds[0],
    all_subseeds: seeds,
    subseed_strength: 0,
    width: first?.width,
    height: first?.height,
    sampler_name: sampler,
    steps,
    ...info.embeddedGuidance
      ? { cfg_scale: trueCfgScale, distilled_cfg_scale: guidance }
      : { cfg_scale: guidance },
    method,
    batch_size: images.length,
    sd_model_name: baseName(info.name),
    clip_skip: first?.parameters.clipSkip ?? 1,
    index_of_first_image: 0,
    infotexts: texts,
    interrupted,
    warnings,
  };
  return { images: send_images === false ? [] : files, parameters, info: JSON.stringify(said) };
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

/** The models that there are. Sizes and families stand beside A1111's fields. */
export function modelsAnswer(models: readonly ServedModel[]): unknown {
  return models.map(({ name, bytes, family, loaded }) => ({
    title: name,
    model_name: withoutEnding(name),
    hash: null,
    sha256: null,
    filename: name,
    config: null,
    family: family ?? null,
    size: bytes ?? null,
    loaded,
  }));
}
