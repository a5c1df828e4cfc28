/**
 * Files whose tensors have the names of diffusers and transformers already, as those of most folders do: told without the
 * tables of other layouts, so that a page need not load them.
 *
 * @module
 */

import type { Checkpoint } from "../types.ts";
import type { PartKind } from "./family.ts";

/** What the names of every tensor begin with, by what the file is. */
const MODULES: readonly (readonly [kind: PartKind, begins: RegExp])[] = [
  [
    "denoiser",
    /^(pos_embed|x_embedder|context_embedder|time_text_embed|(single_)?transformer_blocks|norm_out|proj_out)\./,
  ],
  ["denoiser", /^(conv_in|time_embedding|add_embedding|(down|up)_blocks|mid_block|conv_norm_out|conv_out)\./],
  [
    "vae",
    /^((en|de)coder\.(conv_in|(down|up)_blocks|mid_block|conv_norm_out|conv_out)|(post_)?quant_conv)\./,
  ],
  ["clip", /^((text_model\.)?(embeddings|encoder\.layers|final_layer_norm)|text_projection)\./],
  ["t5", /^(shared|encoder\.(embed_tokens|block|final_layer_norm))\./],
];

/** Our own network, which no other tool names. */
const UPSAMPLER = /^upsampler\./;

/** What ends no name of these, or is cut apart: LoRAs, fused layers. */
const OTHER = /[._](lora|in_proj)[._]/;

/**
 * Whether all of a file's names are those of one component of diffusers or transformers, so that nothing is to be renamed.
 *
 * @param kinds What the component is; any without.
 */
export function hasOwnNames(file: Pick<Checkpoint, "names">, kinds?: readonly PartKind[]): boolean {
  const names = [...file.names()];
  const all = (begins: RegExp): boolean =>
    names.every((name) => begins.test(name) && /\.(weight|bias|pos_embed)$/.test(name) && !OTHER.test(name));
  if (kinds === undefined && all(UPSAMPLER)) return true;
  return MODULES.some(([kind, begins]) => (kinds?.includes(kind) ?? true) && all(begins));
}
