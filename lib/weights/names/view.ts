/**
 * A checkpoint under other names: tensors are renamed, and fused or reordered ones cut by row ranges, without reading
 * more than is asked for. Only a transposed matrix is read whole.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Checkpoint } from "../types.ts";
import { bytesEndToEnd, endToEnd } from "../pieces.ts";
import type { RowRange } from "../safetensors.ts";
import type { BlockScales, StoredForm } from "../stored_form.ts";
import type { NameFamily, Origin } from "./family.ts";

/** Types whose bytes can be moved one value at a time. */
const PLAIN: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

interface Place extends Origin {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** Some tensors of a file under a family's new names. */
export class RenamedCheckpoint implements Checkpoint {
  private readonly places = new Map<string, Place>();

  /**
   * @param names The file's tensors that show, all of which begin with `prefix`.
   * @throws {LssgenError} `bad_tensor` when two tensors get one name, or one cannot be cut as its family says.
   */
  constructor(
    private readonly source: Checkpoint,
    family: NameFamily,
    prefix: string,
    names: readonly string[],
  ) {
    const originals = new Map(names.map((name) => [name.slice(prefix.length), source.info(name)!.shape]));
    for (const [name, origin] of family.map(originals, prefix)) {
      const full = prefix + origin.tensor;
      if (this.places.has(name)) throw this.bad(full, `is a second tensor for "${name}"`);
      this.places.set(name, { ...origin, tensor: full, ...this.look(full, name, origin) });
    }
  }

  get name(): string {
    return this.source.name;
  }

  get metadata(): Checkpoint["metadata"] {
    return this.source.metadata;
  }

  names(): Iterable<string> {
    return this.places.keys();
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    return this.places.get(name);
  }

  wholeOnly(name: string): boolean {
    const { tensor, transposed = false } = this.find(name);
    return transposed || (this.source.wholeOnly?.(tensor) ?? false);
  }

  async read(
    name: string,
    rows?: RowRange,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    const place = this.find(name);
    if (place.transposed) return { bytes: await this.transposed(place, rows) };
    return await this.joinedRead(
      place,
      rows,
      (range, memory) => this.source.read(place.tensor, range, memory),
      into,
    );
  }

  /** Bytes of some rows, which may lie in several places of the original. */
  private async joinedRead(
    place: Place,
    rows: RowRange | undefined,
    read: (
      rows: RowRange | undefined,
      into: Uint8Array<ArrayBuffer> | undefined,
    ) => Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }>,
    into: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    const ranges = rangesOf(place, rows);
    const memory = ranges.length === 1 ? into : undefined;
    const parts = await Promise.all(ranges.map(async (range) => (await read(range, memory)).bytes));
    return { bytes: bytesEndToEnd(parts) };
  }

  stored(name: string): StoredForm | undefined {
    const place = this.places.get(name);
    const form = place && !place.transposed ? this.source.stored?.(place.tensor) : undefined;
    if (!place || !form) return undefined;
    return {
      dtype: form.dtype,
      scales: form.scales && cutScales(form.scales, place.rows),
      changes: form.changes?.map((change) => ({
        ...change,
        up: async () => rowsOf(await change.up(), change.rank, place.rows),
      })),
      read: (rows, into) => this.joinedRead(place, rows, (range, memory) => form.read(range, memory), into),
    };
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const place = this.find(name);
    if (place.transposed) return await this.transposedF32(place, rows);
    const ranges = rangesOf(place, rows);
    const parts = await Promise.all(ranges.map((range) => this.source.readF32(place.tensor, range)));
    return endToEnd(parts);
  }

