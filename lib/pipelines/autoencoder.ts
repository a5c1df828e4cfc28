/**
 * What pipelines ask of an autoencoder, of whichever kind.
 *
 * @module
 */

import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../tensor.ts";

/** Pictures to normalised latents and back. */
export interface Autoencoder extends Disposable {
  /** Pixels a latent side. */
  readonly factor: number;
  /** Normalised latents [1, h, w, C] → picture [1, 8h, 8w, 3] in about −1 … 1, f32. */
  decode(r: Recorder, latents: Tensor): Promise<Tensor>;
  /** Picture [1, H, W, 3] and noise [1, H/8, W/8, C] → normalised latents drawn from the posterior, f32. */
  encode(r: Recorder, picture: Tensor, noise: Tensor): Promise<Tensor>;
}
