/**
 * Buffers and textures, made so that a GPU without memory for one of them is noticed at once and told from a command that is
 * wrong.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** What the GPU had no memory for. */
export interface Refusal {
  /** What it was for: `activations [1, 512, 512, 128]`, `tensor "conv_in.weight" of "model.safetensors"`. */
  readonly purpose: string;
  /** Bytes that were asked for; 0 where the driver does not say. */
  readonly bytes: number;
  /** The driver's words. */
  readonly detail: string;
}

/** What to do where memory does not suffice; ends a sentence. */
export const LESS_MEMORY: string =
  "choose a smaller size, let weights stream (--max-vram MIB), or keep them smaller (--type q8_0)";

/**
 * Makes buffers and textures. Each is asked for in an error scope of its own, whose answer comes a little later: a refused one
 * can be recorded meanwhile, and the driver's complaints about that are no errors of their own.
 */
export class Allocator {
  private first: Refusal | undefined;
  private unanswered = 0;
  private answers: Promise<void> = Promise.resolve();

  /** Use `device.memory.allocator`. */
  constructor(private readonly gpu: GPUDevice) {}

  /** As `GPUDevice.createBuffer`. */
  buffer(descriptor: GPUBufferDescriptor, purpose: string): GPUBuffer {
    return this.watched(() => this.gpu.createBuffer(descriptor), purpose, descriptor.size);
  }

  /** As `GPUDevice.createTexture`, for textures of `bytes` bytes. */
  texture(descriptor: GPUTextureDescriptor, purpose: string, bytes: number): GPUTexture {
    return this.watched(() => this.gpu.createTexture(descriptor), purpose, bytes);
  }

  /** The first refusal since the start, or since it was forgotten. */
  get refusal(): Refusal | undefined {
    return this.first;
  }

  /** Notes a refusal that came in another way: of memory that a command needs by itself. */
  refused(refusal: Refusal): void {
    this.first ??= refusal;
  }

  /** Whether the answer to a request is still to come. */
  get waiting(): boolean {
    return this.unanswered > 0;
  }

  /** Waits for the answers to all requests so far. */
  answered(): Promise<void> {
    return this.answers;
  }

  /** Takes up work again, once what depended on refused memory is gone. */
  forget(): void {
    this.first = undefined;
  }

  /** Makes something in an error scope of its own. */
  private watched<T>(make: () => T, purpose: string, bytes: number): T {
    this.gpu.pushErrorScope("out-of-memory");
    const made = make();
    this.unanswered++;
    const answer = this.gpu.popErrorScope().then((error) => {
      this.unanswered--;
      if (error) this.refused({ purpose, bytes, detail: error.message });
      // A lost device gives no answers.
    }, () => void this.unanswered--);
    this.answers = this.answers.then(() => answer);
    return made;
  }
}

/** A refusal as an error. */
export function outOfMemory(
  { purpose, bytes, detail }: Refusal,
  { weights, live, pooled }: { readonly weights: number; readonly live: number; readonly pooled: number },
): LssgenError {
  const mib = (n: number): string => `${(n / 2 ** 20).toFixed(n < 10 * 2 ** 20 ? 1 : 0)} MiB`;
  const what = bytes > 0 ? `${mib(bytes)} for ${purpose} did not fit` : `no room for ${purpose}`;
  return new LssgenError(
    "out_of_memory",
    `The GPU's memory is full: ${what} beside ${mib(weights)} of weights and ${
      mib(live + pooled)
    } of activations ` +
      `(the driver says: ${detail}); ${LESS_MEMORY}`,
  );
}
