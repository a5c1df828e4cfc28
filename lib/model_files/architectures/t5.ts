/**
 * T5's encoder, version 1.1: XXL in SD3 and FLUX.1.
 *
 * @module
 */

import { type Architecture, countOf, hasAll, shapeOf } from "../architecture.ts";

const ATTENTION = "encoder.block.0.layer.0.SelfAttention";
const MLP = "encoder.block.0.layer.1.DenseReluDense";

/** Tokens of T5 v1.1; UMT5 and mT5 have others, and other tokenizers. */
const VOCABULARY = 32128;

/** T5EncoderModel. */
export const T5: Architecture = {
  class: "T5EncoderModel",
  kind: "t5",
  noun: "a T5 text encoder",
  is: (d) => hasAll(d, "encoder.block.0.layer.0.SelfAttention.q.weight"),
  derive(d) {
    const table = d.info("shared.weight") ? "shared.weight" : "encoder.embed_tokens.weight";
    const [vocabulary, width] = shapeOf(d, table, 2);
    const [buckets, heads] = shapeOf(d, `${ATTENTION}.relative_attention_bias.weight`, 2);
    const gated = d.info(`${MLP}.wi_0.weight`) !== undefined;
    return {
      certain: {
        vocab_size: vocabulary,
        d_model: width,
        d_kv: shapeOf(d, `${ATTENTION}.q.weight`, 2)[0] / heads,
        d_ff: shapeOf(d, gated ? `${MLP}.wi_0.weight` : `${MLP}.wi.weight`, 2)[0],
        num_layers: countOf(d, "encoder.block."),
        num_heads: heads,
        relative_attention_num_buckets: buckets,
      },
      usual: {
        feed_forward_proj: gated ? "gated-gelu" : "relu",
        relative_attention_max_distance: 128,
        layer_norm_epsilon: 1e-6,
      },
      unknown: vocabulary === VOCABULARY
        ? undefined
        : `vocab_size is ${vocabulary}, T5 v1.1 has ${VOCABULARY} (UMT5 and mT5 are other encoders), so its tokenizer is ` +
          "not known",
    };
  },
};
