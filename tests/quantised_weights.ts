/** Quantised weights for tests of kernels: blocks on the GPU, and the values that files' reader makes of them. */

import { assertEquals } from "@std/assert";
import type { Device } from "../lib/gpu/device.ts";
import { blockBytes, QUANTISED, type QuantisedMatrix, type QuantisedName } from "../lib/ops/quantised.ts";
import { quantise, type WritableType } from "../lib/weights/quantise.ts";
import { toF32 } from "../lib/weights/dtypes.ts";
import { dequantise } from "../lib/weights/quants.ts";

/** Every quantised type. */
export const NAMES: readonly QuantisedName[] = Object.keys(QUANTISED) as QuantisedName[];

/** Some number between −0.5 and 0.5. */
export const noise = (i: number): number => {
  const v = Math.sin(12.9898 * i + 1) * 43758.5453;
  return v - Math.floor(v) - 0.5;
};

/** Whether a type is one of GGUF's, not one of single bytes. */
const isBlocks = (type: QuantisedName): boolean => type.startsWith("Q");

/** A weight [N, K] as blocks, and its values. */
export function weightOf(
  device: Device,
  type: QuantisedName,
  N: number,
  K: number,
  expanded: "f16" | "f32" = "f32",
): { weight: QuantisedMatrix; values: Float32Array<ArrayBuffer> } {
  const plain = Float32Array.from({ length: N * K }, (_, i) => noise(i) * (1 + 3 * noise(i >> 8)));
  const bytes = !isBlocks(type)
    // Every pattern but those that are no finite number.
    ? Uint8Array.from({ length: N * K }, (_, i) => (i * 37 + (i >> 8)) % 256)
      .map((v) => (v & 0x7f) > 0x7a ? v & 0x80 | 0x30 : v)
    : quantise(plain, type as WritableType)!;
  const values = isBlocks(type) ? dequantise(bytes, type) : toF32(bytes, type);
  const size = Math.ceil(bytes.length / 16) * 16;
  const buffer = device.gpu.createBuffer({ size, usage: 0x80 | 0x04 | 0x08 });
  const padded = new Uint8Array(size);
  padded.set(bytes);
  device.gpu.queue.writeBuffer(buffer, 0, padded);
  const rowBytes = blockBytes(type, K);
  assertEquals(rowBytes * N, bytes.length);
  return {
    weight: { buffer, N, K, stride: K, blocks: { type, rowBytes, at: 0, expanded } },
    values,
  };
}

/** Greatest difference beside the largest value. */
export function off(got: Float32Array, want: Float32Array): number {
  assertEquals(got.length, want.length);
  const peak = want.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return got.reduce((m, v, i) => Math.max(m, Math.abs(v - want[i])), 0) / peak;
}

/** x [M, K] · wᵀ [N, K], sums in f64. */
export function product(x: Float32Array, w: Float32Array, M: number, N: number, K: number): Float32Array {
  const y = new Float32Array(M * N);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x[m * K + k] * w[n * K + k];
      y[m * N + n] = sum;
    }
  }
  return y;
}
