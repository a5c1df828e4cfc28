/**
 * Pixels of pictures that the user brings, and of the structure that `diffusehigh` keeps. Imported when there is a picture.
 *
 * @module
 */

import type { Picture } from "../image/png.ts";
import { resize } from "../image/resize.ts";
import { coarse } from "../image/wavelets.ts";
import { brightness } from "./picture_request.ts";

/** A picture as the networks take it: [height, width, 3] in −1 … 1, resized by Lanczos as diffusers does; alpha on white. */
export function networkPicture(picture: Picture, width: number, height: number): Float32Array<ArrayBuffer> {
  const { data, channels } = resize(opaque(picture), width, height);
  const out = new Float32Array(width * height * 3);
  for (let i = 0; i < out.length; i++) {
    out[i] = data[channels === 3 ? i : Math.floor(i / 3)] / 127.5 - 1;
  }
  return out;
}

/** Without alpha, laid on white. */
export function opaque(picture: Picture): Picture {
  const { width, height, channels, data } = picture;
  if (channels === 1 || channels === 3) return picture;
  const colours = channels - 1 as 1 | 3;
  const out = new Uint8Array(width * height * colours);
  for (let i = 0; i < width * height; i++) {
    const alpha = data[i * channels + colours] / 255;
    for (let c = 0; c < colours; c++) {
      out[i * colours + c] = Math.round(data[i * channels + c] * alpha + 255 * (1 - alpha));
    }
  }
  return { width, height, channels: colours, data: out };
}

/** `drawn` where the mask is white and `original` where it is black, greys in between; 8-bit RGB, in place of `drawn`. */
export function pasteInto(
  drawn: Uint8Array<ArrayBuffer>,
  original: Picture,
  mask: Picture,
  width: number,
  height: number,
): void {
  const old = networkPicture(original, width, height);
  const grey: Picture = { width: mask.width, height: mask.height, channels: 1, data: brightness(mask) };
  const share = resize(grey, width, height, "bilinear").data;
  for (let i = 0; i < drawn.length; i++) {
    const m = share[Math.floor(i / 3)] / 255;
    drawn[i] = Math.round(m * drawn[i] + (1 - m) * (old[i] + 1) * 127.5);
  }
}

/** x + amount · (x − blurred x), [height, width, 3]; Gaussian of 3 × 3 with σ = 1, borders mirrored. */
export function sharpened(
  x: Float32Array,
  width: number,
  height: number,
  amount: number,
): Float32Array<ArrayBuffer> {
  const side = Math.exp(-0.5) / (1 + 2 * Math.exp(-0.5));
  const weights = [side, 1 - 2 * side, side];
  const inside = (i: number, n: number): number => n === 1 ? 0 : i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
  const out = new Float32Array(x.length);
  for (let y = 0; y < height; y++) {
    for (let col = 0; col < width; col++) {
      for (let c = 0; c < 3; c++) {
        let blurred = 0;
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -1; dx <= 1; dx++) {
            const from = inside(y + dy, height) * width + inside(col + dx, width);
            blurred += weights[dy + 1] * weights[dx + 1] * x[from * 3 + c];
          }
        }
        const at = (y * width + col) * 3 + c;
        out[at] = x[at] + amount * (x[at] - blurred);
      }
    }
  }
  return out;
}

/** The LL band of each colour as a picture of the same size, [height, width, 3]. */
export function coarsePicture(x: Float32Array, width: number, height: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(x.length);
  const n = width * height;
  for (let c = 0; c < 3; c++) {
    const low = coarse(Float32Array.from({ length: n }, (_, i) => x[i * 3 + c]), height, width);
    for (let i = 0; i < n; i++) out[i * 3 + c] = low[i];
  }
  return out;
}
