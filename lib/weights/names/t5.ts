/**
 * T5's encoder under transformers' names and under those of llama.cpp's GGUF files → T5EncoderModel's.
 *
 * @module
 */

import { alsoWrapped, type NameFamily, type Origin, sameNames } from "./family.ts";

/** transformers' names behind any prefix. */
export const T5_NAMES: NameFamily = sameNames(
  "t5",
  "transformers' T5",
  ...alsoWrapped("encoder.block.0.layer.0.SelfAttention.q.weight"),
);

const OUTSIDE: Readonly<Record<string, string>> = {
  "token_embd": "shared",
  "enc.output_norm": "encoder.final_layer_norm",
  "dec.output_norm": "decoder.final_layer_norm",
  "output": "lm_head",
};

const BLOCK: Readonly<Record<string, string>> = {
  "attn_norm": "layer.0.layer_norm",
  "attn_q": "layer.0.SelfAttention.q",
  "attn_k": "layer.0.SelfAttention.k",
  "attn_v": "layer.0.SelfAttention.v",
  "attn_o": "layer.0.SelfAttention.o",
  "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
  "ffn_norm": "layer.1.layer_norm",
  "ffn_gate": "layer.1.DenseReluDense.wi_0",
  "ffn_down": "layer.1.DenseReluDense.wo",
};

/** llama.cpp's names (architectures t5 and t5encoder). */
export const T5_GGUF_NAMES: NameFamily = {
  kind: "t5",
  layout: "llama.cpp's T5",
  markers: ["enc.blk.0.attn_q.weight"],
  *map(originals): Generator<readonly [string, Origin]> {
    const gated = originals.has("enc.blk.0.ffn_gate.weight");
    for (const tensor of originals.keys()) {
      const dot = tensor.lastIndexOf(".");
      const module = tensor.slice(0, Math.max(dot, 0));
      const leaf = tensor.slice(dot + 1);
      const block = /^enc\.blk\.(\d+)\.(\w+)$/.exec(module);
      const place = block
        ? block[2] === "ffn_up" ? `layer.1.DenseReluDense.${gated ? "wi_1" : "wi"}` : BLOCK[block[2]]
        : OUTSIDE[module];
      // Cross-attention has no counterpart here; under `decoder` it is what an encoder leaves out.
      const decoder = module.replace(/^dec\.blk\./, "decoder.block.");
      if (place) yield [`${block ? `encoder.block.${block[1]}.` : ""}${place}.${leaf}`, { tensor }];
      else yield [module === decoder ? tensor : `${decoder}.${leaf}`, { tensor }];
    }
  },
  original() {
    const outside = new Map(Object.entries(OUTSIDE).map(([original, name]) => [name, original]));
    const places = new Map(Object.entries(BLOCK).map(([original, name]) => [name, original]));
    for (const up of ["wi_1", "wi"]) places.set(`layer.1.DenseReluDense.${up}`, "ffn_up");
    return (name) => {
      const [, n, module, leaf] = /^encoder\.block\.(\d+)\.(.+)\.(\w+)$/.exec(name) ?? [];
      const dot = name.lastIndexOf(".");
      if (n === undefined) {
        return `${outside.get(name.slice(0, dot)) ?? name.slice(0, dot)}${name.slice(dot)}`;
      }
      return `enc.blk.${n}.${places.get(module) ?? module}.${leaf}`;
    };
  },
};
