/**
 * GPU memory: a pool of buffers with explicit lifetimes. Nothing is freed by a finaliser.
 *
 * A buffer released at recording time may be handed out again at once: the queue runs in order, so
 * a later dispatch cannot overwrite what an earlier one still has to read.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type Dtype, DTYPE_BYTES, elements, sixteens, type Tensor } from "../tensor.ts";
import { Allocator } from "./allocator.ts";

const STORAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
const TEXTURE = 0x08 | 0x04 | 0x02; // STORAGE_BINDING | TEXTURE_BINDING | COPY_DST

/** 16-byte texels in a row of the textures that {@linkcode Memory.takeTexels} gives. */
export const TEXEL_ROW = 2048;
/** Most bytes such a texture holds: WebGPU's guaranteed 8192 rows. */
export const MAX_TEXEL_BYTES: number = 8192 * TEXEL_ROW * 16;

/** Most bytes of weights' copies in textures that are kept: all of a small model, the first layers of a large one, which gains little by it. */
const KEPT_BYTES = 256 << 20;

/** Bytes in use and reserved, for reports and leak tests. */
export interface MemoryUse {
  /** Bytes of tensors that are alive. */
  readonly live: number;
  /** Most bytes alive at once since the last {@linkcode Memory.resetPeak}. */
  readonly peak: number;
  /** Bytes of released buffers kept for reuse. */
  readonly pooled: number;
  /** Bytes of loaded weights. */
  readonly weights: number;
  /** Most bytes of all three at once since the last {@linkcode Memory.resetPeak}: what the GPU has to hold. */
  readonly footprint: number;
}

/** Pool of storage buffers, by size class. */
export class Memory {
  private readonly free = new Map<number, GPUBuffer[]>();
  private readonly freeTexels = new Map<number, GPUTexture[]>();
  private live = 0;
  private peak = 0;
  private pooled = 0;
  private weights = 0;
  private footprint = 0;
  private emptyBuffer: Tensor | undefined;
  private readonly kept = new Map<GPUBuffer, GPUTexture>();
  private keptBytes = 0;

  /** Makes what the pool does not have. */
  readonly allocator: Allocator;

  /** Use `device.memory`. */
  constructor(private readonly gpu: GPUDevice, private readonly maxBytes: number) {
    this.allocator = new Allocator(gpu);
  }

  /** What is in use now. */
  use(): MemoryUse {
    const { live, peak, pooled, weights, footprint } = this;
    return { live, peak, pooled, weights, footprint };
  }

  /** Starts a new measurement of the peak. */
  resetPeak(): void {
    this.peak = this.live;
    this.footprint = 0;
    this.note();
  }

  /** Counts weights that were loaded, or with a negative number those that were freed. */
  countWeights(bytes: number): void {
    this.weights += bytes;
    this.note();
  }

  /** Notes what is in use now, where it is more than before. */
  private note(): void {
    this.peak = Math.max(this.peak, this.live);
    this.footprint = Math.max(this.footprint, this.live + this.pooled + this.weights);
  }

  /**
   * A tensor of undefined content. Give it back with {@linkcode release}; inside a recording, use
   * `recorder.tensor()`, which belongs to a scope.
   *
   * @throws {LssgenError} `out_of_memory` when one buffer cannot be that large here.
   */
  tensor(shape: readonly number[], dtype: Dtype): Tensor {
    const byteLength = sixteens(elements(shape) * DTYPE_BYTES[dtype]);
    const buffer = this.take(byteLength, `activations [${shape}]`);
    return { shape, dtype, buffer, offset: 0, byteLength };
  }

  /** A buffer of at least `bytes` bytes from the pool, or a new one; `purpose` is for messages. */
  take(bytes: number, purpose: string = "activations"): GPUBuffer {
    const size = sizeClass(bytes);
    if (size > this.maxBytes) {
      throw new LssgenError(
        "out_of_memory",
        `A tensor of ${bytes} bytes does not fit: the adapter's largest buffer is ${this.maxBytes} bytes; ` +
          `choose a smaller size or a smaller VAE tile`,
      );
    }
    const buffer = this.free.get(size)?.pop();
    if (buffer) this.pooled -= size;
    this.live += size;
    this.note();
    return buffer ?? this.allocator.buffer({ size, usage: STORAGE }, purpose);
  }

  /** Gives a buffer back to the pool. The content is lost. */
  release(buffer: GPUBuffer): void {
    this.forgetTexels(buffer);
    const list = this.free.get(buffer.size);
    if (list) list.push(buffer);
    else this.free.set(buffer.size, [buffer]);
    this.live -= buffer.size;
    this.pooled += buffer.size;
  }

