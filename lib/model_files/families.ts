/**
 * Model families as single files have them: which components, which option brings each, and what their diffusers
 * originals say that no weights say: schedulers, scaling of latents, classes. One entry a family.
 *
 * Source: the folders of runwayml, stabilityai and black-forest-labs in diffusers' layout.
 *
 * @module
 */

import type { BuiltinTokenizer } from "../pipelines/builtin_tokenizers.ts";
import type { Config } from "./architecture.ts";
import type { ClipSize } from "./architectures/clip.ts";

/** Options that bring a part. */
export type PartName = "diffusionModel" | "vae" | "clipL" | "clipG" | "t5" | "taesd";

/** How the command line spells them. */
export const PART_OPTIONS: Readonly<Record<PartName, string>> = {
  diffusionModel: "--diffusion-model",
  vae: "--vae",
  clipL: "--clip_l",
  clipG: "--clip_g",
  t5: "--t5xxl",
  taesd: "--taesd",
};

/** What a network predicts, in the words of scheduler_config.json. */
export type PredictionType = "epsilon" | "v_prediction" | "flow_prediction";

/** A text encoder of a family. */
export interface EncoderSlot {
  /** Its folder. */
  readonly component: "text_encoder" | "text_encoder_2" | "text_encoder_3";
  /** Option that brings it. */
  readonly part: "clipL" | "clipG" | "t5";
  /** Which CLIP; undefined for T5. */
  readonly clip?: ClipSize;
  /** Whether the pooled output is projected (CLIPTextModelWithProjection). */
  readonly projected?: boolean;
  /** Tokenizer for files that bring none. */
  readonly tokenizer: BuiltinTokenizer;
  /** What stands in where it is missing, as a sentence; undefined where it is needed. */
  readonly without?: string;
}

/** One family. */
export interface FamilyFacts {
  /** Name for people. */
  readonly name: string;
  /** Class in model_index.json. */
  readonly pipeline: string;
  /** Class of its denoiser. */
  readonly denoiser: string;
  /** Its denoiser's folder. */
  readonly component: "transformer" | "unet";
  /** Whether a denoiser of that class belongs to it, by its config. */
  is(denoiser: Config): boolean;
  /** Text encoders, in the order of their folders. */
  readonly encoders: readonly EncoderSlot[];
  /** Keys of vae/config.json that no shape tells. */
  readonly vae: Config;
  /** Predictions it comes with; the first is taken where nothing says otherwise. */
  readonly predictions: readonly [PredictionType, ...PredictionType[]];
  /** scheduler_config.json. */
  scheduler(denoiser: Config, prediction: PredictionType): Config;
  /** Further keys of model_index.json. */
  readonly index?: Config;
  /** Keys of lssgen.json: defaults that differ from those of the pipeline's class. */
  settings?(prediction: PredictionType): Config;
  /** What a user of it should know, as sentences. */
  readonly notes?: readonly string[];
}

const BETAS: Config = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  num_train_timesteps: 1000,
  trained_betas: null,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  clip_sample: false,
};

const CLIP_L: EncoderSlot = { component: "text_encoder", part: "clipL", clip: "L", tokenizer: "clip_l" };
const CLIP_G: EncoderSlot = {
  component: "text_encoder_2",
  part: "clipG",
  clip: "bigG",
  projected: true,
  tokenizer: "clip_g",
};

const euler = (_: Config, prediction_type: PredictionType): Config => ({
  _class_name: "EulerDiscreteScheduler",
  ...BETAS,
  interpolation_type: "linear",
  prediction_type,
  sample_max_value: 1,
  timestep_spacing: "leading",
  use_karras_sigmas: false,
});

const SDXL_VAE: Config = { scaling_factor: 0.13025, force_upcast: true, sample_size: 1024 };

