/**
 * The real models' configs, as their diffusers folders have them: what a folder of random weights is made of.
 *
 * Source: the config.json files of the published repositories (stable-diffusion-v1-5, stable-diffusion-xl-base-1.0,
 * stable-diffusion-3.5-medium, FLUX.1-schnell, FLUX.1-dev), keys that are read here.
 *
 * @module
 */

import { AutoencoderKl, autoencoderKlConfig } from "../../lib/models/autoencoder_kl.ts";
import { clipTextConfig, ClipTextModel } from "../../lib/models/clip.ts";
import { fluxConfig, FluxTransformer } from "../../lib/models/flux.ts";
import { sd3Config, Sd3Transformer } from "../../lib/models/sd3.ts";
import { t5Config, T5Encoder } from "../../lib/models/t5.ts";
import { Unet, unetConfig } from "../../lib/models/unet.ts";
import type { Weights } from "../../lib/models/weights.ts";
import type { ConfigReader } from "../../lib/weights/model_folder.ts";

/** A config file's content. */
export type Json = Readonly<Record<string, unknown>>;

/** A component of a pipeline. */
export interface ComponentSpec {
  /** Library and class, as model_index.json has them. */
  readonly class: readonly [library: string, name: string];
  /** config.json, or what a scheduler's or tokenizer's config file holds. */
  readonly config: Json;
  /** Declares every tensor; absent for what has none. */
  readonly build?: (w: Weights, config: ConfigReader) => unknown;
  /** Stem of the weights file: diffusers and transformers differ. */
  readonly stem?: string;
}

/** A whole model. */
export interface ModelSpec {
  /** `_class_name` of model_index.json. */
  readonly pipeline: string;
  /** Further keys of model_index.json. */
  readonly index?: Json;
  /** By folder. */
  readonly components: Readonly<Record<string, ComponentSpec>>;
}

const clip = (name: string, config: Json): ComponentSpec => ({
  class: ["transformers", name],
  config: { architectures: [name], model_type: "clip_text_model", vocab_size: 49408, ...config },
  build: (w, c) => new ClipTextModel(w, clipTextConfig(c, name)),
  stem: "model",
});

const CLIP_L: Json = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_attention_heads: 12,
  num_hidden_layers: 12,
  projection_dim: 768,
  max_position_embeddings: 77,
  hidden_act: "quick_gelu",
  layer_norm_eps: 1e-5,
  bos_token_id: 0,
  eos_token_id: 2,
};
const CLIP_G: Json = {
  ...CLIP_L,
  hidden_size: 1280,
  intermediate_size: 5120,
  num_attention_heads: 20,
  num_hidden_layers: 32,
  projection_dim: 1280,
  hidden_act: "gelu",
};

const T5_XXL: ComponentSpec = {
  class: ["transformers", "T5EncoderModel"],
  config: {
    architectures: ["T5EncoderModel"],
    model_type: "t5",
    d_model: 4096,
    d_kv: 64,
    d_ff: 10240,
    num_layers: 24,
    num_heads: 64,
    vocab_size: 32128,
    relative_attention_num_buckets: 32,
    relative_attention_max_distance: 128,
    feed_forward_proj: "gated-gelu",
    dense_act_fn: "gelu_new",
    is_gated_act: true,
    layer_norm_epsilon: 1e-6,
    tie_word_embeddings: false,
  },
  build: (w, c) => new T5Encoder(w, t5Config(c)),
  stem: "model",
};

const vae = (config: Json): ComponentSpec => ({
  class: ["diffusers", "AutoencoderKL"],
  config: {
    _class_name: "AutoencoderKL",
    in_channels: 3,
    out_channels: 3,
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
    norm_num_groups: 32,
    act_fn: "silu",
    down_block_types: Array(4).fill("DownEncoderBlock2D"),
    up_block_types: Array(4).fill("UpDecoderBlock2D"),
    sample_size: 1024,
    ...config,
  },
  build: (w, c) => new AutoencoderKl(w, autoencoderKlConfig(c)),
});
const VAE_16: Json = {
  latent_channels: 16,
  use_quant_conv: false,
  use_post_quant_conv: false,
  force_upcast: true,
};

const TOKENIZER_CLIP: ComponentSpec = { class: ["transformers", "CLIPTokenizer"], config: {} };
const TOKENIZER_T5: ComponentSpec = { class: ["transformers", "T5TokenizerFast"], config: {} };

const unet = (config: Json): ComponentSpec => ({
  class: ["diffusers", "UNet2DConditionModel"],
  config: {
    _class_name: "UNet2DConditionModel",
    in_channels: 4,
    out_channels: 4,
    layers_per_block: 2,
    norm_num_groups: 32,
    norm_eps: 1e-5,
    act_fn: "silu",
    center_input_sample: false,
    flip_sin_to_cos: true,
    freq_shift: 0,
    downsample_padding: 1,
    mid_block_scale_factor: 1,
    ...config,
  },
  build: (w, c) => new Unet(w, unetConfig(c)),
});

const BETAS: Json = {
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  prediction_type: "epsilon",
  timestep_spacing: "leading",
  steps_offset: 1,
};
const flow = (config: Json): ComponentSpec => ({
  class: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
  config: { _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000, ...config },
});

