/**
 * `deno task tune`: which kernels this adapter likes, measured anew and kept for later runs of `cli.ts`; beside it
 * what the table of lib/gpu/adapters.ts expects of its kind.
 *
 * @module
 */

import { spreadThreads } from "../lib/cli/software_adapter.ts";
import { computeUnitOf, estimate, expectedNormLoads, expectedOperands } from "../lib/gpu/adapters.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { LARGE_KERNELS, tuneOnce } from "../lib/gpu/tune.ts";

spreadThreads();
using device = await openDevice();
const { info } = device;
console.log(`${info.description || info.vendor}${info.fallback ? " (runs on the CPU)" : ""}`);

const unit = computeUnitOf(info);
console.log(
  `expected: operands from ${expectedOperands(info, LARGE_KERNELS)}, ` +
    `norms on load up to ${expectedNormLoads(info).toFixed(1)} loads`,
);
if (unit) {
  for (const kernel of LARGE_KERNELS) {
    const { registers, workgroupBytes, occupancy, loads, share } = estimate(kernel, unit);
    console.log(
      `  ${kernel.operands.padEnd(8)} ${registers} registers, ${workgroupBytes} bytes of workgroup memory, ` +
        `${percent(occupancy)} resident, ${loads.toFixed(2)} clocks of loads a clock of arithmetic: ` +
        `${percent(share)} of the peak`,
    );
  }
}

const start = performance.now();
const { tuning } = await tuneOnce(device, { again: true });
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`measured in ${seconds} s: operands from ${tuning.operands} (${times(tuning.ms)})`);
if (Object.keys(tuning.tilesMs).length > 0) {
  console.log(`  ${tuning.tiles} tiles (${times(tuning.tilesMs)})`);
}
if (Object.keys(tuning.texelsMs).length > 0) {
  console.log(`  ${tuning.texels} textures (${times(tuning.texelsMs)})`);
}
if (Object.keys(tuning.arithmeticMs).length > 0) {
  console.log(`  f16 by f16 multiplied in ${tuning.arithmetic} (${times(tuning.arithmeticMs)})`);
}
console.log(`  rows summed up by ${tuning.reduction} (${times(tuning.reductionMs)})`);
if (tuning.operands === "tiled") {
  const found = Object.keys(tuning.normMs).length > 0 ? times(tuning.normMs) : "not measured";
  console.log(
    `  convolutions norm as they load up to ${tuning.normLoads.toFixed(1)} loads of a value (${found})`,
  );
}
console.log(
  `  ${(device.budget.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s or more for the launches' time budget`,
);

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function times(ms: Readonly<Record<string, number>>): string {
  return Object.entries(ms).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`).join(", ");
}
