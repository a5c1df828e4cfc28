/**
 * A model of random weights, made in memory as it is loaded: f16, one tensor at a time, nothing the size of the model
 * beside the GPU's buffers.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Weights } from "../lib/models/weights.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { elements } from "../lib/tensor.ts";
import type { RowRange } from "../lib/weights/safetensors.ts";
import type { Checkpoint } from "../lib/weights/types.ts";

/** Values before they repeat: a prime, so that rows of weights differ. */
const PERIOD = 65_521;

/** Answers every name that was declared, with the shape it was declared with. */
class RandomSource implements Checkpoint {
  readonly name = "random weights";
  private readonly shapes = new Map<string, readonly number[]>();
  private readonly pools = new Map<number, Float16Array<ArrayBuffer>>();

  set(name: string, shape: readonly number[]): void {
    this.shapes.set(name, shape);
  }

  names(): Iterable<string> {
    return this.shapes.keys();
  }

  info(name: string): { shape: readonly number[]; dtype: string } | undefined {
    const shape = this.shapes.get(name);
    return shape && { shape, dtype: "F16" };
  }

  read(name: string, rows?: RowRange): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    const shape = this.shapes.get(name)!;
    const pool = this.pool(shape);
    const values = new Uint16Array(valuesOf(shape, rows));
    const bits = new Uint16Array(pool.buffer);
    for (let at = 0; at < values.length; at += PERIOD) {
      values.set(bits.subarray(0, Math.min(PERIOD, values.length - at)), at);
    }
    return Promise.resolve({ bytes: new Uint8Array(values.buffer) });
  }

  readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const shape = this.shapes.get(name)!;
    const pool = Float32Array.from(this.pool(shape));
    const values = new Float32Array(valuesOf(shape, rows));
    for (let at = 0; at < values.length; at += PERIOD) {
      values.set(pool.subarray(0, Math.min(PERIOD, values.length - at)), at);
    }
    return Promise.resolve(values);
  }

  /** Uniform values whose products keep an activation's size: layers must neither overflow nor vanish. */
  private pool(shape: readonly number[]): Float16Array<ArrayBuffer> {
    const inputs = Math.max(1, elements(shape.slice(1)));
    let pool = this.pools.get(inputs);
    if (!pool) {
      const bound = Math.sqrt(3 / inputs) / 2;
      let state = 1;
      pool = Float16Array.from({ length: PERIOD }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return (state / 2 ** 31 - 1) * bound;
      });
      this.pools.set(inputs, pool);
    }
    return pool;
  }
}

/** Values of some rows of a tensor; of all without a range. */
function valuesOf(shape: readonly number[], rows: RowRange | undefined): number {
  return rows ? rows.count * elements(shape.slice(1)) : elements(shape);
}

/** A store that has whatever is asked for. */
class RandomStore extends WeightStore {
  constructor(private readonly random: RandomSource, device: Device) {
    super(random, device, { dtype: "f16" });
  }

  /** T5 asks for its table before it declares it. */
  override has(name: string): boolean {
    return name === "shared.weight" || super.has(name);
  }

  override declare(...[names, shape, transfers]: Parameters<WeightStore["declare"]>): void {
    for (const name of names) this.random.set(name, shape);
    super.declare(names, shape, transfers);
  }
}

/** A network with random weights on the GPU, and what frees them. */
export async function randomModel<M>(
  device: Device,
  build: (w: Weights) => M,
): Promise<{ model: M; bytes: number; [Symbol.dispose](): void }> {
  const store = new RandomStore(new RandomSource(), device);
  const model = build(new Weights(store));
  await store.load();
  return { model, bytes: store.bytes, [Symbol.dispose]: () => store[Symbol.dispose]() };
}
