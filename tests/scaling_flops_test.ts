/** FLOPs against torch's counter on the real models' configs, and the savings that follow. */

import { assert, assertEquals } from "@std/assert";
import { costOf, fluxFlops, vaeDecodeFlops } from "../lib/scaling/flops.ts";
import { sd3Flops } from "../lib/scaling/flops_sd3.ts";
import { unetFlops } from "../lib/scaling/flops_unet.ts";
import { planStages } from "../lib/scaling/plan_stages.ts";
import { formatPlan } from "../lib/scaling/plan_text.ts";
import type { LatentSpace, PlanRequest } from "../lib/scaling/types.ts";
import { createScheduler } from "../lib/schedulers/registry.ts";

const FLUX = {
  in_channels: 64,
  num_layers: 19,
  num_single_layers: 38,
  attention_head_dim: 128,
  num_attention_heads: 24,
  joint_attention_dim: 4096,
  pooled_projection_dim: 768,
  guidance_embeds: true,
};
const SD35_MEDIUM = {
  patch_size: 2,
  in_channels: 16,
  out_channels: 16,
  num_layers: 24,
  attention_head_dim: 64,
  num_attention_heads: 24,
  joint_attention_dim: 4096,
  pooled_projection_dim: 2048,
  dual_attention_layers: Array.from({ length: 13 }, (_, i) => i),
};
const SDXL = {
  in_channels: 4,
  out_channels: 4,
  block_out_channels: [320, 640, 1280],
  layers_per_block: [2, 2, 2],
  down_attention: [false, true, true],
  up_attention: [true, true, false],
  down_transformers: [[], [2, 2], [10, 10]],
  mid_transformers: 10,
  up_transformers: [[10, 10, 10], [2, 2, 2], []],
  mid_block_type: "UNetMidBlock2DCrossAttn",
  cross_attention_dim: 2048,
  projection_class_embeddings_input_dim: 2816,
};
const SD15 = {
  ...SDXL,
  block_out_channels: [320, 640, 1280, 1280],
  layers_per_block: [2, 2, 2, 2],
  down_attention: [true, true, true, false],
  up_attention: [false, true, true, true],
  down_transformers: [[1, 1], [1, 1], [1, 1], []],
  mid_transformers: 1,
  up_transformers: [[], [1, 1, 1], [1, 1, 1], [1, 1, 1]],
  cross_attention_dim: 768,
  projection_class_embeddings_input_dim: 0,
};

Deno.test("FLOPs equal torch.utils.flop_counter on diffusers' models", () => {
  assertEquals(fluxFlops(FLUX, 1024, 512), 21_502_600_151_040);
  assertEquals(sd3Flops(SD35_MEDIUM, 4096, 333), 11_249_573_707_776);
  assertEquals(unetFlops(SDXL, 128, 128, 77), 6_761_236_398_080);
  assertEquals(unetFlops(SD15, 64, 64, 77), 803_273_441_280);
  const vae = {
    out_channels: 3,
    latent_channels: 16,
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
    mid_block_add_attention: true,
    use_post_quant_conv: false,
  };
  assertEquals(vaeDecodeFlops(vae, 128, 128), 10_472_204_009_472);
});

const flow = (dynamic: boolean) =>
  createScheduler({
    _class_name: "FlowMatchEulerDiscreteScheduler",
    shift: 3,
    use_dynamic_shifting: dynamic,
  });
const euler = createScheduler({
  _class_name: "EulerDiscreteScheduler",
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  timestep_spacing: "leading",
  steps_offset: 1,
});
const space: LatentSpace = { vaeFactor: 8, patch: 2, indivisible: "round", sigmas: "linear" };

function speedup(side: number, over: Pick<PlanRequest, "steps" | "scheduler" | "cost" | "space">): string {
  const plan = planStages({
    width: side,
    height: side,
    minResolution: 512,
    baseResolution: 1024,
    initNoise: 0.75,
    shortenSteps: true,
    upsampler: "learned",
    ...over,
  });
  return plan.speedup!.toFixed(2);
}

Deno.test("The ideal savings at 1024² and 2048² are the ones on record", () => {
  const flux = {
    steps: 50,
    scheduler: flow(true),
    space,
    cost: costOf((h, w) => fluxFlops(FLUX, h * w / 4, 512), 1),
  };
  assertEquals([speedup(1024, flux), speedup(2048, flux)], ["1.55", "1.63"]);
  const unet: LatentSpace = { ...space, patch: 1, sigmas: "scheduler" };
  const sdxl = {
    steps: 50,
    scheduler: euler,
    space: unet,
    cost: costOf((h, w) => unetFlops(SDXL, h, w, 77), 2),
  };
  assertEquals([speedup(1024, sdxl), speedup(2048, sdxl)], ["1.17", "1.11"]);
});

Deno.test("A formatted plan names every stage, its cost and its warnings", () => {
  const text = formatPlan(planStages({
    width: 72,
    height: 80,
    minResolution: 32,
    baseResolution: 64,
    steps: 4,
    initNoise: 0.75,
    shortenSteps: true,
    upsampler: "pixel",
    scheduler: flow(true),
    space,
    cost: costOf((h, w) => fluxFlops(FLUX, h * w / 4, 512), 1),
  }));
  for (
    const part of [
      "lssgen: 64×64",
      "32×32",
      "3 of 4",
      "pixel",
      "TFLOP",
      "warning: Size 72×80 does not divide by 32",
    ]
  ) {
    assert(text.includes(part), `${part} is missing in:\n${text}`);
  }
});
