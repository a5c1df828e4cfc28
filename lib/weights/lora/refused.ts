/**
 * Files that are given as LoRAs and are none, or of a kind that is not applied: what each is, told from tensor names.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { TensorFile } from "./file.ts";

/** What a tensor's name gives away. The first that fits any name of the file counts. */
const KINDS: readonly (readonly [name: RegExp, what: string])[] = [
  // Adapters that act on something that is not there.
  [
    /^lora_controlnet$/,
    "a ControlNet in LoRA form (Stability AI's control-lora), which needs a control picture",
  ],
  [/^lllite_/, "a ControlNet-LLLite, which needs a control picture"],
  [
    /(^|\.)(controlnet_cond_embedding|input_hint_block|zero_convs|controlnet_down_blocks|controlnet_blocks)\./,
    "a ControlNet",
  ],
  [/ip_adapter|(^|\.)image_proj\.|\.to_[kv]_ip\b/, "an IP-Adapter, which needs a reference picture"],
  [/motion_modules?\./, "an AnimateDiff motion module or motion LoRA, for videos"],
  [/_custom_diffusion\./, "Custom Diffusion's weights"],

  // PEFT's and others' algorithms.
  [/\.lora_E\b|\.ranknum\b/, "AdaLoRA adapters"],
  [/\.lora_embedding_[AB]\b/, "LoRA of a token embedding"],
  [/\.oft_[rR]\b|\.oft_embedding_R\b/, "PEFT's OFT adapters"],
  [/\.oft_diag\b/, "OFT of LyCORIS before 1.9 (oft_diag)"],
  [/\.boft_[Rs]\b/, "PEFT's BOFT adapters"],
  [/\.ia3_l\b/, "PEFT's IA³ adapters"],
  [/\.hra_u\b/, "PEFT's HRA adapters"],
  [/\.(vera_lambda_|vera_A|vera_B)/, "VeRA adapters"],
  [/\.randlora_/, "RandLoRA adapters"],
  [/\.vblora_/, "VB-LoRA adapters"],
  [/\.fourierft_/, "FourierFT adapters"],
  [/\.waveft_/, "WaveFT adapters"],
  [/\.(bone_|miss_)/, "Bone or MiSS adapters"],
  [/\.shira_/, "SHiRA adapters"],
  [/\.c3a_/, "C³A adapters"],
  [/\.road_(theta|alpha)/, "RoAd adapters"],
  [/\.delora_/, "DeLoRA adapters"],
  [/\.gralora_/, "GraLoRA adapters"],
  [/\.q_layer\.weight$|\.lambda_layer$/, "T-LoRA adapters"],

  // Textual inversions.
  [/^emb_params$|^string_to_param/, "a textual inversion (an embedding of tokens)"],
  [/^text_encoders?_\d$/, "textual inversions of a pivotal tuning (embeddings of tokens)"],
];

/** Files whose names are all tensors of a whole model. */
const MODELS: readonly (readonly [name: RegExp, what: string])[] = [
  [
    /^(model\.diffusion_model\.|first_stage_model\.|cond_stage_model\.|conditioner\.embedders\.)/,
    "a whole model",
  ],
  [
    /^(double_blocks|single_blocks|joint_blocks|transformer_blocks|single_transformer_blocks)\.\d+\./,
    "a transformer",
  ],
  [/^(down_blocks|up_blocks|input_blocks|output_blocks)\.\d+\./, "a UNet or VAE"],
  [/^(encoder|decoder)\.(down|up|mid|conv_in|down_blocks|up_blocks|mid_block)/, "a VAE"],
  [/^(text_model|encoder\.block|transformer\.resblocks)\./, "a text encoder"],
];

/**
 * Refuses what is known and not applied.
 *
 * @throws {LssgenError} `unsupported`, with what the file is.
 */
