/**
 * The walk of lib/scaling over latents on the GPU.
 *
 * @module
 */

import { combine } from "../ops/elementwise.ts";
import { resample } from "../ops/resample.ts";
import { philoxNormals } from "../random.ts";
import type { Denoising } from "../scaling/run_plan.ts";
import type { StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import { type GpuDenoising, type NoiseSource, type NoiseUse, noLearnedUpsampler } from "./denoising.ts";
import type { FurtherDenoising } from "./further_latents.ts";

/** Noise of a seed: a stream each for every stage, picture and use. */
export function seededNoise(seed: number, picture: number): NoiseSource {
  return (stage, count, use) => {
    const draw = use === "stage" ? 0 : use === "posterior" ? 1 : 2 + use;
    return philoxNormals({ seed, stage: stage.index, picture, draw }, count);
  };
}

/** Noise as PyTorch draws it from one generator, call after call; steps of a schedule come in their order too. */
export async function torchNoise(seed: number, where: "torch-cpu" | "torch-cuda"): Promise<NoiseSource> {
  const { TorchCpuGenerator, TorchCudaGenerator } = await import("../random_torch.ts");
  const generator = where === "torch-cpu" ? new TorchCpuGenerator(seed) : new TorchCudaGenerator(seed);
  return (_, count) => generator.randn(count);
}

/** Latents are tensors [1, h, w, C] f32. */
export function gpuDenoising(g: GpuDenoising): Denoising<Tensor> {
  const { r, scope, channels } = g;
  const draw = (stage: StagePlan, use: NoiseUse): Tensor => {
    const { latentHeight: h, latentWidth: w } = stage;
    return r.upload([1, h, w, channels], () => channelsLast(g.noise(stage, h * w * channels, use), channels));
  };
  let begun = false;
  let loaded: FurtherDenoising | undefined;
  const further = async (): Promise<FurtherDenoising> => {
    const { furtherDenoising } = await import("./further_latents.ts");
    return loaded ??= furtherDenoising(g, draw);
  };
  return {
    noise(stage) {
      // FluxFillPipeline encodes the picture first, for nothing: PyTorch's generator is one draw further by then.
      if (g.maskInput === "pixels" && g.image) scope.free(draw(stage, "posterior"));
      return draw(stage, "stage");
    },
    preview: g.preview,
    stepNoise: (step, stage) => draw(stage, step.index),
    async denoise(latents, step, stage) {
      const input = g.maskInput ? await (await further()).withMask(g.maskInput, latents, stage) : latents;
      if (!begun && stage.part) await (await further()).begin(stage);
      begun = true;
      const output = g.denoise(r, input, step, stage, loaded?.tokens());
      if (input !== latents) scope.free(input);
      await r.pace();
      return output;
    },
    image: async (stage) => await (await further()).image(stage),
    // What is known is asked for before.
    inpaint: (latents, known, stage) => loaded!.inpaint(latents, known, stage),
    guide: async (x0, stage) => await (await further()).guide(x0, stage),
    async upsample(latents, stage, upsampler) {
      g.onUpsample?.(stage);
      const { latentHeight: h, latentWidth: w } = stage;
      switch (upsampler) {
        case "learned": {
          if (!g.upsampler) throw noLearnedUpsampler();
          return g.upsampler.forward(r, latents, stage.grow?.level ?? 0);
        }
        case "bicubic":
        case "bilinear":
        case "nearest":
          return resample(r, latents, h, w, upsampler);
        default:
          return await (await further()).upsample(latents, stage, upsampler);
      }
    },
    regroup: async (left, noise, stage) => await (await further()).regroup(left, noise, stage),
    highBand: async (noise, stage, before) => await (await further()).highBand(noise, stage, before),
    combine: (parts) => combine(r, parts.map(([coef, tensor]) => ({ coef, tensor }))),
    release: (latents) => scope.free(latents),
  };
}

/** [C, h, w] → [h, w, C]. */
export function channelsLast(x: Float32Array, C: number): Float32Array<ArrayBuffer> {
  const n = x.length / C;
  const out = new Float32Array(x.length);
  for (let c = 0; c < C; c++) for (let i = 0; i < n; i++) out[i * C + c] = x[c * n + i];
  return out;
}
