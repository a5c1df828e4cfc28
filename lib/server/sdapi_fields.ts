/**
 * The fields of A1111's txt2img and img2img, as the web UI, Forge and stable-diffusion.cpp have them.
 *
 * @module
 */

import { blank, done, type FieldRule, type FieldTable, only, required } from "./known_fields.ts";
import { OWN_FIELDS } from "./own_fields.ts";
import { FLAG, number, SWITCH, text, whole } from "./shapes.ts";
import { MAX_SEED } from "../random.ts";

/** Layers that A1111's setting can name. */
const CLIP_LAYERS = 12;

const SAMPLER = "the sampler's own value is used, leave it out";

/** Samplers that add noise on the way. */
const ADDS_NOISE = /_a$|sde|lcm|tcd/;

/** An argument of a script that is switched off: nothing, or a unit that says so. */
function off(argument: unknown): boolean {
  return blank(argument) || (argument as { enabled?: unknown }).enabled === false;
}

/** Left alone unless another field switches it on. */
function unless(
  switchedOn: (body: Readonly<Record<string, unknown>>) => boolean,
  rule: FieldRule,
): FieldRule {
  return {
    neutral: (value, context) =>
      !switchedOn(context.body) ||
      (typeof rule === "object" && "neutral" in rule && rule.neutral(value, context)),
    instead: typeof rule === "object" && "instead" in rule ? rule.instead : "leave it out",
  };
}

const highResolution = (body: Readonly<Record<string, unknown>>): boolean => body.enable_hr === true;
const masked = (body: Readonly<Record<string, unknown>>): boolean => !blank(body.mask);
const hr = (instead: string, ...values: readonly unknown[]): FieldRule =>
  unless(highResolution, only(instead, ...values));