  /** Shape and type under the new name. */
  private look(
    full: string,
    name: string,
    { rows, transposed, squeezed }: Origin,
  ): { shape: readonly number[]; dtype: string } {
    const { shape, dtype } = this.source.info(full)!;
    if (transposed) {
      if (shape.length !== 2) throw this.bad(full, `is [${shape}], expected a matrix for "${name}"`);
      return { shape: [shape[1], shape[0]], dtype: dtype in PLAIN ? dtype : "F32" };
    }
    if (squeezed && shape.length > 2 && shape.slice(2).every((n) => n === 1)) {
      return { shape: shape.slice(0, 2), dtype };
    }
    if (!rows) return { shape, dtype };
    const fits = rows.every(({ first, count }) =>
      Number.isInteger(first) && Number.isInteger(count) && first >= 0 && count >= 0 &&
      first + count <= (shape[0] ?? 0)
    );
    if (!fits) throw this.bad(full, `of [${shape}] cannot be cut into "${name}" and its neighbours`);
    return { shape: [rows.reduce((sum, { count }) => sum + count, 0), ...shape.slice(1)], dtype };
  }

  /** Bytes of a matrix that the file holds the other way round; quantised ones as f32. */
  private async transposed(place: Place, rows: RowRange | undefined): Promise<Uint8Array<ArrayBuffer>> {
    const size = PLAIN[this.source.info(place.tensor)!.dtype];
    if (size === undefined) return new Uint8Array((await this.transposedF32(place, rows)).buffer);
    const [height, width] = place.shape;
    const { bytes } = await this.source.read(place.tensor);
    const { first, count } = rows ?? { first: 0, count: height };
    const out = new Uint8Array(count * width * size);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < width; k++) {
        const from = (k * height + first + i) * size;
        for (let b = 0; b < size; b++) out[(i * width + k) * size + b] = bytes[from + b];
      }
    }
    return out;
  }

  private async transposedF32(
    { tensor, shape: [height, width] }: Place,
    rows: RowRange | undefined,
  ): Promise<Float32Array<ArrayBuffer>> {
    const values = await this.source.readF32(tensor);
    const { first, count } = rows ?? { first: 0, count: height };
    const out = new Float32Array(count * width);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < width; k++) out[i * width + k] = values[k * height + first + i];
    }
    return out;
  }

  private find(name: string): Place {
    const place = this.places.get(name);
    if (!place) throw new LssgenError("bad_tensor", `"${this.name}" has no tensor "${name}"`);
    return place;
  }

  private bad(tensor: string, what: string): LssgenError {
    return new LssgenError(
      "bad_tensor",
      `"${this.name}": tensor "${tensor}" ${what}; the file may belong to another architecture`,
    );
  }
}

/** Some rows of a matrix of `width` columns; all of it without ranges. */
function rowsOf(
  values: Float32Array<ArrayBuffer>,
  width: number,
  rows: readonly RowRange[] | undefined,
): Float32Array<ArrayBuffer> {
  if (!rows) return values;
  return endToEnd(
    rows.map(({ first, count }) => values.subarray(first * width, (first + count) * width)),
  );
}

/** The scales of some rows of a tensor, one row of them for each; a single scale stays one. */
function cutScales(scales: BlockScales, rows: readonly RowRange[] | undefined): BlockScales {
  if (!rows) return scales;
  const { height, columns, width } = scales;
  const indices = rows.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
  return {
    height: 1,
    columns,
    width,
    values: async () => {
      const values = await scales.values();
      const out = new Float32Array(indices.length * columns);
      indices.forEach((row, i) => {
        const at = Math.floor(row / height) * columns;
        out.set(values.subarray(at, at + columns), i * columns);
      });
      return out;
    },
  };
}

/** The rows of the original that were asked for; `undefined` for all of it. */
function rangesOf({ rows }: Place, asked: RowRange | undefined): readonly (RowRange | undefined)[] {
  if (!rows) return [asked];
  if (!asked) return rows;
  const ranges: RowRange[] = [];
  let at = 0;
  for (const { first, count } of rows) {
    const from = Math.max(asked.first, at);
    const to = Math.min(asked.first + asked.count, at + count);
    if (from < to) ranges.push({ first: first + from - at, count: to - from });
    at += count;
  }
  return ranges;
}
