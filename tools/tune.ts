/**
 * `deno task tune`: which kernels this adapter likes, measured anew and kept for later runs of `cli.ts`; beside it
 * what the table of lib/gpu/adapters.ts expects of its kind.
 *
 * @module
 */

import { computeUnitOf, estimate, expectedOperands } from "../lib/gpu/adapters.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { LARGE_KERNELS, tuneOnce } from "../lib/gpu/tune.ts";

using device = await openDevice();
const { info } = device;
console.log(`${info.description || info.vendor}${info.fallback ? " (runs on the CPU)" : ""}`);

const unit = computeUnitOf(info);
console.log(`expected: operands from ${expectedOperands(info, LARGE_KERNELS)}`);
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
console.log(`  rows summed up by ${tuning.reduction} (${times(tuning.reductionMs)})`);
console.log(
  `  ${(device.budget.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s or more for the launches' time budget`,
);

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function times(ms: Readonly<Record<string, number>>): string {
  return Object.entries(ms).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`).join(", ");
}