/** Every family; the first that a denoiser fits is taken. */
export const FAMILIES: readonly FamilyFacts[] = [
  {
    name: "FLUX.1",
    pipeline: "FluxPipeline",
    denoiser: "FluxTransformer2DModel",
    component: "transformer",
    is: () => true,
    encoders: [CLIP_L, { component: "text_encoder_2", part: "t5", tokenizer: "t5" }],
    vae: { scaling_factor: 0.3611, shift_factor: 0.1159, force_upcast: true, sample_size: 1024 },
    predictions: ["flow_prediction"],
    // schnell, which has no guidance input, was distilled without a shift.
    scheduler: ({ guidance_embeds }) => ({
      _class_name: "FlowMatchEulerDiscreteScheduler",
      num_train_timesteps: 1000,
      base_image_seq_len: 256,
      max_image_seq_len: 4096,
      base_shift: 0.5,
      max_shift: 1.15,
      shift: guidance_embeds ? 3 : 1,
      use_dynamic_shifting: guidance_embeds === true,
    }),
  },
  {
    name: "Stable Diffusion 3",
    pipeline: "StableDiffusion3Pipeline",
    denoiser: "SD3Transformer2DModel",
    component: "transformer",
    is: () => true,
    encoders: [
      { ...CLIP_L, projected: true },
      CLIP_G,
      {
        component: "text_encoder_3",
        part: "t5",
        tokenizer: "t5",
        without: "zeros stand in for its states, as in diffusers: long prompts and text in pictures suffer",
      },
    ],
    vae: { scaling_factor: 1.5305, shift_factor: 0.0609, force_upcast: true, sample_size: 1024 },
    predictions: ["flow_prediction"],
    scheduler: () => ({
      _class_name: "FlowMatchEulerDiscreteScheduler",
      num_train_timesteps: 1000,
      shift: 3,
    }),
  },
  {
    name: "SDXL refiner",
    pipeline: "StableDiffusionXLImg2ImgPipeline",
    denoiser: "UNet2DConditionModel",
    component: "unet",
    is: (c) => c.addition_embed_type === "text_time" && c.cross_attention_dim === 1280,
    encoders: [CLIP_G],
    vae: SDXL_VAE,
    predictions: ["epsilon"],
    scheduler: euler,
    index: { requires_aesthetics_score: true, force_zeros_for_empty_prompt: false },
    notes: [
      "The refiner improves pictures and composes none: give it one with --init-img and a --strength of about 0.3",
    ],
  },
  {
    name: "SDXL",
    pipeline: "StableDiffusionXLPipeline",
    denoiser: "UNet2DConditionModel",
    component: "unet",
    is: (c) => c.addition_embed_type === "text_time",
    encoders: [CLIP_L, CLIP_G],
    vae: SDXL_VAE,
    predictions: ["epsilon", "v_prediction"],
    scheduler: euler,
    index: { force_zeros_for_empty_prompt: true },
  },
  {
    name: "Stable Diffusion 2",
    pipeline: "StableDiffusionPipeline",
    denoiser: "UNet2DConditionModel",
    component: "unet",
    is: (c) => c.cross_attention_dim === 1024,
    encoders: [{ ...CLIP_L, clip: "H", tokenizer: "clip_h" }],
    vae: { scaling_factor: 0.18215, sample_size: 768 },
    predictions: ["v_prediction", "epsilon"],
    scheduler: (_, prediction_type) => ({
      _class_name: prediction_type === "epsilon" ? "PNDMScheduler" : "DDIMScheduler",
      ...BETAS,
      prediction_type,
    }),
    // The models that predict v were trained on pictures of 768 pixels, those that predict noise on 512.
    settings: (prediction) =>
      prediction === "epsilon" ? {} : { width: 768, height: 768, base_resolution: 768, min_resolution: 384 },
  },
  {
    name: "Stable Diffusion 1.5",
    pipeline: "StableDiffusionPipeline",
    denoiser: "UNet2DConditionModel",
    component: "unet",
    is: () => true,
    encoders: [CLIP_L],
    vae: { scaling_factor: 0.18215, sample_size: 512 },
    predictions: ["epsilon", "v_prediction"],
    scheduler: (_, prediction_type) => ({ _class_name: "PNDMScheduler", ...BETAS, prediction_type }),
  },
];
