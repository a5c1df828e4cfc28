/**
 * Weights asked for by their checkpoint name, where they are used.
 *
 * A model's constructor declares what it needs (`w.at("attn").linear("to_q", N, K)`) and gets a handle; loading the store
 * fills it. How a tensor is stored (f32, f16, bf16, quantised in the file) is known here, in lib/residency and in the kernels,
 * never in a model. All of a handle but its buffer's content is known from the file's header, so that a forward pass can be
 * rehearsed before anything is loaded.
 *
 * @module
 */

import { type ConvWeights, PACKED_COLUMN, packedConvBytes } from "../ops/conv2d.ts";
import type { LinearWeights, Matrix, PlainMatrix } from "../ops/linear.ts";
import {
  blockBytes,
  type Blocks,
  type LowRank,
  type QuantisedMatrix,
  type QuantisedName,
  type Scales,
} from "../ops/quantised.ts";
import type { WeightStore } from "../residency/store.ts";
import {
  byteTransfers,
  storedBytes,
  type Transfer,
  typeOnTheWay,
  valueTransfers,
} from "../residency/transfers.ts";
import type { Upload } from "../residency/upload.ts";
import { elements, PLAIN_BYTES, sixteens, type Tensor } from "../tensor.ts";
import type { LowRankChange, StoredForm } from "../weights/stored_form.ts";

/** How a linear layer is stored. */
export interface LinearOptions {
  /** `false` when the layer has no bias. */
  readonly bias?: boolean;
  /** Keep an f32 checkpoint's layer in f32 in f16 runs. */
  readonly exact?: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A place in a checkpoint: `w.at("attn").linear("to_q", N, K)` is the tensor `….attn.to_q.weight`. */
export class Weights {
  /** @param store Where the weights will be. @param path Common beginning of their names; none for all of the checkpoint. */
  constructor(readonly store: WeightStore, readonly path: string = "") {}

  /** The sub-path `name`. */
  at(name: string | number): Weights {
    return new Weights(this.store, this.full(String(name)));
  }

  /** Whether the checkpoint has `name` under this path. */
  has(name: string): boolean {
    return this.store.has(this.full(name));
  }

  /** Marks a tensor as known and not needed. A pattern is tried on full names, without this path. */
  ignore(name: string | RegExp): void {
    this.store.ignore(typeof name === "string" ? this.full(name) : name);
  }

  /**
   * A linear layer: `name.weight` [N, K] and, unless `bias` is false, `name.bias` [N].
   *
   * @param options `bias: false` when the layer has none; `exact` keeps f32 checkpoints in f32 in f16 runs;
   *   `stored` is the tensor's shape in the file where it is not [N, K]: a patch convolution [N, C, p, p]
   *   is a linear layer of patches.
   */
  linear(
    name: string,
    N: number,
    K: number,
    options: LinearOptions & { stored?: readonly number[] } = {},
  ): LinearWeights {
    return this.linearCat([name], [N], K, options);
  }

  /** Several linear layers of the same input as one matrix: rows of `names[0]`, then of `names[1]`, … */
  linearCat(
    names: readonly string[],
    N: readonly number[],
    K: number,
    options: LinearOptions & { stored?: readonly number[] } = {},
  ): LinearWeights {
    const weight = this.matrix(names.map((n) => `${n}.weight`), N, K, options);
    if (options.bias === false) return { weight };
    return { weight, bias: this.vectors(names.map((n) => `${n}.bias`), N) };
  }

  /**
   * One linear layer over inputs that lie side by side, as one layer for each input: `name.weight`
   * [N, ΣK] cut into column ranges; the bias goes with the first.
   */
  linearColumns(name: string, N: number, K: readonly number[]): LinearWeights[] {
    const full = this.full(`${name}.weight`);
    const width = K.reduce((a, b) => a + b, 0);
    const kept = this.store.quantised([full], K);
    if (kept) {
      this.store.declare([full], [N, width]);
      const parts = this.blocks([full], [N], K, kept, false);
      const bias = this.vector(`${name}.bias`, N);
      return parts.map((weight, i) => i === 0 ? { weight, bias } : { weight });
    }
    const matrices = K.map((k) => emptyMatrix(N, k));
    const type = this.store.storage(full, false);
    for (const m of matrices) {
      sketch(m, type);
      this.store.checkSize([full], m.buffer.size);
    }
    this.store.declare(
      [full],
      [N, width],
      (store) => rowTransfers(store, matrices, [full], [N], width),
      bytesOf(matrices),
      matrices,
    );
    const bias = this.vector(`${name}.bias`, N);
    return matrices.map((weight, i) => i === 0 ? { weight, bias } : { weight });
  }

