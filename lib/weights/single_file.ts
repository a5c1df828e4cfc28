/**
 * Components joined into one file, under the names and prefixes that stable-diffusion.cpp and ComfyUI read.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { joined } from "./file_sets.ts";
import type { Checkpoint } from "./types.ts";
import type { FileFormat } from "./convert.ts";
import { OPEN_CLIP_NAMES } from "./names/clip.ts";
import type { NameFamily } from "./names/family.ts";
import { FLUX_DIFFUSERS_NAMES, FLUX_NAMES } from "./names/flux.ts";
import { type Part, partsOf, viewOf } from "./names/original.ts";
import { OriginalCheckpoint } from "./names/reverse.ts";
import { SD3_DIFFUSERS_NAMES, SD3_NAMES } from "./names/sd3.ts";
import { T5_GGUF_NAMES, T5_NAMES } from "./names/t5.ts";
import { UNET_DIFFUSERS_NAMES, UNET_NAMES } from "./names/unet.ts";
import { VAE_DIFFUSERS_NAMES, VAE_NAMES } from "./names/vae.ts";

/** Names of diffusers → the names under which other programs expect a network. */
const ORIGINAL: ReadonlyMap<NameFamily, NameFamily> = new Map([
  [FLUX_DIFFUSERS_NAMES, FLUX_NAMES],
  [SD3_DIFFUSERS_NAMES, SD3_NAMES],
  [UNET_DIFFUSERS_NAMES, UNET_NAMES],
  [VAE_DIFFUSERS_NAMES, VAE_NAMES],
]);

/**
 * One network as a file of its own: under its original names where it has those of diffusers; T5 in a GGUF file under
 * llama.cpp's; anything else as it is.
 */
export function componentFile(source: Checkpoint, format: FileFormat): Checkpoint {
  const parts = partsOf(source);
  if (parts.length !== 1) return source;
  const [part] = parts;
  const family = part.family === T5_NAMES && format === "gguf" ? T5_GGUF_NAMES : ORIGINAL.get(part.family);
  return family ? new OriginalCheckpoint(viewOf(source, part, parts), family) : source;
}

/** What a component is called in one file of all. */
interface Place {
  readonly prefix: string;
  readonly names?: NameFamily;
}

/** Places by what the denoiser is; a VAE's is the same everywhere. */
const PLACES: Readonly<Record<"sd1" | "sdxl" | "mmdit", Readonly<Record<string, Place>>>> = {
  sd1: { clip_l: { prefix: "cond_stage_model.transformer." } },
  sdxl: {
    clip_l: { prefix: "conditioner.embedders.0.transformer." },
    clip_g: { prefix: "conditioner.embedders.1.model.", names: OPEN_CLIP_NAMES },
  },
  mmdit: {
    clip_l: { prefix: "text_encoders.clip_l.transformer." },
    clip_g: { prefix: "text_encoders.clip_g.transformer." },
    t5: { prefix: "text_encoders.t5xxl.transformer." },
  },
};
const DENOISER = "model.diffusion_model.";
const VAE = "first_stage_model.";

/** bigG is 1280 wide, CLIP-L 768. */
const WIDE = 1024;

/**
 * Several networks as one file: a denoiser with its VAE and text encoders.
 *
 * @param sources Files or folders, each with one network or several; a role says what a CLIP is where its width does not.
 * @throws {LssgenError} `bad_option` without a denoiser, or with two networks of a kind; `unsupported` for SD2's text
 *   encoder, of which diffusers keeps a part only.
 */
export function singleFile(
  sources: readonly { readonly source: Checkpoint; readonly role?: "clip_l" | "clip_g" }[],
): Checkpoint {
  const found: { role: string; part: Part; view: Checkpoint }[] = [];
  for (const { source, role } of sources) {
    const parts = partsOf(source);
    if (parts.length === 0) {
      throw new LssgenError(
        "bad_option",
        `"${source.name}" holds no network that is known here, it cannot be part of a model's file`,
      );
    }
    for (const part of parts) {
      const view = viewOf(source, part, parts);
      found.push({ role: part.kind === "clip" ? role ?? clipRole(view) : part.kind, part, view });
    }
  }
  const denoiser = found.find(({ role }) => role === "denoiser");
  if (!denoiser) {
    throw new LssgenError(
      "bad_option",
      `${
        sources.map(({ source }) => `"${source.name}"`).join(", ")
      }: none of them holds a denoiser; name one, or convert each file by itself`,
    );
  }
  const places = PLACES[kindOf(denoiser.view)];
  const files = found.map(({ role, part, view }) => {
    const family = ORIGINAL.get(part.family) ?? part.family;
    if (role === "denoiser") return new OriginalCheckpoint(view, family, DENOISER);
    if (role === "vae") return new OriginalCheckpoint(view, VAE_NAMES, VAE);
    const place = Object.hasOwn(places, role) ? places[role] : undefined;
    if (!place) {
      throw new LssgenError(
        "unsupported",
        `"${view.name}" is a ${role} text encoder, which models of "${denoiser.view.name}" do not have in one file`,
      );
    }
    return place.names
      ? new OriginalCheckpoint(view, place.names, place.prefix)
      : prefixed(view, place.prefix);
  });
  return joined(denoiser.view.name, files);
}

function clipRole(view: Checkpoint): "clip_l" | "clip_g" {
  const width = view.info("text_model.embeddings.token_embedding.weight")?.shape[1] ?? 0;
  return width >= WIDE ? "clip_g" : "clip_l";
}

function kindOf(view: Checkpoint): "sd1" | "sdxl" | "mmdit" {
  if (view.info("add_embedding.linear_1.weight")) return "sdxl";
  return view.info("conv_in.weight") ? "sd1" : "mmdit";
}

/** A checkpoint whose names have something in front. */
function prefixed(source: Checkpoint, prefix: string): Checkpoint {
  const own = (name: string): string => name.slice(prefix.length);
  return {
    name: source.name,
    *names() {
      for (const name of source.names()) yield prefix + name;
    },
    info: (name) => name.startsWith(prefix) ? source.info(own(name)) : undefined,
    metadata: source.metadata,
    read: (name, rows, into) => source.read(own(name), rows, into),
    wholeOnly: (name) => source.wholeOnly?.(own(name)) ?? false,
    readF32: (name, rows) => source.readF32(own(name), rows),
  };
}
