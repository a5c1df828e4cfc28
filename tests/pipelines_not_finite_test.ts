/** A model one tensor of which is NaN or infinite never draws a picture: the error names the network. */

import { assert, assertEquals } from "@std/assert";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { poisonedModel, smallPicture } from "./poisoned_models.ts";

/** Model, component, tensor. */
const POISONED: [string, string, string, number?][] = [
  ["sd15", "text_encoder", "text_model.encoder.layers.0.self_attn.q_proj.weight"],
  ["sd15", "text_encoder", "text_model.encoder.layers.1.self_attn.k_proj.bias"],
  ["sd15", "text_encoder", "text_model.embeddings.position_embedding.weight"],
  ["sd15", "unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"],
  ["sd15", "unet", "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"],
  ["sd15", "unet", "up_blocks.2.resnets.0.norm1.weight"],
  ["sd15", "vae", "decoder.mid_block.attentions.0.to_q.weight"],
  ["sd15", "vae", "decoder.conv_norm_out.bias"],
  ["sdxl", "text_encoder_2", "text_model.encoder.layers.0.self_attn.k_proj.weight"],
  ["sdxl", "unet", "add_embedding.linear_1.weight"],
  ["sd3", "text_encoder_3", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"],
  // As a mask it would hide every key.
  [
    "sd3",
    "text_encoder_3",
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
    -Infinity,
  ],
  ["sd3", "transformer", "transformer_blocks.0.attn.add_q_proj.weight"],
  ["flux_dev", "text_encoder_2", "encoder.block.0.layer.0.SelfAttention.q.weight"],
  ["flux_dev", "transformer", "transformer_blocks.0.attn.norm_k.weight"],
  ["flux_dev", "transformer", "single_transformer_blocks.0.attn.to_q.bias"],
  ["dit", "transformer", "transformer_blocks.0.attn1.to_k.weight"],
];

for (const model of ["sd15", "sdxl", "sd3", "flux_dev", "dit"]) {
  Deno.test(`no picture of ${model} is drawn with a tensor that is NaN or infinite, and the error names the network`, async () => {
    using device = await openDevice();
    const cases = POISONED.filter(([of]) => of === model);
    for (const [i, [, component, tensor, put]] of cases.entries()) {
      const value = put ?? (i % 3 === 2 ? Infinity : NaN);
      const dtype = device.info.f16 && model === "sd15" && i % 4 === 3 ? "f16" : "f32";
      const folder = await poisonedModel(model, component, tensor, value);
      const error = await smallPicture(device, folder, dtype).then(() => undefined, (e) => e);
      const what = `${component}, ${tensor} ${value}: ${error}`;
      assert(error instanceof LssgenError, what);
      assertEquals(error.code, "numeric", what);
      assert(error.message.includes(component), what);
    }
  });
}
