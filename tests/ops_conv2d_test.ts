import { assert, assertEquals } from "@std/assert";
import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { conv2d, packConv } from "../lib/ops/conv2d.ts";
import type { Dtype, Tensor } from "../lib/tensor.ts";
import type { Operands, Tiles } from "../lib/gpu/tune.ts";
import { deviceReading, numbers } from "./devices.ts";

interface Case {
  B: number;
  H: number;
  W: number;
  Ci: number;
  Co: number;
  upsample?: 2;
  stride?: number;
  dtype?: Dtype;
  weights?: "f32" | "f16";
  /** Group norm of so many groups, and its activation, before the convolution. */
  norm?: { groups: number; act: "none" | "silu" };
}

/** (x − mean) / √(var + eps) · weight + bias over each sample's groups, and silu, rounded as the activations are. */
function normed(
  x: Float32Array,
  { B, Ci, norm, dtype }: Case,
  weight: Float32Array,
  bias: Float32Array,
): Float32Array {
  const { groups, act } = norm!;
  const y = new Float32Array(x.length);
  const [P, width] = [x.length / B / Ci, Ci / groups];
  for (let b = 0; b < B; b++) {
    for (let g = 0; g < groups; g++) {
      const at = Array.from(
        { length: P * width },
        (_, i) => (b * P + Math.floor(i / width)) * Ci + g * width + i % width,
      );
      const mean = at.reduce((sum, i) => sum + x[i], 0) / at.length;
      const variance = at.reduce((sum, i) => sum + (x[i] - mean) ** 2, 0) / at.length;
      for (const i of at) {
        let v = (x[i] - mean) / Math.sqrt(variance + EPS) * weight[i % Ci] + bias[i % Ci];
        if (act === "silu") v /= 1 + Math.exp(-v);
        y[i] = dtype === "f16" ? Math.f16round(v) : v;
      }
    }
  }
  return y;
}

const EPS = 1e-5;

interface Convolved {
  /** The largest error beside the largest value. */
  error: number;
  y: Float32Array;
  /** Kernels that were launched for a pass of the norm. */
  passes: number;
}

/** Runs one 3×3 convolution with padding 1, bias, silu and residual, after a group norm where the case has one. */
async function convolve(device: Device, c: Case): Promise<Convolved> {
  const { B, H, W, Ci, Co, upsample = 1, stride = 1, dtype = "f32", weights = "f32" } = c;
  using r = new Recorder(device, dtype);
  const load = (shape: number[], seed: number): [Float32Array, Tensor] => {
    const data = numbers(shape.reduce((a, b) => a * b), seed);
    if (dtype === "f32") return [data, r.upload(shape, data)];
    const halves = new Float16Array(Math.ceil(data.length / 2) * 2);
    halves.set(data);
    const t = r.tensor(shape, "f16");
    device.gpu.queue.writeBuffer(t.buffer, 0, halves);
    return [Float32Array.from(halves), t];
  };
  const [Ho, Wo] = [H, W].map((n) => Math.floor((n * upsample - 1) / stride) + 1);
  const [given, xt] = load([B, H, W, Ci], 1);
  // Far from 0 and 1 after norm and SiLU, so that padding with what 0 would become shows.
  const [scale, shift] = [numbers(Ci, 5), numbers(Ci, 6).map((v) => v + 1)];
  const x = c.norm ? normed(given, c, scale, shift) : given;
  const [add, addt] = load([B, Ho, Wo, Co], 2);
  const w = numbers(Co * Ci * 9, 3);
  const bias = numbers(Co, 4);
  const packed = packConv(device, w, { Co, Ci, kh: 3, kw: 3, transposed: false, type: weights });
  const y = conv2d(r, xt, { ...packed, bias: r.upload([Co], bias) }, {
    norm: c.norm && { ...c.norm, eps: EPS, weight: r.upload([Ci], scale), bias: r.upload([Ci], shift) },
    pad: 1,
    stride: c.stride,
    upsample: c.upsample,
    act: "silu",
    residual: addt,
  });
  const got = await r.read(y);
  device.check();
  const passes = [...r.kernels].filter(({ spec }) => spec.shader.startsWith("scale_shift")).length;
  let worst = 0, peak = 0;
  for (let b = 0; b < B; b++) {
    for (let i = 0; i < Ho; i++) {
      for (let j = 0; j < Wo; j++) {
        for (let n = 0; n < Co; n++) {
          let sum = bias[n];
          for (let t = 0; t < 9; t++) {
            const v = i * stride + Math.floor(t / 3) - 1, u = j * stride + t % 3 - 1;
            if (v < 0 || u < 0 || v >= H * upsample || u >= W * upsample) continue;
            const at = ((b * H + Math.floor(v / upsample)) * W + Math.floor(u / upsample)) * Ci;
            for (let k = 0; k < Ci; k++) {
              const f = w[(n * Ci + k) * 9 + t];
              sum += x[at + k] * (weights === "f16" ? Math.f16round(f) : f);
            }
          }
          const at = ((b * Ho + i) * Wo + j) * Co + n;
          const want = sum / (1 + Math.exp(-sum)) + add[at];
          assert(Number.isFinite(got[at]), `y[${b},${i},${j},${n}] is ${got[at]}`);
          worst = Math.max(worst, Math.abs(got[at] - want));
          peak = Math.max(peak, Math.abs(want));
        }
      }
    }
  }
  packed.buffer.destroy();
  return { error: worst / peak, y: got, passes };
}

