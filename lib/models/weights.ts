/**
 * Weights asked for by their checkpoint name, where they are used.
 *
 * A model's constructor declares what it needs (`w.at("attn").linear("to_q", N, K)`) and gets a handle;
 * `await weights.load()` then streams every declared tensor to the GPU, one at a time. How a tensor is
 * stored (f32, f16, bf16, quantised in the file) is known here and in the kernels, never in a model.
 * All of a handle but its buffer's content is known from the file's header, so that a forward pass can be rehearsed before
 * anything is loaded.
 *
 * @module
 */

import { AbortedError, LssgenError, shortJson } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { type ConvWeights, packConv, packedConvBytes } from "../ops/conv2d.ts";
import type { LinearWeights, Matrix } from "../ops/linear.ts";
import { type Dtype, elements, sixteens, type Tensor } from "../tensor.ts";

/** Where tensors come from: a checkpoint of lib/weights, or anything that answers by name. */
export interface TensorSource {
  /** File or folder, for messages. */
  readonly name: string;
  /** The header's facts, for messages. */
  readonly metadata?: ReadonlyMap<string, unknown>;
  /** Every tensor's name. */
  names(): Iterable<string>;
  /** Shape and stored type, without reading; `undefined` when absent. */
  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined;
  /** Little-endian bytes as stored. */
  read(name: string): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }>;
  /** The values as f32, whatever the storage. */
  readF32(name: string): Promise<Float32Array<ArrayBuffer>>;
}

/** How to store matrices on the GPU. */
export interface WeightOptions {
  /** f16 rounds f32 checkpoints to half; 16-bit checkpoints are kept as they are in both. */
  readonly dtype: Dtype;
  /** Stops between two tensors. */
  readonly signal?: AbortSignal;
  /** Called after each tensor with the bytes read so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** How a linear layer is stored. */
export interface LinearOptions {
  /** `false` when the layer has no bias. */
  readonly bias?: boolean;
  /** Keep an f32 checkpoint's layer in f32 in f16 runs. */
  readonly exact?: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Declared {
  readonly names: readonly string[];
  readonly shape: readonly number[];
  readonly fill: (weights: WeightStore) => Promise<void>;
}

/** Everything loaded from one checkpoint: owns the GPU buffers. */
export class WeightStore {
  private readonly declared: Declared[] = [];
  private readonly asked = new Set<string>();
  private readonly buffers: GPUBuffer[] = [];

  /** @param source Checkpoint. @param device Where the weights go. @param options Storage type, progress. */
  constructor(readonly source: TensorSource, readonly device: Device, readonly options: WeightOptions) {}

  /** The root path. */
  root(): Weights {
    return new Weights(this, "");
  }

  /** For {@linkcode Weights}: remembers a request and checks its shape at once. */
  declare(names: readonly string[], shape: readonly number[], fill: Declared["fill"]): void {
    for (const name of names) {
      const info = this.source.info(name);
      if (!info) {
        throw new LssgenError(
          "bad_tensor",
          `"${this.source.name}" has no tensor "${name}", expected [${shape}]; ${this.belonging()}`,
        );
      }
      if (elements(info.shape) !== elements(shape) || squeezed(info.shape) !== squeezed(shape)) {
        throw new LssgenError(
          "bad_tensor",
          `"${this.source.name}": tensor "${name}" is [${info.shape}], expected [${shape}]; config and weights may belong to different models`,
        );
      }
      this.asked.add(name);
    }
    this.declared.push({ names, shape, fill });
  }

  /** What the header says of the file's model, or what may be the matter. */
  private belonging(): string {
    const { metadata } = this.source;
    const said = ["general.architecture", "modelspec.architecture"].find((key) => metadata?.has(key));
    return said === undefined
      ? "the file may belong to another architecture or be a LoRA"
      : `its header says ${said} ${shortJson(metadata!.get(said))}`;
  }

  /** Marks tensors as known and not needed: a tied copy, a buffer, the other half of a larger model. */
  ignore(name: string | RegExp): void {
    if (typeof name === "string") this.asked.add(name);
    else for (const one of this.source.names()) if (name.test(one)) this.asked.add(one);
  }

  /** Whether the checkpoint has the tensor. */
  has(name: string): boolean {
    return this.source.info(name) !== undefined;
  }

  /** @throws {LssgenError} `bad_tensor` when the file holds tensors that nobody asked for. */
  checkUnused(): void {
    const left = [...this.source.names()].filter((name) => !this.asked.has(name) && !isBookkeeping(name));
    if (left.length > 0) {
      throw new LssgenError(
        "bad_tensor",
        `"${this.source.name}" has ${left.length} tensors that this architecture does not use: ${
          left.slice(0, 4).join(", ")
        }${left.length > 4 ? ", …" : ""}; config and weights may belong to different models`,
      );
    }
  }

