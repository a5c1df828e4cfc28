/**
 * CLIP's text encoder under the names of transformers, of OpenAI's release and of OpenCLIP → CLIPTextModel's.
 *
 * @module
 */

import { alsoWrapped, type NameFamily, type Origin, type Originals, withoutWrapper } from "./family.ts";
import { thirdsOf } from "./table.ts";

/** transformers' names behind any prefix, also as stable-diffusion.cpp writes them. */
export const CLIP_NAMES: NameFamily = {
  kind: "clip",
  layout: "transformers' CLIP",
  markers: alsoWrapped("text_model.embeddings.token_embedding.weight"),
  *map(originals): Generator<readonly [string, Origin]> {
    for (const [tensor, shape] of originals) {
      const name = withoutWrapper(tensor);
      const fused = /^(.*\.self_attn)\.in_proj\.(weight|bias)$/.exec(name);
      if (fused) yield* attention(tensor, shape, fused[1], fused[2]);
      else if (/^(text_model\.)?text_projection$/.test(name)) {
        yield ["text_projection.weight", { tensor, transposed: true }];
      } else yield [name, { tensor }];
    }
  },
};

/** The same without `text_model`, as transformers from version 5.6 on writes CLIPTextModel. */
export const CLIP_FLAT_NAMES: NameFamily = {
  ...CLIP_NAMES,
  markers: alsoWrapped("embeddings.token_embedding.weight"),
};

const OUTSIDE: Readonly<Record<string, string>> = {
  "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
  "positional_embedding": "text_model.embeddings.position_embedding.weight",
  "ln_final.weight": "text_model.final_layer_norm.weight",
  "ln_final.bias": "text_model.final_layer_norm.bias",
};

const LAYER: Readonly<Record<string, string>> = {
  "ln_1": "layer_norm1",
  "ln_2": "layer_norm2",
  "attn.out_proj": "self_attn.out_proj",
  "mlp.c_fc": "mlp.fc1",
  "mlp.c_proj": "mlp.fc2",
};

/**
 * OpenCLIP's and OpenAI's names: bigG of SDXL and SD3, H of SD2. Query, key and value are fused, and `text_projection`
 * without `.weight` is a parameter [in, out], where transformers has a layer [out, in].
 */
export const OPEN_CLIP_NAMES: NameFamily = {
  kind: "clip",
  layout: "OpenCLIP",
  markers: ["transformer.resblocks.0.attn.in_proj_weight"],
  *map(originals, prefix): Generator<readonly [string, Origin]> {
    // SD2 uses the last layer but one: diffusers leaves the last one and the projection out of its text encoder.
    const unused = prefix.endsWith("cond_stage_model.model.") ? layers(originals) - 1 : Infinity;
    for (const [tensor, shape] of originals) {
      const outside = OUTSIDE[tensor];
      const layer = /^transformer\.resblocks\.(\d+)\.(.+)\.(\w+)$/.exec(tensor);
      const fused = /^transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)$/.exec(tensor);
      if (Number((fused ?? layer)?.[1]) >= unused) continue;
      if (outside) yield [outside, { tensor }];
      else if (tensor === "text_projection") {
        if (unused === Infinity) yield ["text_projection.weight", { tensor, transposed: true }];
      } else if (fused) {
        yield* attention(tensor, shape, `text_model.encoder.layers.${fused[1]}.self_attn`, fused[2]);
      } else if (layer && LAYER[layer[2]]) {
        yield [`text_model.encoder.layers.${layer[1]}.${LAYER[layer[2]]}.${layer[3]}`, { tensor }];
      } else yield [tensor, { tensor }];
    }
  },
  original() {
    const outside = new Map(Object.entries(OUTSIDE).map(([original, name]) => [name, original]));
    const layers = new Map(Object.entries(LAYER).map(([original, name]) => [name, original]));
    return (name) => {
      if (name === "text_projection.weight") return "text_projection";
      const [, n, module, leaf] = /^text_model\.encoder\.layers\.(\d+)\.(.+)\.(\w+)$/.exec(name) ?? [];
      if (n === undefined) return outside.get(name) ?? name;
      return /^self_attn\.[qkv]_proj$/.test(module)
        ? `transformer.resblocks.${n}.attn.in_proj_${leaf}`
        : `transformer.resblocks.${n}.${layers.get(module) ?? module}.${leaf}`;
    };
  },
};

function layers(originals: Originals): number {
  let n = 0;
  while (originals.has(`transformer.resblocks.${n}.ln_1.weight`)) n++;
  return n;
}

/** Query, key and value of one fused tensor. */
function* attention(
  tensor: string,
  shape: readonly number[],
  module: string,
  leaf: string,
): Generator<readonly [string, Origin]> {
  const parts = thirdsOf(shape[0] ?? 0);
  for (const [i, name] of ["q_proj", "k_proj", "v_proj"].entries()) {
    yield [`${module}.${name}.${leaf}`, { tensor, rows: [parts[i]] }];
  }
}