export function refuseOthers(file: TensorFile): void {
  const names = [...file.names()];
  for (const [pattern, what] of KINDS) {
    const name = names.find((n) => pattern.test(n));
    if (name !== undefined) {
      throw new LssgenError(
        "unsupported",
        `"${file.name}" holds ${what} ("${name}"), which cannot be applied as a LoRA`,
      );
    }
  }
  if (
    names.some((n) => n.endsWith("img_in.lora_A.weight")) &&
    names.some((n) => /(query|key)_norm\.scale$/.test(n))
  ) {
    throw new LssgenError(
      "unsupported",
      `"${file.name}" is a FLUX control LoRA (FLUX.1-Depth or -Canny), which needs a control picture beside the latents`,
    );
  }
}

/**
 * What a file without any adapter is.
 *
 * @returns The error to throw.
 */
export function notLora(file: TensorFile): LssgenError {
  const names = [...file.names()];
  const ranks = names.map((name) => file.info(name)!.shape.length);
  // diffusers keeps one vector (or one a row) under the token itself, ComfyUI and SDXL one under each encoder's name.
  const embedding = names.length > 0 && names.length <= 3 && ranks.every((n) => n === 1 || n === 2) &&
    names.every((name) => /^(clip_[lgh]|t5xxl|t5)$/.test(name) || !/\.|_(blocks?|layers?)_/.test(name));
  if (embedding) {
    return new LssgenError(
      "unsupported",
      `"${file.name}" is a textual inversion (an embedding of tokens: "${names[0]}" of [${
        file.info(names[0])!.shape
      }]), ` +
        "not a LoRA; add its token to the tokenizer and its vectors to the text encoder",
    );
  }
  const model = MODELS.find(([pattern]) => names.some((name) => pattern.test(name)));
  if (model) {
    return new LssgenError(
      "bad_file",
      `"${file.name}" holds no LoRA but the weights of ${model[1]}; open it as a model`,
    );
  }
  return new LssgenError(
    "bad_file",
    `"${file.name}" holds no LoRA, expected pairs such as "….lora_A.weight" or "….lora_down.weight", found ${
      names.length === 0 ? "no tensors" : names.slice(0, 3).map((name) => `"${name}"`).join(", ")
    }`,
  );
}

/** Modules that only one family of models has, for "made for". */
const FAMILIES: readonly (readonly [key: RegExp, family: string])[] = [
  [/lora_prior_|(^|[._])(effnet|clip_mapper)/, "Stable Cascade"],
  [/joint_blocks|context_block/, "Stable Diffusion 3"],
  [/double_stream_modulation|single_stream_modulation/, "FLUX.2"],
  [
    /double_blocks|single_transformer_blocks|(?<!transformer_)single_blocks/,
    "FLUX.1 or a model built like it",
  ],
  [/(^|[._])blocks[._]\d+[._](self_attn|cross_attn)[._][qkvo]/, "Wan"],
  [/img_mod|txt_mod|(^|[._])transformer_blocks[._]\d+[._](img_mlp|txt_mlp)/, "Qwen-Image"],
  [/caption_projection|adaln_single|kv_linear/, "PixArt"],
  [/input_blocks|output_blocks|middle_block/, "SDXL or Stable Diffusion 1/2"],
  [/(down|up)_blocks[._]\d+[._]attentions|mid_block[._]attentions/, "a Stable Diffusion UNet"],
  [/context_refiner|noise_refiner/, "Lumina or Z-Image"],
];

/** What a file was probably made for, as a clause with a semicolon before it, or "" where nothing shows it. */
export function madeFor(keys: readonly string[], metadata: ReadonlyMap<string, unknown>): string {
  const said = metadata.get("modelspec.architecture") ?? metadata.get("ss_base_model_version");
  if (typeof said === "string" && said !== "") return `; its header says "${said.slice(0, 60)}"`;
  const family = FAMILIES.find(([pattern]) => keys.some((key) => pattern.test(key)));
  return family ? `; its names are those of ${family[1]}` : "";
}