async function error(device: Device, c: Case): Promise<number> {
  return (await convolve(device, c)).error;
}

// 9 · Ci products of relative error 2⁻²⁴ with random signs, and exp.
const F32 = 5e-6;
// The result is rounded once to f16, and before that the residual's sum.
const F16 = 1e-3;

const CASES: Case[] = [
  { B: 1, H: 1, W: 1, Ci: 4, Co: 4 },
  { B: 2, H: 5, W: 15, Ci: 8, Co: 12, weights: "f16" }, // rows of 16 pixels
  { B: 1, H: 7, W: 33, Ci: 12, Co: 70, weights: "f16" },
  { B: 1, H: 6, W: 31, Ci: 16, Co: 72 },
  { B: 2, H: 9, W: 17, Ci: 16, Co: 20 }, // rows of 8: the third sixteen would be in vain
  { B: 1, H: 9, W: 7, Ci: 16, Co: 12, weights: "f16" }, // two rows of 8, an odd number of them
  { B: 2, H: 5, W: 3, Ci: 8, Co: 8 }, // four rows of 4
  { B: 1, H: 4, W: 9, Ci: 5, Co: 3 },
  { B: 1, H: 5, W: 8, Ci: 24, Co: 16, upsample: 2, weights: "f16" },
  { B: 1, H: 8, W: 11, Ci: 8, Co: 9, stride: 2 },
  { B: 2, H: 9, W: 11, Ci: 20, Co: 36, stride: 2, weights: "f16" },
  { B: 2, H: 5, W: 7, Ci: 24, Co: 136, upsample: 2 },
  { B: 1, H: 3, W: 5, Ci: 5, Co: 33, weights: "f16" },
];

for (
  const [operands, tiles] of [
    ...["small", "large"].map((tiles) => ["texels", tiles]),
    ["buffers", "small"],
    ...["small", "large", "huge"].map((tiles) => ["tiled", tiles]),
  ] as [Operands, Tiles][]
) {
  Deno.test(`conv2d() equals an f64 loop at odd sizes, from ${operands}, ${tiles} tiles`, async () => {
    using device = await deviceReading(operands, undefined, "tree", tiles);
    for (const [i, c] of CASES.entries()) {
      const dtype = device.info.f16 && i % 2 === 1 ? "f16" : "f32";
      const e = await error(device, { ...c, dtype });
      assert(e < (dtype === "f16" ? F16 : F32), `${JSON.stringify(c)} ${dtype}: ${e}`);
    }
  });
}

