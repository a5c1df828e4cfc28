import { assert } from "@std/assert";
import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { groupNorm } from "../lib/ops/group_norm.ts";
import type { Dtype } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";

interface Case {
  B: number;
  P: number;
  C: number;
  groups: number;
  dtype?: Dtype;
  silu?: boolean;
}

/** Far from zero, so that a variance by E[x²] − E[x]² would cancel. */
const MEAN = 40;

/** The largest error against an f64 loop; results are a few units large. */
async function error(
  device: Device,
  { B, P, C, groups, dtype = "f32", silu = false }: Case,
): Promise<number> {
  using r = new Recorder(device, dtype);
  const halves = new Float16Array(B * P * C);
  halves.set(numbers(B * P * C, 1).map((v) => v + MEAN));
  const data = Float32Array.from(halves);
  const x = dtype === "f32" ? r.upload([B, P, 1, C], data) : r.tensor([B, P, 1, C], "f16");
  if (dtype === "f16") device.gpu.queue.writeBuffer(x.buffer, 0, halves);
  const [weight, bias] = [numbers(C, 2), numbers(C, 3)];
  const y = groupNorm(r, x, {
    groups,
    eps: 1e-5,
    weight: r.upload([C], weight),
    bias: r.upload([C], bias),
    act: silu ? "silu" : "none",
    dtype: "f32",
  });
  const got = await r.read(y);
  const width = C / groups;
  let worst = 0;
  for (let b = 0; b < B; b++) {
    for (let g = 0; g < groups; g++) {
      const at: number[] = [];
      for (let p = 0; p < P; p++) {
        for (let c = g * width; c < (g + 1) * width; c++) at.push((b * P + p) * C + c);
      }
      const mean = at.reduce((sum, i) => sum + data[i], 0) / at.length;
      const variance = at.reduce((sum, i) => sum + (data[i] - mean) ** 2, 0) / at.length;
      for (const i of at) {
        let v = (data[i] - mean) / Math.sqrt(variance + 1e-5) * weight[i % C] + bias[i % C];
        if (silu) v /= 1 + Math.exp(-v);
        worst = Math.max(worst, Math.abs(v - got[i]));
      }
    }
  }
  return worst;
}

const CASES: readonly Case[] = [
  { B: 1, P: 1, C: 8, groups: 2 },
  { B: 2, P: 77, C: 24, groups: 3, silu: true },
  { B: 1, P: 4097, C: 64, groups: 32 },
  { B: 2, P: 130, C: 320, groups: 32, dtype: "f16" },
  { B: 1, P: 65, C: 1280, groups: 32, silu: true },
  { B: 3, P: 33, C: 128, groups: 32, dtype: "f16", silu: true },
  { B: 2, P: 70, C: 640, groups: 32 },
  { B: 1, P: 35, C: 2560, groups: 32, dtype: "f16" },
  { B: 1, P: 67, C: 336, groups: 112 },
  { B: 1, P: 19, C: 21, groups: 7 },
  { B: 1, P: 50, C: 12, groups: 4, dtype: "f16" },
];

// Its own binding limit: pixels no longer fit one binding, so that windows and chunks are walked.
for (const [operands, limit] of [["texels", undefined], ["buffers", undefined], ["texels", 40960]] as const) {
  Deno.test(`groupNorm() from ${operands}${limit ? ", in windows," : ""} equals an f64 loop`, async () => {
    using device = await deviceReading(operands, limit);
    // f32 statistics of values near 40: two passes leave 40 · 2⁻²³ · a few, times 1/σ.
    for (const c of CASES) {
      const e = await error(device, c);
      assert(e < 1e-4, `${JSON.stringify(c)}: off by ${e}`);
    }
  });
}
