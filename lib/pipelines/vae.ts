/**
 * The autoencoder as pipelines use it: normalised latents in and out, in tiles where a picture is too large.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { AutoencoderKl, type AutoencoderKlConfig, autoencoderKlConfig } from "../models/autoencoder_kl.ts";
import { AutoencoderTiny, autoencoderTinyConfig } from "../models/autoencoder_tiny.ts";
import { affine, posteriorSample } from "../ops/elementwise.ts";
import { type Dtype, DTYPE_BYTES, type Tensor } from "../tensor.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { type ModelIndex, readConfig } from "../weights/model_folder.ts";
import { loadComponent, type LoadContext } from "./family.ts";
import { decodeInBands } from "./vae_bands.ts";

/** A picture or a map on the CPU, channels-last. */
export interface Map2d {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** [height, width, channels] row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** Largest activation of an untiled pass. */
const MAX_ACTIVATION_BYTES = 2 ** 30;
/** How far bands may exceed a limit below that before tiles are taken, which show seams. */
const BANDS_EXCEED = 8;
/** Share of a tile that overlaps the next, as in diffusers. */
const OVERLAP = 0.25;
const MIN_TILE = 16;

/** Pictures to normalised latents and back. */
export interface Autoencoder extends Disposable {
  /** Pixels a latent side. */
  readonly factor: number;
  /** Normalised latents [1, h, w, C] → picture [1, 8h, 8w, 3] in about −1 … 1, f32. */
  decode(r: Recorder, latents: Tensor): Promise<Tensor>;
  /** Picture [1, H, W, 3] and noise [1, H/8, W/8, C] → normalised latents drawn from the posterior, f32. */
  encode(r: Recorder, picture: Tensor, noise: Tensor): Promise<Tensor>;
}

/** AutoencoderTiny (TAESD), whose latents have no posterior, and need no normalisation where the config says nothing else. */
export class TinyVae implements Autoencoder {
  /** The network and what frees it. */
  constructor(readonly model: AutoencoderTiny, private readonly free: () => void) {}

  /** See {@linkcode Autoencoder.factor}. */
  get factor(): number {
    return 2 ** (this.model.config.decoder_block_out_channels.length - 1);
  }

  /** See {@linkcode Autoencoder.decode}. */
  decode(r: Recorder, latents: Tensor): Promise<Tensor> {
    const { scaling_factor: scale, shift_factor: shift } = this.model.config;
    if (scale === 1 && shift === 0) return Promise.resolve(this.model.decode(r, latents));
    using scope = r.scope();
    return Promise.resolve(scope.keep(this.model.decode(r, affine(r, latents, 1 / scale, shift))));
  }

  /** See {@linkcode Autoencoder.encode}. */
  encode(r: Recorder, picture: Tensor): Promise<Tensor> {
    const { scaling_factor: scale, shift_factor: shift } = this.model.config;
    if (scale === 1 && shift === 0) return Promise.resolve(this.model.encode(r, picture));
    using scope = r.scope();
    return Promise.resolve(scope.keep(affine(r, this.model.encode(r, picture), scale, -shift * scale)));
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.free();
  }
}

/**
 * Loads a folder of an AutoencoderTiny.
 *
 * @param channels Channels of the model's latents.
 * @throws {LssgenError} `bad_option` when it is made for other latents.
 */
export async function loadTinyVae(
  context: Omit<LoadContext, "index">,
  subfolder: string,
  channels: number,
): Promise<TinyVae> {
  const { model, [Symbol.dispose]: free } = await loadComponent(
    context,
    subfolder,
    (w, c) => {
      const config = autoencoderTinyConfig(c);
      if (config.latent_channels !== channels) {
        throw new LssgenError(
          "bad_option",
          `"${context.folder.name}": latent_channels is ${config.latent_channels}, the model's latents have ${channels}; ` +
            "take the tiny autoencoder made for it (TAESD, TAESDXL, TAESD3 or TAEF1)",
        );
      }
      return new AutoencoderTiny(w, config);
    },
  );
  return new TinyVae(model, free);
}

/** AutoencoderKL with what surrounds it in a pipeline. */
export class Vae implements Autoencoder {
  /** Use {@linkcode loadVae}. */
  constructor(
    private readonly model: AutoencoderKl,
    private readonly device: Device,
    private readonly dtype: Dtype,
    private readonly free: () => void,
    private readonly maxActivationBytes: number = Math.min(MAX_ACTIVATION_BYTES, device.info.maxBufferBytes),
  ) {}

  /** Pixels a latent side. */
  get factor(): number {
    return this.model.factor;
  }

  /** Normalised latents [1, h, w, C] → picture [1, 8h, 8w, 3] in about −1 … 1, f32. */
  async decode(r: Recorder, latents: Tensor): Promise<Tensor> {
    const { scaling_factor, shift_factor } = this.model.config;
    using scope = r.scope();
    using _ = r.precision(this.dtype);
    const z = affine(r, latents, 1 / scaling_factor, shift_factor);
    const [, h, w] = z.shape;
    const tile = this.tile(h, w);
    if (tile === undefined) return scope.keep(this.model.decode(r, z));
    const bands = this.bands(h, w);
    if (bands) {
      const lower = this.model.decodeLower(r, z, bands.level);
      const { data, height, width } = await decodeInBands(r, { model: this.model, lower, ...bands });
      return scope.keep(r.upload([1, height, width, 3], data));
    }
    const { factor } = this;
    const picture = await tiled(r, z, {
      tile,
      stride: Math.floor(tile * (1 - OVERLAP)),
      outTile: tile * factor,
      outStride: Math.floor(tile * factor * (1 - OVERLAP)),
      run: (part) => this.model.decode(r, part),
    });
    return scope.keep(r.upload([1, picture.height, picture.width, 3], picture.data));
  }

