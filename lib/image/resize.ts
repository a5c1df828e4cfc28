/**
 * Pictures to another size on the CPU, as Pillow does it: separable filters that widen when shrinking.
 *
 * Source: Pillow's documentation of resampling filters (bicubic a = −0.5, Lanczos of 3 lobes); results
 * follow its 8-bit path to within one level, two where it orders the passes otherwise.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Picture } from "./png.ts";

/** Filter of a resize: bilinear (triangle), bicubic, Lanczos with three lobes, or box (mean). */
export type ResizeFilter = "box" | "bilinear" | "bicubic" | "lanczos";

interface Kernel {
  /** Half the width where it is not zero, in source pixels at equal size. */
  readonly support: number;
  at(x: number): number;
}

const KERNELS: Readonly<Record<ResizeFilter, Kernel>> = {
  box: { support: 0.5, at: (x) => x > -0.5 && x <= 0.5 ? 1 : 0 },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: cubic },
  lanczos: { support: 3, at: (x) => Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0 },
};

function cubic(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  return Math.sin(Math.PI * x) / (Math.PI * x);
}

const MAX_SIDE = 65_535;

/**
 * A picture of another size.
 *
 * @param picture Any channels. Colours are weighted by alpha, so that transparent pixels do not bleed.
 * @param width New width in pixels, in [1, 65535].
 * @param height New height in pixels, in [1, 65535].
 * @param filter Default `lanczos`, as diffusers' image processor takes it.
 * @throws {LssgenError} `bad_option` for a size out of range.
 */
export function resize(
  picture: Picture,
  width: number,
  height: number,
  filter: ResizeFilter = "lanczos",
): Picture {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1 || side > MAX_SIDE) {
      throw new LssgenError(
        "bad_option",
        `Cannot resize to ${width}x${height}, expected whole sides from 1 to ${MAX_SIDE}`,
      );
    }
  }
  if (width === picture.width && height === picture.height) return picture;
  const { channels } = picture;
  const alpha = channels === 2 || channels === 4;
  // Pillow rounds to 8 bits between the two passes; so does this, to agree with it.
  const source = alpha ? premultiplied(picture.data, channels) : picture.data;
  const columns = (data: Uint8Array<ArrayBuffer>, rows: number) =>
    width === picture.width ? data : pass(data, rows, picture.width, width, channels, filter);
  const rows = (data: Uint8Array<ArrayBuffer>, across: number) =>
    height === picture.height ? data : pass(data, 1, picture.height, height, across * channels, filter);
  // Overshoot is clipped between the passes, so their order shows: Pillow grows the width last when the
  // height shrinks, and takes the width first otherwise.
  const resized = width > picture.width && height < picture.height
    ? columns(rows(source, picture.width), height)
    : rows(columns(source, picture.height), width);
  const data = alpha ? unmultiplied(resized, channels) : resized;
  return { width, height, channels, data };
}

/**
 * Resamples the middle axis of [outer, from, inner] to [outer, to, inner].
 */
function pass(
  data: Uint8Array,
  outer: number,
  from: number,
  to: number,
  inner: number,
  filter: ResizeFilter,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(outer * to * inner);
  const sum = new Float64Array(inner);
  for (let target = 0; target < to; target++) {
    const { first, weights } = taps(from, to, target, KERNELS[filter]);
    for (let o = 0; o < outer; o++) {
      sum.fill(0);
      weights.forEach((weight, k) => {
        const row = (o * from + first + k) * inner;
        for (let i = 0; i < inner; i++) sum[i] += weight * data[row + i];
      });
      const row = (o * to + target) * inner;
      for (let i = 0; i < inner; i++) out[row + i] = Math.min(255, Math.max(0, Math.floor(sum[i] + 0.5)));
    }
  }
  return out;
}

/** Source pixels and weights of one target pixel; the weights sum to 1, also at the borders. */
function taps(
  from: number,
  to: number,
  target: number,
  kernel: Kernel,
): { first: number; weights: number[] } {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const centre = (target + 0.5) * scale;
  const reach = kernel.support * stretch;
  const first = Math.max(0, Math.floor(centre - reach + 0.5));
  const end = Math.min(from, Math.floor(centre + reach + 0.5));
  const weights: number[] = [];
  let total = 0;
  for (let at = first; at < end; at++) {
    const weight = kernel.at((at + 0.5 - centre) / stretch);
    weights.push(weight);
    total += weight;
  }
  return { first, weights: weights.map((weight) => weight / total) };
}

function premultiplied(data: Uint8Array, channels: number): Uint8Array<ArrayBuffer> {
  const out = Uint8Array.from(data);
  for (let at = 0; at < out.length; at += channels) {
    const alpha = out[at + channels - 1] / 255;
    for (let c = 0; c < channels - 1; c++) out[at + c] = Math.round(out[at + c] * alpha);
  }
  return out;
}

function unmultiplied(data: Uint8Array<ArrayBuffer>, channels: number): Uint8Array<ArrayBuffer> {
  for (let at = 0; at < data.length; at += channels) {
    const alpha = data[at + channels - 1];
    if (alpha === 0 || alpha === 255) continue;
    for (let c = 0; c < channels - 1; c++) {
      data[at + c] = Math.min(255, Math.trunc(data[at + c] * 255 / alpha));
    }
  }
  return data;
}
