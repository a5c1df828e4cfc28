/**
 * Bytes of files that are kept in the host's memory because their weights do not stay on the GPU.
 *
 * @module
 */

import type { Checkpoint } from "../weights/types.ts";
import { KeptSource } from "./kept_source.ts";

/** So many bytes at most, first come, first kept: weights are used in a circle, where another choice would keep none in time. */
export class HostMemory {
  private left: number;

  /** @param bytes Most that is kept. */
  constructor(readonly bytes: number) {
    this.left = bytes;
  }

  /** Bytes that are kept now. */
  get used(): number {
    return this.bytes - this.left;
  }

  /** The same weights, kept here while there is room. */
  keeping(source: Checkpoint): Checkpoint & Disposable {
    return new KeptSource(source, this);
  }

  /** Takes room. @returns False where there is not as much left. */
  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.left += bytes;
  }
}