  /**
   * Streams every declared tensor to the GPU.
   *
   * @throws {LssgenError} `bad_tensor` when the file holds tensors that nobody asked for.
   * @throws {AbortedError} when the signal fired; what was uploaded is freed.
   */
  async load(): Promise<void> {
    this.checkUnused();
    const total = this.declared.length;
    try {
      for (let i = 0; i < total; i++) {
        if (this.options.signal?.aborted) throw new AbortedError();
        await this.declared[i].fill(this);
        this.options.onProgress?.(i + 1, total);
      }
      this.device.check();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.declared.length = 0;
  }

  /** A GPU buffer that holds `data`; freed with the store. */
  buffer(data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>): GPUBuffer {
    const size = sixteens(data.byteLength);
    if (size > this.device.info.maxBufferBytes) {
      throw new LssgenError(
        "out_of_memory",
        `"${this.source.name}": a tensor of ${data.byteLength} bytes is larger than the adapter's largest buffer (${this.device.info.maxBufferBytes}); use a 16-bit or quantised checkpoint`,
      );
    }
    const buffer = this.device.gpu.createBuffer({ size, usage: 0x80 | 0x04 | 0x08 }); // STORAGE | COPY_SRC | COPY_DST
    // writeBuffer in pieces: 16–128 MiB is where it is fast, and no staging copy of the whole is made.
    const piece = 64 << 20;
    for (let at = 0; at < data.byteLength; at += piece) {
      const length = Math.min(piece, data.byteLength - at);
      const bytes = new Uint8Array(data.buffer, data.byteOffset + at, length);
      if (length % 4 === 0) this.device.gpu.queue.writeBuffer(buffer, at, bytes);
      else {
        const padded = new Uint8Array(Math.ceil(length / 4) * 4);
        padded.set(bytes);
        this.device.gpu.queue.writeBuffer(buffer, at, padded);
      }
    }
    this.buffers.push(buffer);
    return buffer;
  }

  /** Takes charge of a buffer made elsewhere. */
  own(buffer: GPUBuffer): void {
    this.buffers.push(buffer);
  }

  /** Storage type on the GPU of the tensor `name`. */
  storage(name: string, exact: boolean): Matrix["type"] {
    const stored = this.source.info(name)?.dtype;
    if (stored === "F16") return "f16";
    if (stored === "BF16") return "bf16";
    if (exact || stored === "F64") return "f32";
    return this.options.dtype === "f16" ? "f16" : "f32";
  }

  /** Bytes on the GPU. */
  get bytes(): number {
    return this.buffers.reduce((sum, buffer) => sum + buffer.size, 0);
  }

  /** Destroys every buffer. */
  [Symbol.dispose](): void {
    for (const buffer of this.buffers) {
      this.device.memory.forgetTexels(buffer);
      buffer.destroy();
    }
    this.buffers.length = 0;
  }
}

/** A place in a checkpoint: `w.at("attn").linear("to_q", N, K)` is the tensor `….attn.to_q.weight`. */
export class Weights {
  /** Use `store.root()`. */
  constructor(readonly store: WeightStore, readonly path: string) {}

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
    const matrices = K.map((k) => emptyMatrix(N, k));
    this.store.declare([full], [N, width], async (store) => {
      let { type } = matrices[0];
      let data = await packRows(store.source, [full], [N], width, width, type);
      if (data === undefined) data = await packRows(store.source, [full], [N], width, width, type = "f32");
      const bytes = type === "f32" ? 4 : 2;
      let at = 0;
      for (const m of matrices) {
        const part = new Uint8Array(N * m.stride * bytes);
        for (let n = 0; n < N; n++) {
          const from = (n * width + at) * bytes;
          part.set(data!.subarray(from, from + m.K * bytes), n * m.stride * bytes);
        }
        m.type = type;
        m.buffer = store.buffer(part);
        at += m.K;
      }
    });
    for (const m of matrices) sketch(m, this.store.storage(full, false));
    const bias = this.vector(`${name}.bias`, N);
    return matrices.map((weight, i) => i === 0 ? { weight, bias } : { weight });
  }

