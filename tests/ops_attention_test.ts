import { assert } from "@std/assert";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { attention, stagedTile } from "../lib/ops/attention.ts";
import type { Operands } from "../lib/gpu/tune.ts";
import type { Dtype, Tensor } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";

interface Case {
  B: number;
  heads: number;
  D: number;
  Lq: number;
  Lk: number;
  dtype?: Dtype;
  causal?: boolean;
  bias?: [1 | "B", 1 | "heads"];
  mask?: boolean;
  /** Factor of queries and keys: large scores need the running maximum. */
  size?: number;
  /** Rows before the part that is used, in a joint sequence. */
  before?: number;
  /** Rows and heads begin at multiples of 8, as models have them: the register-tiled kernels need it. */
  aligned?: boolean;
  /** Looks at every so many rows only, beside the last: the loop in f64 is slow. */
  every?: number;
}

/** Runs one case, q, k and v as parts of wider rows, and returns the largest error (values lie in ±1). */
async function error(device: Device, c: Case): Promise<number> {
  const { B, heads, D, Lq, Lk, size = 1, before = 0 } = c;
  const C = heads * D;
  using r = new Recorder(device, c.dtype ?? "f32");
  const load = (L: number, width: number, seed: number, factor: number): [Float32Array, Tensor] => {
    const data = numbers(B * (L + before) * width, seed).map((v) => v * factor);
    if (c.dtype !== "f16") return [data, r.upload([B, L + before, width], data)];
    const halves = new Float16Array(Math.ceil(data.length / 2) * 2);
    halves.set(data);
    const t = r.tensor([B, L + before, width], "f16");
    device.gpu.queue.writeBuffer(t.buffer, 0, halves);
    return [Float32Array.from(halves), t];
  };
  // Odd widths around the heads, so that no row starts where a vec4 would, unless it shall.
  const [qAt, vAt] = c.aligned ? [8, C + 8] : [2, C + 1];
  const [qWidth, kvWidth] = c.aligned ? [C + 16, 2 * C + 8] : [C + 3, 2 * C + 1];
  const [q, qt] = load(Lq, qWidth, 1, size);
  const [kv, kvt] = load(Lk, kvWidth, 2, size);
  const [bB, bH] = [c.bias?.[0] === "B" ? B : 1, c.bias?.[1] === "heads" ? heads : 1];
  const bias = c.bias && numbers(bB * bH * Lq * Lk, 3);
  const keep = c.mask ? numbers(B * Lk, 4).map((v, i) => v > 0 || i % Lk === 0 ? 1 : 0) : undefined;
  const y = attention(
    r,
    { tensor: qt, at: qAt, rows: { at: before, count: Lq } },
    { tensor: kvt, at: 0, rows: { at: before, count: Lk } },
    { tensor: kvt, at: vAt, rows: { at: before, count: Lk } },
    {
      heads,
      headDim: D,
      causal: c.causal,
      bias: bias && r.upload([bB, bH, Lq, Lk], bias),
      keyMask: keep && r.upload([B, Lk], keep),
    },
  );
  const got = await r.read(y);
  device.check();
  let worst = 0;
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < Lq; i++) {
        if (i % (c.every ?? 1) !== 0 && i < Lq - 1) continue;
        const scores = Array.from({ length: Lk }, (_, j) => {
          if ((c.causal && j > i) || (keep && keep[b * Lk + j] === 0)) return -Infinity;
          let dot = 0;
          for (let d = 0; d < D; d++) {
            dot += q[(b * (Lq + before) + before + i) * qWidth + qAt + h * D + d] *
              kv[(b * (Lk + before) + before + j) * kvWidth + h * D + d];
          }
          const at = ((bB === 1 ? 0 : b) * bH + (bH === 1 ? 0 : h)) * Lq * Lk + i * Lk + j;
          return dot / Math.sqrt(D) + (bias ? bias[at] : 0);
        });
        const top = Math.max(...scores);
        const p = scores.map((v) => Math.exp(v - top));
        const sum = p.reduce((a, v) => a + v, 0);
        for (let d = 0; d < D; d++) {
          let want = 0;
          for (let j = 0; j < Lk; j++) {
            want += p[j] / sum * kv[(b * (Lk + before) + before + j) * kvWidth + vAt + h * D + d];
          }
          const value = got[(b * Lq + i) * C + h * D + d];
          assert(Number.isFinite(value), `o[${b},${i},${h},${d}] is ${value}`);
          worst = Math.max(worst, Math.abs(value - want));
        }
      }
    }
  }
  return worst / size;
}

