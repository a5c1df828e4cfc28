/**
 * Pictures that are too large for the GPU as a whole: decoded in bands, which show no seams, or decoded and encoded in tiles.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import type { AutoencoderKl } from "../models/autoencoder_kl.ts";
import type { Tensor } from "../tensor.ts";
import { decodeInBands } from "./vae_bands.ts";
import { type CutLimits, MAX_ACTIVATION_BYTES, widestBytes } from "./vae_limits.ts";
import { tiled } from "./vae_tiles.ts";

/** How far bands may exceed a limit before tiles are taken, which show seams. */
const BANDS_EXCEED = 8;
/** Share of a tile that overlaps the next, as in diffusers. */
const OVERLAP = 0.25;
const MIN_TILE = 16;

/** A map in memory, its rows one after another. */
interface Cut {
  readonly data: Float32Array<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
}

/** Latents [1, h, w, C] → picture. */
export async function decodeCut(r: Recorder, z: Tensor, limits: CutLimits): Promise<Cut> {
  const [, h, w] = z.shape;
  const { model } = limits;
  const tile = tileOf(limits);
  const bands = bandsOf(limits, h, w);
  if (bands) {
    const lower = model.decodeLower(r, z, bands.level);
    return await decodeInBands(r, { model, lower, ...bands });
  }
  const { factor } = model;
  return await tiled(r, z, {
    tile,
    stride: Math.floor(tile * (1 - OVERLAP)),
    outTile: tile * factor,
    outStride: Math.floor(tile * factor * (1 - OVERLAP)),
    run: (part) => model.decode(r, part),
  });
}

/** Picture [1, H, W, 3] → mean and log-variance side by side. */
export async function encodeCut(r: Recorder, picture: Tensor, limits: CutLimits): Promise<Cut> {
  const { model } = limits;
  const { factor } = model;
  const tile = tileOf(limits);
  return await tiled(r, picture, {
    tile: tile * factor,
    stride: Math.floor(tile * factor * (1 - OVERLAP)),
    outTile: tile,
    outStride: Math.floor(tile * (1 - OVERLAP)),
    run: (part) => model.encode(r, part),
  });
}

/** Where the decoder is cut into bands, and how tall they are. Undefined where bands do not fit by far. */
function bandsOf(limits: CutLimits, h: number, w: number): { level: number; rows: number } | undefined {
  const most = Math.min(BANDS_EXCEED * limits.maxActivationBytes, MAX_ACTIVATION_BYTES);
  for (let limit = limits.maxActivationBytes;; limit *= 2) {
    const bands = bandsWithin(limits.model, limit, h, w);
    if (bands || 2 * limit > most) return bands;
  }
}

/** As much as possible below, whole. Undefined where not even the first level fits, or no row of a band. */
function bandsWithin(
  model: AutoencoderKl,
  limit: number,
  h: number,
  w: number,
): { level: number; rows: number } | undefined {
  const levels = model.config.block_out_channels.length;
  // Maps between convolutions are f32.
  const bytes = (level: number, rows: number) => rows * w * 4 ** level * model.decodeWidth(level) * 4;
  let level = 0;
  while (level < levels - 1 && bytes(level, h) <= limit) level++;
  if (level === 0) return undefined;
  // Half of the limit: a band brings rows along at both edges, and the taller it is the less they weigh.
  const most = Math.floor(limit / 2 / bytes(levels - 1, 1) * 2 ** (level - 1));
  const rows = most - 2 * model.decodeReach(level);
  return rows < 1 ? undefined : { level, rows };
}

/** Latents a tile's side. */
function tileOf({ model, dtype, maxActivationBytes, maxBufferBytes }: CutLimits): number {
  const bytes = (side: number): number => widestBytes(model, dtype, side, side);
  let tile = 128;
  while (tile > MIN_TILE && bytes(tile) > maxActivationBytes / 4) tile /= 2;
  if (bytes(tile) > maxBufferBytes) {
    throw new LssgenError(
      "out_of_memory",
      `A VAE tile of ${tile * model.factor} pixels does not fit the adapter's largest buffer`,
    );
  }
  return tile;
}