  /** A matrix of several tensors' rows, [ΣN, K]. A convolution's [N, K, 1, 1] counts as [N, K]. */
  matrix(
    names: readonly string[],
    N: readonly number[],
    K: number,
    { exact = false, stored }: { exact?: boolean; stored?: readonly number[] } = {},
  ): Matrix {
    const full = names.map((n) => this.full(n));
    const rows = N.reduce((a, b) => a + b, 0);
    const matrix = emptyMatrix(rows, K);
    full.forEach((name, i) => this.store.declare([name], stored ?? [N[i], K], () => Promise.resolve()));
    const types = full.map((name) => this.store.storage(name, exact));
    sketch(matrix, types.every((t) => t === types[0]) ? types[0] : "f32");
    this.store.declare([], [], async (store) => {
      let data = await packRows(store.source, full, N, K, matrix.stride, matrix.type);
      if (data === undefined) { // a value beyond f16: keep this one in f32
        matrix.type = "f32";
        data = await packRows(store.source, full, N, K, matrix.stride, "f32");
      }
      matrix.buffer = store.buffer(data!);
    });
    return matrix;
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
    full.forEach((name, i) => this.store.declare([name], [sizes[i]], () => Promise.resolve()));
    this.store.declare([], [], async (store) => {
      const data = new Float32Array(n);
      let at = 0;
      for (let i = 0; i < full.length; i++) {
        data.set(await store.source.readF32(full[i]), at);
        at += sizes[i];
      }
      tensor.buffer = store.buffer(data);
      tensor.byteLength = tensor.buffer.size;
    });
    return tensor;
  }

  /** A table of any shape kept in f32, for example a stored position embedding. */
  table(name: string, shape: readonly number[]): Tensor {
    const full = this.full(name);
    const tensor = emptyTensor(shape);
    this.store.declare([full], shape, async (store) => {
      tensor.buffer = store.buffer(await store.source.readF32(full));
      tensor.byteLength = tensor.buffer.size;
    });
    return tensor;
  }

  /** A small table kept on the CPU, zeros until `load()`. */
  values(name: string, shape: readonly number[]): { values: Float32Array<ArrayBuffer> } {
    const full = this.full(name);
    const handle = { values: new Float32Array(elements(shape)) };
    this.store.declare([full], shape, async (store) => {
      handle.values = await store.source.readF32(full);
    });
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
    const handle: ConvWeights = { ...size, type: "f32", buffer: unloaded(0), bias };
    this.store.declare([full], shape, async (store) => {
      const packed = packConv(store.device, await store.source.readF32(full), {
        ...size,
        transposed: options.transposed ?? false,
        type: store.storage(full, false),
      });
      store.own(packed.buffer);
      Object.assign(handle, packed);
    });
    const type = this.store.storage(full, false) === "f16" ? "f16" : "f32";
    Object.assign(handle, { type, buffer: unloaded(packedConvBytes(size, type)) });
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
function emptyMatrix(N: number, K: number): Mutable<Matrix> {
  return { buffer: unloaded(0), N, K, stride: Math.ceil(K / 8) * 8, type: "f32" };
}

/** Says how a matrix will be stored, unless a value turns out to be beyond f16. */
function sketch(m: Mutable<Matrix>, type: Matrix["type"]): void {
  m.type = type;
  m.buffer = unloaded(m.N * m.stride * (type === "f32" ? 4 : 2));
}

/** Rows of several [N, K] tensors, each padded with zeros to `stride`; `undefined` when f16 cannot hold a value. */
async function packRows(
  source: TensorSource,
  names: readonly string[],
  N: readonly number[],
  K: number,
  stride: number,
  type: Matrix["type"],
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const width = type === "f32" ? 4 : 2;
  const rows = N.reduce((a, b) => a + b, 0);
  const stored = { f32: "F32", f16: "F16", bf16: "BF16" }[type];
  const out = names.length === 1 && stride === K ? undefined : new Uint8Array(rows * stride * width);
  let row = 0;
  for (let i = 0; i < names.length; i++) {
    let bytes: Uint8Array<ArrayBuffer>;
    if (source.info(names[i])?.dtype === stored) {
      bytes = (await source.read(names[i])).bytes;
    } else {
      const values = await source.readF32(names[i]);
      if (type === "f32") bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      else {
        const half = new Float16Array(values);
        if (half.some((v, j) => !Number.isFinite(v) && Number.isFinite(values[j]))) return undefined;
        bytes = new Uint8Array(half.buffer);
      }
    }
    if (!out) return bytes;
    const from = K * width;
    const to = stride * width;
    if (from === to) out.set(bytes, row * to);
    else for (let n = 0; n < N[i]; n++) out.set(bytes.subarray(n * from, (n + 1) * from), (row + n) * to);
    row += N[i];
  }
  return out;
}

/** Shape without axes of size 1: a 1×1 convolution's weight is a matrix. */
function squeezed(shape: readonly number[]): string {
  return shape.filter((d) => d !== 1).join();
}

/** Buffers that libraries store beside weights and that carry no information. */
function isBookkeeping(name: string): boolean {
  return name.endsWith("position_ids") || name.endsWith("num_batches_tracked");
}