// Scores of size s carry s · 2⁻²⁴ · √D from the dot product and a few 2⁻²² from exp; values lie in ±1.
const F32 = 1e-5;
// The result is rounded to 2⁻¹¹ of at most 1.
const F16 = 1e-3;

const SHAPES: Case[] = [
  { B: 1, heads: 1, D: 8, Lq: 1, Lk: 1 },
  { B: 2, heads: 3, D: 40, Lq: 33, Lk: 77 },
  { B: 1, heads: 2, D: 64, Lq: 129, Lk: 130 },
  { B: 1, heads: 2, D: 128, Lq: 65, Lk: 65 },
  { B: 1, heads: 1, D: 512, Lq: 17, Lk: 70 },
  { B: 1, heads: 2, D: 12, Lq: 5, Lk: 200 },
];

Deno.test("attention() equals an f64 loop at odd lengths and head sizes", async () => {
  using device = await openDevice();
  for (const shape of SHAPES) {
    const e = await error(device, shape);
    assert(e < F32, `${JSON.stringify(shape)}: ${e}`);
  }
});

const VARIATIONS: Partial<Case>[] = [
  { before: 5 },
  { causal: true, mask: true, bias: ["B", "heads"] },
];

// Drivers that run on a CPU take seconds to compile such a kernel: a few sizes of each.
for (
  const [operands, sizes] of [
    ["texels", [32, 72, 128]],
    ["buffers", [8, 160]],
    ["tiled", [40, 128, 512]],
  ] as const
) {
  Deno.test(`attention() in register tiles from ${operands} equals an f64 loop`, async () => {
    using device = await deviceReading(operands);
    for (const D of sizes) {
      for (const [i, variation] of VARIATIONS.entries()) {
        const dtype = device.info.f16 && (D / 8 + i) % 2 === 0 ? "f16" : "f32";
        const c: Case = { B: 2, heads: 2, D, Lq: 37, Lk: 37, ...variation, dtype, aligned: true };
        const e = await error(device, c);
        assert(e < (dtype === "f16" ? F16 : F32), `${JSON.stringify(c)}: ${e}`);
      }
    }
  });
}

// What pays only for a lot of work, in shapes just large enough.
const LARGE: [Operands, Case][] = [
  ["texels", { B: 1, heads: 6, D: 32, Lq: 809, Lk: 811, mask: true, every: 90 }],
  ["texels", {
    B: 1,
    heads: 3,
    D: 64,
    Lq: 813,
    Lk: 807,
    causal: true,
    mask: true,
    bias: [1, "heads"],
    every: 90,
  }],
  ["texels", { B: 1, heads: 8, D: 64, Lq: 1401, Lk: 1403, dtype: "f16", every: 200 }],
  ["texels", { B: 1, heads: 9, D: 80, Lq: 501, Lk: 453, every: 90 }],
  ["texels", {
    B: 2,
    heads: 3,
    D: 72,
    Lq: 413,
    Lk: 407,
    causal: true,
    mask: true,
    bias: ["B", "heads"],
    every: 90,
  }],
  ["texels", { B: 1, heads: 8, D: 128, Lq: 1001, Lk: 1003, every: 200 }],
  ["texels", { B: 1, heads: 16, D: 160, Lq: 5, Lk: 3301, mask: true, dtype: "f16" }], // packed by heads
  ["tiled", { B: 2, heads: 4, D: 40, Lq: 643, Lk: 645, before: 3, every: 90 }],
  ["tiled", { B: 1, heads: 3, D: 64, Lq: 813, Lk: 807, causal: true, dtype: "f16", every: 90 }],
  ["tiled", { B: 1, heads: 3, D: 112, Lq: 613, Lk: 627, every: 90 }],
  ["tiled", { B: 1, heads: 1, D: 272, Lq: 4301, Lk: 4305, causal: true, dtype: "f16", every: 1400 }],
];

for (const [operands, c] of LARGE) {
  Deno.test(`attention() in large tiles from ${operands} equals an f64 loop: ${c.Lq} × ${c.Lk} of ${c.D}`, async () => {
    using device = await deviceReading(operands);
    const dtype = device.info.f16 ? c.dtype : "f32";
    const e = await error(device, { ...c, dtype, aligned: true });
    assert(e < (dtype === "f16" ? F16 : F32), `${e}`);
  });
}

