/**
 * A component's tensors with random values, none of them in memory: names and shapes as the network declares them, values
 * from a pool that is repeated. What a type's blocks look like is made once a pool.
 *
 * @module
 */

import type { Device } from "../../lib/gpu/device.ts";
import { Weights } from "../../lib/models/weights.ts";
import { WeightStore } from "../../lib/residency/store.ts";
import { elements } from "../../lib/tensor.ts";
import type { Checkpoint } from "../../lib/weights/checkpoint.ts";
import { quantise, storageOf, type WritableType } from "../../lib/weights/quantise.ts";
import { dequantise } from "../../lib/weights/quants.ts";
import type { RowRange } from "../../lib/weights/safetensors.ts";

/** A tensor as declared. */
export interface Declared {
  /** Name under diffusers or transformers. */
  readonly name: string;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
}

/** Tensors that exist only under some names, and are asked for before they are declared. */
const OPTIONAL: ReadonlySet<string> = new Set(["text_model.final_layer_norm.weight", "shared.weight"]);

class Declaring extends WeightStore {
  readonly found = new Map<string, readonly number[]>();

  constructor() {
    const nothing: Checkpoint = {
      name: "declared",
      names: () => [],
      info: () => undefined,
      read: () => Promise.reject(new Error("declared only")),
      readF32: () => Promise.reject(new Error("declared only")),
    };
    super(nothing, undefined as unknown as Device, { dtype: "f32" });
  }

  /** Whatever an adapter may hold. */
  override checkSize(): void {}

  override declare(...[names, shape]: Parameters<WeightStore["declare"]>): void {
    for (const name of names) this.found.set(name, shape);
  }

  override has(name: string): boolean {
    return OPTIONAL.has(name);
  }
}

/** Every tensor that a network declares, with its shape. */
export function declaredTensors(build: (w: Weights) => unknown): Declared[] {
  const store = new Declaring();
  build(new Weights(store));
  return [...store.found].map(([name, shape]) => ({ name, shape }));
}

/** Super-blocks of 256 values before they repeat: a prime, so that no two rows of a matrix are alike. */
const POOL = 1009;
const BLOCK = 256;

/** Random tensors, each stored as `typeOf` says. */
export class RandomCheckpoint implements Checkpoint {
  private readonly tensors: ReadonlyMap<string, { shape: readonly number[]; dtype: WritableType }>;
  private readonly pools = new Map<string, Uint8Array<ArrayBuffer>>();

  constructor(
    readonly name: string,
    tensors: readonly Declared[],
    typeOf: (tensor: Declared) => WritableType,
    private readonly seed: number,
  ) {
    this.tensors = new Map(tensors.map((t) => [t.name, { shape: t.shape, dtype: typeOf(t) }]));
  }

  names(): Iterable<string> {
    return this.tensors.keys();
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    return this.tensors.get(name);
  }

  read(name: string, rows?: RowRange): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }> {
    const { shape, dtype } = this.tensors.get(name)!;
    const { values, bytes } = storageOf(dtype);
    const row = elements(shape.slice(1));
    const first = rows ? rows.first * row : 0;
    const count = rows ? rows.count * row : elements(shape);
    const pool = this.pool(kindOf(name, shape), dtype);
    const size = count / values * bytes;
    const out = new Uint8Array(size);
    // Each tensor begins elsewhere in the pool.
    let from = (first / values * bytes + hash(name, this.seed) % POOL * (BLOCK / values * bytes)) %
      pool.length;
    for (let at = 0; at < size;) {
      const n = Math.min(size - at, pool.length - from);
      out.set(pool.subarray(from, from + n), at);
      at += n;
      from = 0;
    }
    return Promise.resolve({ bytes: out });
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    return dequantise((await this.read(name, rows)).bytes, this.tensors.get(name)!.dtype);
  }

  private pool({ centre, bound }: Spread, type: WritableType): Uint8Array<ArrayBuffer> {
    const key = `${centre} ${bound} ${type}`;
    let pool = this.pools.get(key);
    if (!pool) {
      let state = hash(key, this.seed);
      const values = Float32Array.from({ length: POOL * BLOCK }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return centre + (state / 2 ** 31 - 1) * bound;
      });
      this.pools.set(key, pool = quantise(values, type)!);
    }
    return pool;
  }
}

/** Uniform values around a centre. */
interface Spread {
  readonly centre: number;
  readonly bound: number;
}

/** Values that keep an activation's size through many layers: it must neither overflow nor vanish. */
function kindOf(name: string, shape: readonly number[]): Spread {
  if (name.endsWith("relative_attention_bias.weight")) return { centre: 0, bound: 1 };
  if (name === "shared.weight") return { centre: 0, bound: 2 }; // T5's embeddings are not normed at their root
  if (shape.length > 1) return { centre: 0, bound: Math.sqrt(3 / elements(shape.slice(1))) / 2 };
  return name.endsWith(".bias") ? { centre: 0, bound: 0.05 } : { centre: 1, bound: 0.1 }; // norms' weights
}

/** FNV-1a over UTF-16 units. */
function hash(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h >>> 0;
}
