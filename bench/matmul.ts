/**
 * linear() at the shapes of FLUX, SD3 and SDXL, beside the textbook's tile in workgroup memory.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { chooseMatmul } from "../lib/gpu/tune.ts";
import { linear, type PlainMatrix } from "../lib/ops/linear.ts";
import { elements } from "../lib/tensor.ts";
import { type Bench, type BenchCase, type Peers, plainKernel } from "./harness.ts";

/** 16×16 tile, one output an invocation, W [N, K]: what a first course on GPUs writes. */
const TEXTBOOK = `
struct Shape { M: u32, N: u32, K: u32 }
@group(0) @binding(0) var<uniform> s: Shape;
@group(0) @binding(1) var<storage, read> X: array<f32>;
@group(0) @binding(2) var<storage, read> W: array<f32>;
@group(0) @binding(3) var<storage, read_write> Y: array<f32>;
var<workgroup> a: array<f32, 256>;
var<workgroup> b: array<f32, 256>;
@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) g: vec3u, @builtin(local_invocation_id) l: vec3u) {
  let m = g.y * 16 + l.y;
  let n = g.x * 16 + l.x;
  let t = l.y * 16 + l.x;
  var sum = 0.0;
  for (var k = 0u; k < s.K; k += 16) {
    a[t] = select(0.0, X[min(m, s.M - 1) * s.K + k + l.x], k + l.x < s.K);
    b[t] = select(0.0, W[min(g.x * 16 + l.y, s.N - 1) * s.K + k + l.x], k + l.x < s.K);
    workgroupBarrier();
    for (var i = 0u; i < 16; i++) { sum = fma(a[l.y * 16 + i], b[l.x * 16 + i], sum); }
    workgroupBarrier();
  }
  if (m < s.M && n < s.N) { Y[m * s.N + n] = sum; }
}`;

/** [M, N, K] and where it comes from. */
const SHAPES: [string, number, number, number][] = [
  ["square", 1024, 1024, 1024],
  ["FLUX 512² attention", 1536, 3072, 3072],
  ["SD3 512² MLP", 1178, 6144, 1536],
  ["SDXL 64² attention", 4096, 640, 640],
  ["SDXL 32² GEGLU", 1024, 10240, 1280],
  ["FLUX modulation", 1, 18432, 3072],
  ["embedded 512² q, k, v", 1048, 576, 192],
  ["embedded 512² MLP in", 1048, 768, 192],
  ["embedded 512² MLP out", 1048, 192, 768],
  ["embedded 256² q, k, v", 280, 576, 192],
];

/** Fills a buffer with small numbers of either width. */
export function filled(device: Device, count: number, type: PlainMatrix["type"]): GPUBuffer {
  const buffer = device.memory.take(Math.ceil(count * (type === "f32" ? 4 : 2) / 16) * 16);
  const values = Float32Array.from({ length: count }, (_, i) => (i * 0.618 % 1) - 0.5);
  const bytes = type === "f32" ? values : type === "f16" ? Float16Array.from(values) : Uint16Array.from(
    new Uint16Array(values.buffer).filter((_, i) => i % 2 === 1),
  );
  device.gpu.queue.writeBuffer(buffer, 0, bytes as BufferSource);
  return buffer;
}

async function make(
  device: Device,
  [M, N, K]: [number, number, number],
  xType: "f32" | "f16",
  type: PlainMatrix["type"],
  peers?: Peers,
): Promise<BenchCase> {
  const r = new Recorder(device, xType);
  const x = r.tensor([1, M, K], xType);
  const source = filled(device, elements(x.shape), xType);
  r.copy({ ...x, buffer: source }, 0, x, 0, x.byteLength);
  const y = r.tensor([1, M, N], xType);
  const weight: PlainMatrix = { buffer: filled(device, N * K, type), N, K, stride: K, type };
  // The textbook's kernel binds its operands whole.
  const fits = 4 * Math.max(M * K, N * K, M * N) <= device.info.maxBindingBytes;
  const wide = fits
    ? [filled(device, M * K, "f32"), filled(device, N * K, "f32"), device.memory.take(M * N * 4)]
    : [];
  const groups = [Math.ceil(N / 16), Math.ceil(M / 16), 1] as const;
  const plain = fits ? [plainKernel(device, "textbook tile, f32", TEXTBOOK, [M, N, K], wide, groups)] : [];
  const others = await peers?.matmul(M, N, K) ?? [];
  const kernel = chooseMatmul(device, { M, N, K, xType, wType: type });
  return {
    flops: 2 * M * N * K,
    contenders: [
      {
        label: kernel.shader,
        submit: (times) => {
          for (let i = 0; i < times; i++) linear(r, x, { weight }, { into: y });
          r.submit();
        },
      },
      ...plain,
      ...others,
    ],
    record: { kind: "kernel", dtype: xType, run: (r) => void linear(r, x, { weight }, { into: y }) },
    dispose: () => {
      for (const other of [...plain, ...others]) other.dispose();
      for (const b of [source, weight.buffer, ...wide]) device.memory.release(b);
      r[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** Matrix products. */
export const matmul: Bench = {
  name: "matmul",
  cases: SHAPES.flatMap(([name, ...shape]) => [
    {
      name: `${name} ${shape.join("×")}, f32`,
      make: (device: Device, peers?: Peers) => make(device, shape, "f32", "f32", peers),
    },
    {
      name: `${name} ${shape.join("×")}, 16 bits`,
      make: (device: Device, peers?: Peers) =>
        make(device, shape, device.info.f16 ? "f16" : "f32", "f16", peers),
    },
  ]),
};
