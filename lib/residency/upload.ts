/**
 * Bytes of files into GPU buffers: as they are, or through a staging buffer and a kernel that converts and rearranges them. No
 * value is touched by the CPU.
 *
 * @module
 */

import type { Device } from "../gpu/device.ts";
import { type Binding, Recorder } from "../gpu/recorder.ts";
import { placeOf } from "../gpu/streamed.ts";
import { PACKED_COLUMN } from "../ops/conv2d.ts";
import { fold } from "../ops/window.ts";
import { PLAIN_BYTES, PLAIN_CODES, type PlainType, type Tensor } from "../tensor.ts";

/** Bytes that are read at once. */
export const PIECE: number = 16 << 20;
/**
 * Bytes that a kernel places at once, at least one column of a convolution: few enough that a processor that plays a GPU finds
 * them in its cache, where they were just written. Of 16 MiB, convolutions took one and a half times as long.
 */
const STEP = 2 << 20;
/** Bytes of the staging buffer: two steps to a submission. */
const STAGING = 2 * STEP;
/** Bytes that a load takes beside its weights. */
export const LOADING_BYTES: number = STAGING + PIECE;
/** Bytes handed over before the GPU is waited for: drivers hold a copy of each until it is done. */
const UNFINISHED = 64 << 20;
/** Tensors whose values may be beyond f16 in one load. */
const MOST_FLAGS = 1 << 16;

/** A piece of a tensor as stored. */
export interface Stored {
  /** Whole rows of its first axis. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Type of its values. */
  readonly from: PlainType;
}

/** Where a piece goes. */
export interface Place {
  /** Buffer. */
  readonly buffer: GPUBuffer;
  /** Type there. */
  readonly type: PlainType;
  /** A number of the tensor's own, where values may be beyond f16: see {@linkcode Upload.beyond}. */
  readonly flag?: number;
}

/** Rows of values. */
export interface RowPlace extends Place {
  /** First row in the buffer. */
  readonly row: number;
  /** Rows of the piece. */
  readonly count: number;
  /** Values of a row in the buffer. */
  readonly K: number;
  /** Values from row to row in the buffer, a multiple of 2. */
  readonly stride: number;
  /** Values of a stored row; K if not given. */
  readonly width?: number;
  /** The first of them that is meant. */
  readonly at?: number;
}

/** A convolution's weights, as lib/ops/conv2d.ts says. */
export interface ConvPlace extends Place {
  /** First output channel of the piece, a multiple of 64. */
  readonly first: number;
  /** Output channels of the piece. */
  readonly count: number;
  /** Output channels in all. */
  readonly Co: number;
  /** Input channels. */
  readonly Ci: number;
  /** Values of a kernel. */
  readonly taps: number;
  /** The piece is [Ci, Co, taps], all of it. */
  readonly transposed: boolean;
}

/** A kernel that places a piece. */
interface Launch {
  readonly shader: "place" | "place_rows" | "place_conv";
  readonly constants?: Readonly<Record<string, number>>;
  /** Invocations in one row … */
  readonly count?: number;
  /** … or workgroups. */
  readonly groups?: readonly [number, number];
  /** Parameters of its own. */
  readonly shape: readonly number[];
}

/** One load's way to the GPU. */
export class Upload implements Disposable {
  private readonly recorder: Recorder;
  private staging: GPUBuffer | undefined;
  /** Bytes of the staging buffer that are taken since the last submission. */
  private staged = 0;
  /** Bytes handed over since the GPU was waited for. */
  private unfinished = 0;
  private flags: Tensor | undefined;
  /** Last bytes of buffers that end within a word. */
  private readonly tails = new WeakMap<GPUBuffer, Uint8Array<ArrayBuffer>>();

  /** @param device Where to. @param signal Stops at the next wait. */
  constructor(private readonly device: Device, signal: AbortSignal | undefined) {
    this.recorder = new Recorder(device, "f32", signal);
  }