  /**
   * A matrix of several tensors' rows, [ΣN, K]. A convolution's [N, K, 1, 1] counts as [N, K].
   *
   * @param options `plain`: expanded when it is loaded, however it is stored; `stays`: never streams, since steps read little of it.
   */
  matrix(
    names: readonly string[],
    N: readonly number[],
    K: number,
    { exact = false, stored, plain = false, stays = false }: {
      exact?: boolean;
      stored?: readonly number[];
      plain?: boolean;
      stays?: boolean;
    } = {},
  ): Matrix {
    const full = names.map((n) => this.full(n));
    const rows = N.reduce((a, b) => a + b, 0);
    full.forEach((name, i) => this.store.declare([name], stored ?? [N[i], K]));
    const type = plain ? undefined : this.store.quantised(full, [K]);
    if (type) return this.blocks(full, N, [K], type, exact, stays)[0];
    const matrix = emptyMatrix(rows, K);
    const types = full.map((name) => this.store.storage(name, exact));
    sketch(matrix, types.every((t) => t === types[0]) ? types[0] : "f32");
    this.store.checkSize(full, matrix.buffer.size);
    this.store.declare(
      [],
      [],
      (store) => rowTransfers(store, [matrix], full, N, K),
      bytesOf([matrix]),
      stays ? [] : [matrix],
    );
    return matrix;
  }

  /** Matrices of ranges of columns of tensors that keep their blocks, rows after rows. */
  private blocks(
    names: readonly string[],
    N: readonly number[],
    K: readonly number[],
    type: QuantisedName,
    exact: boolean,
    stays = false,
  ): QuantisedMatrix[] {
    const { store } = this;
    const rows = N.reduce((a, b) => a + b, 0);
    const width = K.reduce((a, b) => a + b, 0);
    const rowBytes = blockBytes(type, width);
    const forms = names.map((name) => store.stored(name));
    const scales = emptyScales(forms, rows);
    const changes = emptyChanges(forms, N, width);
    const expanded = exact || store.options.dtype === "f32" ? "f32" as const : "f16" as const;
    const integer = store.options.integerDot !== undefined && !exact;
    if (integer) store.options.integerDot!.matrices++;
    const shared = {
      ...{ type, rowBytes, expanded },
      ...scales && { scales },
      ...changes.length > 0 && { changes },
      ...integer && { integerDot: true },
    };
    let at = 0;
    const unread = unloaded(rows * rowBytes);
    const matrices = K.map((k): Mutable<QuantisedMatrix> => {
      const blocks: Mutable<Blocks> = { ...shared, at };
      at += blockBytes(type, k);
      return { buffer: unread, N: rows, K: k, stride: Math.ceil(k / 8) * 8, blocks };
    });
    store.checkSize(names, rows * rowBytes);
    store.declare(
      [],
      [],
      (store) => {
        const buffer = store.bufferOf(matrices[0], rows * rowBytes, names[0]);
        for (const matrix of matrices) matrix.buffer = buffer;
        let before = 0;
        return names.flatMap((name, i) => {
          const start = before;
          before += N[i] * rowBytes;
          return byteTransfers(
            forms[i],
            {
              ...{ name, rows: N[i], rowBytes },
              wholeOnly: store.source.info(name)?.shape[0] !== N[i] ||
                (store.source.wholeOnly?.(name) ?? false),
            },
            (upload, bytes, at) => upload.raw(buffer, start + at, bytes),
          );
        });
      },
      sixteens(rows * rowBytes),
      stays ? [] : matrices,
    );
    if (!scales && changes.length === 0) return matrices;
    // What goes with the blocks is small and stays.
    store.declare([], [], (store) => [
      ...scales ? [scaleTransfer(store, forms, N, scales, matrices)] : [],
      ...changes.flatMap((change) => changeTransfers(store, change)),
    ], bytesOfTensors(scales, changes));
    return matrices;
  }

  /** A vector of f32, [n]. */
  vector(name: string, n: number): Tensor {
    return this.vectors([name], [n]);
  }

