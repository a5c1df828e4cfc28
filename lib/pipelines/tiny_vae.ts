/**
 * AutoencoderTiny (TAESD) as pipelines use it: for previews, or in place of the model's own autoencoder.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { AutoencoderTiny, autoencoderTinyConfig } from "../models/autoencoder_tiny.ts";
import { affine } from "../ops/elementwise.ts";
import type { Tensor } from "../tensor.ts";
import type { Autoencoder } from "./autoencoder.ts";
import { loadComponent, type LoadContext } from "./family.ts";

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
