/**
 * Whole files in the layouts of other tools: denoisers under the names of their first releases, prefixes, headers. The
 * other components' names are in foreign_names.ts; both are the inverse of lib/weights/names, written independently of it.
 */

import { writeSafetensors } from "../lib/weights/safetensors.ts";
import type { Tensor } from "./foreign_names.ts";

/** Tensors by name. */
export type Tensors = ReadonlyMap<string, Tensor>;

/** A safetensors file of them, with facts in its header. */
export function fileOf(tensors: Tensors, metadata?: Record<string, string>): Uint8Array<ArrayBuffer> {
  const bytes = writeSafetensors([...tensors].map(([name, tensor]) => ({ name, ...tensor })));
  if (!metadata) return bytes;
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const json = new TextDecoder().decode(bytes.subarray(8, 8 + length)).trimEnd();
  let text = `{"__metadata__":${JSON.stringify(metadata)},${json.slice(1)}`;
  text += " ".repeat((8 - text.length % 8) % 8);
  const header = new TextEncoder().encode(text);
  const out = new Uint8Array(8 + header.length + bytes.length - 8 - length);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  out.set(bytes.subarray(8 + length), 8 + header.length);
  return out;
}

/** The same tensors with something before their names. */
export function prefixed(prefix: string, tensors: Tensors): Map<string, Tensor> {
  return renamed(tensors, (name) => prefix + name);
}

/** Several sets of tensors in one. */
export function together(...sets: readonly Tensors[]): Map<string, Tensor> {
  return new Map(sets.flatMap((set) => [...set]));
}

/** The same tensors under other names. */
export function renamed(tensors: Tensors, rename: (name: string) => string): Map<string, Tensor> {
  return new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
}

/** Tensors end to end along their first axis. */
function stacked(tensors: readonly Tensor[]): Tensor {
  const data = new Float32Array(tensors.reduce((sum, t) => sum + t.data.length, 0));
  let at = 0;
  for (const t of tensors) {
    data.set(t.data, at);
    at += t.data.length;
  }
  const rows = tensors.reduce((sum, t) => sum + t.shape[0], 0);
  return { shape: [rows, ...tensors[0].shape.slice(1)], data };
}

/** The two halves of the first axis in the other order. */
function swapped({ shape, data }: Tensor): Tensor {
  const half = data.length / 2;
  const out = new Float32Array(data.length);
  out.set(data.subarray(half));
  out.set(data.subarray(0, half), half);
  return { shape, data: out };
}

/** Modules that are one in the foreign file: the first stands for all of them. */
function fused(
  tensors: Tensors,
  groups: readonly (readonly [modules: readonly string[], into: string])[],
  rename: (name: string) => string,
): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const dot = name.lastIndexOf(".");
    const [module, leaf] = [name.slice(0, dot), name.slice(dot)];
    const group = groups.find(([modules]) => modules.some((m) => module.endsWith(`.${m}`)));
    if (!group) out.set(rename(name), tensor);
    else if (module.endsWith(`.${group[0][0]}`)) {
      const block = module.slice(0, -group[0][0].length);
      const parts = group[0].map((m) => tensors.get(block + m + leaf)!);
      out.set(rename(block) + group[1] + leaf, stacked(parts));
    }
  }
  return out;
}

