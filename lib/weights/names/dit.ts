/**
 * DiT's and PixArt's original names → DiTTransformer2DModel's and PixArtTransformer2DModel's.
 *
 * @module
 */

import { type NameFamily, type Origin, sameNames } from "./family.ts";
import { byTable, halves, type NameTable, thirds } from "./table.ts";

const BLOCK = "transformer_blocks.#";

const SHARED: NameTable = {
  "x_embedder.proj": "pos_embed.proj",
  "blocks.#.attn.qkv": thirds([`${BLOCK}.attn1.to_q`, `${BLOCK}.attn1.to_k`, `${BLOCK}.attn1.to_v`]),
  "blocks.#.attn.proj": `${BLOCK}.attn1.to_out.0`,
  "blocks.#.mlp.fc1": `${BLOCK}.ff.net.0.proj`,
  "blocks.#.mlp.fc2": `${BLOCK}.ff.net.2`,
};

const DIT: NameTable = {
  ...SHARED,
  "blocks.#.adaLN_modulation.1": `${BLOCK}.norm1.linear`,
  "final_layer.adaLN_modulation.1": "proj_out_1",
  "final_layer.linear": "proj_out_2",
};

/** One embedding in the original, a copy in every block in diffusers. */
const DIT_EMBEDDINGS: Readonly<Record<string, string>> = {
  "t_embedder.mlp.0.": "timestep_embedder.linear_1.",
  "t_embedder.mlp.2.": "timestep_embedder.linear_2.",
  "y_embedder.embedding_table.": "class_embedder.embedding_table.",
};

/** DiT of Meta's release. */
export const DIT_NAMES: NameFamily = {
  kind: "denoiser",
  layout: "DiT's first release",
  markers: ["y_embedder.embedding_table.weight"],
  *map(originals): Generator<readonly [string, Origin]> {
    let blocks = 0;
    while (originals.has(`blocks.${blocks}.attn.qkv.weight`)) blocks++;
    for (const [name, origin] of byTable(DIT, originals)) {
      const embedding = Object.keys(DIT_EMBEDDINGS).find((key) => name.startsWith(key));
      if (embedding === undefined) {
        yield [name === "pos_embed" ? "pos_embed.pos_embed" : name, origin];
        continue;
      }
      const rest = DIT_EMBEDDINGS[embedding] + name.slice(embedding.length);
      for (let i = 0; i < blocks; i++) yield [`transformer_blocks.${i}.norm1.emb.${rest}`, origin];
    }
  },
};

const PIXART: NameTable = {
  ...SHARED,
  "t_embedder.mlp.0": "adaln_single.emb.timestep_embedder.linear_1",
  "t_embedder.mlp.2": "adaln_single.emb.timestep_embedder.linear_2",
  "csize_embedder.mlp.0": "adaln_single.emb.resolution_embedder.linear_1",
  "csize_embedder.mlp.2": "adaln_single.emb.resolution_embedder.linear_2",
  "ar_embedder.mlp.0": "adaln_single.emb.aspect_ratio_embedder.linear_1",
  "ar_embedder.mlp.2": "adaln_single.emb.aspect_ratio_embedder.linear_2",
  "t_block.1": "adaln_single.linear",
  "y_embedder.y_proj.fc1": "caption_projection.linear_1",
  "y_embedder.y_proj.fc2": "caption_projection.linear_2",
  "blocks.#": BLOCK, // scale_shift_table
  "blocks.#.cross_attn.q_linear": `${BLOCK}.attn2.to_q`,
  "blocks.#.cross_attn.kv_linear": halves([`${BLOCK}.attn2.to_k`, `${BLOCK}.attn2.to_v`]),
  "blocks.#.cross_attn.proj": `${BLOCK}.attn2.to_out.0`,
  "final_layer.linear": "proj_out",
};

/** PixArt α and Σ. */
export const PIXART_NAMES: NameFamily = {
  kind: "denoiser",
  layout: "PixArt's first release",
  markers: ["blocks.0.cross_attn.kv_linear.weight"],
  *map(originals): Generator<readonly [string, Origin]> {
    for (const [name, origin] of byTable(PIXART, originals)) {
      // The prompt that training put in place of dropped ones.
      if (name === "y_embedder.y_embedding") continue;
      if (name === "final_layer.scale_shift_table") yield ["scale_shift_table", origin];
      else yield [name === "pos_embed" ? "pos_embed.pos_embed" : name, origin];
    }
  },
};

/** DiT under diffusers' names. */
export const DIT_DIFFUSERS_NAMES: NameFamily = sameNames(
  "denoiser",
  "diffusers' DiTTransformer2DModel",
  "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight",
);

/** PixArt under diffusers' names. */
export const PIXART_DIFFUSERS_NAMES: NameFamily = sameNames(
  "denoiser",
  "diffusers' PixArtTransformer2DModel",
  "adaln_single.emb.timestep_embedder.linear_1.weight",
);
