/**
 * FLUX.1's original names (black-forest-labs/flux and every .gguf of it) → FluxTransformer2DModel's.
 *
 * @module
 */

import { type NameFamily, sameNames } from "./family.ts";
import { byTable, type NameTable, shiftScaleSwapped, tableReversed, thirds } from "./table.ts";

const DOUBLE = "transformer_blocks.#";
const SINGLE = "single_transformer_blocks.#";

const TABLE: NameTable = {
  "img_in": "x_embedder",
  "txt_in": "context_embedder",
  "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
  "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
  "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
  "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
  "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
  "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",

  "double_blocks.#.img_mod.lin": `${DOUBLE}.norm1.linear`,
  "double_blocks.#.txt_mod.lin": `${DOUBLE}.norm1_context.linear`,
  "double_blocks.#.img_attn.qkv": thirds([
    `${DOUBLE}.attn.to_q`,
    `${DOUBLE}.attn.to_k`,
    `${DOUBLE}.attn.to_v`,
  ]),
  "double_blocks.#.txt_attn.qkv": thirds([
    `${DOUBLE}.attn.add_q_proj`,
    `${DOUBLE}.attn.add_k_proj`,
    `${DOUBLE}.attn.add_v_proj`,
  ]),
  "double_blocks.#.img_attn.norm.query_norm": `${DOUBLE}.attn.norm_q`,
  "double_blocks.#.img_attn.norm.key_norm": `${DOUBLE}.attn.norm_k`,
  "double_blocks.#.txt_attn.norm.query_norm": `${DOUBLE}.attn.norm_added_q`,
  "double_blocks.#.txt_attn.norm.key_norm": `${DOUBLE}.attn.norm_added_k`,
  "double_blocks.#.img_attn.proj": `${DOUBLE}.attn.to_out.0`,
  "double_blocks.#.txt_attn.proj": `${DOUBLE}.attn.to_add_out`,
  "double_blocks.#.img_mlp.0": `${DOUBLE}.ff.net.0.proj`,
  "double_blocks.#.img_mlp.2": `${DOUBLE}.ff.net.2`,
  "double_blocks.#.txt_mlp.0": `${DOUBLE}.ff_context.net.0.proj`,
  "double_blocks.#.txt_mlp.2": `${DOUBLE}.ff_context.net.2`,

  "single_blocks.#.modulation.lin": `${SINGLE}.norm.linear`,
  "single_blocks.#.linear1": {
    into: [`${SINGLE}.attn.to_q`, `${SINGLE}.attn.to_k`, `${SINGLE}.attn.to_v`, `${SINGLE}.proj_mlp`],
    rows: (rows, width) => [
      ...[0, 1, 2].map((i) => [{ first: i * width, count: width }]),
      [{ first: 3 * width, count: rows - 3 * width }],
    ],
  },
  "single_blocks.#.linear2": `${SINGLE}.proj_out`,
  "single_blocks.#.norm.query_norm": `${SINGLE}.attn.norm_q`,
  "single_blocks.#.norm.key_norm": `${SINGLE}.attn.norm_k`,

  "final_layer.linear": "proj_out",
  "final_layer.adaLN_modulation.1": shiftScaleSwapped("norm_out.linear"),
};

/** FLUX.1 dev and schnell. */
export const FLUX_NAMES: NameFamily = {
  kind: "denoiser",
  layout: "FLUX.1's first release",
  markers: ["double_blocks.0.img_attn.qkv.weight"],
  map: (originals) => byTable(TABLE, originals),
  original: () => tableReversed(TABLE),
};

/** FLUX.1 under diffusers' names. */
export const FLUX_DIFFUSERS_NAMES: NameFamily = sameNames(
  "denoiser",
  "diffusers' FluxTransformer2DModel",
  "single_transformer_blocks.0.proj_mlp.weight",
);