/** Fields of both routes. */
const COMMON: FieldTable = {
  prompt: done(text(), "What to draw; (word:1.3), BREAK and <lora:name:0.8> have A1111's meaning."),
  negative_prompt: done(text(), "What to keep away from."),
  width: done(whole(16, 16_384), "Width in pixels; without it the model's own (img2img: 512)."),
  height: done(whole(16, 16_384), "Height in pixels; without it the model's own (img2img: 512)."),
  steps: done(whole(1, "steps"), "Denoising steps; without it the model's own number."),
  cfg_scale: done(number(0, 100), "Scale of classifier-free guidance."),
  distilled_cfg_scale: {
    note: (value, { embeddedGuidance }) =>
      // 3.5 is what Forge's clients send unasked.
      embeddedGuidance || blank(value) || value === 3.5
        ? undefined
        : '"distilled_cfg_scale" is not used: this model does not take guidance as an input; use "cfg_scale"',
    says: "FLUX.1-dev's guidance, an input of the network. Other models take a warning, but for 3.5.",
    shape: number(0, 100),
  },
  seed: done(
    whole(-1, MAX_SEED),
    "Seed of the first picture, each further one has the next; -1 takes one by chance.",
  ),
  batch_size: done(whole(1, "pictures"), "Pictures of a batch."),
  n_iter: done(whole(1, "pictures"), "Batches; batch_size × n_iter is bounded as each of them is."),
  sampler_name: done(text(), "A name of GET /sdapi/v1/samplers."),
  sampler_index: done(text(), "The sampler under its older name."),
  scheduler: done(text(), "A label of GET /sdapi/v1/schedulers."),
  denoising_strength: done(
    number(0, 1),
    "Share of the noise that is added to what there is; at least 0.01 where it is used.",
  ),
  send_images: done(FLAG, "false leaves the pictures out of the answer."),
  lora: done({ is: "list" }, "LoRAs, as stable-diffusion.cpp has them: [{path, multiplier}]."),
  override_settings: done(
    { is: "object" },
    "Settings of this request: sd_model_checkpoint, CLIP_stop_at_last_layers.",
  ),
  model: done(
    text(),
    "The model's name, as stable-diffusion.cpp's clients send it; override_settings.sd_model_checkpoint says the same.",
  ),
  clip_skip: done(whole(-1, CLIP_LAYERS), "CLIP's layer from its end: 1 the last, 2 the last but one."),
  // Ours, beyond A1111's.
  ...OWN_FIELDS,

  override_settings_restore_afterwards: "neutral",
  do_not_save_samples: "neutral",
  // SillyTavern hands on what its own page sent it.
  url: "neutral",
  auth: "neutral",
  do_not_save_grid: "neutral",
  force_task_id: "neutral",
  disable_extra_networks: only("write the prompt without <lora:…>"),
  save_images: {
    note: (value) =>
      value === true ? '"save_images": this server keeps no pictures; save the answer\'s' : undefined,
    says: "Accepted with a warning: this server keeps no pictures.",
  },
  subseed: {
    neutral: (value, { body }) => typeof value === "number" && blank(body.subseed_strength),
    instead: 'noise of two seeds is not mixed; use "seed"',
  },
  subseed_strength: only('noise of two seeds is not mixed; use "seed" and leave it at 0'),
  seed_resize_from_w: only("noise is drawn for the picture's own size; leave it at 0", -1),
  seed_resize_from_h: only("noise is drawn for the picture's own size; leave it at 0", -1),
  seed_enable_extras: "neutral",
  eta: {
    neutral: (value, { sampler = "" }) => {
      if (sampler === "ddim") return value === 0;
      return value === 1 || (value === 0 && !ADDS_NOISE.test(sampler));
    },
    instead: SAMPLER,
  },
  s_churn: only(SAMPLER),
  s_tmin: only(SAMPLER),
  s_tmax: {
    neutral: (value, { body }) => blank(value) || (typeof value === "number" && blank(body.s_churn)),
    instead: SAMPLER,
  },
  s_noise: {
    // Noise that is not added may be scaled.
    neutral: (value, { body, sampler = "" }) =>
      value === 1 || (typeof value === "number" && blank(body.s_churn) && !ADDS_NOISE.test(sampler)),
    instead: SAMPLER,
  },
  s_min_uncond: only("guidance is applied at every step; leave it at 0"),
  styles: only("write their words into the prompt"),
  tiling: only("pictures that tile are not drawn"),
  restore_faces: only("faces are not restored"),
  refiner_checkpoint: only("there are no refiners", "None"),
  refiner_switch_at: unless(
    ({ refiner_checkpoint }) => !blank(refiner_checkpoint),
    only("there are no refiners"),
  ),
  script_name: only("there are no scripts", "None"),
  script_args: only("there are no scripts"),
  alwayson_scripts: {
    // Clients send the extensions they know, switched off.
    neutral: (value) =>
      typeof value === "object" && value !== null && !Array.isArray(value) &&
      Object.values(value).every((script) => {
        const args = (script as { args?: unknown } | null)?.args;
        return Array.isArray(args) && args.length > 0 && args.every(off);
      }),
    instead: "there are no scripts (ControlNet, ADetailer and others)",
  },
  comments: only("leave it out"),
  firstpass_image: only("the first pass is drawn; img2img begins with a picture"),
  // stable-diffusion.cpp's and Draw Things'.
  extra_images: only("there are no models of reference pictures; img2img begins with a picture"),
  upscaler: only("POST /sdapi/v1/extra-single-image enlarges finished pictures"),
  upscaler_scale: "neutral",
  infotext: only("send its settings as fields"),
  hr_additional_modules: {
    // A list in Forge's API.
    neutral: (value) => [value].flat().every((name) => blank(name) || name === "Use same choices"),
    instead: "both passes use the same parts",
  },
};

/** What only txt2img has. */
const HIGH_RESOLUTION: FieldTable = {
  enable_hr: done(FLAG, "Draws a small picture first and a larger one from it (method hires-fix)."),
  hr_scale: done(number(1, 8), "The second picture's size over the first's; default 2."),
  hr_resize_x: done(whole(0, 16_384), "The second picture's width in pixels; 0: by hr_scale."),
  hr_resize_y: done(whole(0, 16_384), "The second picture's height in pixels; 0: by hr_scale."),
  hr_upscaler: done(text(), "A name of GET /sdapi/v1/latent-upscale-modes."),
  hr_second_pass_steps: hr("both passes follow one schedule; leave it at 0"),
  hr_steps: hr("both passes follow one schedule; leave it at 0"),
  hr_checkpoint_name: hr("one model draws both passes", "Use same checkpoint"),
  hr_sampler_name: unless(highResolution, {
    neutral: (value, { body }) => blank(value) || value === "Use same sampler" || value === body.sampler_name,
    instead: "both passes use one sampler",
  }),
  hr_scheduler: unless(highResolution, {
    neutral: (value, { body }) =>
      blank(value) || value === "Use same scheduler" || value === (body.scheduler ?? "Automatic") ||
      (value === "automatic" && blank(body.scheduler)),
    instead: "both passes use one schedule",
  }),
  hr_prompt: hr("both passes read one prompt"),
  hr_negative_prompt: hr("both passes read one prompt"),
  hr_cfg: unless(highResolution, {
    neutral: (value, { body }) => value === body.cfg_scale || blank(value),
    instead: 'both passes use "cfg_scale"',
  }),
  hr_distilled_cfg: unless(highResolution, {
    neutral: (value, { body }) => value === body.distilled_cfg_scale || blank(value),
    instead: 'both passes use "distilled_cfg_scale"',
  }),
  firstphase_width: only('"width" is the first pass\'s'),
  firstphase_height: only('"height" is the first pass\'s'),
};

