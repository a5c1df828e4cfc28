/**
 * The way back: a component under the names of diffusers and transformers, presented under the names of a model's first
 * release or of another tool, fused tensors joined. For writing files that other programs read.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import { elements } from "../../tensor.ts";
import type { Checkpoint } from "../types.ts";
import { bytesEndToEnd, endToEnd } from "../pieces.ts";
import type { RowRange } from "../safetensors.ts";
import type { NameFamily, Origin } from "./family.ts";

/** Rows of a file's tensor that come from rows of a component's tensor. */
interface Piece {
  readonly name: string;
  readonly transposed: boolean;
  /** First row in the file's tensor. */
  readonly at: number;
  /** Rows of the component's tensor. */
  readonly rows: RowRange;
}

interface Joined {
  readonly shape: readonly number[];
  readonly dtype: string;
  /** In the order of the file's rows. */
  readonly pieces: readonly Piece[];
}

/** Types that mixed pieces cannot be joined in as they are stored. */
const MIXED = "F32";

/**
 * A component under a family's original names.
 *
 * @param prefix Put before every name, for example `model.diffusion_model.`.
 * @throws {LssgenError} `unsupported` when the family has no way back, or a tensor does not survive it.
 */
export class OriginalCheckpoint implements Checkpoint {
  private readonly joined = new Map<string, Joined>();

  constructor(private readonly source: Checkpoint, family: NameFamily, prefix = "") {
    const names = [...source.names()];
    const original = family.original?.(names);
    if (!original) {
      throw new LssgenError("unsupported", `Files under the names of ${family.layout} cannot be written`);
    }
    const groups = new Map<string, string[]>();
    for (const name of names) {
      const origin = original(name);
      groups.set(origin, [...groups.get(origin) ?? [], name]);
    }
    const rowsOf = (name: string): number => source.info(name)!.shape[0] ?? 1;
    const rough = new Map([...groups].map(([origin, parts]) => {
      const shape = source.info(parts[0])!.shape;
      return [origin, [parts.reduce((sum, part) => sum + rowsOf(part), 0), ...shape.slice(1)]] as const;
    }));
    const wanted = new Set(names);
    const origins = new Map<string, [name: string, origin: Origin][]>();
    for (const [name, origin] of family.map(rough, prefix)) {
      if (!wanted.delete(name)) throw this.bad(name, origin.tensor, family);
      origins.set(origin.tensor, [...origins.get(origin.tensor) ?? [], [name, origin]]);
    }
    for (const name of wanted) throw this.bad(name, original(name), family);
    for (const [tensor, parts] of origins) this.joined.set(prefix + tensor, this.join(tensor, parts, family));
    if (!family.markers.some((marker) => origins.has(marker))) {
      throw this.bad(names[0], family.markers[0], family);
    }
  }

  get name(): string {
    return this.source.name;
  }

  names(): Iterable<string> {
    return this.joined.keys();
  }

  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined {
    return this.joined.get(name);
  }

  async read(name: string, rows?: RowRange): Promise<{ bytes: Uint8Array<ArrayBuffer> }> {
    const { pieces, dtype } = this.find(name);
    if (dtype === MIXED || pieces.some(({ transposed }) => transposed)) {
      const values = await this.readF32(name, rows);
      return { bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
    }
    const parts = await Promise.all(
      cut(pieces, rows).map(async ({ name, rows }) => (await this.source.read(name, rows)).bytes),
    );
    return { bytes: bytesEndToEnd(parts) };
  }

  async readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>> {
    const { pieces, shape } = this.find(name);
    if (pieces[0].transposed) return transposed(await this.source.readF32(pieces[0].name), shape, rows);
    const parts = await Promise.all(
      cut(pieces, rows).map(({ name, rows }) => this.source.readF32(name, rows)),
    );
    return endToEnd(parts);
  }

  private join(tensor: string, parts: [string, Origin][], family: NameFamily): Joined {
    const pieces: Piece[] = [];
    for (const [name, { rows, transposed = false }] of parts) {
      const all = this.source.info(name)!.shape[0] ?? 1;
      let from = 0;
      for (const { first, count } of rows ?? [{ first: 0, count: all }]) {
        pieces.push({ name, transposed, at: first, rows: { first: from, count } });
        from += count;
      }
      if (from !== all) throw this.bad(name, tensor, family);
    }
    pieces.sort((a, b) => a.at - b.at);
    let end = 0;
    for (const { name, at, rows } of pieces) {
      if (at !== end) throw this.bad(name, tensor, family);
      end += rows.count;
    }
    const { shape, dtype } = this.source.info(parts[0][0])!;
    const { squeezed, transposed } = parts[0][1];
    const alike = parts.every(([name]) => this.source.info(name)!.dtype === dtype) && !transposed;
    if (transposed) return { shape: [shape[1], shape[0]], dtype: MIXED, pieces };
    const own = squeezed && shape.length === 2 ? [...shape, 1, 1] : shape;
    return { shape: own.length === 0 ? own : [end, ...own.slice(1)], dtype: alike ? dtype : MIXED, pieces };
  }

  private find(name: string): Joined {
    const joined = this.joined.get(name);
    if (!joined) throw new LssgenError("bad_tensor", `"${this.name}" has no tensor "${name}"`);
    return joined;
  }

  private bad(name: string, tensor: string, family: NameFamily): LssgenError {
    return new LssgenError(
      "unsupported",
      `"${this.name}": tensor "${name}" has no place under the names of ${family.layout} ("${tensor}")`,
    );
  }
}

/** What of each piece lies in the rows that were asked for; whole tensors are asked for without a range. */
function cut(
  pieces: readonly Piece[],
  asked: RowRange | undefined,
): { name: string; rows: RowRange | undefined }[] {
  if (pieces.length === 1 && pieces[0].rows.first === 0) return [{ name: pieces[0].name, rows: asked }];
  const out = [];
  for (const { name, at, rows } of pieces) {
    const from = Math.max(asked?.first ?? 0, at);
    const to = Math.min(asked ? asked.first + asked.count : Infinity, at + rows.count);
    if (from < to) out.push({ name, rows: { first: rows.first + from - at, count: to - from } });
  }
  return out;
}

/** A matrix [K, N] as rows of [N, K]. */
function transposed(
  values: Float32Array<ArrayBuffer>,
  [height, width]: readonly number[],
  asked: RowRange | undefined,
): Float32Array<ArrayBuffer> {
  const { first, count } = asked ?? { first: 0, count: height };
  const out = new Float32Array(elements([count, width]));
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < width; k++) out[i * width + k] = values[k * height + first + i];
  }
  return out;
}
