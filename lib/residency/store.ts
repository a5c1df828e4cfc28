/**
 * A component's weights on the GPU: what was declared is checked against the file's header at once, loaded in the order of its
 * declaration, and freed as one.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { streamedOf } from "../gpu/streamed.ts";
import { isQuantised, QUANTISED, type QuantisedName } from "../ops/quantised.ts";
import { elements, type PlainType, sixteens } from "../tensor.ts";
import type { StoredForm } from "../weights/stored_form.ts";
import type { Checkpoint } from "../weights/types.ts";
import type { Unit } from "./stream.ts";
import { runTransfers, type Transfer } from "./transfers.ts";
import { Upload } from "./upload.ts";
import type { WeightOptions } from "./weight_options.ts";

/** Quantised matrices that take no more than this as f16 are expanded when they are loaded. */
const EXPANDED_BYTES = 512 << 20;

interface Declared {
  readonly transfers: Transfers;
  readonly handles: readonly Handle[];
}

/** What a model holds of a weight: its buffer is set when it is loaded. Handles of one buffer share what stands for it until then. */
export interface Handle {
  buffer: GPUBuffer;
}

/** What a declaration has to read; called once, when loading begins. */
export type Transfers = (store: WeightStore) => Iterable<Transfer>;

/** Everything loaded from one checkpoint: owns the GPU buffers. */
export class WeightStore {
  private readonly declared: Declared[] = [];
  private readonly asked = new Set<string>();
  private readonly buffers: GPUBuffer[] = [];

  /** @param source Checkpoint. @param device Where the weights go. @param options Storage type, progress. */
  constructor(source: Checkpoint, readonly device: Device, readonly options: WeightOptions) {
    const { host } = options.streaming ?? {};
    this.kept = host && !device.rehearses ? host.keeping(source) : undefined;
    this.source = this.kept ?? source;
  }

  /** Checkpoint. */
  readonly source: Checkpoint;
  private readonly kept: (Checkpoint & Disposable) | undefined;
  /** Loaded when something streams. */
  private streaming: typeof import("./stream.ts") | undefined;

  /**
   * Remembers a request and checks its shape at once.
   *
   * @param bytes What it will take on the GPU.
   * @param handles Those of a weight that may come to the GPU when it is used; none of what has to stay.
   * @throws {LssgenError} `bad_tensor` when the file has no such tensor, or one of another shape.
   */
  declare(
    names: readonly string[],
    shape: readonly number[],
    transfers: Transfers = nothing,
    bytes = 0,
    handles: readonly Handle[] = [],
  ): void {
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
    this.declared.push({ transfers, handles });
    this.planned += bytes;
  }

  /** What the header says of the file's model, or what may be the matter. */
  private belonging(): string {
    const { metadata } = this.source;
    const said = ["general.architecture", "modelspec.architecture"].find((key) => metadata?.has(key));
    return said === undefined
      ? "the file may belong to another architecture or be a LoRA"
      : `its header says ${said} ${shortJson(metadata!.get(said))}`;
  }