  /** Several vectors end to end, f32. */
  vectors(names: readonly string[], sizes: readonly number[]): Tensor {
    const full = names.map((n) => this.full(n));
    const n = sizes.reduce((a, b) => a + b, 0);
    const tensor = emptyTensor([n]);
    full.forEach((name, i) => this.store.declare([name], [sizes[i]]));
    this.store.checkSize(full, 4 * n, true);
    this.store.declare([], [], (store) =>
      full.length === 0 ? [] : [{
        bytes: full.reduce((sum, name) => sum + storedBytes(store.source.info(name)!), 0),
        held: 4 * n,
        read: async () => {
          const data = new Float32Array(n);
          let at = 0;
          for (
            const [i, values] of (await Promise.all(full.map((name) => store.source.readF32(name)))).entries()
          ) {
            data.set(values, at);
            at += sizes[i];
          }
          return (upload) => {
            fill(tensor, store.emptyBuffer(4 * n, full[0]));
            upload.raw(tensor.buffer, 0, new Uint8Array(data.buffer));
          };
        },
      }], sixteens(4 * n));
    return tensor;
  }

  /** A table of any shape kept in f32, for example a stored position embedding. It stays on the GPU: steps read little of it. */
  table(name: string, shape: readonly number[]): Tensor {
    const full = this.full(name);
    const tensor = emptyTensor(shape);
    const K = shape[shape.length - 1];
    const rows = elements(shape) / K;
    this.store.checkSize([full], 4 * rows * K);
    this.store.declare(
      [full],
      shape,
      (store) => {
        const buffer = fill(tensor, store.bufferOf(tensor, 4 * rows * K, full));
        return valueTransfers(store.source, full, rows, 2, (upload, stored, row, count) => {
          upload.rows(stored, { buffer, type: "f32", row, count, K, stride: K });
        });
      },
      sixteens(4 * rows * K),
    );
    return tensor;
  }

  /** A small table kept on the CPU, zeros until `load()`. */
  values(name: string, shape: readonly number[]): { values: Float32Array<ArrayBuffer> } {
    const full = this.full(name);
    const handle = { values: new Float32Array(elements(shape)) };
    this.store.declare([full], shape, ({ source }) => [{
      bytes: storedBytes(source.info(full)!),
      held: 4 * handle.values.length,
      read: async () => {
        const values = await source.readF32(full);
        return () => handle.values = values;
      },
    }]);
    return handle;
  }

  /** A convolution: `name.weight` [Co, Ci, kh, kw] and, unless `bias` is false, `name.bias` [Co]. */
  conv(
    name: string,
    Co: number,
    Ci: number,
    kernel: number,
    options: { bias?: boolean; transposed?: boolean } = {},
  ): ConvWeights {
    const full = this.full(`${name}.weight`);
    const shape = options.transposed ? [Ci, Co, kernel, kernel] : [Co, Ci, kernel, kernel];
    const bias = options.bias === false ? undefined : this.vector(`${name}.bias`, Co);
    const size = { Co, Ci, kh: kernel, kw: kernel };
    const type = this.store.storage(full, false) === "f16" ? "f16" : "f32";
    const handle: Mutable<ConvWeights> = {
      ...size,
      type,
      buffer: unloaded(packedConvBytes(size, type)),
      bias,
    };
    // The kernels reach for any of a convolution's weights: no part of them can be bound alone.
    this.store.checkSize([full], handle.buffer.size, true);
    this.store.declare(
      [full],
      shape,
      (store) => convTransfers(store, handle, full, options.transposed ?? false),
      handle.buffer.size,
      [handle],
    );
    return handle;
  }

