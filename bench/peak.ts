/**
 * The adapter's practical peak: fused multiply-adds on registers only, in several shapes, of which the best counts. How
 * many independent chains fill a processor's pipelines without spilling differs between adapters.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { type Contender, measure, plainKernel } from "./harness.ts";

/** Invocations: enough for any adapter's lanes. */
const INVOCATIONS = 64 * 256;
/** Multiply-adds of vectors in one turn of the loop, whatever the shape. */
const TURN = 64;
const LOOPS = 64;

/** Registers' worth of chains, type of each, invocations a workgroup. */
const SHAPES = [2, 4, 6, 8, 10, 12, 16].flatMap((chains) =>
  (["vec4f", "f32"] as const).flatMap((type) => [8, 64].map((group) => ({ chains, type, group })))
);

/** Multiply-adds as a contender, to be timed in turns with what is compared with them. */
export interface Peak extends Contender {
  readonly dispose: () => void;
}

function code(chains: number, type: "vec4f" | "f32", group: number): string {
  const names = Array.from({ length: chains }, (_, i) => `a${i}`);
  const turn = Array.from({ length: TURN }, (_, i) => {
    const name = names[i % chains];
    return `${name} = fma(${name}, x, y);`;
  });
  return `
struct Shape { loops: u32 }
@group(0) @binding(0) var<uniform> s: Shape;
@group(0) @binding(1) var<storage, read_write> Y: array<${type}>;
@compute @workgroup_size(${group}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = ${type}(f32(id.x) * 1e-9 + 0.5);
  let y = ${type}(f32(id.x) * 1e-9 + 0.25);
${names.map((name, i) => `  var ${name} = ${type}(${i}.0);`).join("\n")}
  for (var i = 0u; i < s.loops; i++) {
    ${turn.join(" ")}
  }
  Y[id.x] = ${names.join(" + ")};
}`;
}

/** The fastest shape on this device. */
export async function fastestPeak(device: Device): Promise<Peak> {
  const buffer = device.memory.take(INVOCATIONS * 16);
  const flops = INVOCATIONS * LOOPS * TURN * 4 * 2;
  const kernels = SHAPES.map(({ chains, type, group }): Peak => {
    const lanes = type === "vec4f" ? 4 : 1;
    const text = code(chains, type, group);
    const groups = [INVOCATIONS / group, 1, 1] as const;
    const label = `${chains} chains of ${type}, workgroups of ${group}`;
    const kernel = plainKernel(device, label, text, [LOOPS * 4 / lanes], [buffer], groups);
    return { ...kernel, kind: "peak", flops };
  });
  const timings = await measure(device, { flops, contenders: kernels, dispose: () => {} }, 3);
  const best = timings.reduce((best, { gflops }, i) => gflops > timings[best].gflops ? i : best, 0);
  kernels.forEach((kernel, i) => i === best || kernel.dispose());
  return {
    ...kernels[best],
    dispose: () => {
      kernels[best].dispose();
      device.memory.release(buffer);
    },
  };
}
