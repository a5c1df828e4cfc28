/** What tests of kernels share: devices that read operands in a given way, and numbers that are the same in every run. */

import { type Device, openDevice } from "../lib/gpu/device.ts";
import type { TexelAccess } from "../lib/gpu/kernel.ts";
import { type Arithmetic, forceTuning, type Operands, type Reduction, type Tiles } from "../lib/gpu/tune.ts";

/** A device whose kernels read their operands, sum up rows and tile in the given way, however small a product is. */
export async function deviceReading(
  operands: Operands,
  maxBindingBytes?: number,
  reduction: Reduction = "tree",
  tiles: Tiles = "large",
  normLoads = 0,
  arithmetic: Arithmetic = "f32",
  texels: TexelAccess = "storage",
): Promise<Device> {
  const device = await openDevice({ maxBindingBytes });
  const unmeasured = {
    adapter: "",
    ms: {},
    tilesMs: {},
    texelsMs: {},
    arithmeticMs: {},
    reductionMs: {},
    normMs: {},
  };
  forceTuning(device, {
    ...unmeasured,
    operands,
    tiles,
    texels,
    arithmetic,
    reduction,
    normLoads,
    smallProduct: 0,
  });
  device.kernels.largeAfter = 0;
  return device;
}

/** Numbers in (−1, 1) from a linear congruence. */
export function numbers(n: number, seed: number): Float32Array<ArrayBuffer> {
  let s = seed >>> 0;
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 31 - 1;
  });
}
