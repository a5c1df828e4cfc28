/**
 * Which network gave a picture that is not finite.
 *
 * @module
 */

import type { LssgenError } from "../errors.ts";
import type { Plan } from "../scaling/types.ts";
import type { LoadContext } from "./family.ts";
import type { Networks } from "./networks.ts";
import { notFinite } from "./not_finite.ts";
import type { Resolved } from "./resolved_request.ts";

/** @param sound Whether the latents are finite: then it is the autoencoder. */
export function whatFailed(
  sound: boolean,
  { decoder, tiny }: Networks,
  { dtype, index }: LoadContext,
  p: Resolved,
  plan: Plan,
): LssgenError {
  if (sound) {
    const folder = decoder === tiny ? "the small autoencoder's file" : "vae";
    return notFinite(folder, `The autoencoder (${folder})`, dtype);
  }
  const folder = ["transformer", "unet"].find((name) => index.components.has(name)) ?? "the network";
  // Beside the denoiser: the autoencoder's other half, where pictures are encoded, and the upsampler between stages.
  const grown = plan.stages.map((stage) => stage.grow?.upsampler);
  const may = [`the denoising network "${folder}"`];
  if (grown.includes("learned")) may.push("the upsampler of latents");
  const throughPixels = grown.some((way) => way === "pixel" || way === "mixture" || way === "esrgan");
  if (p.image || throughPixels) {
    may.push('the encoder of the autoencoder "vae"');
  }
  const [first, ...others] = may;
  const named = first[0].toUpperCase() + first.slice(1);
  return notFinite(
    [folder, ...others.map((network) => network.includes("vae") ? "vae" : "upsampler")].join(" or "),
    others.length === 0 ? named : `${[named, ...others].join(", or ")},`,
    dtype,
  );
}
