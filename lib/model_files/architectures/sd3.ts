/**
 * Stable Diffusion 3 and 3.5: medium, large and their turbo versions.
 *
 * @module
 */

import { type Architecture, countOf, hasAll, shapeOf } from "../architecture.ts";

/** Channels of a head where no norm of queries tells them: SD3-medium. */
const HEAD = 64;

/** SD3Transformer2DModel. */
export const SD3: Architecture = {
  class: "SD3Transformer2DModel",
  kind: "denoiser",
  noun: "the transformer of Stable Diffusion 3",
  is: (d) =>
    hasAll(
      d,
      "transformer_blocks.0.norm1_context.linear.weight",
      "pos_embed.pos_embed",
      "pos_embed.proj.weight",
    ),
  derive(d) {
    const [D, inChannels, patch] = shapeOf(d, "pos_embed.proj.weight", 4);
    const head = d.info("transformer_blocks.0.attn.norm_q.weight")?.shape[0] ?? HEAD;
    const layers = countOf(d, "transformer_blocks.");
    const [caption, joint] = shapeOf(d, "context_embedder.weight", 2);
    return {
      certain: {
        patch_size: patch,
        in_channels: inChannels,
        out_channels: shapeOf(d, "proj_out.weight", 2)[0] / patch ** 2,
        num_layers: layers,
        attention_head_dim: head,
        num_attention_heads: D / head,
        joint_attention_dim: joint,
        caption_projection_dim: caption,
        pooled_projection_dim: shapeOf(d, "time_text_embed.text_embedder.linear_1.weight", 2)[1],
        pos_embed_max_size: Math.sqrt(shapeOf(d, "pos_embed.pos_embed", 3)[1]),
        dual_attention_layers: Array.from({ length: layers }, (_, i) => i).filter((i) =>
          d.info(`transformer_blocks.${i}.attn2.to_q.weight`)
        ),
        qk_norm: d.info("transformer_blocks.0.attn.norm_q.weight") ? "rms_norm" : null,
      },
      usual: { sample_size: 128 },
      unknown: D % head === 0 ? undefined : `its width ${D} is no multiple of ${head}, the width of a head`,
    };
  },
};
