/**
 * The walk of lib/scaling over latents on the GPU.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder, Scope } from "../gpu/recorder.ts";
import type { LatentUpsampler } from "../models/latent_upsampler.ts";
import { combine } from "../ops/elementwise.ts";
import { resample } from "../ops/resample.ts";
import { philoxNormals } from "../random.ts";
import type { Denoising } from "../scaling/lssgen.ts";
import type { StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import type { Denoiser } from "./family.ts";
import type { Vae } from "./vae.ts";

/** What noise is for: a stage's start, the posterior of an encoded picture, or a step of a stochastic sampler. */
export type NoiseUse = "stage" | "posterior" | number;

/** Standard normals for a stage, [C, h, w] row-major as torch draws them. `use` is a step's index for steps. */
export type NoiseSource = (stage: StagePlan, count: number, use: NoiseUse) => Float32Array<ArrayBuffer>;

/** Noise of a seed: a stream each for every stage, picture and use. */
export function seededNoise(seed: number, picture: number): NoiseSource {
  return (stage, count, use) => {
    const draw = use === "stage" ? 0 : use === "posterior" ? 1 : 2 + use;
    return philoxNormals({ seed, stage: stage.index, picture, draw }, count);
  };
}

/** What {@linkcode gpuDenoising} works with. */
export interface GpuDenoising {
  /** Records everything. */
  readonly r: Recorder;
  /** The recorder's scope that owns the latents. */
  readonly scope: Scope;
  /** Channels of the latents. */
  readonly channels: number;
  /** The network. */
  readonly denoise: Denoiser;
  /** For `pixel`. */
  readonly vae: Vae;
  /** For `learned`. */
  readonly upsampler?: LatentUpsampler;
  /** Random numbers. */
  readonly noise: NoiseSource;
  /** Told when latents begin to grow. */
  readonly onUpsample?: (stage: StagePlan) => void;
}

/** Latents are tensors [1, h, w, C] f32. */
export function gpuDenoising(g: GpuDenoising): Denoising<Tensor> {
  const { r, scope, channels } = g;
  const draw = (stage: StagePlan, use: NoiseUse): Tensor => {
    const { latentHeight: h, latentWidth: w } = stage;
    return r.upload([1, h, w, channels], channelsLast(g.noise(stage, h * w * channels, use), channels));
  };
  return {
    noise: (stage) => draw(stage, "stage"),
    stepNoise: (step, stage) => draw(stage, step.index),
    async denoise(latents, step, stage) {
      const output = g.denoise(r, latents, step, stage);
      await r.pace();
      return output;
    },
    async upsample(latents, stage, upsampler) {
      g.onUpsample?.(stage);
      const { latentHeight: h, latentWidth: w } = stage;
      switch (upsampler) {
        case "learned": {
          if (!g.upsampler) throw noLearnedUpsampler();
          return g.upsampler.forward(r, latents);
        }
        case "pixel": {
          const noise = draw(stage, "posterior");
          const picture = await g.vae.decode(r, latents);
          const grown = resample(r, picture, stage.height, stage.width, "bicubic");
          scope.free(picture);
          const encoded = await g.vae.encode(r, grown, noise);
          scope.free(grown);
          scope.free(noise);
          return encoded;
        }
        default:
          return resample(r, latents, h, w, upsampler);
      }
    },
    combine: (parts) => combine(r, parts.map(([coef, tensor]) => ({ coef, tensor }))),
    release: (latents) => scope.free(latents),
  };
}

/** The error for a model without a learned upsampler. */
export function noLearnedUpsampler(): LssgenError {
  return new LssgenError(
    "bad_option",
    'upsampler is "learned", but the model folder has no "upsampler" folder: give its weights (--upsampler-weights) ' +
      "or take bicubic, bilinear, nearest or pixel",
  );
}

/** [C, h, w] → [h, w, C]. */
export function channelsLast(x: Float32Array, C: number): Float32Array<ArrayBuffer> {
  const n = x.length / C;
  const out = new Float32Array(x.length);
  for (let c = 0; c < C; c++) for (let i = 0; i < n; i++) out[i * C + c] = x[c * n + i];
  return out;
}