  private full(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

/** Stands in handles until `load()`: binding it by mistake is refused by WebGPU. */
function unloaded(size: number): GPUBuffer {
  return { size: sixteens(size) } as GPUBuffer;
}

/** A vector's or table's handle. */
function emptyTensor(shape: readonly number[]): Mutable<Tensor> {
  const byteLength = sixteens(4 * elements(shape));
  return { shape, dtype: "f32", buffer: unloaded(byteLength), offset: 0, byteLength };
}

/** A matrix's handle, before anything is known of how it is stored. */
function emptyMatrix(N: number, K: number): Mutable<PlainMatrix> {
  return { buffer: unloaded(0), N, K, stride: Math.ceil(K / 8) * 8, type: "f32" };
}

/** Says how a matrix will be stored, unless a value turns out to be beyond f16. */
function sketch(m: Mutable<PlainMatrix>, type: PlainMatrix["type"]): void {
  m.type = type;
  m.buffer = unloaded(m.N * m.stride * (type === "f32" ? 4 : 2));
}

/** Factors beside blocks, in the handle of a matrix. */
type EmptyScales = Omit<Scales, "factors"> & { readonly factors: Mutable<Tensor> };

/** The handle of the factors of some tensors' stored values, one row of them a row; undefined where no tensor has any. */
function emptyScales(forms: readonly StoredForm[], rows: number): EmptyScales | undefined {
  const known = forms.flatMap(({ scales }) => scales ?? []);
  if (known.length === 0) return undefined;
  // What one factor a row says, several side by side can say: WeightStore.quantised keeps no other mixture.
  const { columns, width } = known.reduce((most, one) => one.columns > most.columns ? one : most);
  return { columns, width: columns === 1 ? MANY_COLUMNS : width, factors: emptyTensor([rows, columns]) };
}

/** A width that no row has: one factor is for all of it. */
const MANY_COLUMNS = 2 ** 31;

/** Reads the factors; where products with them may exceed f16, the weight is expanded to f32. */
function scaleTransfer(
  store: WeightStore,
  forms: readonly StoredForm[],
  N: readonly number[],
  { columns, factors }: EmptyScales,
  matrices: readonly QuantisedMatrix[],
): Transfer {
  return {
    bytes: factors.byteLength,
    held: factors.byteLength,
    read: async () => {
      const out = new Float32Array(factors.byteLength / 4);
      let row = 0;
      for (const [i, { scales }] of forms.entries()) {
        const values = await scales?.values();
        for (let n = 0; n < N[i]; n++, row++) {
          const at = scales ? Math.floor(n / scales.height) * scales.columns : 0;
          for (let c = 0; c < columns; c++) {
            out[row * columns + c] = values ? values[at + (scales!.columns === 1 ? 0 : c)] : 1;
          }
        }
      }
      const largest = out.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      return (upload) => {
        upload.raw(fill(factors, store.emptyBuffer(4 * out.length)), 0, new Uint8Array(out.buffer));
        for (const { blocks } of matrices) {
          if (!(largest * LARGEST[blocks.type]! <= F16_MAX)) (blocks as Mutable<Blocks>).expanded = "f32";
        }
      };
    },
  };
}

/** Largest finite value of the types that have factors beside them. */
const LARGEST: Readonly<Partial<Record<QuantisedName, number>>> = { F8_E4M3: 448, F8_E5M2: 57344, I8: 128 };
const F16_MAX = 65504;

/** Changes of some rows of a matrix, in its handle, and what they are read from. */
interface EmptyChange extends LowRank {
  readonly down: Mutable<Tensor>;
  readonly up: Mutable<Tensor>;
  readonly factors: Mutable<Tensor>;
  readonly width: number;
  readonly parts: readonly LowRankChange[];
}

/** Handles of the changes of some tensors, one for each tensor that has any. */
function emptyChanges(forms: readonly StoredForm[], N: readonly number[], width: number): EmptyChange[] {
  const made: EmptyChange[] = [];
  let first = 0;
  forms.forEach(({ changes: parts = [] }, i) => {
    const count = N[i];
    if (parts.length > 0) {
      const rank = parts.reduce((sum, part) => sum + part.rank, 0);
      const [{ type }] = parts;
      const same = parts.every((part) => part.type === type);
      // One LoRA of a fused layer has the same second matrix for all that it was cut into.
      const twin = made.find((other) =>
        other.parts.length === parts.length && parts.every(({ down }, j) => other.parts[j].down === down)
      );
      const bytes = same && type !== "f32" ? 2 : 4;
      made.push({
        ...{ first, count, rank, type: same ? type : "f32", width, parts },
        down: twin?.down ?? emptyTensor([rank * width * bytes / 4]),
        up: emptyTensor([Math.ceil(count * rank * bytes / 4)]),
        factors: emptyTensor([rank]),
      });
    }
    first += count;
  });
  return made;
}

/** Reads the matrices of a change. */
function changeTransfers(
  store: WeightStore,
  { count, rank, type, width, parts, down, up, factors }: EmptyChange,
): Transfer[] {
  const write = (upload: Upload, tensor: Mutable<Tensor>, values: Float32Array<ArrayBuffer>): void => {
    const bytes = bytesAs(values, type);
    upload.raw(fill(tensor, store.emptyBuffer(bytes.length)), 0, bytes);
  };
  return [{
    bytes: down.byteLength + up.byteLength,
    held: 4 * rank * (count + width),
    read: async () => {
      const downs = new Float32Array(rank * width);
      const ups = new Float32Array(count * rank);
      const scale = new Float32Array(rank);
      let at = 0;
      for (const part of parts) {
        downs.set(await part.down(), at * width);
        const own = await part.up();
        for (let n = 0; n < count; n++) {
          ups.set(own.subarray(n * part.rank, (n + 1) * part.rank), n * rank + at);
        }
        scale.fill(part.factor, at, at += part.rank);
      }
      return (upload) => {
        // One that is shared is there already.
        if (!(down.buffer.usage > 0)) write(upload, down, downs);
        write(upload, up, ups);
        upload.raw(fill(factors, store.emptyBuffer(4 * rank)), 0, new Uint8Array(scale.buffer));
      };
    },
  }];
}

/** Values as a type that holds them. */
function bytesAs(values: Float32Array<ArrayBuffer>, type: LowRank["type"]): Uint8Array<ArrayBuffer> {
  if (type === "f16") return new Uint8Array(new Float16Array(values).buffer);
  if (type === "f32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const halves = new Uint16Array(values.buffer, values.byteOffset, 2 * values.length);
  return new Uint8Array(Uint16Array.from(values, (_, i) => halves[2 * i + 1]).buffer);
}

/** Bytes of all tensors beside blocks. */
function bytesOfTensors(scales: EmptyScales | undefined, changes: readonly EmptyChange[]): number {
  const tensors = new Set(changes.flatMap(({ down, up, factors }) => [down, up, factors]));
  if (scales) tensors.add(scales.factors);
  return [...tensors].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Bytes of some handles' buffers. */
function bytesOf(handles: readonly { readonly buffer: GPUBuffer }[]): number {
  return handles.reduce((sum, { buffer }) => sum + buffer.size, 0);
}

/** The buffer of a tensor's handle. */
function fill(tensor: Mutable<Tensor>, buffer: GPUBuffer): GPUBuffer {
  tensor.buffer = buffer;
  tensor.byteLength = buffer.size;
  return buffer;
}

/**
 * Rows of some tensors, those of one after those of the other, each row cut into the columns of some matrices. Where f16 does not
 * hold a value, all of them become f32.
 */
function rowTransfers(
  store: WeightStore,
  matrices: readonly Mutable<PlainMatrix>[],
  names: readonly string[],
  N: readonly number[],
  width: number,
): Transfer[] {
  const { type } = matrices[0];
  const buffers = matrices.map((m) => store.bufferOf(m, m.N * m.stride * PLAIN_BYTES[type], names[0]));
  const narrows = type === "f16" && names.some((name) => typeOnTheWay(store.source, name) !== "f16");
  const flag = narrows
    ? store.flag(() => {
      for (const m of matrices) {
        store.free(m.buffer);
        sketch(m, "f32");
      }
      return rowTransfers(store, matrices, names, N, width);
    })
    : undefined;
  let before = 0;
  return names.flatMap((name, i) => {
    const start = before;
    before += N[i];
    return valueTransfers(store.source, name, N[i], 2, (upload, stored, first, count) => {
      let at = 0;
      matrices.forEach(({ K, stride }, j) => {
        const row = start + first;
        upload.rows(stored, { buffer: buffers[j], type, flag, row, count, K, stride, width, at });
        at += K;
      });
    });
  });
}

/** A convolution's weights; f32 where f16 does not hold a value. */
function convTransfers(
  store: WeightStore,
  handle: Mutable<ConvWeights>,
  name: string,
  transposed: boolean,
): Transfer[] {
  const { Co, Ci, kh, kw, type } = handle;
  const buffer = store.bufferOf(handle, packedConvBytes(handle, type), name);
  const narrows = type === "f16" && typeOnTheWay(store.source, name) !== "f16";
  const flag = narrows
    ? store.flag(() => {
      store.free(handle.buffer);
      handle.type = "f32";
      handle.buffer = unloaded(packedConvBytes(handle, "f32"));
      return convTransfers(store, handle, name, transposed);
    })
    : undefined;
  const [rows, unit] = transposed ? [Ci, Ci] : [Co, PACKED_COLUMN];
  return valueTransfers(store.source, name, rows, unit, (upload, stored, first, count) => {
    upload.conv(stored, {
      ...{ buffer, type, flag, Co, Ci, transposed },
      taps: kh * kw,
      first: transposed ? 0 : first,
      count: transposed ? Co : count,
    });
  });
}