// A norm's sums on top, and with f16 another rounding, of what goes into the sum.
const NORM_F32 = 1e-5;
const NORM_F16 = 2e-3;

const NORMED: Case[] = [
  { B: 2, H: 5, W: 15, Ci: 8, Co: 36, weights: "f16", norm: { groups: 2, act: "silu" } },
  { B: 1, H: 7, W: 33, Ci: 12, Co: 70, norm: { groups: 3, act: "silu" } },
  { B: 2, H: 9, W: 17, Ci: 20, Co: 136, weights: "f16", norm: { groups: 5, act: "none" } },
  { B: 2, H: 3, W: 5, Ci: 5, Co: 33, weights: "f16", norm: { groups: 1, act: "silu" } },
  { B: 1, H: 4, W: 9, Ci: 6, Co: 40, norm: { groups: 3, act: "none" } },
  { B: 2, H: 9, W: 11, Ci: 20, Co: 36, stride: 2, weights: "f16", norm: { groups: 4, act: "silu" } },
  { B: 1, H: 8, W: 11, Ci: 36, Co: 132, stride: 2, norm: { groups: 6, act: "silu" } },
  { B: 2, H: 5, W: 7, Ci: 24, Co: 136, upsample: 2, norm: { groups: 4, act: "silu" } },
  { B: 1, H: 4, W: 5, Ci: 12, Co: 35, upsample: 2, weights: "f16", norm: { groups: 2, act: "silu" } },
];

for (const tiles of ["small", "large", "huge"] as const) {
  Deno.test(`conv2d() that norms as it loads equals a pass before it and an f64 loop, ${tiles} tiles`, async () => {
    using loading = await deviceReading("tiled", undefined, "tree", tiles, Infinity);
    using passing = await deviceReading("tiled", undefined, "tree", tiles, 0);
    for (const [i, c] of NORMED.entries()) {
      const dtype = loading.info.f16 && i % 2 === 0 ? "f16" : "f32";
      const [a, b] = [await convolve(loading, { ...c, dtype }), await convolve(passing, { ...c, dtype })];
      assertEquals([a.passes, b.passes], [0, 1]);
      for (const { error } of [a, b]) {
        assert(error < (dtype === "f16" ? NORM_F16 : NORM_F32), `${JSON.stringify(c)} ${dtype}: ${error}`);
      }
      const apart = Math.max(...a.y.map((v, i) => Math.abs(v - b.y[i]))) / Math.max(...b.y.map(Math.abs));
      assert(apart <= (dtype === "f16" ? F16 : F32), `${JSON.stringify(c)} ${dtype}: ${apart} apart`);
    }
  });
}

Deno.test("conv2d() splits into bands what exceeds the largest binding", async () => {
  for (const operands of ["texels", "tiled"] as const) {
    using device = await deviceReading(operands, 65536);
    for (const [H, W, Ci, Co] of [[40, 32, 16, 16], [301, 8, 16, 16], [205, 4, 32, 16], [70, 30, 8, 40]]) {
      const e = await error(device, { B: 2, H, W, Ci, Co });
      assert(e < F32, `${[H, W, Ci, Co]}, ${operands}: ${e}`);
    }
  }
  using device = await deviceReading("tiled", 65536, "tree", "large", Infinity);
  const norm = { groups: 2, act: "silu" } as const;
  for (const upsample of [undefined, 2] as const) {
    const c: Case = { B: 2, H: upsample ? 31 : 70, W: upsample ? 15 : 30, Ci: 8, Co: 40, upsample, norm };
    const { error, passes } = await convolve(device, c);
    assert(error < NORM_F32 && passes === 0, `${JSON.stringify(c)}: ${error}`);
  }
});
