/**
 * What a request with a picture comes to before anything is drawn: its size, what its mask covers, and what is wrong with them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { PictureFile } from "../image/picture_file.ts";
import type { Picture } from "../image/png.ts";
import type { Size } from "../scaling/types.ts";

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
  const alpha = alphaOf(mask);
  if (!alpha) return light;
  const visible = (test: (l: number) => boolean): boolean => light.some((l, i) => alpha[i] >= 128 && test(l));
  const strokes = !visible((l) => l < 128) || !visible((l) => l >= 128);
  return strokes ? alpha : light.map((l, i) => Math.round(l * alpha[i] / 255));
}

/** How visible each pixel is, [height, width] in 0 … 255; undefined where all are wholly. */
export function alphaOf({ channels, data }: Picture): Uint8Array<ArrayBuffer> | undefined {
  if (channels === 1 || channels === 3) return undefined;
  const alpha = new Uint8Array(data.length / channels);
  for (let i = 0; i < alpha.length; i++) alpha[i] = data[(i + 1) * channels - 1];
  return alpha.every((a) => a === 255) ? undefined : alpha;
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
