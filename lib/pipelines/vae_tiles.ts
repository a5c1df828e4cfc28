/**
 * Overlapping tiles of a picture that is too large for one pass of an autoencoder.
 *
 * Source: diffusers AutoencoderKL.tiled_decode.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../tensor.ts";

/** A picture or a map on the CPU, channels-last. */
export interface Map2d {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** [height, width, channels] row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** Sizes of tiles in the source and in the result, in elements of each. */
export interface Tiling {
  /** A tile's side in the source. */
  readonly tile: number;
  /** From one tile of the source to the next. */
  readonly stride: number;
  /** A tile's side in the result. */
  readonly outTile: number;
  /** From one tile of the result to the next. */
  readonly outStride: number;
  /** One tile of the source [1, h, w, C] → of the result. */
  run(part: Tensor): Tensor;
}

/**
 * Runs overlapping tiles and blends them linearly where they overlap, first with the tile above, then with the one
 * to the left. The result lies on the CPU: the GPU never holds more than a tile's activations.
 */
export async function tiled(r: Recorder, x: Tensor, t: Tiling): Promise<Map2d> {
  const [, h, w, C] = x.shape;
  const blend = t.outTile - t.outStride;
  const source = await r.read(x);
  const strips: Map2d[] = [];
  let above: Map2d[] = [];
  for (let y = 0; y < h; y += t.stride) {
    const row: Map2d[] = [];
    for (let x0 = 0; x0 < w; x0 += t.stride) {
      const part = cut(source, w, C, {
        y,
        x: x0,
        height: Math.min(t.tile, h - y),
        width: Math.min(t.tile, w - x0),
      });
      using _ = r.scope();
      const out = t.run(r.upload([1, part.height, part.width, C], part.data));
      row.push({ height: out.shape[1], width: out.shape[2], data: await r.read(out) });
    }
    const channels = row[0].data.length / (row[0].height * row[0].width);
    row.forEach((tile, i) => {
      if (above[i]) blendRows(above[i], tile, channels, blend);
      if (i > 0) blendColumns(row[i - 1], tile, channels, blend);
    });
    strips.push(beside(row, channels, t.outStride));
    above = row;
  }
  const width = strips[0].width;
  const height = strips.reduce((sum, { height }) => sum + height, 0);
  const data = new Float32Array(strips.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const strip of strips) {
    data.set(strip.data, at);
    at += strip.data.length;
  }
  return { height, width, data };
}

/** A rectangle of [.., w, C]. */
function cut(
  source: Float32Array,
  w: number,
  C: number,
  at: { y: number; x: number; height: number; width: number },
): Map2d {
  const data = new Float32Array(at.height * at.width * C);
  for (let row = 0; row < at.height; row++) {
    const from = ((at.y + row) * w + at.x) * C;
    data.set(source.subarray(from, from + at.width * C), row * at.width * C);
  }
  return { height: at.height, width: at.width, data };
}

/** The first rows of `tile` fade in over the last rows of the tile above. */
function blendRows(above: Map2d, tile: Map2d, C: number, extent: number): void {
  const n = Math.min(above.height, tile.height, extent);
  for (let y = 0; y < n; y++) {
    const share = y / n;
    const from = (above.height - n + y) * above.width * C;
    for (let i = 0; i < tile.width * C; i++) {
      const at = y * tile.width * C + i;
      tile.data[at] = above.data[from + i] * (1 - share) + tile.data[at] * share;
    }
  }
}

/** The first columns of `tile` fade in over the last columns of the tile to the left. */
function blendColumns(left: Map2d, tile: Map2d, C: number, extent: number): void {
  const n = Math.min(left.width, tile.width, extent);
  for (let y = 0; y < tile.height; y++) {
    for (let x = 0; x < n; x++) {
      const share = x / n;
      for (let c = 0; c < C; c++) {
        const at = (y * tile.width + x) * C + c;
        const from = (y * left.width + left.width - n + x) * C + c;
        tile.data[at] = left.data[from] * (1 - share) + tile.data[at] * share;
      }
    }
  }
}

/** Tiles cut to the stride, side by side. */
function beside(row: readonly Map2d[], C: number, stride: number): Map2d {
  const height = Math.min(stride, row[0].height);
  const widths = row.map(({ width }) => Math.min(stride, width));
  const width = widths.reduce((a, b) => a + b, 0);
  const data = new Float32Array(height * width * C);
  let x = 0;
  row.forEach((tile, i) => {
    for (let y = 0; y < height; y++) {
      const from = y * tile.width * C;
      data.set(tile.data.subarray(from, from + widths[i] * C), (y * width + x) * C);
    }
    x += widths[i];
  });
  return { height, width, data };
}
