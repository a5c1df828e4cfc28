/**
 * Norms at the shapes of FLUX, T5 and SDXL: memory bounds them, so they are compared with a plain copy.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { groupNorm } from "../lib/ops/group_norm.ts";
import { layerNorm, rmsNorm } from "../lib/ops/norm.ts";
import { qkNormRope } from "../lib/ops/qk_norm_rope.ts";
import { type Dtype, DTYPE_BYTES, elements, type Tensor } from "../lib/tensor.ts";
import type { Bench, BenchCase } from "./harness.ts";

/** f32 numbers around 0. */
export function numbers(r: Recorder, shape: readonly number[]): Tensor {
  return r.upload(shape, Float32Array.from({ length: elements(shape) }, (_, i) => (i * 0.618 % 2) - 1));
}

/** A case of one operation that memory bounds. */
export function memoryCase(
  device: Device,
  label: string,
  prepare: (r: Recorder, dtype: Dtype) => { bytes: number; run: (r: Recorder) => unknown },
): BenchCase {
  const dtype = device.info.f16 ? "f16" : "f32";
  const r = new Recorder(device, dtype);
  const { bytes, run } = prepare(r, dtype);
  const record = (r: Recorder): void => {
    using _output = r.scope();
    run(r);
  };
  return {
    flops: 0,
    bytes,
    contenders: [{
      label,
      submit: (times) => {
        for (let i = 0; i < times; i++) record(r);
        r.submit();
      },
    }],
    record: { kind: "kernel", dtype, run: record },
    dispose: () => {
      r[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** A residual stream in f32 read once, activations written once. */
function through(count: number, dtype: Dtype): number {
  return count * (4 + DTYPE_BYTES[dtype]);
}

function group(name: string, S: number, C: number): Bench["cases"][number] {
  return {
    name: `group norm and SiLU, ${name} ${S}²×${C}`,
    make: (device) =>
      memoryCase(device, "groupNorm()", (r, dtype) => {
        const x = numbers(r, [1, S, S, C]);
        const [weight, bias] = [numbers(r, [C]), numbers(r, [C])];
        return {
          bytes: through(S * S * C, dtype),
          run: (r) => groupNorm(r, x, { groups: 32, eps: 1e-5, weight, bias, act: "silu" }),
        };
      }),
  };
}

/** Norms. */
export const norm: Bench = {
  name: "norm",
  cases: [
    group("SDXL", 64, 320),
    group("SDXL", 32, 1280),
    group("SDXL VAE", 128, 512),
    {
      name: "modulated layer norm, FLUX 512² 1536×3072",
      make: (device) =>
        memoryCase(device, "layerNorm()", (r, dtype) => {
          const [N, D] = [1536, 3072];
          const x = numbers(r, [1, N, D]);
          const modulation = numbers(r, [1, 2 * D]);
          return {
            bytes: through(N * D, dtype),
            run: (r) => layerNorm(r, x, { eps: 1e-6, modulation, scaleAt: D, shiftAt: 0 }),
          };
        }),
    },
    {
      name: "RMS norm, T5 512×4096",
      make: (device) =>
        memoryCase(device, "rmsNorm()", (r, dtype) => {
          const [N, D] = [512, 4096];
          const x = numbers(r, [1, N, D]);
          const weight = numbers(r, [D]);
          return { bytes: through(N * D, dtype), run: (r) => rmsNorm(r, x, { eps: 1e-6, weight }) };
        }),
    },
    {
      name: "norms and rotation of q and k, FLUX 512² 1536×24×128",
      make: (device) =>
        memoryCase(device, "qkNormRope()", (r, dtype) => {
          const [N, heads, d] = [1536, 24, 128];
          const qkv = r.tensor([1, N, 3 * heads * d], dtype);
          const [q, k] = [numbers(r, [d]), numbers(r, [d])];
          const rope = numbers(r, [N, d / 2, 2]);
          return {
            // In place, the values left alone.
            bytes: 2 * DTYPE_BYTES[dtype] * N * 2 * heads * d + 4 * N * d,
            run: (r) => qkNormRope(r, qkv, { heads, norms: { q, k }, eps: 1e-6, rope }),
          };
        }),
    },
  ],
};
