/**
 * What few pictures need of the walk over latents: pictures and masks to begin with, growth through pixels or frequencies, tokens of a stage.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import { combine, concatChannels, product } from "../ops/elementwise.ts";
import { resample, separable } from "../ops/resample.ts";
import { mixed } from "../scaling/mixture.ts";
import type { Denoising } from "../scaling/run_plan.ts";
import type { LatentGrid, TokenRun } from "../scaling/tokens.ts";
import type { StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import type { TokenSet } from "../token_set.ts";
import { type GpuDenoising, noEsrgan, type NoiseUse } from "./denoising.ts";
import type { MaskInput } from "./types.ts";
import type { Upscaling } from "./upscaling.ts";

/** See the module. */
export interface FurtherDenoising
  extends Required<Pick<Denoising<Tensor>, "image" | "inpaint" | "guide" | "regroup" | "highBand">> {
  /** Grows latents in a way of few plans. */
  upsample(
    latents: Tensor,
    stage: StagePlan,
    upsampler: "mixture" | "pixel" | "esrgan" | "spectral",
  ): Promise<Tensor>;
  /** The network's input: latents, and what it takes beside them. */
  withMask(kind: MaskInput, latents: Tensor, stage: StagePlan): Promise<Tensor>;
  /** Begins with the tokens of a stage. */
  begin(stage: StagePlan): Promise<void>;
  /** Those that the network sees; all without them. */
  tokens(): TokenSet | undefined;
}

/** @param draw Noise of a stage on the GPU. */
export function furtherDenoising(
  g: GpuDenoising,
  draw: (stage: StagePlan, use: NoiseUse) => Tensor,
): FurtherDenoising {
  const { r, scope, channels } = g;
  const zeroNoise = ({ latentHeight: h, latentWidth: w }: StagePlan): Tensor =>
    r.upload([1, h, w, channels], () => new Float32Array(h * w * channels));
  let structure: Float32Array<ArrayBuffer> | undefined; // of the stage's enlarged picture, for guide()
  let latentMask: typeof import("./picture_request.ts")["latentMask"];
  let masks: { stage: number; drawn: Tensor; kept: Tensor } | undefined;
  let tokens: TokenRun | undefined;
  let further: { stage: number; tensor: Tensor } | undefined;
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
  /** The tokens of a run some of whose stages choose theirs. */
  const chosenTokens = async (): Promise<TokenRun> => {
    const { TokenRun } = await import("../scaling/tokens.ts");
    return tokens ??= new TokenRun();
  };
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
    async withMask(kind, latents, stage) {
      return concatChannels(r, latents, await besides(kind, stage));
    },
    async begin(stage) {
      (await chosenTokens()).begin(stage);
    },
    tokens: () => tokens?.set,
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
    async upsample(latents, stage, upsampler) {
      const { latentHeight: h, latentWidth: w } = stage;
      switch (upsampler) {
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
