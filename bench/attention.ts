/**
 * attention() at the shapes of FLUX and SDXL, beside a kernel of one invocation a query.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { attention as attend } from "../lib/ops/attention.ts";
import type { Dtype } from "../lib/tensor.ts";
import { type Bench, type BenchCase, LARGE_FLOPS, type Peers, plainKernel } from "./harness.ts";
import { filled } from "./matmul.ts";

/** Online softmax with one invocation a query and its output in a private array. */
const TEXTBOOK = `
struct Shape { heads: u32, L: u32, D: u32 }
@group(0) @binding(0) var<uniform> s: Shape;
@group(0) @binding(1) var<storage, read> X: array<f32>;
@group(0) @binding(2) var<storage, read_write> Y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let C = s.heads * s.D;
  let q = min(id.x, s.L - 1) * 3 * C + id.y * s.D;
  var o: array<f32, 128>;
  var top = -3e38;
  var sum = 0.0;
  for (var k = 0u; k < s.L; k++) {
    let at = k * 3 * C + C + id.y * s.D;
    var score = 0.0;
    for (var d = 0u; d < s.D; d++) { score = fma(X[q + d], X[at + d], score); }
    score *= inverseSqrt(f32(s.D));
    let next = max(top, score);
    let fade = exp(top - next);
    let p = exp(score - next);
    top = next;
    sum = sum * fade + p;
    for (var d = 0u; d < s.D; d++) { o[d] = fma(p, X[at + C + d], o[d] * fade); }
  }
  if (id.x < s.L) { for (var d = 0u; d < s.D; d++) { Y[id.x * C + id.y * s.D + d] = o[d] / sum; } }
}`;

const SHAPES: [string, number, number, number][] = [
  ["embedded 512²", 1088, 4, 64],
  ["FLUX 512²", 1536, 24, 128],
  ["FLUX 1024²", 4608, 24, 128],
  ["SDXL 64²", 4096, 10, 64],
  ["SD1.5 32²", 1024, 8, 40],
];

/** Rows that compile what the whole runs: few of them would be made in other tiles. */
const WARM_ROWS = 1024;

async function make(
  device: Device,
  [L, heads, D]: [number, number, number],
  dtype: Dtype,
  peers?: Peers,
): Promise<BenchCase> {
  const r = new Recorder(device, dtype);
  const C = heads * D;
  const qkv = r.tensor([1, L, 3 * C], dtype);
  const source = filled(device, L * 3 * C, dtype);
  r.copy({ ...qkv, buffer: source }, 0, qkv, 0, qkv.byteLength);
  // The textbook's kernel binds all of q, k and v at once.
  const fits = L * 3 * C * 4 <= device.info.maxBindingBytes;
  const wide = fits ? [filled(device, L * 3 * C, "f32"), device.memory.take(L * C * 4)] : [];
  const groups = [Math.ceil(L / 64), heads, 1] as const;
  const plain = fits
    ? [plainKernel(device, "one invocation a query, f32", TEXTBOOK, [heads, L, D], wide, groups)]
    : [];
  const others = await peers?.attention(L, heads, D) ?? [];
  const run = (r: Recorder, count = L): void => {
    using _output = r.scope();
    const [q, k, v] = [0, C, 2 * C].map((at) => ({ tensor: qkv, at, rows: { at: 0, count } }));
    attend(r, q, k, v, { heads, headDim: D });
  };
  const flops = 4 * L * L * C;
  return {
    flops,
    contenders: [
      {
        label: "attention()",
        warm: flops > LARGE_FLOPS
          ? () => {
            run(r, WARM_ROWS);
            r.submit();
          }
          : undefined,
        submit: (times) => {
          for (let i = 0; i < times; i++) run(r);
          r.submit();
        },
      },
      ...plain,
      ...others,
    ],
    record: { kind: "kernel", dtype, run },
    dispose: () => {
      for (const other of [...plain, ...others]) other.dispose();
      for (const b of [source, ...wide]) device.memory.release(b);
      r[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** Attention. */
export const attention: Bench = {
  name: "attention",
  cases: SHAPES.flatMap(([name, ...shape]) => [
    {
      name: `${name} ${shape.join("×")}, f32`,
      make: (device: Device, peers?: Peers) => make(device, shape, "f32", peers),
    },
    {
      name: `${name} ${shape.join("×")}, 16 bits`,
      make: (device: Device, peers?: Peers) => make(device, shape, device.info.f16 ? "f16" : "f32", peers),
    },
  ]),
};
