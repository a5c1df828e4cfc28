/**
 * Files that are no part of a model that is drawn with here: each kind by its own name, so that nobody has to guess.
 *
 * @module
 */

/** Tensors of a kind, what it is, and what to do with it. A row an entry; the first that fits counts. */
const KINDS: readonly (readonly [tensors: RegExp, what: string, advice: string])[] = [
  [
    /(^|[._])lora([._]|$)|lora_(unet|te\d?|transformer|[AB]|up|down|mid)|hada_w\d|lokr_w\d|\.oft_/,
    "a LoRA",
    "give it with --lora",
  ],
  [/distilled_guidance_layer\./, "the transformer of Chroma", ""],
  [/single_stream_modulation\.lin|double_stream_modulation/, "the transformer of FLUX.2", ""],
  [/^(?:.*\.)?double_layers\.0\.attn\.w[12]q/, "the transformer of AuraFlow", ""],
  [/individual_token_refiner/, "the transformer of HunyuanVideo", ""],
  [/double_stream_blocks\.0\.block/, "the transformer of HiDream", ""],
  [/cap_embedder\.0\.weight/, "the transformer of Lumina 2 or Z-Image", ""],
  [/txt_norm\.weight|txt_in\.text_norm/, "the transformer of Qwen-Image", ""],
  [/head\.modulation$|blocks\.0\.cross_attn\.k_img|motion_encoder\.dec/, "the transformer of Wan", ""],
  [/patchify_proj|transformer_blocks\.0\.scale_shift_table/, "the transformer of PixArt or LTX-Video", ""],
  [/cross_attn\.kv_linear/, "the transformer of PixArt or Sana", ""],
  [/attn\.qkv_x\.weight/, "the transformer of Mochi", ""],
  [/clip_txt_mapper|channelwise\.0\.weight/, "a part of Stable Cascade", ""],
  [/time_stack|temporal_transformer|motion_modules/, "a video or motion model", ""],
  [/^control_model\.|controlnet_|input_hint_block|zero_convs/, "a ControlNet", ""],
  [/^(ip_adapter|image_proj)\.|adapter_modules/, "an IP-Adapter", ""],
  [/vision_model\.|^visual\./, "a CLIP image encoder", "text encoders are what is needed"],
  [/^(string_to_param|emb_params|clip_[lg])$|^<.*>$/, "a textual inversion embedding", ""],
  [
    /RDB\d\.conv|\.rdb\d\.|^conv_first\.|^body\.\d+\.(weight|rdb)|upsampler\.0\.weight$/,
    "an upscaler of pictures (ESRGAN and its kin)",
    "give it with --upscale-model",
  ],
  [
    /^(model\.)?layers\.0\.self_attn|^blk\.0\.attn_q|embed_tokens/,
    "a language model",
    "the text encoders here are CLIP and T5",
  ],
  [/encoder\.middle\.0\.residual|decoder\.middle\.0\.residual/, "the autoencoder of Wan or Qwen-Image", ""],
  [/stages\.\d+\.op_list/, "a deep-compression autoencoder (DC-AE)", ""],
  [
    /^(?:taesd_)?(?:en|de)coder\.\d+\.|^\d+\.conv\.\d\.weight$/,
    "one half of a tiny autoencoder (TAESD)",
    "both halves are needed: take the file with encoder.layers and decoder.layers",
  ],
];

/** What a file of other tensors is, with what to do; undefined where nobody knows. */
export function foreignKind(names: Iterable<string>): { what: string; advice: string } | undefined {
  const all = [...names];
  for (const [tensors, what, advice] of KINDS) {
    if (all.some((name) => tensors.test(name))) return { what, advice };
  }
  return undefined;
}

/** Denoisers whose tensors have a supported architecture's names and more: drawn as that one, they give noise. */
export function foreignVariant(names: Iterable<string>): string | undefined {
  for (const name of names) {
    const found = VARIANTS.find(([tensors]) => tensors.test(name));
    if (found) return found[1];
  }
  return undefined;
}

const VARIANTS: readonly (readonly [tensors: RegExp, what: string])[] = [
  [/distilled_guidance_layer\./, "Chroma"],
  [/time_stack|temporal_transformer|motion_modules|time_mixer/, "a video model"],
  [/(^|\.)edm_(mean|std)$/, "Playground 2.5, whose noise levels and latents are others than SDXL's"],
  [/(^|\.)encoder_hid_proj\./, "Kolors, whose text encoder is ChatGLM"],
  [/pulid_ca|ip_adapter/, "a model with an adapter inside"],
];