const flux = (guidance: boolean): ModelSpec => ({
  pipeline: "FluxPipeline",
  components: {
    scheduler: flow(
      guidance
        ? {
          shift: 3,
          use_dynamic_shifting: true,
          base_shift: 0.5,
          max_shift: 1.15,
          base_image_seq_len: 256,
          max_image_seq_len: 4096,
        }
        : { shift: 1, use_dynamic_shifting: false },
    ),
    text_encoder: clip("CLIPTextModel", CLIP_L),
    text_encoder_2: T5_XXL,
    tokenizer: TOKENIZER_CLIP,
    tokenizer_2: TOKENIZER_T5,
    transformer: {
      class: ["diffusers", "FluxTransformer2DModel"],
      config: {
        _class_name: "FluxTransformer2DModel",
        attention_head_dim: 128,
        guidance_embeds: guidance,
        in_channels: 64,
        joint_attention_dim: 4096,
        num_attention_heads: 24,
        num_layers: 19,
        num_single_layers: 38,
        patch_size: 1,
        pooled_projection_dim: 768,
        axes_dims_rope: [16, 56, 56],
      },
      build: (w, c) => new FluxTransformer(w, fluxConfig(c)),
    },
    vae: vae({ ...VAE_16, scaling_factor: 0.3611, shift_factor: 0.1159 }),
  },
});

/** By the name typed. */
export const MODELS: Readonly<Record<string, ModelSpec>> = {
  "sd1.5": {
    pipeline: "StableDiffusionPipeline",
    components: {
      scheduler: {
        class: ["diffusers", "PNDMScheduler"],
        config: { _class_name: "PNDMScheduler", ...BETAS, skip_prk_steps: true, set_alpha_to_one: false },
      },
      text_encoder: clip("CLIPTextModel", CLIP_L),
      tokenizer: TOKENIZER_CLIP,
      unet: unet({
        sample_size: 64,
        attention_head_dim: 8,
        block_out_channels: [320, 640, 1280, 1280],
        cross_attention_dim: 768,
        down_block_types: [...Array(3).fill("CrossAttnDownBlock2D"), "DownBlock2D"],
        up_block_types: ["UpBlock2D", ...Array(3).fill("CrossAttnUpBlock2D")],
      }),
      vae: vae({ latent_channels: 4, scaling_factor: 0.18215, sample_size: 512 }),
    },
  },
  "sdxl": {
    pipeline: "StableDiffusionXLPipeline",
    index: { force_zeros_for_empty_prompt: true },
    components: {
      scheduler: {
        class: ["diffusers", "EulerDiscreteScheduler"],
        config: { _class_name: "EulerDiscreteScheduler", ...BETAS, interpolation_type: "linear" },
      },
      text_encoder: clip("CLIPTextModel", CLIP_L),
      text_encoder_2: clip("CLIPTextModelWithProjection", CLIP_G),
      tokenizer: TOKENIZER_CLIP,
      tokenizer_2: { ...TOKENIZER_CLIP, config: { pad_token: "!" } },
      unet: unet({
        sample_size: 128,
        attention_head_dim: [5, 10, 20],
        block_out_channels: [320, 640, 1280],
        cross_attention_dim: 2048,
        down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types: ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        transformer_layers_per_block: [1, 2, 10],
        use_linear_projection: true,
        addition_embed_type: "text_time",
        addition_time_embed_dim: 256,
        projection_class_embeddings_input_dim: 2816,
      }),
      vae: vae({ latent_channels: 4, scaling_factor: 0.13025, force_upcast: true }),
    },
  },
  "sd3.5-medium": {
    pipeline: "StableDiffusion3Pipeline",
    components: {
      scheduler: flow({ shift: 3 }),
      text_encoder: clip("CLIPTextModelWithProjection", CLIP_L),
      text_encoder_2: clip("CLIPTextModelWithProjection", CLIP_G),
      text_encoder_3: T5_XXL,
      tokenizer: TOKENIZER_CLIP,
      tokenizer_2: { ...TOKENIZER_CLIP, config: { pad_token: "!" } },
      tokenizer_3: TOKENIZER_T5,
      transformer: {
        class: ["diffusers", "SD3Transformer2DModel"],
        config: {
          _class_name: "SD3Transformer2DModel",
          attention_head_dim: 64,
          caption_projection_dim: 1536,
          dual_attention_layers: Array.from({ length: 13 }, (_, i) => i),
          in_channels: 16,
          joint_attention_dim: 4096,
          num_attention_heads: 24,
          num_layers: 24,
          out_channels: 16,
          patch_size: 2,
          pooled_projection_dim: 2048,
          pos_embed_max_size: 384,
          qk_norm: "rms_norm",
          sample_size: 128,
        },
        build: (w, c) => new Sd3Transformer(w, sd3Config(c)),
      },
      vae: vae({ ...VAE_16, scaling_factor: 1.5305, shift_factor: 0.0609 }),
    },
  },
  "flux-schnell": flux(false),
  "flux-dev": flux(true),
};
