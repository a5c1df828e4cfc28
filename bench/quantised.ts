/**
 * Products by weights that stay quantised on the GPU, in turns with the same products by f16, at shapes of FLUX and SDXL: many rows
 * (tokens), and few (modulation, pooled vectors).
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { forceTuning, tuningOf } from "../lib/gpu/tune.ts";
import { linear, type Matrix } from "../lib/ops/linear.ts";
import {
  blockBytes,
  multipliesBytes,
  QUANTISED,
  type QuantisedMatrix,
  type QuantisedName,
} from "../lib/ops/quantised.ts";
import { elements } from "../lib/tensor.ts";
import type { Bench, BenchCase, Contender, Timing } from "./harness.ts";
import { filled } from "./matmul.ts";

const TYPES = Object.keys(QUANTISED) as QuantisedName[];
/**
 * Rows up to which memory bounds a product. A case has one type then: what is allocated after half a gigabyte lies in scattered pages,
 * which a processor that plays a GPU reads at two thirds of the speed, and the last types of the list would seem slow for it.
 */
const FEW_ROWS = 8;
/** Rows up to which integer dot products are timed, whether they are faster or not. */
const INTEGER_ROWS = 256;

/** [M, N, K] and where it comes from. */
const SHAPES: readonly (readonly [name: string, M: number, N: number, K: number])[] = [
  ["FLUX 256² attention", 512, 3072, 3072],
  ["FLUX 256² MLP in", 256, 12288, 3072],
  ["SDXL 16² GEGLU", 256, 10240, 1280],
  ["SDXL 32² attention", 1024, 1280, 1280],
  ["few tokens", 32, 3072, 3072],
  ["FLUX modulation", 1, 18432, 3072],
  ["SDXL pooled", 2, 1280, 2816],
  ["FLUX modulation", 4, 18432, 3072],
  ["FLUX modulation", 8, 9216, 3072],
];

/** A weight of small numbers, whatever its blocks make of the bytes. */
export function filledBlocks(device: Device, type: QuantisedName, N: number, K: number): QuantisedMatrix {
  const rowBytes = blockBytes(type, K);
  const bytes = new Uint8Array(Math.ceil(N * rowBytes / 16) * 16);
  // No exponent of a scale is all ones, so that no value is infinite.
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 89 + (i >> 8)) & 0x3b;
  const buffer = device.memory.take(bytes.length);
  device.gpu.queue.writeBuffer(buffer, 0, bytes);
  return { buffer, N, K, stride: K, blocks: { type, rowBytes, at: 0, expanded: "f16" } };
}

function make(device: Device, types: readonly QuantisedName[], M: number, N: number, K: number): BenchCase {
  const r = new Recorder(device, "f16");
  const x = r.tensor([1, M, K], "f16");
  const source = filled(device, elements(x.shape), "f16");
  r.copy({ ...x, buffer: source }, 0, x, 0, x.byteLength);
  const y = r.tensor([1, M, N], "f16");
  const plain: Matrix = { buffer: filled(device, N * K, "f16"), N, K, stride: K, type: "f16" };
  const quantised = types.map((type) => filledBlocks(device, type, N, K));
  // Of weights that allow them alone, so that the others are timed as ever.
  const tuning = tuningOf(device);
  const integers: [string, Matrix][] = M > INTEGER_ROWS || !device.info.integerDot || !tuning
    ? []
    : quantised.filter(({ blocks }) => multipliesBytes(blocks)).map((weight) => [
      `${weight.blocks.type} integer`,
      { ...weight, blocks: { ...weight.blocks, integerDot: true } },
    ]);
  if (tuning) forceTuning(device, { ...tuning, integerRows: { short: INTEGER_ROWS, long: INTEGER_ROWS } });
  const contender = (label: string, weight: Matrix): Contender => ({
    label,
    bytes: M > FEW_ROWS ? undefined : N * (weight.blocks ? weight.blocks.rowBytes : 2 * K) + 2 * M * (N + K),
    submit: (times) => {
      for (let i = 0; i < times; i++) linear(r, x, { weight }, { into: y });
      r.submit();
    },
  });
  return {
    flops: 2 * M * N * K,
    bytes: M > FEW_ROWS ? undefined : 2 * (N * K + M * (N + K)),
    contenders: [
      contender("F16", plain),
      ...quantised.map((weight, i) => contender(types[i], weight)),
      ...integers.map(([label, weight]) => contender(label, weight)),
    ],
    facts: (timings: readonly Timing[]) => ({
      "speed beside F16": timings.slice(1, 1 + types.length + integers.length)
        .map(({ label, minMs }) => `${label} ${(timings[0].minMs / minMs).toFixed(2)}`).join(", "),
    }),
    dispose: () => {
      r[Symbol.dispose]();
      if (tuning) forceTuning(device, tuning);
      for (const { buffer } of [plain, ...quantised, { buffer: source }]) device.memory.release(buffer);
      device.memory.trim();
    },
  };
}

/** Products by quantised weights. */
export const quantised: Bench = {
  name: "quantised",
  cases: SHAPES.flatMap(([name, M, N, K]) => {
    const shape = `${name} ${M}×${N}×${K}`;
    const of = (name: string, types: readonly QuantisedName[]) => ({
      name,
      make: (device: Device) => make(device, types, M, N, K),
    });
    return M > FEW_ROWS ? [of(shape, TYPES)] : TYPES.map((type) => of(`${shape}, ${type}`, [type]));
  }),
};
