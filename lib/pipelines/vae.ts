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
import type { Dtype, Tensor } from "../tensor.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { type ModelIndex, readConfig } from "../weights/model_folder.ts";
import type { Autoencoder } from "./autoencoder.ts";
import { loadComponent, type LoadContext } from "./family.ts";
import { type CutLimits, MAX_ACTIVATION_BYTES, widestBytes } from "./vae_limits.ts";

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
    if (this.fits(h, w)) return scope.keep(this.model.decode(r, z));
    const { decodeCut } = await import("./vae_cut.ts");
    const { data, height, width } = await decodeCut(r, z, this.limits);
    return scope.keep(r.upload([1, height, width, 3], data));
  }

  /** Picture [1, H, W, 3] and noise [1, H/8, W/8, C] → normalised latents drawn from the posterior, f32. */
  async encode(r: Recorder, picture: Tensor, noise: Tensor): Promise<Tensor> {
    const { scaling_factor, shift_factor } = this.model.config;
    using scope = r.scope();
    using _ = r.precision(this.dtype);
    const [, H, W] = picture.shape;
    const { factor } = this;
    let moments: Tensor;
    if (this.fits(H / factor, W / factor)) moments = this.model.encode(r, picture);
    else {
      const { encodeCut } = await import("./vae_cut.ts");
      const map = await encodeCut(r, picture, this.limits);
      moments = r.upload([1, map.height, map.width, map.data.length / map.height / map.width], map.data);
    }
    const z = posteriorSample(r, moments, noise);
    return scope.keep(affine(r, z, scaling_factor, -shift_factor * scaling_factor));
  }

  /** Whether latents of a size are handled whole. */
  private fits(h: number, w: number): boolean {
    return widestBytes(this.model, this.dtype, h, w) <= this.maxActivationBytes;
  }

  private get limits(): CutLimits {
    const { model, dtype, maxActivationBytes, device: { info } } = this;
    return { model, dtype, maxActivationBytes, maxBufferBytes: info.maxBufferBytes };
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
