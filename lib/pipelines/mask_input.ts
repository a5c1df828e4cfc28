/**
 * Denoisers for inpainting: beside the latents they take a mask and what the mask leaves of a picture.
 *
 * Source: diffusers StableDiffusionInpaintPipeline, StableDiffusionXLInpaintPipeline and FluxFillPipeline.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { Picture } from "../image/png.ts";
import { concatChannels } from "../ops/elementwise.ts";
import type { StagePlan } from "../scaling/types.ts";
import type { Tensor } from "../tensor.ts";
import { latentMask } from "./picture_request.ts";
import { networkPicture } from "./pictures.ts";
import type { MaskInput } from "./types.ts";
import type { Autoencoder } from "./autoencoder.ts";

/**
 * What stands behind the latents, f32: mask and picture [1, h, w, 1 + C] for UNets, picture and mask
 * [1, h, w, C + factor²] for FLUX.1 Fill, whose mask keeps every pixel. Without a picture all of it is drawn.
 *
 * @param noise Of the posterior, [1, h, w, C].
 */
export async function maskInput(
  r: Recorder,
  vae: Autoencoder,
  kind: MaskInput,
  { image, mask }: { image?: Picture; mask?: Picture },
  stage: StagePlan,
  noise: Tensor,
): Promise<Tensor> {
  const { width: W, height: H, latentWidth: w, latentHeight: h } = stage;
  const drawn = (width: number, height: number): Float32Array<ArrayBuffer> =>
    image && mask ? latentMask(mask, width, height) : new Float32Array(width * height).fill(1);
  using scope = r.scope();
  const kept = r.upload([1, H, W, 3], () => {
    const m = drawn(W, H);
    const picture = image ? networkPicture(image, W, H) : new Float32Array(H * W * 3);
    return picture.map((v, i) => m[Math.floor(i / 3)] === 1 ? 0 : v);
  });
  const latents = await vae.encode(r, kept, noise);
  if (kind === "latents") {
    return scope.keep(concatChannels(r, r.upload([1, h, w, 1], () => drawn(w, h)), latents));
  }
  const f = W / w;
  const pixels = r.upload([1, h, w, f * f], () => {
    const m = drawn(W, H);
    return Float32Array.from({ length: H * W }, (_, i) => {
      const [at, p] = [Math.floor(i / (f * f)), i % (f * f)];
      const [y, x] = [Math.floor(at / w) * f + Math.floor(p / f), (at % w) * f + p % f];
      return m[y * W + x];
    });
  });
  return scope.keep(concatChannels(r, latents, pixels));
}
