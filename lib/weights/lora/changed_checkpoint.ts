/**
 * A checkpoint some of whose tensors are changed when they are read, whatever they are stored as: those of quantised types
 * and of bfloat16 become f32, which the GPU stores as the run's type.
 *
 * @module
 */

import type { LowRankChange, StoredForm } from "../stored_form.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Target } from "../names/original.ts";
import type { RowRange } from "../safetensors.ts";
import type { Adapter } from "./adapters.ts";

/** A change, and all the tensors that it is for. */
export interface Planned {
  /** Change. */
  readonly adapter: Adapter;
  /** In the order of the change's rows. */
  readonly targets: readonly Target[];
}

/** See the module. */
export class ChangedCheckpoint implements Checkpoint {
  /** @param plan Changes of each tensor, in the order of the files. */
  constructor(
    private readonly base: Checkpoint,
    private readonly plan: ReadonlyMap<string, readonly Planned[]>,
  ) {}

  get name(): string {
    return this.base.name;
  }

  get metadata(): Checkpoint["metadata"] {
    return this.base.metadata;
  }

  names(): Iterable<string> {
    return this.base.names();
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    const info = this.base.info(name);
    // A change of a thousandth would not survive the steps of quantised tensors, nor bfloat16's of 1/128 to 1/256.
    return info && this.plan.has(name) && !(info.dtype in ENCODERS) ? { ...info, dtype: "F32" } : info;
  }

  wholeOnly(name: string): boolean {
    return this.plan.has(name) || (this.base.wholeOnly?.(name) ?? false);
  }

  stored(name: string): StoredForm | undefined {
    const planned = this.plan.get(name);
    const form = this.base.stored?.(name);
    if (!planned) return form;
    const info = this.base.info(name);
    if (!info || form?.changes) return undefined;
    const changes: LowRankChange[] = [];
    for (const one of planned) {
      const { lowRank } = one.adapter.change;
      if (!lowRank) return undefined; // what it makes depends on all of the weight
      const rows = sourceRows(one, name, info.shape[0] ?? 1);
      changes.push({ ...lowRank, up: async () => picked(await lowRank.up(), rows, lowRank.rank) });
    }
    return {
      dtype: form?.dtype ?? info.dtype,
      scales: form?.scales,
      changes,
      read: form?.read ?? ((rows, into) => this.base.read(name, rows, into)),
    };
  }

  async read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }> {
    if (!this.plan.has(name)) return await this.base.read(name, rows, into);
    const values = await this.readF32(name, rows);
    return { bytes: ENCODERS[this.info(name)!.dtype](values) };
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    return await this.changed(name, rows, Infinity);
  }

  /** A tensor's rows with the changes of the files before `until`. */
  private async changed(
    name: string,
    rows: RowRange | undefined,
    until: number,
  ): Promise<Float32Array<ArrayBuffer>> {
    const mine = (this.plan.get(name) ?? []).filter(({ adapter }) => adapter.file.order < until);
    if (mine.length === 0) return await this.base.readF32(name, rows);
    const { shape } = this.base.info(name)!;
    const all = shape[0] ?? 1;
    const width = shape.slice(1).reduce((a, b) => a * b, 1);
    const kernel = shape.slice(2).reduce((a, b) => a * b, 1);
    const last = mine.at(-1)!;
    const { first, count } = rows ?? { first: 0, count: all };
    let weight: Float32Array<ArrayBuffer>;
    if (last.adapter.change.whole) {
      // Rows of the same change may lie in several tensors: all of them, as the files before left them.
      weight = await this.together(last, width, kernel);
      return picked(weight, sourceRows(last, name, all).slice(first, first + count), width);
    }
    weight = new Float32Array(await this.changed(name, rows, last.adapter.file.order));
    const own = sourceRows(last, name, all).slice(first, first + count);
    await last.adapter.change.apply({ weight, rows: own, width, kernel });
    return weight;
  }

  /** A change that needs all of its rows, applied to them. */
  private async together(
    planned: Planned,
    width: number,
    kernel: number,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { adapter: { change, file }, targets } = planned;
    const parts = await Promise.all(targets.map(({ name }) => this.changed(name, undefined, file.order)));
    const total = parts.reduce((sum, part) => sum + part.length, 0) / width;
    const weight = new Float32Array(total * width);
    targets.forEach(({ name }, i) => {
      sourceRows(planned, name, parts[i].length / width).forEach((row, n) => {
        weight.set(parts[i].subarray(n * width, (n + 1) * width), row * width);
      });
    });
    await change.apply({ weight, rows: Array.from({ length: total }, (_, n) => n), width, kernel });
    return weight;
  }
}

/** Which row of a change each row of a tensor is. */
function sourceRows({ targets }: Planned, name: string, rows: number): number[] {
  const ranges = targets.find((target) => target.name === name)!.rows ?? [{ first: 0, count: rows }];
  return ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
}

/** Some rows of a matrix, in their order. */
function picked(
  values: Float32Array<ArrayBuffer>,
  rows: readonly number[],
  width: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, n) => out.set(values.subarray(row * width, (row + 1) * width), n * width));
  return out;
}

/** Values as a stored type holds them. */
const ENCODERS: Readonly<Record<string, (values: Float32Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>>> = {
  F32: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  F16: (values) => new Uint8Array(new Float16Array(values).buffer),
};