  /** Bytes as they are. Parts of a buffer come in their order. */
  raw(buffer: GPUBuffer, at: number, bytes: Uint8Array<ArrayBuffer>): void {
    let data = bytes;
    const lead = at % 4;
    if (lead > 0) {
      data = new Uint8Array(lead + bytes.length);
      data.set(this.tails.get(buffer)!);
      data.set(bytes, lead);
    }
    const odd = data.length % 4;
    if (odd > 0) {
      this.tails.set(buffer, data.slice(-odd));
      const padded = new Uint8Array(data.length + 4 - odd);
      padded.set(data);
      data = padded;
    }
    const { buffer: real, offset } = placeOf(buffer);
    this.device.gpu.queue.writeBuffer(real, offset + at - lead, data);
    this.unfinished += data.length;
  }

  /** Rows filled up with zeros. */
  rows(stored: Stored, place: RowPlace): void {
    const { row, count, K, stride, type, width = K, at = 0 } = place;
    if (stored.from === type && stride === K && width === K) {
      this.raw(place.buffer, row * K * PLAIN_BYTES[type], stored.bytes);
      return;
    }
    const fromRow = width * PLAIN_BYTES[stored.from];
    const toRow = stride * PLAIN_BYTES[type];
    const step = Math.max(1, Math.floor(this.most() / Math.max(fromRow, toRow)));
    // Eight values are a load of 16 bits each, or two of f32.
    const eights = [K, stride, width, at].every((values) => values % 8 === 0);
    for (let n = 0; n < count; n += step) {
      const many = Math.min(step, count - n);
      const each = eights ? 8 : (toRow % 16 === 0 ? 16 : 4) / PLAIN_BYTES[type];
      this.place(
        { ...stored, bytes: stored.bytes.subarray(n * fromRow, (n + many) * fromRow) },
        place,
        { at: (row + n) * toRow, length: many * toRow },
        eights
          ? {
            shader: "place_rows",
            constants: { CUT: width === K ? 0 : 1 },
            count: many * K / 8,
            shape: [K / 8, width / 8, at / 8],
          }
          : {
            shader: "place",
            constants: { CONV: 0, EACH: each * PLAIN_BYTES[type] / 4 },
            count: many * stride / each,
            shape: [K, stride, width, at, 0, 0, 0, 0, 0],
          },
      );
    }
  }

  /** Columns of output channels. */
  conv(stored: Stored, place: ConvPlace): void {
    const { first, count, Co, Ci, taps, type, transposed } = place;
    const C4 = Math.ceil(Ci / 4) * 4;
    const fromRow = Ci * taps * PLAIN_BYTES[stored.from];
    const toRow = C4 * taps * PLAIN_BYTES[type];
    const columns = Math.max(1, Math.floor(this.most() / Math.max(fromRow, toRow) / PACKED_COLUMN));
    const step = transposed ? Co : columns * PACKED_COLUMN;
    for (let n = 0; n < count; n += step) {
      const many = Math.min(step, count - n);
      const N8 = Math.ceil(many / 8) * 8;
      const eights = !transposed && many % 8 === 0 && Ci % 4 === 0 && Ci * taps % 8 === 0;
      this.place(
        {
          ...stored,
          bytes: transposed ? stored.bytes : stored.bytes.subarray(n * fromRow, (n + many) * fromRow),
        },
        place,
        { at: (first + n) * toRow, length: N8 * toRow },
        eights
          ? {
            shader: "place_conv",
            constants: { TAPS: taps },
            groups: [Math.ceil(Ci * taps / 2 / 64), Math.ceil(many / 32)],
            shape: [many / 8, Ci],
          }
          : {
            shader: "place",
            constants: { CONV: 1, EACH: 1 },
            count: N8 / 2 * Math.ceil(Ci / 4) * 2,
            shape: [0, 0, 0, 0, many, N8, Ci, taps, transposed ? 1 : 0],
          },
      );
    }
  }

  /** Waits for the GPU where much is under way. */
  async pace(unfinished: number = UNFINISHED): Promise<void> {
    this.device.check(); // nothing more is read for a GPU that is full
    if (this.unfinished < unfinished) return;
    await this.finish();
  }

