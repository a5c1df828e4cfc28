/**
 * Whether the components of a model were made for each other, by the sizes in their configs.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { isComponentFolder } from "../weights/checkpoint.ts";
import type { MaskInput } from "./types.ts";

/** A component for messages: its file and the option it was given by, or its folder. */
export async function whereIs(folder: FolderSource, component: string): Promise<string> {
  const own = isComponentFolder(folder) ? await folder.whereIs(component) : undefined;
  return own ?? `"${folder.name}/${component}"`;
}

/** Channels that denoisers of pictures have beside their latents and that are no mask: depth, edges, pictures to edit. */
const FURTHER: Readonly<Record<number, readonly number[]>> = {
  4: [1, 3, 4],
  16: [1, 16, 17],
  64: [64], // packed: 2 × 2 latents a token
};

/**
 * The denoiser must take the latents that the autoencoder makes, and nothing beside them but a mask.
 *
 * @param inChannels Its in_channels.
 * @param vae Its autoencoder's config.
 * @param mask How denoisers of its kind for inpainting take their mask; none without.
 * @param packed Latents side by side in a token.
 * @returns `mask` where the denoiser is one for inpainting.
 * @throws {LssgenError} `unsupported` for a denoiser that takes other inputs, `bad_file` for another autoencoder's.
 */
export async function checkChannels(
  folder: FolderSource,
  component: string,
  inChannels: number,
  vae: { readonly latent_channels: number; readonly block_out_channels: readonly number[] },
  mask?: MaskInput,
  packed = 1,
): Promise<MaskInput | undefined> {
  const { latent_channels: latents } = vae;
  const expected = packed * latents;
  if (inChannels === expected) return undefined;
  const factor = 2 ** (vae.block_out_channels.length - 1);
  if (mask && inChannels === packed * (latents + maskInputChannels(mask, latents, factor))) return mask;
  const denoiser = await whereIs(folder, component);
  if (FURTHER[expected]?.includes(inChannels - expected)) {
    throw new LssgenError(
      "unsupported",
      `${denoiser}: in_channels is ${inChannels}, text-to-image needs ${expected}, the latents of its VAE; ` +
        "models for depth, edges or editing take further inputs and are not supported",
    );
  }
  throw new LssgenError(
    "bad_file",
    `${await whereIs(folder, "vae")} makes latents of ${latents} channels, ${denoiser} takes ${
      inChannels / packed
    } (in_channels is ${inChannels}, latent_channels ${latents}); give the autoencoder made for it with --vae FILE`,
  );
}

/** A width that two components must agree on. */
export interface Width {
  /** Component that makes it. */
  readonly of: string;
  /** What it is called there. */
  readonly key: string;
  /** Its value. */
  readonly value: number;
}

/**
 * Refuses text encoders that another denoiser was made for, before anything is loaded.
 *
 * @param made What the text encoders make; their widths add up.
 * @param taken What the denoiser takes.
 * @param orLess The denoiser fills narrower states with zeros.
 * @throws {LssgenError} `bad_file` naming the files and both numbers.
 */
export async function checkWidth(
  folder: FolderSource,
  made: readonly Width[],
  taken: Width,
  orLess = false,
): Promise<void> {
  const sum = made.reduce((sum, { value }) => sum + value, 0);
  if (sum === taken.value || (orLess && sum < taken.value)) return;
  const parts = [];
  for (const { of, key, value } of made) parts.push(`${await whereIs(folder, of)} (${key} ${value})`);
  throw new LssgenError(
    "bad_file",
    `${parts.join(" and ")} ${
      parts.length > 1 ? `make ${sum} channels together` : `makes ${sum} channels`
    }, but ${await whereIs(
      folder,
      taken.of,
    )} takes ${taken.value} (${taken.key}): they belong to different models`,
  );
}

/**
 * Channels that a denoiser takes beside latents of C channels.
 *
 * @param factor Pixels a latent's side.
 */
function maskInputChannels(kind: MaskInput, C: number, factor: number): number {
  return C + (kind === "latents" ? 1 : factor * factor);
}
