/**
 * FLUX.1: dev, schnell, Fill, Depth and Canny.
 *
 * @module
 */

import { type Architecture, countOf, hasAll, shapeOf } from "../architecture.ts";

/** Channels of a head in every released FLUX.1; its rotary axes are known for that width only. */
const HEAD = 128;

/** FluxTransformer2DModel. */
export const FLUX: Architecture = {
  class: "FluxTransformer2DModel",
  kind: "denoiser",
  noun: "the transformer of FLUX.1",
  is: (d) =>
    hasAll(
      d,
      "single_transformer_blocks.0.proj_mlp.weight",
      "time_text_embed.text_embedder.linear_1.weight",
      "time_text_embed.timestep_embedder.linear_1.weight",
    ),
  derive(d) {
    const [D, inChannels] = shapeOf(d, "x_embedder.weight", 2);
    const [head] = shapeOf(d, "transformer_blocks.0.attn.norm_q.weight", 1);
    return {
      certain: {
        in_channels: inChannels,
        out_channels: shapeOf(d, "proj_out.weight", 2)[0],
        num_layers: countOf(d, "transformer_blocks."),
        num_single_layers: countOf(d, "single_transformer_blocks."),
        attention_head_dim: head,
        num_attention_heads: D / head,
        joint_attention_dim: shapeOf(d, "context_embedder.weight", 2)[1],
        pooled_projection_dim: shapeOf(d, "time_text_embed.text_embedder.linear_1.weight", 2)[1],
        guidance_embeds: d.info("time_text_embed.guidance_embedder.linear_1.weight") !== undefined,
      },
      usual: { patch_size: 1, axes_dims_rope: [16, 56, 56] },
      unknown: head === HEAD
        ? undefined
        : `attention_head_dim is ${head}, FLUX.1 has ${HEAD}, so axes_dims_rope is not known`,
    };
  },
};