  /**
   * A texture (rgba32uint) for at least `bytes` bytes, from the pool or new: some drivers read a texel
   * much faster than the same 16 bytes of a storage buffer.
   *
   * @throws {LssgenError} `out_of_memory` above {@linkcode MAX_TEXEL_BYTES}.
   */
  takeTexels(bytes: number): GPUTexture {
    const rows = Math.ceil(bytes / (TEXEL_ROW * 16));
    const step = 2 ** Math.max(0, Math.floor(Math.log2(rows)) - 3);
    const height = Math.ceil(rows / step) * step;
    if (bytes > MAX_TEXEL_BYTES) {
      throw new LssgenError("out_of_memory", `A texture of ${bytes} bytes exceeds ${MAX_TEXEL_BYTES} bytes`);
    }
    const texture = this.freeTexels.get(height)?.pop();
    const size = height * TEXEL_ROW * 16;
    if (texture) this.pooled -= size;
    this.live += size;
    this.note();
    return texture ?? this.allocator.texture(
      { size: [TEXEL_ROW, height], format: "rgba32uint", usage: TEXTURE },
      "a copy that kernels read as a texture",
      size,
    );
  }

  /** Gives a texture back to the pool. */
  releaseTexels(texture: GPUTexture): void {
    const list = this.freeTexels.get(texture.height);
    if (list) list.push(texture);
    else this.freeTexels.set(texture.height, [texture]);
    const size = texture.height * TEXEL_ROW * 16;
    this.live -= size;
    this.pooled += size;
  }

  /** The copy of a buffer that {@linkcode keepTexels} was given. */
  keptTexels(buffer: GPUBuffer): GPUTexture | undefined {
    return this.kept.get(buffer);
  }

  /**
   * A texture that stays the copy of a buffer whose content stays, until {@linkcode forgetTexels} or the buffer's release.
   *
   * @returns Undefined where such copies would take more than {@linkcode KEPT_BYTES}.
   */
  keepTexels(buffer: GPUBuffer, bytes: number): GPUTexture | undefined {
    if (this.keptBytes + bytes > KEPT_BYTES) return undefined;
    const texture = this.takeTexels(bytes);
    this.kept.set(buffer, texture);
    this.keptBytes += texture.height * TEXEL_ROW * 16;
    return texture;
  }

  /** Gives the kept copy of a buffer, if there is one, back to the pool. */
  forgetTexels(buffer: GPUBuffer): void {
    const texture = this.kept.get(buffer);
    if (!texture) return;
    this.kept.delete(buffer);
    this.keptBytes -= texture.height * TEXEL_ROW * 16;
    this.releaseTexels(texture);
  }

  /** Bytes of the copies that {@linkcode keepTexels} made. */
  get copies(): number {
    return this.keptBytes;
  }

  /** Gives all kept copies back to the pool. */
  forgetAllTexels(): void {
    for (const buffer of [...this.kept.keys()]) this.forgetTexels(buffer);
  }

  /** A tensor filled from the CPU, at once. Not for buffers that recorded work still reads. */
  upload(shape: readonly number[], data: Float32Array<ArrayBuffer>): Tensor {
    const t = this.tensor(shape, "f32");
    this.gpu.queue.writeBuffer(t.buffer, 0, data);
    return t;
  }

  /** Something to bind where a kernel's optional operand is absent. */
  get empty(): Tensor {
    this.emptyBuffer ??= {
      shape: [0],
      dtype: "f32",
      buffer: this.allocator.buffer({ size: 256, usage: STORAGE }, "an absent operand"),
      offset: 0,
      byteLength: 256,
    };
    return this.emptyBuffer;
  }

  /** Destroys the pooled buffers: their memory goes back to the driver. */
  trim(): void {
    for (const list of this.free.values()) for (const buffer of list) buffer.destroy();
    this.free.clear();
    for (const list of this.freeTexels.values()) for (const texture of list) texture.destroy();
    this.freeTexels.clear();
    this.pooled = 0;
  }

  /** Frees everything the pool holds, and what can be made again. Nothing recorded may still need it. */
  destroy(): void {
    this.forgetAllTexels();
    this.trim();
    this.emptyBuffer?.buffer.destroy();
    this.emptyBuffer = undefined;
  }
}

/**
 * Sizes are rounded to an eighth of their power of two: reuse is likely, waste at most 12.5 %; above one row of texels to whole
 * rows, which one copy brings into a texture.
 */
function sizeClass(bytes: number): number {
  if (bytes <= 1024) return Math.max(256, Math.ceil(bytes / 256) * 256);
  const least = bytes > TEXEL_ROW * 16 ? TEXEL_ROW * 16 : 256;
  const step = Math.max(least, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}
