/**
 * The autoencoder as pipelines use it: normalised latents in and out, in bands or tiles where a picture is too large. What does
 * that, and tiny autoencoders, are imported when they are needed.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { AutoencoderKl, type AutoencoderKlConfig, autoencoderKlConfig } from "../models/autoencoder_kl.ts";
import { affine, posteriorSample } from "../ops/elementwise.ts";
import { type Dtype, DTYPE_BYTES, type Tensor } from "../tensor.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { type ModelIndex, readConfig } from "../weights/model_folder.ts";
import type { Autoencoder } from "./autoencoder.ts";
import { loadComponent, type LoadContext } from "./family.ts";

/** Largest activation of an untiled pass. */
const MAX_ACTIVATION_BYTES = 2 ** 30;
/** How far bands may exceed a limit below that before tiles are taken, which show seams. */
const BANDS_EXCEED = 8;
/** Share of a tile that overlaps the next, as in diffusers. */
const OVERLAP = 0.25;
const MIN_TILE = 16;

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
      const { decodeInBands } = await import("./vae_bands.ts");
      const { data, height, width } = await decodeInBands(r, { model: this.model, lower, ...bands });
      return scope.keep(r.upload([1, height, width, 3], data));
    }
    const { factor } = this;
    const { tiled } = await import("./vae_tiles.ts");
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
      const { tiled } = await import("./vae_tiles.ts");
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
  const { autoencoderTinyConfig } = await import("../models/autoencoder_tiny.ts");
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
  if (context.index.components.get("vae") !== "AutoencoderTiny") return await loadKlVae(context);
  const { loadTinyVae } = await import("./tiny_vae.ts");
  return await loadTinyVae(context, "vae", channels);
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
