/**
 * Pictures that the user brings: image-to-image, inpainting, and the structure that `diffusehigh` keeps.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { PictureFile } from "../image/picture_file.ts";
import type { Picture } from "../image/png.ts";
import { resize } from "../image/resize.ts";
import { coarse } from "../image/wavelets.ts";
import type { Size } from "../scaling/types.ts";

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

/**
 * How much of each pixel is drawn anew, [height, width] in 0 … 255 at the mask's own size: its brightness, and nothing
 * where it is transparent. Where all that can be seen is of one kind, dark or light, somebody has painted strokes in
 * some colour, and alpha alone counts.
 */
export function brightness(mask: Picture): Uint8Array<ArrayBuffer> {
  const { channels, data, width, height } = mask;
  const n = width * height;
  const grey = channels <= 2;
  const light = Uint8Array.from({ length: n }, (_, i) => {
    const at = i * channels;
    return grey ? data[at] : Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
  });
  if (channels === 1 || channels === 3) return light;
  const alpha = Uint8Array.from({ length: n }, (_, i) => data[i * channels + channels - 1]);
  if (alpha.every((a) => a === 255)) return light;
  const visible = (test: (l: number) => boolean): boolean => light.some((l, i) => alpha[i] >= 128 && test(l));
  const strokes = !visible((l) => l < 128) || !visible((l) => l >= 128);
  return strokes ? alpha : light.map((l, i) => Math.round(l * alpha[i] / 255));
}

/** 1 where the mask is lighter than grey, [height, width], nearest pixel: what diffusers does to reach latents. */
export function latentMask(mask: Picture, width: number, height: number): Float32Array<ArrayBuffer> {
  const light = brightness(mask);
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y * mask.height / height) * mask.width;
    for (let x = 0; x < width; x++) {
      out[y * width + x] = light[row + Math.floor(x * mask.width / width)] >= 128 ? 1 : 0;
    }
  }
  return out;
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

/** What is wrong with a picture that was handed in, before anything is loaded. */
export function checkPicture(name: "image" | "mask", picture: Picture | PictureFile): void {
  if ("decode" in picture) return;
  const { width, height, channels, data } = picture;
  if (!(width >= 1 && height >= 1) || data.length !== width * height * channels) {
    throw new LssgenError(
      "bad_option",
      `${name} has ${data.length} bytes, expected ${width} × ${height} × ${channels}`,
    );
  }
}

/** Pixels of a picture drawn without a size over those that its model was trained for: twice its side. */
const MOST_OF_BASE = 4;

/**
 * The size of a picture that begins with another one, where the user left it open: its own, no smaller than one token
 * and no more than four times the pixels that the model was trained for.
 *
 * @param image The picture to begin with.
 * @param asked What the user said of the size.
 * @param unit Pixels of a token's side.
 * @param base Side of the square that the model was trained for.
 */
export function startingSize(
  image: Size,
  asked: { readonly width?: number; readonly height?: number },
  unit: number,
  base: number,
): Size {
  const { width, height } = asked;
  if (width !== undefined && height !== undefined) return { width, height };
  const { width: w, height: h } = image;
  const scale = width !== undefined
    ? width / w
    : height !== undefined
    ? height / h
    : Math.min(1, Math.sqrt(MOST_OF_BASE * base * base / (w * h)));
  const side = (value: number): number => Math.max(unit, Math.round(value * scale));
  return { width: width ?? side(w), height: height ?? side(h) };
}

/**
 * What a person should know of the pictures that were brought, as sentences: stretched, made smaller, or a mask without
 * effect.
 *
 * @param unit Pixels of which sides of the result are multiples.
 */
export function pictureWarnings(
  { image, mask, width, height }: {
    readonly image?: Picture | PictureFile;
    readonly mask?: Picture | PictureFile;
    readonly width?: number;
    readonly height?: number;
  },
  result: Size & { readonly latentWidth: number; readonly latentHeight: number },
  unit: number,
): string[] {
  const warnings: string[] = [];
  if (image) {
    const shown = `The picture to begin with is ${image.width}×${image.height}`;
    if (otherShape(image, result, unit)) {
      warnings.push(
        `${shown} and will be stretched to ${result.width}×${result.height}; give the width or the height alone ` +
          "to keep its shape",
      );
    } else if (width === undefined && height === undefined && image.width >= result.width + 2 * unit) {
      warnings.push(
        `${shown}, more than this model can draw well: it is made smaller, to ${result.width}×${result.height}; ` +
          "give a width and a height to have another size",
      );
    }
    if (mask && otherShape(mask, image, 1)) {
      warnings.push(
        `The mask is ${mask.width}×${mask.height} and will be stretched over the picture of ${image.width}×${image.height}`,
      );
    }
  }
  if (mask && "data" in mask) {
    const { latentWidth, latentHeight } = result;
    if (!latentMask(mask, latentWidth, latentHeight).includes(1)) {
      warnings.push(
        "The mask keeps the whole picture: nothing in it is light (and not transparent) enough, or large enough, to be drawn anew",
      );
    } else if (brightness(mask).every((light) => light >= 128)) {
      warnings.push(
        "The mask keeps nothing of the picture: black or transparent is kept, and all of it is light",
      );
    }
  }
  return warnings;
}

/** Whether one size is no scaled copy of the other, rounding to whole units left aside. */
function otherShape(a: Size, b: Size, unit: number): boolean {
  return Math.abs(b.height - b.width * a.height / a.width) >= unit &&
    Math.abs(b.width - b.height * a.width / a.height) >= unit;
}
