/**
 * What an architecture is to a file: tensors that give it away, and its config as far as names and shapes tell it.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";

/** Names, shapes and types of tensors, under the names of diffusers and transformers; no values are needed. */
export type Directory = Pick<Checkpoint, "name" | "names" | "info">;

/** Keys of a config.json. */
export type Config = Readonly<Record<string, unknown>>;

/** Which place of a pipeline a network takes. */
export type Kind = "denoiser" | "vae" | "taesd" | "clip" | "t5";

/** A config read off a directory. */
export interface Derived {
  /** Keys that names and shapes decide: a config that is given must agree with them. */
  readonly certain: Config;
  /** Keys that no shape decides, as every released model of these sizes has them. */
  readonly usual: Config;
  /** Why `usual` is not known for these sizes; undefined where it is. */
  readonly unknown?: string;
}

/** One architecture: a file in architectures/, a line in architectures.ts. */
export interface Architecture {
  /** Class of diffusers or transformers. */
  readonly class: string;
  /** Its place. */
  readonly kind: Kind;
  /** What it is called in messages. */
  readonly noun: string;
  /**
   * Whether a network is one of these.
   *
   * @param directory Tensors under the names of diffusers, without a prefix.
   */
  is(directory: Directory): boolean;
  /**
   * The config of a network.
   *
   * @param directory Tensors under the names of diffusers, without a prefix.
   * @throws {LssgenError} `bad_tensor` when a tensor that every such network has is missing.
   */
  derive(directory: Directory): Derived;
}

/**
 * Sizes of a tensor.
 *
 * @throws {LssgenError} `bad_tensor` when there is none, or it has another number of axes.
 */
export function shapeOf(d: Directory, name: string, axes: number): readonly number[] {
  const shape = d.info(name)?.shape;
  if (shape?.length === axes) return shape;
  throw new LssgenError(
    "bad_tensor",
    shape
      ? `"${d.name}": tensor "${name}" is [${shape}], expected ${axes} axes`
      : `"${d.name}" has no tensor "${name}"; the file may be cut short or hold another architecture`,
  );
}

/** Whether a directory has all of some tensors. */
export function hasAll(d: Directory, ...names: readonly string[]): boolean {
  return names.every((name) => d.info(name) !== undefined);
}

/** How many numbers follow a beginning: "blocks." counts blocks.0.…, blocks.1.… */
export function countOf(d: Directory, beginning: string): number {
  const found = new Set<string>();
  for (const name of d.names()) {
    if (!name.startsWith(beginning)) continue;
    const number = /^\d+(?=\.)/.exec(name.slice(beginning.length))?.[0];
    if (number !== undefined) found.add(number);
  }
  return found.size;
}

/** One value where all are equal, else the list. */
export function collapsed<T>(values: readonly T[]): T | readonly T[] {
  return values.every((value) => value === values[0]) && values.length > 0 ? values[0] : values;
}