  /** Picture [1, H, W, 3] and noise [1, H/8, W/8, C] → normalised latents drawn from the posterior, f32. */
  async encode(r: Recorder, picture: Tensor, noise: Tensor): Promise<Tensor> {
    const { scaling_factor, shift_factor } = this.model.config;
    using scope = r.scope();
    using _ = r.precision(this.dtype);
    const [, H, W] = picture.shape;
    const { factor } = this;
    const tile = this.tile(H / factor, W / factor);
    let moments: Tensor;
    if (tile === undefined) moments = this.model.encode(r, picture);
    else {
      const map = await tiled(r, picture, {
        tile: tile * factor,
        stride: Math.floor(tile * factor * (1 - OVERLAP)),
        outTile: tile,
        outStride: Math.floor(tile * (1 - OVERLAP)),
        run: (part) => this.model.encode(r, part),
      });
      moments = r.upload([1, map.height, map.width, map.data.length / map.height / map.width], map.data);
    }
    const z = posteriorSample(r, moments, noise);
    return scope.keep(affine(r, z, scaling_factor, -shift_factor * scaling_factor));
  }

  /** Where the decoder is cut into bands, and how tall they are. Undefined where bands do not fit by far. */
  private bands(h: number, w: number): { level: number; rows: number } | undefined {
    const most = Math.min(BANDS_EXCEED * this.maxActivationBytes, MAX_ACTIVATION_BYTES);
    for (let limit = this.maxActivationBytes;; limit *= 2) {
      const bands = this.bandsWithin(limit, h, w);
      if (bands || 2 * limit > most) return bands;
    }
  }

  /** As much as possible below, whole. Undefined where not even the first level fits, or no row of a band. */
  private bandsWithin(limit: number, h: number, w: number): { level: number; rows: number } | undefined {
    const { model } = this;
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

  /** Latents a tile's side, or undefined where the whole fits. */
  private tile(h: number, w: number): number | undefined {
    const { factor } = this;
    // The widest map at full size is the input of the last level's first block.
    const widths = this.model.config.block_out_channels;
    const bytes = (h: number, w: number) =>
      h * w * factor ** 2 * widths[Math.min(1, widths.length - 1)] * DTYPE_BYTES[this.dtype];
    if (bytes(h, w) <= this.maxActivationBytes) return undefined;
    let tile = 128;
    while (tile > MIN_TILE && bytes(tile, tile) > this.maxActivationBytes / 4) tile /= 2;
    if (bytes(tile, tile) > this.device.info.maxBufferBytes) {
      throw new LssgenError(
        "out_of_memory",
        `A VAE tile of ${tile * factor} pixels does not fit the adapter's largest buffer`,
      );
    }
    return tile;
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.free();
  }
}

/**
 * What pipelines and costs depend on of vae/config.json, whichever autoencoder it is.
 *
 * @param shifts Whether the family's pipeline heeds shift_factor.
 * @throws {LssgenError} `bad_file`, `unsupported`, naming file and key.
 */
export async function vaeConfig(
  folder: FolderSource,
  { components }: ModelIndex,
  shifts = true,
): Promise<AutoencoderKlConfig> {
  const c = await readConfig(folder, "vae/config.json");
  const noShift = shifts || !c.has("shift_factor") || c.json.shift_factor === 0;
  c.require(noShift, "shift_factor", "0 or null: diffusers' pipeline for this model does not shift latents");
  if (components.get("vae") !== "AutoencoderTiny") return autoencoderKlConfig(c);
  const tiny = autoencoderTinyConfig(c);
  return {
    ...tiny,
    block_out_channels: tiny.decoder_block_out_channels,
    layers_per_block: Math.max(...tiny.num_decoder_blocks),
    norm_num_groups: 1,
    mid_block_add_attention: false,
    use_quant_conv: false,
    use_post_quant_conv: false,
  };
}

/** Loads vae/. An autoencoder whose config asks for it runs in f32. */
export async function loadVae(context: LoadContext, channels: number): Promise<Autoencoder> {
  const kind = context.index.components.get("vae");
  return kind === "AutoencoderTiny" ? await loadTinyVae(context, "vae", channels) : await loadKlVae(context);
}

/** Loads an AutoencoderKL from vae/. */
export async function loadKlVae(
  context: LoadContext,
  maxActivationBytes: number | undefined = context.maxActivationBytes,
): Promise<Vae> {
  const kind = context.index.components.get("vae");
  if (kind !== undefined && kind !== "AutoencoderKL") {
    throw new LssgenError(
      "unsupported",
      `"${context.folder.name}": vae is a ${kind}, supported are AutoencoderKL and AutoencoderTiny`,
    );
  }
  const config = await readConfig(context.folder, "vae/config.json");
  const dtype = config.bool("force_upcast", false) ? "f32" : context.dtype;
  const { model, [Symbol.dispose]: free } = await loadComponent(
    { ...context, dtype },
    "vae",
    (w, c) => new AutoencoderKl(w, autoencoderKlConfig(c)),
  );
  return new Vae(model, context.device, dtype, free, maxActivationBytes);
}

/** Sizes of tiles in the source and in the result. */
interface Tiling {
  readonly tile: number;
  readonly stride: number;
  readonly outTile: number;
  readonly outStride: number;
  run(part: Tensor): Tensor;
}

/**
 * Runs overlapping tiles and blends them linearly where they overlap, first with the tile above, then with the one
 * to the left. The result lies on the CPU: the GPU never holds more than a tile's activations.
 *
 * Source: diffusers AutoencoderKL.tiled_decode.
 */
async function tiled(r: Recorder, x: Tensor, t: Tiling): Promise<Map2d> {
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
