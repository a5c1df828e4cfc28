/**
 * conv2d() at the shapes of the embedded autoencoder and of SDXL's UNet, beside one invocation an output.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { forceTuning, tuningOf } from "../lib/gpu/tune.ts";
import { conv2d, packConv } from "../lib/ops/conv2d.ts";
import type { Dtype, Tensor } from "../lib/tensor.ts";
import {
  type Bench,
  type BenchCase,
  type Contender,
  type Facts,
  LARGE_FLOPS,
  type Peers,
  plainKernel,
  type Timing,
} from "./harness.ts";
import { filled } from "./matmul.ts";
import { numbers } from "./norm.ts";

/** One invocation an output value, zeros around. */
const TEXTBOOK = `
struct Shape { S: u32, Ci: u32, Co: u32 }
@group(0) @binding(0) var<uniform> s: Shape;
@group(0) @binding(1) var<storage, read> X: array<f32>;
@group(0) @binding(2) var<storage, read> W: array<f32>;
@group(0) @binding(3) var<storage, read_write> Y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let y = i32(id.y / s.S);
  let x = i32(id.y % s.S);
  if (c >= s.Co) { return; }
  var sum = 0.0;
  for (var t = 0; t < 9; t++) {
    let yy = y + t / 3 - 1;
    let xx = x + t % 3 - 1;
    if (yy < 0 || yy >= i32(s.S) || xx < 0 || xx >= i32(s.S)) { continue; }
    let at = u32(yy * i32(s.S) + xx) * s.Ci;
    for (var k = 0u; k < s.Ci; k++) { sum = fma(X[at + k], W[(u32(t) * s.Ci + k) * s.Co + c], sum); }
  }
  Y[id.y * s.Co + c] = sum;
}`;

const SHAPES: [string, number, number, number][] = [
  ["embedded VAE", 64, 112, 112],
  ["embedded VAE", 128, 56, 56],
  ["SDXL 64²", 64, 320, 320],
  ["SDXL VAE 64²", 64, 512, 512],
  ["SDXL 128²", 128, 320, 320],
  ["SDXL 64²", 64, 1280, 1280],
  ["SDXL VAE 128²", 128, 512, 512],
  ["SDXL 128²", 128, 1280, 1280],
];

async function make(
  device: Device,
  [S, Ci, Co]: [number, number, number],
  dtype: Dtype,
  peers?: Peers,
): Promise<BenchCase> {
  const r = new Recorder(device, dtype);
  const x = r.tensor([1, S, S, Ci], dtype);
  const source = filled(device, S * S * Ci, dtype);
  r.copy({ ...x, buffer: source }, 0, x, 0, x.byteLength);
  const weights = Float32Array.from({ length: Co * Ci * 9 }, (_, i) => (i * 0.618 % 1) - 0.5);
  const packed = packConv(device, weights, { Co, Ci, kh: 3, kw: 3, transposed: false, type: "f16" });
  const wide = [
    filled(device, S * S * Ci, "f32"),
    filled(device, 9 * Ci * Co, "f32"),
    device.memory.take(S * S * Co * 4),
  ];
  const plain = plainKernel(device, "one invocation an output, f32", TEXTBOOK, [S, Ci, Co], wide, [
    Math.ceil(Co / 64),
    S * S,
    1,
  ]);
  const run = (r: Recorder, x: Tensor): void => {
    using _output = r.scope();
    conv2d(r, x, packed, { pad: 1 });
  };
  const small = r.tensor([1, 16, 16, Ci], dtype);
  const others = await peers?.conv(S, Ci, Co) ?? [];
  const flops = 2 * S * S * Ci * Co * 9;
  return {
    flops,
    contenders: [
      {
        label: "conv2d()",
        warm: flops > LARGE_FLOPS
          ? () => {
            run(r, small);
            r.submit();
          }
          : undefined,
        submit: (times) => {
          for (let i = 0; i < times; i++) run(r, x);
          r.submit();
        },
      },
      plain,
      ...others,
    ],
    record: { kind: "kernel", dtype, run: (r) => run(r, x) },
    dispose: () => {
      plain.dispose();
      for (const other of others) other.dispose();
      packed.buffer.destroy();
      for (const b of [source, ...wide]) device.memory.release(b);
      r[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** Those that a group norm and SiLU come before. */
const NORMED_SHAPES: [string, number, number, number][] = [
  ["embedded VAE", 128, 56, 56],
  ["SDXL VAE 128²", 128, 128, 128],
  ["SDXL 64²", 64, 320, 320],
];

/** Norm, SiLU and convolution: normed on load, where anything is staged, beside a pass before it. */
function makeNormed(device: Device, [S, Ci, Co]: [number, number, number]): BenchCase {
  const dtype = device.info.f16 ? "f16" : "f32";
  const r = new Recorder(device, dtype);
  const x = numbers(r, [1, S, S, Ci]);
  const norm = {
    groups: 4,
    eps: 1e-5,
    weight: numbers(r, [Ci]),
    bias: numbers(r, [Ci]),
    act: "silu" as const,
  };
  const weights = Float32Array.from({ length: Co * Ci * 9 }, (_, i) => (i * 0.618 % 1) - 0.5);
  const packed = packConv(device, weights, { Co, Ci, kh: 3, kw: 3, transposed: false, type: "f16" });
  const run = (r: Recorder, normLoads: number): void => {
    const tuning = tuningOf(device)!;
    forceTuning(device, { ...tuning, normLoads });
    try {
      using _output = r.scope();
      conv2d(r, x, packed, { norm, pad: 1, dtype: "f32" });
    } finally {
      forceTuning(device, tuning);
    }
  };
  const contender = (label: string, normLoads: number): Contender => ({
    label,
    submit: (times) => {
      for (let i = 0; i < times; i++) run(r, normLoads);
      r.submit();
    },
  });
  const staged = tuningOf(device)!.operands === "tiled";
  const pass = contender("conv2d(), norm in a pass", 0);
  return {
    flops: 2 * S * S * Ci * Co * 9,
    contenders: staged ? [contender("conv2d(), norm on load", Infinity), pass] : [pass],
    record: { kind: "kernel", dtype, run: (r) => run(r, staged ? Infinity : 0) },
    facts: ([load, pass]): Facts => staged ? { "with the pass": ratio(load, pass) } : {},
    dispose: () => {
      packed.buffer.destroy();
      r[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** How often the first's time goes into the second's, by the least and the median. */
function ratio(first: Timing, second: Timing): string {
  const [least, median] = (["minMs", "medianMs"] as const).map((ms) => second[ms] / first[ms]);
  return `${least.toFixed(2)}×, by the median ${median.toFixed(2)}×`;
}

/** 3×3 convolutions. */
export const conv: Bench = {
  name: "conv",
  cases: [
    ...SHAPES.flatMap(([name, ...shape]) =>
      (["f32", "f16"] as const).map((dtype) => ({
        name: `${name} ${shape.join("×")}, ${dtype === "f32" ? "f32" : "16 bits"}`,
        make: (device: Device, peers?: Peers) => make(device, shape, device.info.f16 ? dtype : "f32", peers),
      }))
    ),
    ...NORMED_SHAPES.map(([name, ...shape]) => ({
      name: `group norm, SiLU and ${name} ${shape.join("×")}`,
      make: (device: Device) => makeNormed(device, shape),
    })),
  ],
};