/** What only img2img has. */
const FROM_PICTURE: FieldTable = {
  init_images: required({ is: "texts", longest: Infinity }, "one picture in base64"),
  mask: done(text(Infinity), "A picture in base64: what is white is drawn anew."),
  mask_blur: done(whole(0, 64), "Pixels over which the mask's edge is softened; default 0."),
  mask_blur_x: only('use "mask_blur"', 4),
  mask_blur_y: only('use "mask_blur"', 4),
  inpainting_mask_invert: done(SWITCH, "1 or true: what is black is drawn anew."),
  mask_round: "neutral",
  latent_mask: only('use "mask"'),
  include_init_images: only("the answer holds none of what was sent"),
  resize_mode: only("pictures are stretched to the size asked for, which is 0: cut them before"),
  image_cfg_scale: only("no such model is here", 1, 1.5),
  initial_noise_multiplier: only("noise is not multiplied", 1),
  inpainting_fill: {
    note: (value, { body }) => {
      // 0 is what clients send unasked.
      return value === 0 && masked(body)
        ? '"inpainting_fill": the masked part begins with what the picture holds there, which is 1'
        : undefined;
    },
    says:
      "1: the masked part begins with what the picture holds. 0 is drawn as 1 with a warning, others are refused.",
    shape: whole(0, 3),
  },
  inpaint_full_res: unless(
    masked,
    only("the whole picture is drawn, which is false: cut out what shall be drawn larger"),
  ),
  inpaint_full_res_padding: "neutral",
};

/** txt2img. */
export const TXT2IMG_FIELDS: FieldTable = { ...COMMON, ...HIGH_RESOLUTION };
/** img2img. Clients of one form send txt2img's fields here too. */
export const IMG2IMG_FIELDS: FieldTable = {
  ...COMMON,
  ...Object.fromEntries(
    Object.keys(HIGH_RESOLUTION).map((name): [string, FieldRule] => [
      name,
      name === "enable_hr" ? only("img2img has no second pass") : "neutral",
    ]),
  ),
  ...FROM_PICTURE,
};

/** What else a request's `override_settings` may hold. */
export const REQUEST_SETTINGS: FieldTable = {
  CLIP_stop_at_last_layers: done(whole(0, CLIP_LAYERS), "As clip_skip."),
};

/** Settings of the web UI that a request, or `POST /sdapi/v1/options`, may name. */
export const SETTINGS: FieldTable = {
  sd_model_checkpoint: done(text(), "A title or model_name of GET /sdapi/v1/sd-models."),
  sd_checkpoint_hash: "neutral",
  sd_vae: only("the model's own autoencoder is used", "Automatic", "None", "automatic", "none"),
  sd_vae_overrides_per_model_preferences: "neutral",
  // Of requests it is read elsewhere.
  CLIP_stop_at_last_layers: only(
    "the server keeps no settings; send it in override_settings or as clip_skip",
    1,
  ),
  forge_additional_modules: only("the model's own encoders are used"),
  forge_preset: "neutral",
  forge_inference_memory: "neutral",
  samples_format: only("pictures are PNG", "png"),
  grid_format: "neutral",
  return_grid: "neutral",
  grid_save: "neutral",
  samples_save: "neutral",
  save_images_add_number: "neutral",
  live_previews_enable: "neutral",
  show_progress_every_n_steps: "neutral",
  randn_source: only("noise comes from this program's own generator; leave it out"),
  eta_noise_seed_delta: only("leave it at 0"),
  enable_emphasis: only("emphasis is on", true),
  enable_pnginfo: only(
    "parameters are written unless the server was started with --disable-image-metadata",
    true,
  ),
};
