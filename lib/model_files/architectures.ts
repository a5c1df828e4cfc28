/**
 * Which architectures are recognised in a file: one line each.
 *
 * @module
 */

import type { Architecture } from "./architecture.ts";
import { AUTOENCODER_KL } from "./architectures/autoencoder_kl.ts";
import { AUTOENCODER_TINY } from "./architectures/autoencoder_tiny.ts";
import { CLIP } from "./architectures/clip.ts";
import { FLUX } from "./architectures/flux.ts";
import { SD3 } from "./architectures/sd3.ts";
import { T5 } from "./architectures/t5.ts";
import { UNET } from "./architectures/unet.ts";

/** Every one, in the order in which they are looked for. */
export const ARCHITECTURES: readonly Architecture[] = [
  FLUX,
  SD3,
  UNET,
  AUTOENCODER_KL,
  AUTOENCODER_TINY,
  CLIP,
  T5,
];
