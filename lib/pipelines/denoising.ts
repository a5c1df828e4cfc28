/**
 * What denoising on the GPU works with.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder, Scope } from "../gpu/recorder.ts";
import type { Picture } from "../image/png.ts";
import type { LearnedUpsampler } from "../models/latent_upsampler.ts";
import type { StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import type { Autoencoder } from "./autoencoder.ts";
import type { Denoiser } from "./family.ts";
import type { MaskInput } from "./types.ts";
import type { Upscaling } from "./upscaling.ts";

/** What noise is for: a stage's start, the posterior of an encoded picture, or a step of a stochastic sampler. */
export type NoiseUse = "stage" | "posterior" | number;

/** Standard normals for a stage, [C, h, w] row-major as torch draws them. `use` is a step's index for steps. */
export type NoiseSource = (stage: StagePlan, count: number, use: NoiseUse) => Float32Array<ArrayBuffer>;

/** What gpuDenoising of latents.ts works with. */
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
  readonly vae: Autoencoder;
  /** For `learned`. */
  readonly upsampler?: LearnedUpsampler;
  /** For `esrgan`. */
  readonly upscaler?: Upscaling;
  /** Random numbers. */
  readonly noise: NoiseSource;
  /** For image-to-image and inpainting. */
  readonly image?: Picture;
  /** For inpainting: white is drawn anew. */
  readonly mask?: Picture;
  /** What the network takes beside its latents. */
  readonly maskInput?: MaskInput;
  /** Shows predicted clean latents. */
  readonly preview?: (x0: Tensor, stage: StagePlan, done: number) => Promise<void>;
  /** Told when latents begin to grow. */
  readonly onUpsample?: (stage: StagePlan) => void;
}

/** The error for a pipeline without an ESRGAN network. */
export function noEsrgan(): LssgenError {
  return new LssgenError(
    "bad_option",
    'upsampler is "esrgan", but no network was given: name a safetensors file of an ESRGAN network (--upsampler-weights FILE, ' +
      "upscaler), or take learned, bicubic or pixel",
  );
}

/** The error for a model without a learned upsampler. */
export function noLearnedUpsampler(): LssgenError {
  return new LssgenError(
    "bad_option",
    'upsampler is "learned", but the model folder has no "upsampler" folder: give its weights (--upsampler-weights) ' +
      "or take bicubic, bilinear, nearest, spectral, pixel, mixture or esrgan",
  );
}
