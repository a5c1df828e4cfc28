/**
 * The adapter's practical limits. Its peak: fused multiply-adds on registers only, in several shapes, of which the best
 * counts; how many independent chains fill a processor's pipelines without spilling differs between adapters. And its
 * bandwidth: a plain copy from buffer to buffer.
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

/** Bytes of either buffer of the copy: beyond any cache. */
const COPY_BYTES = 64 << 20;
/** Vectors of 16 bytes that an invocation copies, and invocations a workgroup. */
const COPY_SHAPES = [1, 4, 8].flatMap((each) => [8, 64, 256].map((group) => ({ each, group })));

/** A limit as a contender, to be timed in turns with what is compared with it. */
export interface Limit extends Contender {
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
export async function fastestPeak(device: Device): Promise<Limit> {
  const buffer = device.memory.take(INVOCATIONS * 16);
  const flops = INVOCATIONS * LOOPS * TURN * 4 * 2;
  const kernels = SHAPES.map(({ chains, type, group }): Limit => {
    const lanes = type === "vec4f" ? 4 : 1;
    const text = code(chains, type, group);
    const groups = [INVOCATIONS / group, 1, 1] as const;
    const label = `${chains} chains of ${type}, workgroups of ${group}`;
    const kernel = plainKernel(device, label, text, [LOOPS * 4 / lanes], [buffer], groups);
    return { ...kernel, kind: "peak", flops };
  });
  return await fastest(device, kernels, [buffer]);
}

/** The fastest way here of copying one buffer into another, all of it read and all of it written. */
export async function fastestCopy(device: Device): Promise<Limit> {
  const buffers = [device.memory.take(COPY_BYTES), device.memory.take(COPY_BYTES)];
  const kernels = COPY_SHAPES.map(({ each, group }): Limit => {
    const invocations = COPY_BYTES / 16 / each;
    // Neighbours copy neighbouring vectors.
    const steps = Array.from({ length: each }, (_, i) => `Y[at + ${i * group}u] = X[at + ${i * group}u];`);
    const text = `
struct Shape { across: u32 }
@group(0) @binding(0) var<uniform> s: Shape;
@group(0) @binding(1) var<storage, read> X: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> Y: array<vec4u>;
@compute @workgroup_size(${group})
fn main(@builtin(workgroup_id) g: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (g.y * s.across + g.x) * ${group * each}u + lane;
  ${steps.join(" ")}
}`;
    const groups = invocations / group;
    const across = Math.min(groups, 32768); // both are powers of two
    const label = `copy, ${each} × 16 bytes an invocation, workgroups of ${group}`;
    const kernel = plainKernel(device, label, text, [across], buffers, [across, groups / across, 1]);
    return { ...kernel, kind: "copy", flops: 0, bytes: 2 * COPY_BYTES };
  });
  return await fastest(device, kernels, buffers);
}

/** The fastest of some kernels; what the others hold is given back, the buffers with the one that is kept. */
async function fastest(
  device: Device,
  kernels: readonly Limit[],
  buffers: readonly GPUBuffer[],
): Promise<Limit> {
  const dispose = (): void => {};
  const timings = await measure(device, {
    flops: 0,
    contenders: kernels.map((k) => ({ ...k, kind: undefined })),
    dispose,
  }, 1);
  const best = timings.reduce((best, { minMs }, i) => minMs < timings[best].minMs ? i : best, 0);
  kernels.forEach((kernel, i) => i === best || kernel.dispose());
  return {
    ...kernels[best],
    dispose: () => {
      kernels[best].dispose();
      for (const buffer of buffers) device.memory.release(buffer);
    },
  };
}
