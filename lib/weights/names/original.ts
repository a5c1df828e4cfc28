/**
 * Files under the tensor names of a model's first release or of another tool, presented under those of diffusers and
 * transformers: which parts of a pipeline a file holds, told from its names, and each part as a checkpoint of its own.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Checkpoint } from "../types.ts";
import type { RowRange } from "../safetensors.ts";
import { CLIP_FLAT_NAMES, CLIP_NAMES, OPEN_CLIP_NAMES } from "./clip.ts";
import { DIT_DIFFUSERS_NAMES, DIT_NAMES, PIXART_DIFFUSERS_NAMES, PIXART_NAMES } from "./dit.ts";
import type { NameFamily, Originals, PartKind } from "./family.ts";
import { FLUX_DIFFUSERS_NAMES, FLUX_NAMES } from "./flux.ts";
import { SD3_DIFFUSERS_NAMES, SD3_NAMES } from "./sd3.ts";
import { T5_GGUF_NAMES, T5_NAMES } from "./t5.ts";
import { TAESD_DECODER_NAMES, TAESD_DIFFUSERS_NAMES, TAESD_ENCODER_NAMES, TAESD_NAMES } from "./taesd.ts";
import { UNET_DIFFUSERS_NAMES, UNET_NAMES } from "./unet.ts";
import { VAE_DIFFUSERS_NAMES, VAE_NAMES } from "./vae.ts";
import { RenamedCheckpoint } from "./view.ts";

/** Every layout of names that is known. Of two with the same prefix and kind, the first counts. */
const FAMILIES: readonly NameFamily[] = [
  FLUX_NAMES,
  SD3_NAMES,
  UNET_NAMES,
  PIXART_NAMES,
  DIT_NAMES,
  FLUX_DIFFUSERS_NAMES,
  SD3_DIFFUSERS_NAMES,
  UNET_DIFFUSERS_NAMES,
  PIXART_DIFFUSERS_NAMES,
  DIT_DIFFUSERS_NAMES,
  VAE_NAMES,
  VAE_DIFFUSERS_NAMES,
  TAESD_NAMES,
  TAESD_DIFFUSERS_NAMES,
  TAESD_DECODER_NAMES,
  TAESD_ENCODER_NAMES,
  CLIP_NAMES,
  CLIP_FLAT_NAMES,
  OPEN_CLIP_NAMES,
  T5_NAMES,
  T5_GGUF_NAMES,
];

/** One part of a pipeline in a file. */
export interface Part {
  /** Which part. */
  readonly kind: PartKind;
  /** Whose names it has. */
  readonly family: NameFamily;
  /** What stands before its tensors' names: "", `model.diffusion_model.`, `conditioner.embedders.1.model.`, … */
  readonly prefix: string;
}

/** Prefixes of what looks like a part and is none: ControlNets, image towers, copies of the weights' moving average. */
const NO_PART = /(^|[._])(control_model|visual|vision_model|ema)\./;

/**
 * The parts of a pipeline that a file holds, denoisers first, told from tensor names alone. A file of SDXL has a
 * denoiser, a VAE and two CLIPs; a component's file has one part; a LoRA has none.
 */
export function partsOf(source: Pick<Checkpoint, "names">): Part[] {
  const names = [...source.names()];
  const parts: Part[] = [];
  const claimed = new Set<string>();
  for (const family of FAMILIES) {
    for (const marker of family.markers) {
      for (const name of names) {
        if (claimed.has(name) || !(name === marker || (!family.bare && name.endsWith(`.${marker}`)))) {
          continue;
        }
        claimed.add(name);
        const prefix = name.slice(0, -marker.length);
        if (NO_PART.test(prefix)) continue;
        if (parts.some((part) => part.kind === family.kind && part.prefix === prefix)) continue;
        parts.push({ kind: family.kind, family, prefix });
      }
    }
  }
  return parts;
}

/**
 * One part of a file under the names of diffusers and transformers. Tensors outside of it do not show; what is inside
 * and unknown keeps its name, so that a model refuses it by that name.
 *
 * @param parts All parts of the file: tensors of another part with a longer prefix belong to that one.
 * @throws {LssgenError} `bad_tensor` when a fused tensor cannot be cut as its family says.
 */
export function viewOf(source: Checkpoint, part: Part, parts: readonly Part[] = [part]): Checkpoint {
  const mine = [...source.names()].filter((name) => ownerOf(name, parts) === part && !isBookkeeping(name));
  return new RenamedCheckpoint(source, part.family, part.prefix, mine);
}

