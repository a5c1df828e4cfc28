/**
 * How alike two pictures of one size are, and how sharp one is.
 *
 * @module
 */

import type { Picture } from "./png.ts";

/** Brightness of each pixel, 0 … 255: the weights of BT.601. */
function brightness({ width, height, channels, data }: Picture): Float64Array {
  const out = new Float64Array(width * height);
  for (let i = 0; i < out.length; i++) {
    const at = i * channels;
    out[i] = channels < 3 ? data[at] : 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
  }
  return out;
}

/** Peak signal-to-noise ratio over all channels, in dB; Infinity for equal pictures. */
export function psnr(a: Picture, b: Picture): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i] - b.data[i]) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / a.data.length));
}

const WINDOW = 8;
const [C1, C2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];

/**
 * Mean structural similarity of the brightness, −1 … 1, over windows of 8 × 8 pixels, a half of one apart.
 *
 * Source: Wang et al., Image Quality Assessment, 2004, with square windows.
 */
export function ssim(a: Picture, b: Picture): number {
  const [x, y] = [brightness(a), brightness(b)];
  const { width, height } = a;
  const n = WINDOW * WINDOW;
  let [sum, windows] = [0, 0];
  for (let top = 0; top + WINDOW <= height; top += WINDOW / 2) {
    for (let left = 0; left + WINDOW <= width; left += WINDOW / 2) {
      let [sx, sy, sxx, syy, sxy] = [0, 0, 0, 0, 0];
      for (let i = 0; i < n; i++) {
        const at = (top + Math.floor(i / WINDOW)) * width + left + i % WINDOW;
        sx += x[at];
        sy += y[at];
        sxx += x[at] ** 2;
        syy += y[at] ** 2;
        sxy += x[at] * y[at];
      }
      const [mx, my] = [sx / n, sy / n];
      const [vx, vy, c] = [sxx / n - mx * mx, syy / n - my * my, sxy / n - mx * my];
      sum += (2 * mx * my + C1) * (2 * c + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2));
      windows++;
    }
  }
  return windows === 0 ? NaN : sum / windows;
}

/** Mean length of the brightness's gradient, from 0: less for a blurred picture. */
export function sharpness(picture: Picture): number {
  const { width, height } = picture;
  const x = brightness(picture);
  let sum = 0;
  for (let row = 0; row + 1 < height; row++) {
    for (let column = 0; column + 1 < width; column++) {
      const i = row * width + column;
      sum += Math.hypot(x[i + 1] - x[i], x[i + width] - x[i]);
    }
  }
  return sum / ((width - 1) * (height - 1));
}
