/**
 * CLIP's text encoders: L (SD1.5, SDXL, SD3, FLUX.1), H (SD2) and bigG (SDXL, SD3).
 *
 * @module
 */

import { type Architecture, countOf, type Directory, shapeOf } from "../architecture.ts";

/** Channels of a head in all of them. */
const HEAD = 64;

/** Which CLIP a text encoder is. */
export type ClipSize = "L" | "H" | "bigG";

/** By width. */
export const CLIP_SIZES: Readonly<Record<number, ClipSize>> = { 768: "L", 1024: "H", 1280: "bigG" };
/** SD2's text encoder ends with the last layer but one, as diffusers' config says. */
const LAYERS_OF_H = 23;
const VOCABULARY = 49408;

/** CLIPTextModel; whether with projection, a pipeline says. */
export const CLIP: Architecture = {
  class: "CLIPTextModel",
  kind: "clip",
  noun: "a CLIP text encoder",
  is: (d) =>
    (d.info("text_model.embeddings.token_embedding.weight") ??
      d.info("embeddings.token_embedding.weight")) !==
      undefined,
  derive(d) {
    const at = d.info("text_model.embeddings.token_embedding.weight") ? "text_model." : "";
    const [vocabulary, width] = shapeOf(d, `${at}embeddings.token_embedding.weight`, 2);
    const layers = countOf(d, `${at}encoder.layers.`);
    const size = CLIP_SIZES[width];
    return {
      certain: {
        vocab_size: vocabulary,
        hidden_size: width,
        intermediate_size: shapeOf(d, `${at}encoder.layers.0.mlp.fc1.weight`, 2)[0],
        max_position_embeddings: shapeOf(d, `${at}embeddings.position_embedding.weight`, 2)[0],
        num_hidden_layers: size === "H" ? Math.min(layers, LAYERS_OF_H) : layers,
        ...hasProjection(d) ? { projection_dim: shapeOf(d, "text_projection.weight", 2)[0] } : {},
      },
      usual: {
        num_attention_heads: width / HEAD,
        hidden_act: size === "L" ? "quick_gelu" : "gelu",
        layer_norm_eps: 1e-5,
        // 2 is what older configs have: the end of text is the largest id then.
        eos_token_id: vocabulary === VOCABULARY ? VOCABULARY - 1 : 2,
      },
      unknown: size === undefined
        ? `hidden_size is ${width}, expected ${
          Object.keys(CLIP_SIZES).join(", ")
        }, so the number of attention heads is not known`
        : undefined,
    };
  },
};

/** Whether the pooled output can be projected. */
export function hasProjection(d: Directory): boolean {
  return d.info("text_projection.weight") !== undefined;
}
