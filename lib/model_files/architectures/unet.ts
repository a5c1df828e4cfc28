/**
 * The UNet of Stable Diffusion 1.5, 2.x and SDXL (base, refiner, turbo, and pruned ones such as SSD-1B).
 *
 * @module
 */

import { type Architecture, collapsed, countOf, type Directory, hasAll, shapeOf } from "../architecture.ts";

/** All widths of released UNets are multiples of it. */
const NARROWEST = 64;
/** Width of the text states → channels of a head; SD1.5 has 8 heads at every level instead. */
const HEAD_WIDTH: Readonly<Record<number, number | "8 heads">> = {
  768: "8 heads",
  1024: 64,
  1280: 64,
  2048: 64,
};

/** UNet2DConditionModel. */
export const UNET: Architecture = {
  class: "UNet2DConditionModel",
  kind: "denoiser",
  noun: "the UNet of Stable Diffusion 1.5, 2 or SDXL",
  is: (d) =>
    hasAll(
      d,
      "conv_in.weight",
      "down_blocks.0.resnets.0.time_emb_proj.weight",
      "up_blocks.0.resnets.0.time_emb_proj.weight",
    ),
  derive(d) {
    const L = countOf(d, "down_blocks.");
    const levels = Array.from({ length: L }, (_, i) => i);
    const widths = levels.map((i) => shapeOf(d, `down_blocks.${i}.resnets.0.conv1.weight`, 4)[0]);
    const down = levels.map((i) => depths(d, `down_blocks.${i}`));
    const up = levels.map((i) => depths(d, `up_blocks.${i}`));
    const resnets = levels.map((i) => countOf(d, `down_blocks.${i}.resnets.`));
    const mid = depths(d, "mid_block")[0];
    const cross = crossAttentionDim(d);
    const heads = HEAD_WIDTH[cross];
    const pooled = d.info("add_embedding.linear_1.weight")?.shape[1];
    const guided = d.info("time_embedding.cond_proj.weight")?.shape[1];
    return {
      certain: {
        in_channels: shapeOf(d, "conv_in.weight", 4)[1],
        out_channels: shapeOf(d, "conv_out.weight", 4)[0],
        block_out_channels: widths,
        layers_per_block: collapsed(resnets),
        cross_attention_dim: cross,
        down_block_types: down.map((of) => of.length > 0 ? "CrossAttnDownBlock2D" : "DownBlock2D"),
        up_block_types: up.map((of) => of.length > 0 ? "CrossAttnUpBlock2D" : "UpBlock2D"),
        ...pooled === undefined ? {} : {
          addition_embed_type: "text_time",
          projection_class_embeddings_input_dim: pooled,
        },
        ...guided === undefined ? {} : { time_cond_proj_dim: guided },
      },
      usual: {
        ...transformerLayers(down, up, mid, resnets),
        mid_block_type: mid !== undefined
          ? "UNetMidBlock2DCrossAttn"
          : countOf(d, "mid_block.resnets.") > 0
          ? "UNetMidBlock2D"
          : null,
        attention_head_dim: typeof heads === "number" ? widths.map((width) => width / heads) : 8,
        use_linear_projection: heads !== "8 heads",
        norm_num_groups: 32,
        norm_eps: 1e-5,
        ...pooled === undefined ? {} : { addition_time_embed_dim: 256 },
      },
      unknown: heads === undefined || widths.some((width) => width % NARROWEST !== 0)
        ? `cross_attention_dim is ${cross} and block_out_channels are ${widths.join(", ")}, expected one of ${
          Object.keys(HEAD_WIDTH).join(", ")
        } and multiples of ${NARROWEST}, so the number of attention heads is not known`
        : undefined,
    };
  },
};

/** Transformer blocks of each attention of a block. */
function depths(d: Directory, block: string): number[] {
  return Array.from(
    { length: countOf(d, `${block}.attentions.`) },
    (_, i) => countOf(d, `${block}.attentions.${i}.transformer_blocks.`),
  );
}

function crossAttentionDim(d: Directory): number {
  for (const name of d.names()) {
    if (name.endsWith(".attn2.to_k.weight")) return shapeOf(d, name, 2)[1];
  }
  return shapeOf(d, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", 2)[1];
}

/** `transformer_layers_per_block`, and the way up where it is no mirror of the way down. */
function transformerLayers(
  down: readonly (readonly number[])[],
  up: readonly (readonly number[])[],
  mid: number | undefined,
  resnets: readonly number[],
): Record<string, unknown> {
  // A level without attention has a number too; the last one's is that of the middle block.
  const even = down.map((of, i) => of.length > 0 ? collapsed(of) : i === down.length - 1 ? mid ?? 1 : 1);
  const mirrored = even.every((depth, i) => {
    const back = up[up.length - 1 - i];
    return typeof depth === "number" && (back.length === 0 || back.every((n) => n === depth));
  });
  if (mirrored) {
    const used = new Set(even.filter((_, i) => down[i].length > 0));
    if (mid !== undefined) used.add(mid);
    return { transformer_layers_per_block: used.size === 1 ? [...used][0] : even };
  }
  return {
    transformer_layers_per_block: down.map((of, i) => of.length > 0 ? of : Array(resnets[i]).fill(even[i])),
    reverse_transformer_layers_per_block: up.map((of, i) =>
      of.length > 0 ? of : Array(resnets[resnets.length - 1 - i] + 1).fill(1)
    ),
  };
}
