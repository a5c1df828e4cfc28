/**
 * The adapter's practical peak: fused multiply-adds on registers only, eight chains an invocation (more spill where registers are 16).
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { type BenchCase, measure, plainKernel } from "./harness.ts";

const INVOCATIONS = 64 * 256;
const LOOPS = 256;

const CODE = `
struct Shape { loops: u32 }
@group(0) @binding(0) var<uniform> s: Shape;
@group(0) @binding(1) var<storage, read_write> Y: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = vec4f(f32(id.x) * 1e-9 + 0.5);
  let y = vec4f(0.25);
  var a = vec4f(1.0);
  var b = vec4f(2.0);
  for (var i = 0u; i < s.loops; i++) {
    ${"a = fma(a, x, y); b = fma(b, x, y); ".repeat(8)}
  }
  Y[id.x] = a + b;
}`;

/** Billions of operations a second that plain multiply-adds reach here. */
export async function peakGflops(device: Device): Promise<number> {
  const buffer = device.memory.take(INVOCATIONS * 16);
  const kernel = plainKernel(device, "fma", CODE, [LOOPS], [buffer], [INVOCATIONS / 64, 1, 1]);
  const c: BenchCase = {
    flops: INVOCATIONS * LOOPS * 16 * 4 * 2,
    contenders: [kernel],
    dispose: kernel.dispose,
  };
  try {
    return (await measure(device, c, 5))[0].gflops;
  } finally {
    c.dispose();
    device.memory.release(buffer);
  }
}