/** FluxTransformer2DModel → Black Forest Labs' names. */
export function bflFlux(tensors: Tensors): Map<string, Tensor> {
  const rename = (name: string): string =>
    name
      .replace(/^transformer_blocks\./, "double_blocks.")
      .replace(/^single_transformer_blocks\./, "single_blocks.")
      .replace(/^(single_blocks\.\d+\.)norm\.linear/, "$1modulation.lin")
      .replace(/^(single_blocks\.\d+\.)proj_out/, "$1linear2")
      .replace(/^(single_blocks\.\d+\.)attn\.norm_q\.weight/, "$1norm.query_norm.scale")
      .replace(/^(single_blocks\.\d+\.)attn\.norm_k\.weight/, "$1norm.key_norm.scale")
      .replace("norm1.linear", "img_mod.lin")
      .replace("norm1_context.linear", "txt_mod.lin")
      .replace("attn.norm_q.weight", "img_attn.norm.query_norm.scale")
      .replace("attn.norm_k.weight", "img_attn.norm.key_norm.scale")
      .replace("attn.norm_added_q.weight", "txt_attn.norm.query_norm.scale")
      .replace("attn.norm_added_k.weight", "txt_attn.norm.key_norm.scale")
      .replace("attn.to_out.0", "img_attn.proj")
      .replace("attn.to_add_out", "txt_attn.proj")
      .replace("ff.net.0.proj", "img_mlp.0").replace("ff.net.2", "img_mlp.2")
      .replace("ff_context.net.0.proj", "txt_mlp.0").replace("ff_context.net.2", "txt_mlp.2")
      .replace(/^x_embedder/, "img_in").replace(/^context_embedder/, "txt_in")
      .replace("time_text_embed.timestep_embedder.linear_1", "time_in.in_layer")
      .replace("time_text_embed.timestep_embedder.linear_2", "time_in.out_layer")
      .replace("time_text_embed.guidance_embedder.linear_1", "guidance_in.in_layer")
      .replace("time_text_embed.guidance_embedder.linear_2", "guidance_in.out_layer")
      .replace("time_text_embed.text_embedder.linear_1", "vector_in.in_layer")
      .replace("time_text_embed.text_embedder.linear_2", "vector_in.out_layer")
      .replace(/^proj_out/, "final_layer.linear")
      .replace(/^norm_out\.linear/, "final_layer.adaLN_modulation.1");
  const single = new Map([...tensors].filter(([name]) => name.startsWith("single_")));
  const other = new Map([...tensors].filter(([name]) => !name.startsWith("single_")));
  const out = together(
    fused(single, [[["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"], "linear1"]], rename),
    fused(other, [
      [["attn.to_q", "attn.to_k", "attn.to_v"], "img_attn.qkv"],
      [["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"], "txt_attn.qkv"],
    ], rename),
  );
  for (const leaf of ["weight", "bias"]) {
    const name = `final_layer.adaLN_modulation.1.${leaf}`;
    out.set(name, swapped(out.get(name)!));
  }
  return out;
}

/** SD3Transformer2DModel → Stability AI's names. */
export function mmdit(tensors: Tensors): Map<string, Tensor> {
  const last = Math.max(
    ...[...tensors.keys()].map((n) => Number(/^transformer_blocks\.(\d+)/.exec(n)?.[1] ?? 0)),
  );
  const rename = (name: string): string =>
    name
      .replace(/^transformer_blocks\./, "joint_blocks.")
      .replace("norm1.linear", "x_block.adaLN_modulation.1")
      .replace("norm1_context.linear", "context_block.adaLN_modulation.1")
      .replace("attn.norm_q", "x_block.attn.ln_q").replace("attn.norm_k", "x_block.attn.ln_k")
      .replace("attn2.norm_q", "x_block.attn2.ln_q").replace("attn2.norm_k", "x_block.attn2.ln_k")
      .replace("attn.norm_added_q", "context_block.attn.ln_q")
      .replace("attn.norm_added_k", "context_block.attn.ln_k")
      .replace("attn.to_out.0", "x_block.attn.proj").replace("attn2.to_out.0", "x_block.attn2.proj")
      .replace("attn.to_add_out", "context_block.attn.proj")
      .replace("ff.net.0.proj", "x_block.mlp.fc1").replace("ff.net.2", "x_block.mlp.fc2")
      .replace("ff_context.net.0.proj", "context_block.mlp.fc1")
      .replace("ff_context.net.2", "context_block.mlp.fc2")
      .replace("pos_embed.proj", "x_embedder.proj").replace("pos_embed.pos_embed", "pos_embed")
      .replace("time_text_embed.timestep_embedder.linear_1", "t_embedder.mlp.0")
      .replace("time_text_embed.timestep_embedder.linear_2", "t_embedder.mlp.2")
      .replace("time_text_embed.text_embedder.linear_1", "y_embedder.mlp.0")
      .replace("time_text_embed.text_embedder.linear_2", "y_embedder.mlp.2")
      .replace(/^proj_out/, "final_layer.linear")
      .replace(/^norm_out\.linear/, "final_layer.adaLN_modulation.1");
  const out = fused(tensors, [
    [["attn.to_q", "attn.to_k", "attn.to_v"], "x_block.attn.qkv"],
    [["attn2.to_q", "attn2.to_k", "attn2.to_v"], "x_block.attn2.qkv"],
    [["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"], "context_block.attn.qkv"],
  ], rename);
  for (const leaf of ["weight", "bias"]) {
    for (const module of ["final_layer", `joint_blocks.${last}.context_block`]) {
      const name = `${module}.adaLN_modulation.1.${leaf}`;
      out.set(name, swapped(out.get(name)!));
    }
  }
  return out;
}

