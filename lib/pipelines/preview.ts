/**
 * Previews: what the predicted clean latents look like, without the cost of decoding them whole.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { resample } from "../ops/resample.ts";
import type { Tensor } from "../tensor.ts";
import type { ModelInfo, PreviewKind, RgbPicture } from "./types.ts";
import type { Autoencoder } from "./autoencoder.ts";

/** Longest side, in latents, that the model's own autoencoder decodes for a preview. */
const VAE_SIDE = 32;

/** What can make a preview. */
export interface PreviewParts {
  /** Records. */
  readonly r: Recorder;
  /** For `proj`. */
  readonly info: ModelInfo;
  /** For `vae`. */
  readonly vae: Autoencoder;
  /** For `tae`. */
  readonly tiny?: Autoencoder;
}

/**
 * Latents [1, h, w, C] as a picture: [h, w] by factors, 8·[h, w] by the tiny autoencoder, at most 256² by the
 * model's own from shrunken latents.
 *
 * @throws {LssgenError} `bad_option` when the model has no such way.
 */
export async function previewOf(parts: PreviewParts, kind: PreviewKind, x0: Tensor): Promise<RgbPicture> {
  const { r, info, vae, tiny } = parts;
  using _ = r.scope();
  const [, h, w] = x0.shape;
  switch (kind === "auto" ? tiny ? "tae" : info.latentRgb ? "proj" : "vae" : kind) {
    case "proj":
      if (!info.latentRgb) {
        throw new LssgenError(
          "bad_option",
          `preview is "proj", but ${info.name} brings no factors (latent_rgb_factors in lssgen.json); take tae or vae`,
        );
      }
      return { width: w, height: h, rgb: projected(await r.read(x0), info.latentRgb) };
    case "tae":
      if (!tiny) {
        throw new LssgenError(
          "bad_option",
          'preview is "tae", but no tiny autoencoder was given (--taesd FILE)',
        );
      }
      return await rgbPicture(r, await tiny.decode(r, x0));
    default: {
      const shrink = Math.max(1, Math.max(h, w) / VAE_SIDE);
      const size = [h, w].map((side) => Math.max(1, Math.round(side / shrink)));
      return await rgbPicture(r, await vae.decode(r, resample(r, x0, size[0], size[1], "bilinear")));
    }
  }
}

function projected(
  latents: Float32Array,
  { factors, bias }: NonNullable<ModelInfo["latentRgb"]>,
): Uint8Array<ArrayBuffer> {
  const C = factors.length;
  const rgb = new Uint8Array(latents.length / C * 3);
  for (let i = 0; i < rgb.length; i++) {
    const pixel = Math.floor(i / 3) * C;
    let v = bias[i % 3];
    for (let c = 0; c < C; c++) v += latents[pixel + c] * factors[c][i % 3];
    rgb[i] = Math.round(Math.min(1, Math.max(0, v / 2 + 0.5)) * 255);
  }
  return rgb;
}

async function rgbPicture(r: Recorder, picture: Tensor): Promise<RgbPicture> {
  const [, height, width] = picture.shape;
  const data = await r.read(picture);
  // A preview of values that are not finite is black, not an error: the end will tell.
  const rgb = Uint8Array.from(data, (v) => Math.round(Math.min(1, Math.max(0, v / 2 + 0.5)) * 255) || 0);
  return { width, height, rgb };
}
