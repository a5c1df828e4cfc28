/**
 * Single files under the tensor names of a model's first release, presented under those of diffusers:
 * tensors are renamed, and fused or reordered ones cut by row ranges, without reading more than is asked for.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { RowRange } from "../safetensors.ts";
import { FLUX_NAMES } from "./flux.ts";
import { SD3_NAMES } from "./sd3.ts";
import { UNET_NAMES } from "./unet.ts";

/** Where a tensor of the new names lies: all of an old one, or rows of it, end to end in this order. */
export interface Origin {
  /** Name in the file, without the family's prefix. */
  readonly tensor: string;
  /** Rows of the first axis; all without it. */
  readonly rows?: readonly RowRange[];
}

/** Tensors of a file by their original names, without the prefix. */
export type Originals = ReadonlyMap<string, readonly number[]>;

/** How one family's original names map to those of diffusers. */
export interface NameFamily {
  /** A tensor that every file of the family has and no other; what stands before it is the prefix. */
  readonly marker: string;
  /** New name → origin; an unknown tensor keeps its name, so that a model refuses it by that name. */
  map(originals: Originals): Iterable<readonly [name: string, origin: Origin]>;
  /** Original tensors that `map` must see to count blocks, for a model of these new names. */
  skeleton?(names: readonly string[]): Originals;
}

const FAMILIES: readonly NameFamily[] = [FLUX_NAMES, SD3_NAMES, UNET_NAMES];

/**
 * The checkpoint under the names of diffusers: itself where it has them already, a view where its names are
 * those of a family's first release. With a prefix (`model.diffusion_model.`) only tensors under it show.
 *
 * @throws {LssgenError} `bad_tensor` when a fused tensor cannot be cut as its family says.
 */
export function underDiffusersNames(source: Checkpoint): Checkpoint {
  for (const name of source.names()) {
    const family = FAMILIES.find(({ marker }) => name === marker || name.endsWith(`.${marker}`));
    if (family) return new RenamedCheckpoint(source, family, name.slice(0, -family.marker.length));
  }
  return source;
}

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
    const whole = new Map([...family.skeleton?.(names) ?? [], ...originals]);
    const byTensor = new Map<string, Target[]>();
    for (const [name, { tensor, rows }] of family.map(whole)) {
      if (originals.has(tensor)) byTensor.set(tensor, [...byTensor.get(tensor) ?? [], { name, rows }]);
    }
    for (const [tensor, targets] of byTensor) {
      if (targets.every(({ name }) => known.has(name))) found.set(tensor, targets);
    }
  }
  return found;
}

class RenamedCheckpoint implements Checkpoint {
  private readonly origins = new Map<string, Origin & { shape: readonly number[]; dtype: string }>();

  constructor(private readonly source: Checkpoint, family: NameFamily, prefix: string) {
    const originals = new Map<string, readonly number[]>();
    for (const name of source.names()) {
      if (name.startsWith(prefix)) originals.set(name.slice(prefix.length), source.info(name)!.shape);
    }
    for (const [name, { tensor, rows }] of family.map(originals)) {
      const full = prefix + tensor;
      const { shape, dtype } = source.info(full)!;
      if (this.origins.has(name)) throw this.bad(full, `is a second tensor for "${name}"`);
      if (!rows) {
        this.origins.set(name, { tensor: full, shape, dtype });
        continue;
      }
      const fits = rows.every(({ first, count }) =>
        Number.isInteger(first) && Number.isInteger(count) && first >= 0 && count >= 0 &&
        first + count <= (shape[0] ?? 0)
      );
      if (!fits) throw this.bad(full, `of [${shape}] cannot be cut into "${name}" and its neighbours`);
      const all = rows.reduce((sum, { count }) => sum + count, 0);
      this.origins.set(name, { tensor: full, rows, shape: [all, ...shape.slice(1)], dtype });
    }
  }

  get name(): string {
    return this.source.name;
  }

  names(): Iterable<string> {
    return this.origins.keys();
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    return this.origins.get(name);
  }

  async read(name: string, rows?: RowRange): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    const { tensor, ranges } = this.find(name, rows);
    const parts = await Promise.all(ranges.map((range) => this.source.read(tensor, range)));
    if (parts.length === 1) return parts[0] as { bytes: Uint8Array<ArrayBuffer> };
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part.bytes, at);
      at += part.bytes.length;
    }
    return { bytes };
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const { tensor, ranges } = this.find(name, rows);
    const parts = await Promise.all(ranges.map((range) => this.source.readF32(tensor, range)));
    if (parts.length === 1) return parts[0];
    const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      values.set(part, at);
      at += part.length;
    }
    return values;
  }

  /** The original tensor and the rows of it that were asked for. */
  private find(
    name: string,
    asked: RowRange | undefined,
  ): { tensor: string; ranges: readonly (RowRange | undefined)[] } {
    const origin = this.origins.get(name);
    if (!origin) throw new LssgenError("bad_tensor", `"${this.name}" has no tensor "${name}"`);
    const { tensor, rows } = origin;
    if (!rows) return { tensor, ranges: [asked] };
    if (!asked) return { tensor, ranges: rows };
    const ranges: RowRange[] = [];
    let at = 0;
    for (const { first, count } of rows) {
      const from = Math.max(asked.first, at);
      const to = Math.min(asked.first + asked.count, at + count);
      if (from < to) ranges.push({ first: first + from - at, count: to - from });
      at += count;
    }
    return { tensor, ranges };
  }

  private bad(tensor: string, what: string): LssgenError {
    return new LssgenError(
      "bad_tensor",
      `"${this.name}": tensor "${tensor}" ${what}; the file may belong to another architecture`,
    );
  }
}
