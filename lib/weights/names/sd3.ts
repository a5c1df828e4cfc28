/**
 * Stable Diffusion 3's and 3.5's original names (Stability AI's MMDiT) → SD3Transformer2DModel's.
 *
 * @module
 */

import { type NameFamily, sameNames } from "./family.ts";
import { byTable, type NameTable, shiftScaleSwapped, tableReversed, thirds } from "./table.ts";

const BLOCK = "transformer_blocks.#";

const TABLE: NameTable = {
  "x_embedder.proj": "pos_embed.proj",
  "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
  "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
  "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
  "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",

  "joint_blocks.#.x_block.adaLN_modulation.1": `${BLOCK}.norm1.linear`,
  // The last block only shifts and scales its text: two parts instead of six.
  "joint_blocks.#.context_block.adaLN_modulation.1": shiftScaleSwapped(`${BLOCK}.norm1_context.linear`),
  "joint_blocks.#.x_block.attn.qkv": thirds([
    `${BLOCK}.attn.to_q`,
    `${BLOCK}.attn.to_k`,
    `${BLOCK}.attn.to_v`,
  ]),
  "joint_blocks.#.context_block.attn.qkv": thirds([
    `${BLOCK}.attn.add_q_proj`,
    `${BLOCK}.attn.add_k_proj`,
    `${BLOCK}.attn.add_v_proj`,
  ]),
  "joint_blocks.#.x_block.attn2.qkv": thirds([
    `${BLOCK}.attn2.to_q`,
    `${BLOCK}.attn2.to_k`,
    `${BLOCK}.attn2.to_v`,
  ]),
  "joint_blocks.#.x_block.attn.ln_q": `${BLOCK}.attn.norm_q`,
  "joint_blocks.#.x_block.attn.ln_k": `${BLOCK}.attn.norm_k`,
  "joint_blocks.#.x_block.attn2.ln_q": `${BLOCK}.attn2.norm_q`,
  "joint_blocks.#.x_block.attn2.ln_k": `${BLOCK}.attn2.norm_k`,
  "joint_blocks.#.context_block.attn.ln_q": `${BLOCK}.attn.norm_added_q`,
  "joint_blocks.#.context_block.attn.ln_k": `${BLOCK}.attn.norm_added_k`,
  "joint_blocks.#.x_block.attn.proj": `${BLOCK}.attn.to_out.0`,
  "joint_blocks.#.x_block.attn2.proj": `${BLOCK}.attn2.to_out.0`,
  "joint_blocks.#.context_block.attn.proj": `${BLOCK}.attn.to_add_out`,
  "joint_blocks.#.x_block.mlp.fc1": `${BLOCK}.ff.net.0.proj`,
  "joint_blocks.#.x_block.mlp.fc2": `${BLOCK}.ff.net.2`,
  "joint_blocks.#.context_block.mlp.fc1": `${BLOCK}.ff_context.net.0.proj`,
  "joint_blocks.#.context_block.mlp.fc2": `${BLOCK}.ff_context.net.2`,

  "final_layer.linear": "proj_out",
  "final_layer.adaLN_modulation.1": shiftScaleSwapped("norm_out.linear"),
};

/** SD3 and SD3.5. */
export const SD3_NAMES: NameFamily = {
  kind: "denoiser",
  layout: "SD3's first release",
  markers: ["joint_blocks.0.x_block.attn.qkv.weight"],
  *map(originals) {
    for (const [name, origin] of byTable(TABLE, originals)) {
      yield [name === "pos_embed" ? "pos_embed.pos_embed" : name, origin];
    }
  },
  original() {
    const original = tableReversed(TABLE);
    return (name) => name === "pos_embed.pos_embed" ? "pos_embed" : original(name);
  },
};

/** SD3 and SD3.5 under diffusers' names. */
export const SD3_DIFFUSERS_NAMES: NameFamily = sameNames(
  "denoiser",
  "diffusers' SD3Transformer2DModel",
  "transformer_blocks.0.norm1_context.linear.weight",
);
