/**
 * The walk of lib/scaling over latents on the GPU.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder, Scope } from "../gpu/recorder.ts";
import type { Picture } from "../image/png.ts";
import type { LearnedUpsampler } from "../models/latent_upsampler.ts";
import { combine, concatChannels, product } from "../ops/elementwise.ts";
import { resample, separable } from "../ops/resample.ts";
import { philoxNormals } from "../random.ts";
import type { Denoising } from "../scaling/run_plan.ts";
import { mixed } from "../scaling/mixture.ts";
import type { LatentGrid, TokenRun } from "../scaling/tokens.ts";
import type { StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import type { Denoiser } from "./family.ts";
import type { MaskInput } from "./types.ts";
import type { Upscaling } from "./upscaling.ts";
import type { Autoencoder } from "./autoencoder.ts";

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

/** Noise as PyTorch draws it from one generator, call after call; steps of a schedule come in their order too. */
export async function torchNoise(seed: number, where: "torch-cpu" | "torch-cuda"): Promise<NoiseSource> {
  const { TorchCpuGenerator, TorchCudaGenerator } = await import("../random_torch.ts");
  const generator = where === "torch-cpu" ? new TorchCpuGenerator(seed) : new TorchCudaGenerator(seed);
  return (_, count) => generator.randn(count);
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

/** Latents are tensors [1, h, w, C] f32. */
export function gpuDenoising(g: GpuDenoising): Denoising<Tensor> {
  const { r, scope, channels } = g;
  const draw = (stage: StagePlan, use: NoiseUse): Tensor => {
    const { latentHeight: h, latentWidth: w } = stage;
    return r.upload([1, h, w, channels], () => channelsLast(g.noise(stage, h * w * channels, use), channels));
  };
  const zeroNoise = ({ latentHeight: h, latentWidth: w }: StagePlan): Tensor =>
    r.upload([1, h, w, channels], () => new Float32Array(h * w * channels));
  let structure: Float32Array<ArrayBuffer> | undefined; // of the stage's enlarged picture, for guide()
  let latentMask: typeof import("./picture_request.ts")["latentMask"];
  let masks: { stage: number; drawn: Tensor; kept: Tensor } | undefined;
  const encoded = async (picture: Tensor, noise: Tensor): Promise<Tensor> => {
    const latents = await g.vae.encode(r, picture, noise);
    scope.free(picture);
    scope.free(noise);
    return latents;
  };
  /** The picture of latents at a stage's size. */
  const enlarged = async (latents: Tensor, stage: StagePlan): Promise<Tensor> => {
    const picture = await g.vae.decode(r, latents);
    const grown = resample(r, picture, stage.height, stage.width, "bicubic");
    scope.free(picture);
    return grown;
  };
  let tokens: TokenRun | undefined;
  let begun = false;
  /** The tokens of a run some of whose stages choose theirs. */
  const chosenTokens = async (): Promise<TokenRun> => {
    const { TokenRun } = await import("../scaling/tokens.ts");
    return tokens ??= new TokenRun();
  };
  let further: { stage: number; tensor: Tensor } | undefined;
  /** What the network takes beside the latents, made once a stage. */
  const besides = async (kind: MaskInput, stage: StagePlan): Promise<Tensor> => {
    if (further?.stage !== stage.index) {
      if (further) scope.free(further.tensor);
      const noise = draw(stage, "posterior");
      const { maskInput } = await import("./mask_input.ts");
      further = { stage: stage.index, tensor: await maskInput(r, g.vae, kind, g, stage, noise) };
      scope.free(noise);
    }
    return further.tensor;
  };
  return {
    noise(stage) {
      // FluxFillPipeline encodes the picture first, for nothing: PyTorch's generator is one draw further by then.
      if (g.maskInput === "pixels" && g.image) scope.free(draw(stage, "posterior"));
      return draw(stage, "stage");
    },
    async image(stage) {
      const { width, height } = stage;
      const { networkPicture } = await import("./pictures.ts");
      ({ latentMask } = await import("./picture_request.ts"));
      const picture = r.upload([1, height, width, 3], () => networkPicture(g.image!, width, height));
      return await encoded(picture, draw(stage, "posterior"));
    },
    inpaint(latents, known, stage) {
      if (masks?.stage !== stage.index) {
        const { latentHeight: h, latentWidth: w } = stage;
        const plane = (of: (m: number) => number): Tensor =>
          r.upload([1, h, w, channels], () => {
            const mask = latentMask(g.mask!, w, h);
            return Float32Array.from(
              { length: h * w * channels },
              (_, i) => of(mask[Math.floor(i / channels)]),
            );
          });
        masks = { stage: stage.index, drawn: plane((m) => m), kept: plane((m) => 1 - m) };
      }
      const parts = [product(r, latents, masks.drawn), product(r, known, masks.kept)];
      const out = combine(r, parts.map((tensor) => ({ coef: 1, tensor })));
      for (const part of parts) scope.free(part);
      return out;
    },
    // On the CPU: a few times in a run, beside a decoding and an encoding of the whole picture each.
    async guide(x0, stage) {
      const { width, height } = stage;
      const { coarsePicture } = await import("./pictures.ts");
      const decoded = await g.vae.decode(r, x0);
      const picture = await r.read(decoded);
      scope.free(decoded);
      const own = coarsePicture(picture, width, height);
      const mixed = picture.map((v, i) => v - own[i] + structure![i]);
      return encoded(r.upload([1, height, width, 3], mixed), zeroNoise(stage));
    },
    preview: g.preview,
    stepNoise: (step, stage) => draw(stage, step.index),
    async denoise(latents, step, stage) {
      const input = g.maskInput ? concatChannels(r, latents, await besides(g.maskInput, stage)) : latents;
      if (!begun && stage.part) (await chosenTokens()).begin(stage);
      begun = true;
      const output = g.denoise(r, input, step, stage, tokens?.set);
      if (input !== latents) scope.free(input);
      await r.pace();
      return output;
    },
    async upsample(latents, stage, upsampler) {
      g.onUpsample?.(stage);
      const { latentHeight: h, latentWidth: w } = stage;
      switch (upsampler) {
        case "learned": {
          if (!g.upsampler) throw noLearnedUpsampler();
          return g.upsampler.forward(r, latents, stage.grow?.level ?? 0);
        }
        case "mixture": {
          const lifted = await encoded(await enlarged(latents, stage), draw(stage, "posterior"));
          const near = resample(r, latents, h, w, "nearest");
          const [plain, byPixels] = [await r.read(near), await r.read(lifted)];
          scope.free(near);
          scope.free(lifted);
          const { share } = stage.grow!;
          return r.upload([1, h, w, channels], () => mixed(plain, byPixels, channels, share!));
        }
        case "pixel": {
          const noise = draw(stage, "posterior");
          const grown = await enlarged(latents, stage);
          const { sharpen } = stage.grow!;
          if (!sharpen) return encoded(grown, noise);
          const { width, height } = stage;
          const { coarsePicture, sharpened } = await import("./pictures.ts");
          const sharp = sharpened(await r.read(grown), width, height, sharpen);
          scope.free(grown);
          structure = coarsePicture(sharp, width, height);
          return encoded(r.upload([1, height, width, 3], sharp), noise);
        }
        case "esrgan": {
          if (!g.upscaler) throw noEsrgan();
          const noise = draw(stage, "posterior");
          const picture = await g.vae.decode(r, latents);
          const large = await networkEnlarged(r, g.upscaler, picture);
          scope.free(picture);
          // A network of four times the sides is made smaller again where they double.
          const grown = resample(r, large, stage.height, stage.width, "bicubic", { antialias: true });
          scope.free(large);
          return encoded(grown, noise);
        }
        case "spectral": {
          const [, from, wide] = latents.shape;
          const { growthMatrix } = await import("../scaling/dct.ts");
          return separable(r, latents, growthMatrix(from, h), growthMatrix(wide, w));
        }
        default:
          return resample(r, latents, h, w, upsampler);
      }
    },
    async regroup(left, noise, stage) {
      const read = async (t: Tensor): Promise<LatentGrid> => {
        const [, height, width] = t.shape;
        return { height, width, channels, data: await r.read(t) };
      };
      const { latentHeight: h, latentWidth: w, part } = stage;
      const [latents, x0, output] = [await read(left.latents), await read(left.x0), await read(left.output)];
      const chosen = await chosenTokens();
      let edges: Float64Array | undefined;
      if (latents.height < h) {
        const { edgesBySquare } = await import("../image/canny.ts");
        const picture = await g.vae.decode(r, left.x0);
        const [, height, width] = picture.shape;
        edges = edgesBySquare(await r.read(picture), width, height, part!.patch * height / latents.height);
        scope.free(picture);
      }
      return r.upload(
        [1, h, w, channels],
        chosen.grow({ latents, x0, output }, await r.read(noise), stage, edges),
      );
    },
    async highBand(noise, { latentHeight: h, latentWidth: w }, before) {
      const { lowBandMatrix } = await import("../scaling/dct.ts");
      const low = separable(
        r,
        noise,
        lowBandMatrix(before.latentHeight, h),
        lowBandMatrix(before.latentWidth, w),
      );
      const high = combine(r, [{ coef: 1, tensor: noise }, { coef: -1, tensor: low }]);
      scope.free(low);
      return high;
    },
    combine: (parts) => combine(r, parts.map(([coef, tensor]) => ({ coef, tensor }))),
    release: (latents) => scope.free(latents),
  };
}

/** A picture [1, h, w, 3] in −1 … 1 enlarged by an ESRGAN network, [1, s·h, s·w, 3]. */
async function networkEnlarged(r: Recorder, network: Upscaling, picture: Tensor): Promise<Tensor> {
  const [, height, width] = picture.shape;
  const colours = await r.read(picture);
  const [H, W] = [height * network.scale, width * network.scale];
  const data = new Float32Array(r.device.rehearses ? 0 : 3 * H * W);
  // As files hold pictures: a decoder goes beyond −1 … 1 a little, which the network has never seen.
  await network.enlarge(r, { width, height, at: (i) => Math.min(1, Math.max(0, colours[i] / 2 + 0.5)) }, {
    take(x, y, line, shares) {
      for (let i = 0; i < line.length; i++) {
        const at = 3 * (y * W + x) + i;
        const value = 2 * Math.min(1, Math.max(0, line[i])) - 1;
        data[at] += (value - data[at]) * shares[Math.floor(i / 3)];
      }
    },
  });
  return r.upload([1, H, W, 3], () => data);
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

/** [C, h, w] → [h, w, C]. */
export function channelsLast(x: Float32Array, C: number): Float32Array<ArrayBuffer> {
  const n = x.length / C;
  const out = new Float32Array(x.length);
  for (let c = 0; c < C; c++) for (let i = 0; i < n; i++) out[i * C + c] = x[c * n + i];
  return out;
}
