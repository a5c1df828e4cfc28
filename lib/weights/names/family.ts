/**
 * What a table of names says: how the tensors of a first release become those of diffusers and transformers.
 *
 * @module
 */

import type { RowRange } from "../safetensors.ts";

/** Which part of a pipeline a set of tensors is. */
export type PartKind = "denoiser" | "vae" | "clip" | "t5" | "upscaler";

/** Where a tensor of the new names lies: all of an old one, or rows of it, end to end in this order. */
export interface Origin {
  /** Name in the file, without the family's prefix. */
  readonly tensor: string;
  /** Rows of the first axis; all without it. */
  readonly rows?: readonly RowRange[];
  /** The file holds the matrix as [in, out], the new name means [out, in]. */
  readonly transposed?: boolean;
  /** The file holds a 1×1 convolution [N, K, 1, 1], the new name means a matrix [N, K]. */
  readonly squeezed?: boolean;
}

/** Tensors of a file by their original names, without the prefix. */
export type Originals = ReadonlyMap<string, readonly number[]>;

/** How one family's original names map to those of diffusers. */
export interface NameFamily {
  /** Which part of a pipeline these tensors are. */
  readonly kind: PartKind;
  /** Whose names they are, for messages and tables. */
  readonly layout: string;
  /** Tensors that only this family has: what stands before one of them is the prefix. The first that is found counts. */
  readonly markers: readonly string[];
  /** The names have no prefix: a marker counts only where it is the whole name. */
  readonly bare?: boolean;
  /** New name → origin; an unknown tensor keeps its name, so that a model refuses it by that name. */
  map(originals: Originals, prefix: string): Iterable<readonly [name: string, origin: Origin]>;
  /** Original tensors that `map` must see to count blocks, for a model of these new names. */
  skeleton?(names: readonly string[]): Originals;
  /**
   * The way back, for writing files: which original tensor a new one is part of, for a model of these new names. An unknown
   * name stays. `map` of those originals must give the same names again.
   */
  original?(names: readonly string[]): (name: string) => string;
}

/** A family whose names are those of diffusers or transformers already: only the prefix goes. */
export function sameNames(kind: PartKind, layout: string, ...markers: string[]): NameFamily {
  return {
    kind,
    layout,
    markers,
    *map(originals) {
      for (const tensor of originals.keys()) yield [withoutWrapper(tensor), { tensor }];
    },
  };
}

/** What the classes around text encoders call the encoder: LatentDiffusion's and ComfyUI's have tensors of their own beside it. */
const WRAPPER = "transformer.";

/** Markers of a text encoder, alone and inside of the class that LatentDiffusion and ComfyUI wrap around it. */
export function alsoWrapped(marker: string): [string, string] {
  return [WRAPPER + marker, marker];
}

/** A name without the class around a text encoder. */
export function withoutWrapper(tensor: string): string {
  return tensor.startsWith(WRAPPER) ? tensor.slice(WRAPPER.length) : tensor;
}