/** Tensors that belong to no part and are not known bookkeeping of training: a fact that is not heeded, or an error. */
export function leftOver(source: Pick<Checkpoint, "names">, parts: readonly Part[]): string[] {
  return [...source.names()].filter((name) => !isBookkeeping(name) && ownerOf(name, parts) === undefined);
}

function ownerOf(name: string, parts: readonly Part[]): Part | undefined {
  let owner: Part | undefined;
  for (const part of parts) {
    if (name.startsWith(part.prefix) && part.prefix.length > (owner?.prefix.length ?? -1)) owner = part;
  }
  return owner;
}

/**
 * What training frameworks save beside the weights and every loader leaves out: the noise schedule's buffers, which
 * follow from the scheduler's config, the moving average's copies, and the losses' networks.
 *
 * Source: what LatentDiffusion and AutoencoderKL of CompVis register, and what stable-diffusion.cpp and diffusers skip.
 */
const BOOKKEEPING: readonly RegExp[] = [
  /^(betas|logvar|lvlb_weights|denoiser\.sigmas)$/,
  /^(alphas_cumprod|sqrt_|log_one_minus_alphas|posterior_)/,
  /^model_ema\./,
  /^(first_stage_model\.|vae\.)?loss\./,
  /^(first_stage_model\.|vae\.)?(model_ema|encoder_ema|decoder_ema)\./,
  /^embedding_manager\./,
  /(^|\.)position_ids$/,
  // CLIP's training has it; ComfyUI's classes for text encoders have it around T5 too.
  /(^|\.)logit_scale$/,
  /(^|\.)num_batches_tracked$/,
];

/** Whether a tensor is known to carry nothing that a picture depends on. */
export function isBookkeeping(name: string): boolean {
  return BOOKKEEPING.some((pattern) => pattern.test(name));
}

/**
 * A component's file under the names of diffusers and transformers: itself where it has them already, else a view.
 *
 * @param kinds What the component is; of a file with several parts, the first of these kinds. Any kind without.
 * @throws {LssgenError} `bad_tensor` when a fused tensor cannot be cut as its family says, `bad_file` when the file holds
 *   other parts than the one that is wanted, or is a LoRA.
 */
export function underDiffusersNames(source: Checkpoint, kinds?: readonly PartKind[]): Checkpoint {
  const parts = partsOf(source);
  const part = parts.find(({ kind }) => kinds?.includes(kind) ?? true);
  if (part) return viewOf(source, part, parts);
  if (kinds === undefined) return source;
  const wanted = kinds.map((kind) => KINDS[kind]).join(" or ");
  const bad = (what: string): LssgenError =>
    new LssgenError("bad_file", `"${source.name}" holds ${what}, expected ${wanted}`);
  if (parts.length > 0) {
    const found = parts.map(({ kind, family }) => `${KINDS[kind]} (names of ${family.layout})`);
    throw bad([...new Set(found)].join(" and "));
  }
  const names = [...source.names()];
  if (names.length > 0 && names.every((name) => LORA.test(name))) throw bad("a LoRA, which --lora takes");
  return source;
}

const KINDS: Readonly<Record<PartKind, string>> = {
  denoiser: "a denoiser",
  vae: "a VAE",
  clip: "a CLIP text encoder",
  t5: "a T5 encoder",
  upscaler: "an upscaler of pictures",
};

/** Every tensor of a LoRA has a name like one of these. */
const LORA = /[._]lora[._]|^lora_|\.(hada|lokr)_|\.(alpha|dora_scale|diff|diff_b)$/;

/** A tensor under the names of diffusers, and the rows of the original that make it. */
export interface Target {
  /** Name. */
  readonly name: string;
  /** Rows of the original, end to end; all when absent. */
  readonly rows?: readonly RowRange[];
}

/**
 * Where single original tensors end up in a model whose names are those of diffusers: for LoRA files, which hold a
 * few modules of the whole.
 *
 * @param originals Tensors by their original names.
 * @param names The model's own tensors. Only targets that are all among them count.
 */
export function originalTargets(originals: Originals, names: readonly string[]): Map<string, Target[]> {
  const known = new Set(names);
  const found = new Map<string, Target[]>();
  if (originals.size === 0) return found;
  for (const family of FAMILIES) {
    if (family.kind !== "denoiser") continue;
    const whole = new Map([...family.skeleton?.(names) ?? [], ...originals]);
    const byTensor = new Map<string, Target[]>();
    for (const [name, { tensor, rows }] of family.map(whole, "")) {
      if (originals.has(tensor)) byTensor.set(tensor, [...byTensor.get(tensor) ?? [], { name, rows }]);
    }
    for (const [tensor, targets] of byTensor) {
      if (targets.every(({ name }) => known.has(name))) found.set(tensor, targets);
    }
  }
  return found;
}