  /**
   * Refuses tensors that the adapter has no buffer for, before anything is loaded.
   *
   * @param bytes What they take together.
   * @param whole Kernels bind all of them at once.
   * @throws {LssgenError} `out_of_memory`, naming the tensor.
   */
  checkSize(names: readonly string[], bytes: number, whole: boolean = false): void {
    const { maxBufferBytes, maxBindingBytes } = this.device.info;
    const most = whole ? Math.min(maxBufferBytes, maxBindingBytes) : maxBufferBytes;
    if (bytes <= most) return;
    const shapes = names.map((name) => `"${name}" [${this.source.info(name)?.shape}]`);
    throw new LssgenError(
      "out_of_memory",
      `"${this.source.name}": tensor ${shapes.slice(0, 4).join(", ")}${
        names.length > 4 ? ", …" : ""
      } takes ${bytes} bytes, ` +
        (whole && most === maxBindingBytes
          ? `more than this adapter binds to a kernel (${most}); run the model on another GPU`
          : `more than this adapter's largest buffer (${most}); take a 16-bit or quantised file of the model`),
    );
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
   * Brings every declared tensor to the GPU.
   *
   * @throws {LssgenError} `bad_tensor` when the file holds tensors that nobody asked for; `out_of_memory` when the GPU is full.
   * @throws {AbortedError} when the signal fired. What was uploaded is freed in all cases.
   */
  async load(): Promise<void> {
    this.checkUnused();
    const { signal, onProgress } = this.options;
    try {
      const { stay, stream } = this.divided();
      using upload = new Upload(this.device, signal);
      const transfers = stay.flatMap((declared) => [...declared.transfers(this)]);
      const total = transfers.reduce((sum, { bytes }) => sum + bytes, 0);
      let done = 0;
      await runTransfers(
        transfers,
        upload,
        signal,
        (bytes) => onProgress?.(Math.round(done += bytes), Math.round(total)),
      );
      // What f16 turned out not to hold is read once more, as f32.
      const beyond = this.flagged.length > 0 ? await upload.beyond() : [];
      const again = beyond.flatMap((number) => [...this.flagged[number]()]);
      await runTransfers(again, upload, signal, () => {});
      this.flagged.length = 0;
      if (stream.length > 0) await this.beginStreaming(stream);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.declared.length = 0;
    this.flagged.length = 0;
    this.settled = true;
  }

  /** What stays on the GPU, and what comes when it is used: spread evenly, so that reading keeps pace with computing. */
  private divided(): { stay: Declared[]; stream: Declared[] } {
    const { streaming } = this.options;
    if (!streaming) return { stay: this.declared, stream: [] };
    const sizes = this.declared.map(({ handles }) => handles.length === 0 ? 0 : unitBytes(handles));
    const total = sizes.reduce((a, b) => a + b, 0);
    const resident = Math.min(total, streaming.resident(total));
    const stay: Declared[] = [];
    const stream: Declared[] = [];
    let room = 0;
    this.declared.forEach((declared, i) => {
      room += total === 0 ? 0 : sizes[i] * resident / total;
      if (sizes[i] > 0 && (resident < total && room < sizes[i])) stream.push(declared);
      else {
        stay.push(declared);
        room -= sizes[i];
      }
    });
    return { stay, stream };
  }

  /** Makes slots for what streams, and finds out what f16 does not hold: kernels are chosen by the types of weights. */
  private async beginStreaming(stream: readonly Declared[]): Promise<void> {
    this.streaming = await import("./stream.ts");
    const streams = this.streaming.Stream.of(this.device);
    const flagged: { declared: Declared; unit: Unit; first: number; end: number }[] = [];
    for (const declared of stream) {
      const unit = this.unitOf(declared);
      const first = this.flagged.length;
      if (!this.device.rehearses) [...declared.transfers(this)];
      const end = this.flagged.length;
      if (end > first) flagged.push({ declared, unit, first, end });
    }
    this.joinStream();
    if (flagged.length === 0) return;
    // The units that pass get the same numbers anew: they come in the same order.
    const retry = [...this.flagged];
    this.flagged.length = 0;
    await streams.pass(flagged.map(({ unit }) => unit), this.options.signal);
    const beyond = new Set(await streams.beyond());
    for (const { declared, unit, first, end } of flagged) {
      const widened = retry.slice(first, end).filter((_, i) => beyond.has(first + i));
      if (widened.length === 0) continue;
      for (const widen of widened) widen();
      this.units.delete(unit);
      this.unitOf(declared);
    }
    this.flagged.length = 0;
    this.joinStream();
  }

  private readonly units = new Set<Unit>();

  /** Puts what stands for a streamed weight into its handles. */
  private unitOf({ transfers, handles }: Declared): Unit {
    const buffers = distinct(handles);
    const { Stream, Unit } = this.streaming!;
    const unit = new Unit(
      Stream.of(this.device),
      buffers.map(({ size }) => size),
      () => [...transfers(this)],
    );
    for (const handle of handles) handle.buffer = unit.buffers[buffers.indexOf(handle.buffer)].handle;
    this.units.add(unit);
    return unit;
  }

  private joinStream(): void {
    const { slots, slotBytes } = this.options.streaming!;
    const sizes = [...this.units].map(({ bytes }) => bytes);
    this.streaming!.Stream.of(this.device).join(this, {
      largest: Math.max(...sizes),
      total: sizes.reduce((a, b) => a + b, 0),
      slots,
      least: slotBytes,
    });
  }

  private settled = false;

  private readonly flagged: (() => Iterable<Transfer>)[] = [];

  /**
   * A number of its own for a tensor that f16 may not hold.
   *
   * @param retry What has to be read where it does not.
   */
  flag(retry: () => Iterable<Transfer>): number | undefined {
    // Streamed weights are read again and again: what they hold is known since they were first.
    return this.settled ? undefined : this.flagged.push(retry) - 1;
  }

  /**
   * The buffer of a weight that will be written: its own, made now where it stays; `name` is the tensor's, for messages. Asked for
   * before the first byte is written: drivers keep copies of what is written in the same blocks of memory, and buffers made
   * between them would leave holes that never go back to the system (SDXL on llvmpipe: 0.8 of 6.8 GB).
   */
  bufferOf(handle: Handle, length: number, name?: string): GPUBuffer {
    return streamedOf(handle.buffer) ? handle.buffer : handle.buffer = this.emptyBuffer(length, name);
  }

  /** A GPU buffer of a length, freed with the store; `name` is the tensor's, for messages. */
  emptyBuffer(length: number, name?: string): GPUBuffer {
    const size = sixteens(length);
    const buffer = this.device.memory.allocator.buffer(
      { size, usage: 0x80 | 0x04 | 0x08 }, // STORAGE | COPY_SRC | COPY_DST
      `${name === undefined ? "a tensor" : `tensor "${name}"`} of "${this.source.name}"`,
    );
    this.buffers.push(buffer);
    this.device.memory.countWeights(size);
    return buffer;
  }

  /** Frees one buffer of the store before the others. */
  free(buffer: GPUBuffer): void {
    const at = this.buffers.indexOf(buffer);
    if (at < 0) return;
    this.buffers.splice(at, 1);
    this.device.memory.forgetTexels(buffer);
    this.device.memory.countWeights(-buffer.size);
    buffer.destroy();
  }

  /** Storage type on the GPU of the tensor `name`. */
  storage(name: string, exact: boolean): PlainType {
    const stored = this.source.info(name)?.dtype;
    if (stored === "F16") return "f16";
    if (stored === "BF16") return "bf16";
    if (exact || stored === "F64") return "f32";
    return this.options.dtype === "f16" ? "f16" : "f32";
  }

  /** How a tensor lies in the file. */
  stored(name: string): StoredForm {
    return this.source.stored?.(name) ?? {
      dtype: this.source.info(name)?.dtype ?? "",
      read: (rows, into) => this.source.read(name, rows, into),
    };
  }

  /**
   * The type that matrices of K columns keep on the GPU: where it is the same quantised one, their rows are whole blocks, and what
   * belongs to the blocks is of a kind that kernels know.
   */
  quantised(names: readonly string[], K: readonly number[]): QuantisedName | undefined {
    const forms = names.map((name) => this.stored(name));
    const [type] = forms.map(({ dtype }) => dtype);
    if (!isQuantised(type) || forms.some(({ dtype }) => dtype !== type)) return undefined;
    if (K.some((k) => k % QUANTISED[type].values !== 0)) return undefined;
    // Several factors in a row: alike in all tensors, each for whole eighths.
    const wide = forms.flatMap(({ scales }) => scales && scales.columns > 1 ? [scales] : []);
    if (
      wide.some(({ columns, width }) =>
        width % 8 !== 0 || width !== wide[0].width || columns !== wide[0].columns
      )
    ) {
      return undefined;
    }
    // A whole number means nothing without its factor.
    if (type === "I8" && forms.some(({ scales }) => !scales)) return undefined;
    return this.keepsQuantised() ? type : undefined;
  }

  private keepsQuantised(): boolean {
    return this.keeps ??= this.options.keepQuantised ?? this.expandedBytes() > EXPANDED_BYTES;
  }

  private keeps: boolean | undefined;

  /** Bytes of all quantised tensors as f16. */
  private expandedBytes(): number {
    let bytes = 0;
    for (const name of this.source.names()) {
      if (isQuantised(this.stored(name).dtype)) bytes += 2 * elements(this.source.info(name)!.shape);
    }
    return bytes;
  }

  /** Bytes that stay on the GPU. */
  get bytes(): number {
    return this.pretended + this.buffers.reduce((sum, buffer) => sum + buffer.size, 0);
  }

  /** Bytes that come to the GPU when they are used. */
  get streamed(): number {
    return [...this.units].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  private planned = 0;
  private pretended = 0;

  /** Counts what was declared as loaded, on a device that does nothing. */
  async pretend(): Promise<void> {
    this.checkUnused();
    const { stream } = this.divided();
    if (stream.length > 0) this.streaming = await import("./stream.ts");
    for (const declared of stream) this.unitOf(declared);
    this.pretended = this.planned - stream.reduce((sum, { handles }) => sum + unitBytes(handles), 0);
    this.device.memory.countWeights(this.pretended);
    if (stream.length > 0) this.joinStream();
  }

  /** Destroys every buffer. */
  [Symbol.dispose](): void {
    if (this.units.size > 0) this.streaming!.Stream.of(this.device).leave(this);
    this.units.clear();
    this.kept?.[Symbol.dispose]();
    this.device.memory.countWeights(-this.bytes);
    this.pretended = 0;
    for (const buffer of this.buffers) {
      this.device.memory.forgetTexels(buffer);
      buffer.destroy();
    }
    this.buffers.length = 0;
  }
}

/** The buffers of some handles, or what stands for them, each once. */
function distinct(handles: readonly Handle[]): GPUBuffer[] {
  return [...new Set(handles.map(({ buffer }) => buffer))];
}

/** Bytes of the buffers of some handles. */
function unitBytes(handles: readonly Handle[]): number {
  return distinct(handles).reduce((sum, { size }) => sum + size, 0);
}

function nothing(): Iterable<Transfer> {
  return [];
}

/** Shape without axes of size 1: a 1×1 convolution's weight is a matrix. */
function squeezed(shape: readonly number[]): string {
  return shape.filter((d) => d !== 1).join();
}

/** Buffers that libraries store beside weights and that carry no information. */
function isBookkeeping(name: string): boolean {
  return name.endsWith("position_ids") || name.endsWith("num_batches_tracked");
}