Deno.test("attention() makes probabilities of as many samples, heads or queries at once as a binding holds", async () => {
  const shapes: [number, Case][] = [
    [5 << 19, { B: 3, heads: 2, D: 72, Lq: 301, Lk: 307, mask: true, before: 5 }], // two samples
    [1 << 20, { B: 2, heads: 3, D: 72, Lq: 301, Lk: 307, bias: [1, "heads"], before: 5 }], // two heads
    [3 << 18, { B: 1, heads: 2, D: 80, Lq: 701, Lk: 703, causal: true }], // 256 queries
  ];
  for (const [limit, c] of shapes) {
    using device = await deviceReading("texels", limit);
    const e = await error(device, { ...c, every: 20, aligned: true });
    assert(e < F32, `${JSON.stringify(c)}: ${e}`);
  }
});

Deno.test("stagedTile() covers the columns and stays within a device's workgroup memory and invocations", () => {
  for (const [workgroupBytes, workgroupInvocations] of [[16 << 10, 256], [32 << 10, 1024], [16 << 10, 32]]) {
    for (let D = 8; D <= 512; D += 8) {
      for (const [Lq, qVectors, kvVectors] of [[1, 2, 2], [77, 1, 1], [1088, 1, 2], [4096, 2, 1]]) {
        for (const huge of [false, true]) {
          const tile = stagedTile({ workgroupBytes, workgroupInvocations }, huge, D, Lq, qVectors, kvVectors);
          const what = `${D} columns, ${Lq} queries, ${workgroupBytes} bytes: ${JSON.stringify(tile)}`;
          if (!tile) {
            assert(D > 160, what); // no head of a transformer goes without
            continue;
          }
          const { RQ, WX, WY, OD, STEP8, QUADS, POOL } = tile;
          assert(WX * OD === D && D / 8 % STEP8 === 0 && QUADS >= 1, what);
          assert(WX * WY <= workgroupInvocations && 16 * POOL + 4 * WX * WY * RQ <= workgroupBytes, what);
        }
      }
    }
  }
});

Deno.test("attention() takes and gives halves", async () => {
  using device = await openDevice();
  if (!device.info.f16) return;
  for (const shape of SHAPES) {
    const e = await error(device, { ...shape, dtype: "f16" });
    assert(e < F16, `${JSON.stringify(shape)}: ${e}`);
  }
});

Deno.test("attention() hides later keys, drops masked ones and adds a bias", async () => {
  using device = await openDevice();
  const base = { B: 2, heads: 2, D: 24, Lq: 71, Lk: 71 };
  for (
    const c of [
      { ...base, causal: true },
      { ...base, mask: true },
      { ...base, bias: ["B", "heads"] as ["B", "heads"] },
      { ...base, bias: [1, 1] as [1, 1], causal: true, mask: true },
      { ...base, before: 5 },
    ]
  ) {
    const e = await error(device, c);
    assert(e < F32, `${JSON.stringify(c)}: ${e}`);
  }
});

Deno.test("attention() stays finite and right when scores are in the hundreds", async () => {
  using device = await openDevice();
  // Scores up to about 400 carry 400 · 2⁻²⁴ · √D ≈ 2e-4.
  assert(await error(device, { B: 1, heads: 1, D: 64, Lq: 40, Lk: 90, size: 12 }) < 5e-4);
  using textures = await deviceReading("texels");
  const c: Case = { B: 1, heads: 2, D: 72, Lq: 250, Lk: 350, size: 12, aligned: true, every: 10 };
  assert(await error(textures, c) < 5e-4);
});

Deno.test("attention() from textures needs no binding for what it reads, and splits what it writes", async () => {
  using device = await deviceReading("texels", 65536);
  // q, k and v take 188 KiB, the output 63 KiB or 94 KiB.
  for (const heads of [2, 3]) {
    const e = await error(device, { B: 1, heads, D: 40, Lq: 201, Lk: 197, aligned: true, before: 3 });
    assert(e < F32, `${heads} heads: ${e}`);
  }
});

Deno.test("attention() splits what exceeds the largest binding", async () => {
  using device = await openDevice({ maxBindingBytes: 65536 });
  for (const c of [{}, { bias: ["B", "heads"] as ["B", "heads"], mask: true }, { before: 9 }]) {
    const e = await error(device, { B: 2, heads: 3, D: 40, Lq: 190, Lk: 201, ...c });
    assert(e < F32, `${JSON.stringify(c)}: ${e}`);
  }
});