/** UNet2DConditionModel → the names of latent diffusion: blocks are numbered in one row. */
export function ldmUnet(tensors: Tensors): Map<string, Tensor> {
  const has = (prefix: string): boolean => [...tensors.keys()].some((name) => name.startsWith(prefix));
  const places: [diffusers: string, ldm: string][] = [];
  let n = 1;
  for (let level = 0; has(`down_blocks.${level}.`); level++) {
    for (let i = 0; has(`down_blocks.${level}.resnets.${i}.`); i++, n++) {
      places.push([`down_blocks.${level}.resnets.${i}.`, `input_blocks.${n}.0.`]);
      places.push([`down_blocks.${level}.attentions.${i}.`, `input_blocks.${n}.1.`]);
    }
    if (has(`down_blocks.${level}.downsamplers`)) {
      places.push([`down_blocks.${level}.downsamplers.0.conv.`, `input_blocks.${n++}.0.op.`]);
    }
  }
  n = 0;
  for (let level = 0; has(`up_blocks.${level}.`); level++) {
    for (let i = 0; has(`up_blocks.${level}.resnets.${i}.`); i++, n++) {
      places.push([`up_blocks.${level}.resnets.${i}.`, `output_blocks.${n}.0.`]);
      places.push([`up_blocks.${level}.attentions.${i}.`, `output_blocks.${n}.1.`]);
    }
    const at = has(`up_blocks.${level}.attentions.`) ? 2 : 1;
    places.push([`up_blocks.${level}.upsamplers.0.conv.`, `output_blocks.${n - 1}.${at}.conv.`]);
  }
  places.push(
    ["mid_block.resnets.0.", "middle_block.0."],
    ["mid_block.attentions.0.", "middle_block.1."],
    ["mid_block.resnets.1.", "middle_block.2."],
    ["conv_in.", "input_blocks.0.0."],
    ["conv_norm_out.", "out.0."],
    ["conv_out.", "out.2."],
    ["time_embedding.linear_1.", "time_embed.0."],
    ["time_embedding.linear_2.", "time_embed.2."],
    ["add_embedding.linear_1.", "label_emb.0.0."],
    ["add_embedding.linear_2.", "label_emb.0.2."],
  );
  const inResnet = (name: string): string =>
    name.replace("norm1.", "in_layers.0.").replace("conv1.", "in_layers.2.").replace(
      "time_emb_proj.",
      "emb_layers.1.",
    )
      .replace("norm2.", "out_layers.0.").replace("conv2.", "out_layers.3.")
      .replace("conv_shortcut.", "skip_connection.");
  return renamed(tensors, (name) => {
    const [from, to] = places.find(([from]) => name.startsWith(from))!;
    const rest = name.slice(from.length);
    return to + (from.includes(".resnets.") ? inResnet(rest) : rest);
  });
}
