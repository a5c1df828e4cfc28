/** Tensors of golden checkpoints, and the names that other tools give them: the inverse of lib/weights/names. */

import { bytesOf } from "../lib/weights/bytes.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";

const ROOT = new URL("./golden/", import.meta.url);

/** A tensor in memory. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** Tensors of a golden checkpoint. */
export async function tensorsOf(path: string): Promise<Map<string, Tensor>> {
  const file = await openSafetensors(bytesOf(path, await Deno.readFile(new URL(path, ROOT))));
  const tensors = new Map<string, Tensor>();
  for (const name of file.names()) {
    tensors.set(name, { shape: file.info(name)!.shape, data: await file.readF32(name) });
  }
  return tensors;
}

/** diffusers' AutoencoderKL → the names of ae.safetensors; its attention is made of 1×1 convolutions. */
export function ldmVae(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const levels = 1 +
    Math.max(...[...tensors.keys()].map((n) => Number(/up_blocks\.(\d+)/.exec(n)?.[1] ?? 0)));
  const out = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const old = name
      .replace("conv_norm_out", "norm_out")
      .replace(/mid_block\.resnets\.(\d)/, (_, i) => `mid.block_${Number(i) + 1}`)
      .replace(/down_blocks\.(\d+)\.resnets\.(\d+)/, "down.$1.block.$2")
      .replace(/down_blocks\.(\d+)\.downsamplers\.0/, "down.$1.downsample")
      .replace(/up_blocks\.(\d+)\.resnets\.(\d+)/, (_, i, j) => `up.${levels - 1 - i}.block.${j}`)
      .replace(/up_blocks\.(\d+)\.upsamplers\.0/, (_, i) => `up.${levels - 1 - i}.upsample`)
      .replace("conv_shortcut", "nin_shortcut")
      .replace("mid_block.attentions.0", "mid.attn_1")
      .replace("group_norm", "norm")
      .replace(/to_([qkv])/, "$1")
      .replace("to_out.0", "proj_out");
    const conv = /attn_1\.(q|k|v|proj_out)\.weight$/.test(old);
    out.set(old, conv ? { ...tensor, shape: [...tensor.shape, 1, 1] } : tensor);
  }
  return out;
}

/** transformers' CLIP → OpenCLIP's names, fused and transposed. */
export function openClip(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const qkv = /^text_model\.encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)$/.exec(name);
    if (qkv) {
      const three = ["q", "k", "v"].map((x) => tensors.get(name.replace("q_proj", `${x}_proj`))!);
      const [rows, ...rest] = tensor.shape;
      const data = new Float32Array(3 * tensor.data.length);
      three.forEach((t, i) => data.set(t.data, i * tensor.data.length));
      out.set(`transformer.resblocks.${qkv[1]}.attn.in_proj_${qkv[2]}`, { shape: [3 * rows, ...rest], data });
    } else if (name === "text_projection.weight") {
      const [N, K] = tensor.shape;
      const data = new Float32Array(N * K);
      for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) data[k * N + n] = tensor.data[n * K + k];
      out.set("text_projection", { shape: [K, N], data });
    } else if (!/self_attn\.[kv]_proj/.test(name)) {
      out.set(
        name
          .replace("text_model.embeddings.token_embedding.weight", "token_embedding.weight")
          .replace("text_model.embeddings.position_embedding.weight", "positional_embedding")
          .replace("text_model.final_layer_norm", "ln_final")
          .replace("text_model.encoder.layers", "transformer.resblocks")
          .replace("layer_norm", "ln_")
          .replace("self_attn.out_proj", "attn.out_proj")
          .replace("mlp.fc1", "mlp.c_fc")
          .replace("mlp.fc2", "mlp.c_proj"),
        tensor,
      );
    }
  }
  return out;
}

/** transformers' T5 encoder → llama.cpp's names. */
export function llamaT5(name: string): string {
  return name
    .replace("shared.", "token_embd.")
    .replace("encoder.final_layer_norm", "enc.output_norm")
    .replace(/encoder\.block\.(\d+)/, "enc.blk.$1")
    .replace(/layer\.0\.SelfAttention\.([qkvo])\./, "attn_$1.")
    .replace("layer.0.SelfAttention.relative_attention_bias", "attn_rel_b")
    .replace("layer.0.layer_norm", "attn_norm")
    .replace("layer.1.layer_norm", "ffn_norm")
    .replace("layer.1.DenseReluDense.wi_0", "ffn_gate")
    .replace("layer.1.DenseReluDense.wi_1", "ffn_up")
    .replace("layer.1.DenseReluDense.wo", "ffn_down");
}
