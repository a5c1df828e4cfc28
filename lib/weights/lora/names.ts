/**
 * How tools name a module in a LoRA file: what stands before it says which part of the model it is in, what follows is
 * the module's path, with dots or with underscores, under the names of diffusers or of a model's first release.
 *
 * @module
 */

/** A component of a pipeline as LoRA files mean it. */
export type PartName = "denoiser" | "text_encoder" | "text_encoder_2" | "text_encoder_3";

const ANY: readonly PartName[] = ["denoiser", "text_encoder", "text_encoder_2", "text_encoder_3"];
const DENOISER: readonly PartName[] = ["denoiser"];
// SDXL's refiner has CLIP-G alone, and as its second encoder.
const FIRST: readonly PartName[] = ["text_encoder", "text_encoder_2"];
const SECOND: readonly PartName[] = ["text_encoder_2"];
const THIRD: readonly PartName[] = ["text_encoder_3"];
/** T5 is the first, second or third encoder of a pipeline, and the only one with its names. */
const T5: readonly PartName[] = ["text_encoder_3", "text_encoder_2", "text_encoder"];

/** What stands before a module, who writes it, and the parts that it may mean. */
const PREFIXES: readonly (readonly [prefix: string, parts: readonly PartName[]])[] = [
  // diffusers, PEFT.
  ["transformer.", DENOISER],
  ["unet.", DENOISER],
  ["text_encoder.", ["text_encoder"]],
  ["text_encoder_2.", SECOND],
  ["text_encoder_3.", THIRD],
  // ComfyUI, ai-toolkit, diffusion-pipe; a first release's own.
  ["diffusion_model.", DENOISER],
  ["model.diffusion_model.", DENOISER],
  ["text_encoders.clip_l.transformer.", FIRST],
  ["text_encoders.clip_h.transformer.", FIRST],
  ["text_encoders.clip_g.transformer.", SECOND],
  ["text_encoders.t5xxl.transformer.", T5],
  ["clip_l.transformer.", FIRST],
  ["clip_h.transformer.", FIRST],
  ["clip_g.transformer.", SECOND],
  ["t5xxl.transformer.", T5],
  ["cond_stage_model.transformer.", FIRST],
  ["conditioner.embedders.0.transformer.", FIRST],
  // The Open Model Initiative.
  ["clip_l.", FIRST],
  ["clip_g.", SECOND],
  ["t5.", T5],
  ["t5xxl.", T5],
  // kohya, LyCORIS, OneTrainer, SimpleTuner.
  ["lora_unet_", DENOISER],
  ["lora_unet__", DENOISER],
  ["lora_transformer_", DENOISER],
  ["oft_unet_", DENOISER],
  ["lycoris_", ANY],
  ["lora_te_", FIRST],
  ["lora_te1_", FIRST],
  ["lora_te2_", SECOND],
  ["lora_te3_", THIRD],
  ["oft_te_", FIRST],
  ["oft_te1_", FIRST],
  ["oft_te2_", SECOND],
];

/** Longest first: `lora_unet__` before `lora_unet_`. */
const BY_LENGTH = [...PREFIXES].sort((a, b) => b[0].length - a[0].length);

/** Around a whole model, wherever it stands: PEFT's, torch.compile's, data-parallel training's. */
const WRAPPER = /^(?:base_model\.model\.|_orig_mod\.|module\.)+/;

/** Where a module is. */
export interface ModuleName {
  /** Components that it may be in; the first that has it does. */
  readonly parts: readonly PartName[];
  /** Whether the file says that it is in the denoiser. */
  readonly denoiser: boolean;
  /** What stood before it. */
  readonly prefix: string;
  /** Its path, with dots or underscores, as the file spells it. */
  readonly module: string;
  /** One part of a fused layer, from 0: the Open Model Initiative's `qkv.1`. */
  readonly slice?: number;
  /** The first three parts of a fused layer together: XLabs' query, key and value of FLUX's `linear1`. */
  readonly firstThree?: true;
}