  /** Hands to the GPU what was placed by kernels; what was written as it is needs none. */
  handOver(): void {
    this.submit();
  }

  /** Waits until all is where it belongs. */
  async finish(): Promise<void> {
    this.submit();
    this.device.gpu.queue.submit([]); // what was written without a kernel
    this.unfinished = 0;
    await this.device.idle();
  }

  /** Numbers of the tensors that hold a finite value which f16 cannot hold. */
  async beyond(): Promise<number[]> {
    if (!this.flags) return [];
    const bits = new Uint32Array((await this.recorder.read(this.flags)).buffer);
    return [...bits.entries()].flatMap(([number, bit]) => bit === 0 ? [] : [number]);
  }

  /** Forgets what {@linkcode beyond} would say so far. */
  forgetBeyond(): void {
    if (!this.flags) return;
    this.device.gpu.queue.writeBuffer(this.flags.buffer, 0, new Uint8Array(this.flags.byteLength));
  }

  /** Bytes of a launch's operands at most. */
  private most(): number {
    return Math.min(STEP, this.device.info.maxBindingBytes - 512);
  }

  private place(
    { bytes, from }: Stored,
    { buffer: where, type, flag }: Place,
    { at: first, length }: { readonly at: number; readonly length: number },
    { shader, constants = {}, count, groups, shape }: Launch,
  ): void {
    const X = this.stage(bytes);
    const { buffer, offset: start } = placeOf(where);
    const at = start + first;
    const offset = Math.floor(at / 256) * 256;
    const size = Math.ceil((at - offset + length) / 16) * 16;
    const row = count === undefined ? undefined : fold(Math.ceil(count / 64));
    // place.wgsl counts words of Y, the others loads of 16 bytes.
    const yBase = (at - offset) / (shader === "place" ? 4 : 16);
    this.recorder.dispatch({
      shader,
      constants: { FROM: PLAIN_CODES[from], TO: PLAIN_CODES[type], ...constants },
      params: [...count === undefined ? [] : [count, row![0]], yBase, flag ?? 0, ...shape],
      buffers: [X, { tensor: bound(buffer), offset, size }, this.flagsOf(flag)],
      groups: groups ?? row!,
    });
  }

  private flagsOf(flag: number | undefined): Tensor {
    // Not of the pool, whose buffers launches may use that wait for streamed weights.
    this.flags ??= {
      shape: [MOST_FLAGS],
      dtype: "f32",
      buffer: this.device.memory.allocator.buffer(
        { size: 4 * MOST_FLAGS, usage: 0x80 | 0x04 | 0x08 },
        "flags of tensors",
      ),
      offset: 0,
      byteLength: 4 * MOST_FLAGS,
    };
    if (flag !== undefined && flag >= MOST_FLAGS) throw new RangeError("too many tensors in one load");
    return this.flags;
  }

  /** Bytes in the staging buffer, until the next submission. */
  private stage(bytes: Uint8Array<ArrayBuffer>): Binding {
    const size = Math.ceil(bytes.length / 16) * 16;
    const room = Math.max(STAGING, size);
    if (this.staged + size > (this.staging?.size ?? 0)) {
      this.submit();
      if ((this.staging?.size ?? 0) < room) {
        this.staging?.destroy();
        this.staging = this.device.memory.allocator.buffer(
          { size: room, usage: 0x80 | 0x08 }, // STORAGE | COPY_DST
          "what weights pass through",
        );
      }
    }
    const offset = this.staged;
    this.raw(this.staging!, offset, bytes);
    this.staged += Math.ceil(size / 256) * 256;
    return { tensor: bound(this.staging!), offset, size };
  }

  private submit(): void {
    this.recorder.submit();
    this.staged = 0;
  }

  /** Frees what the load needed on its way. */
  [Symbol.dispose](): void {
    this.recorder[Symbol.dispose]();
    this.staging?.destroy();
    this.flags?.buffer.destroy();
  }
}

/** All of a buffer, to bind. */
function bound(buffer: GPUBuffer): Tensor {
  return { shape: [], dtype: "f32", buffer, offset: 0, byteLength: buffer.size };
}
