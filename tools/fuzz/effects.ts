/**
 * Which keys of configs may change a picture, and by what kind of value: what diffusers and transformers do with them. Whatever
 * else changes one is a fault. Values out of a key's range are refused by its reader, so kinds are enough here.
 *
 * @module
 */

import { DELETED, type KeyPath } from "./one_key.ts";

/**
 * Kinds of values: "number", "flag" (a boolean), "word", "list" (of numbers), "null"; "gone" for a deleted key, whose default
 * counts; "token" for a text or an object with one.
 */
type Effects = Readonly<Record<string, string>>;

/** By the class in the config. */
const NETWORKS: Readonly<Record<string, Effects>> = {
  // Latents are divided by the factor, then the shift is added; groups of the same weights are other means.
  AutoencoderKL: {
    scaling_factor: "number gone",
    shift_factor: "number null gone",
    norm_num_groups: "number gone",
    force_upcast: "flag gone",
  },
  AutoencoderTiny: { scaling_factor: "number gone", shift_factor: "number gone" },
  LatentUpSampler: { norm_num_groups: "number gone", interpolate: "word gone" },
  // Heads cut the same matrices into other parts. Fewer layers than the file's are its first, as in transformers.
  CLIPTextModel: {
    num_attention_heads: "number gone",
    num_hidden_layers: "number gone",
    hidden_act: "word gone",
    layer_norm_eps: "number gone",
    eos_token_id: "number gone",
  },
  T5EncoderModel: {
    relative_attention_max_distance: "number gone",
    layer_norm_epsilon: "number gone",
    feed_forward_proj: "word gone",
  },
  UNet2DConditionModel: {
    attention_head_dim: "number list gone",
    norm_num_groups: "number gone",
    norm_eps: "number gone",
    flip_sin_to_cos: "flag gone",
    freq_shift: "number gone",
  },
  // Axes of the same sum turn by other frequencies.
  FluxTransformer2DModel: { axes_dims_rope: "number list gone" },
  SD3Transformer2DModel: {},
  // Positions are scaled to the trained side.
  DiTTransformer2DModel: { norm_eps: "number gone", sample_size: "number gone" },
};
const CLIP = NETWORKS.CLIPTextModel;

/** Keys of schedulers, all classes together: each class refuses or ignores those of others. */
const SCHEDULER: Effects = {
  _class_name: "word",
  num_train_timesteps: "number gone",
  beta_start: "number gone",
  beta_end: "number gone",
  beta_schedule: "word gone",
  trained_betas: "list",
  prediction_type: "word gone",
  timestep_spacing: "word gone",
  steps_offset: "number gone",
  set_alpha_to_one: "flag gone",
  skip_prk_steps: "flag gone",
  rescale_betas_zero_snr: "flag gone",
  clip_sample: "flag gone",
  thresholding: "flag gone",
  final_sigmas_type: "word gone",
  interpolation_type: "word gone",
  timestep_type: "word gone",
  sigma_min: "number null gone",
  sigma_max: "number null gone",
  use_karras_sigmas: "flag null gone",
  use_exponential_sigmas: "flag null gone",
  use_beta_sigmas: "flag null gone",
  use_flow_sigmas: "flag null gone",
  use_lu_lambdas: "flag null gone",
  algorithm_type: "word gone",
  solver_type: "word gone",
  solver_order: "number gone",
  lower_order_final: "flag gone",
  euler_at_final: "flag gone",
  lambda_min_clipped: "number gone",
  variance_type: "word null gone",
  // Flow.
  shift: "number gone",
  shift_terminal: "number null gone",
  use_dynamic_shifting: "flag gone",
  base_shift: "number gone",
  max_shift: "number gone",
  base_image_seq_len: "number gone",
  max_image_seq_len: "number gone",
  time_shift_type: "word gone",
  invert_sigmas: "flag gone",
  stochastic_sampling: "flag gone",
  flow_shift: "number gone",
};

/** Tokens of the frame and of what fills the rest, and how much fits. */
const TOKENIZER: Effects = {
  bos_token: "token gone",
  eos_token: "token gone",
  pad_token: "token gone",
  unk_token: "token gone",
  model_max_length: "number gone",
  extra_ids: "number gone",
  additional_special_tokens: "token list gone",
  extra_special_tokens: "token list gone",
  padding_side: "word gone",
  truncation_side: "word gone",
};

/** SD3 without its third encoder has zeros in its place. */
const INDEX: Effects = {
  force_zeros_for_empty_prompt: "flag gone",
  text_encoder_3: "null gone",
  _class_name: "word",
};

const LSSGEN: Effects = {
  width: "number gone",
  height: "number gone",
  steps: "number gone",
  guidance: "number gone",
  base_resolution: "number gone",
  min_resolution: "number gone",
  init_noise: "number gone",
  shorten_steps: "flag gone",
  entry: "word gone",
};

/**
 * Whether a picture may differ with a value in a key's place.
 *
 * @param file Path in the model folder. @param config The file as it was. @param path Key, and place in a list.
 */
export function mayDiffer(
  file: string,
  config: Readonly<Record<string, unknown>>,
  path: KeyPath,
  value: unknown,
): boolean {
  const [key] = path;
  const effects = effectsOf(file, config);
  const kinds = typeof key === "string" && Object.hasOwn(effects, key) ? effects[key].split(" ") : [];
  return kinds.includes(kindOf(value)) || (kinds.includes("token") && isToken(value)) ||
    // A component is a pair: either half may go.
    (key === "text_encoder_3" && path.length > 1 && value === null);
}

function effectsOf(file: string, config: Readonly<Record<string, unknown>>): Effects {
  if (file === "model_index.json") return INDEX;
  if (file === "lssgen.json") return LSSGEN;
  if (file.startsWith("scheduler/")) return SCHEDULER;
  if (file.endsWith("tokenizer_config.json")) return TOKENIZER;
  const { _class_name, architectures } = config;
  const kind = String(Array.isArray(architectures) ? architectures[0] : _class_name);
  return kind.startsWith("CLIPText") ? CLIP : NETWORKS[kind] ?? {};
}

function kindOf(value: unknown): string {
  if (value === DELETED) return "gone";
  if (value === null) return "null";
  if (typeof value === "boolean") return "flag";
  if (typeof value === "string") return "word";
  if (Array.isArray(value) && value.every((v) => typeof v === "number")) return "list";
  return typeof value;
}

function isToken(value: unknown): boolean {
  return typeof value === "string" && value !== "" ||
    typeof value === "object" && value !== null &&
      typeof (value as { content?: unknown }).content === "string";
}