/** FLUX's layers as XLabs' attention processors call them. */
const XLABS: Readonly<Record<string, string>> = {
  qkv_lora1: "img_attn.qkv",
  qkv_lora2: "txt_attn.qkv",
  proj_lora1: "img_attn.proj",
  proj_lora2: "txt_attn.proj",
  proj_lora: "linear2",
  qkv_lora: "linear1",
};

/** Parts a module can have in diffusers' old processors: `to_out` is a list there. */
function processor(module: string): string {
  return module
    .replace(/\.self_attn\.to_(q|k|v|out)_lora$/, ".self_attn.$1_proj") // CLIP's
    .replace(/(?:\.processor)?\.to_out_lora$/, ".to_out.0")
    .replace(/(?:\.processor)?\.((?:to|add)_\w+)_lora$/, ".$1");
}

/** T5's modules, in any spelling. */
const IN_T5 = /(^|[._])(encoder[._]block[._]\d+[._]layer|SelfAttention|DenseReluDense)/;

/** Reads a module's name. */
export function moduleName(key: string): ModuleName {
  let module = key.replace(WRAPPER, "");
  let prefix = key.slice(0, key.length - module.length);
  let parts = ANY;
  const known = BY_LENGTH.find(([p]) => module.startsWith(p));
  if (known) {
    parts = known[1];
    prefix += known[0];
    module = module.slice(known[0].length).replace(WRAPPER, "");
  }
  const denoiser = parts === DENOISER;
  // kohya numbers FLUX's T5 3, OneTrainer 2; SD3's is 3, PixArt's the only one.
  if (!denoiser && IN_T5.test(module)) parts = T5;
  const named = { parts, denoiser, prefix };

  const [, block, layer] = /^(.*)\.processor\.((?:qkv|proj)_lora[12]?)$/.exec(module) ?? [];
  if (layer !== undefined && Object.hasOwn(XLABS, layer)) {
    const rest = layer === "qkv_lora" ? { firstThree: true as const } : {};
    return { ...named, module: `${block}.${XLABS[layer]}`, ...rest };
  }
  module = processor(module);
  const [, whole, slice] = /^(.*\.(?:qkv|kv_linear|linear1))\.(\d)$/.exec(module) ?? [];
  if (slice !== undefined) return { ...named, module: whole, slice: Number(slice) };
  return { ...named, module: module === "img_in.proj" ? "img_in" : module };
}

/** Words with an underscore in the modules of first releases, which kohya writes between underscores. */
const WORDS = ("input_blocks middle_block output_blocks transformer_blocks in_layers out_layers emb_layers " +
  "skip_connection time_embed label_emb to_q to_k to_v to_out proj_in proj_out double_blocks single_blocks img_attn " +
  "txt_attn img_mlp txt_mlp img_mod txt_mod img_in txt_in time_in vector_in guidance_in in_layer out_layer " +
  "final_layer adaLN_modulation joint_blocks x_block context_block x_embedder t_embedder y_embedder context_embedder " +
  "query_norm key_norm ln_q ln_k cross_attn q_linear kv_linear y_proj t_block csize_embedder ar_embedder")
  .split(" ").sort((a, b) => b.length - a.length);

/** `double_blocks_0_img_attn_qkv` → `double_blocks.0.img_attn.qkv`. */
export function dotted(module: string): string {
  if (module.includes(".")) return module;
  let out = module;
  WORDS.forEach((word, i) => out = out.replaceAll(word, `<${i}>`));
  return out.replaceAll("_", ".").replace(/<(\d+)>/g, (_, i) => WORDS[Number(i)]);
}

/** Other spellings of a module under the names that the model has: CLIP's with and without `text_model`. */
export function spellings(module: string): readonly string[] {
  return [module, `text_model.${module}`, module.replace(/^text_model[._]/, "")];
}
