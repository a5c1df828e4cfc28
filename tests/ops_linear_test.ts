import { assert, assertEquals } from "@std/assert";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import {
  chooseMatmul,
  forceTuning,
  type MatmulShape,
  type MatmulTuning,
  type Operands,
  tuneMatmul,
  tuningOf,
} from "../lib/gpu/tune.ts";
import {
  type Activation,
  linear,
  type LinearOptions,
  type Matrix,
  type PlainMatrix,
} from "../lib/ops/linear.ts";
import { type Dtype, rows, type Tensor } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";

/** What the type keeps of a number. */
function rounded(v: number, type: PlainMatrix["type"]): number {
  if (type === "f32") return Math.fround(v);
  if (type === "f16") return Math.f16round(v);
  const u = new Uint32Array(Float32Array.of(v).buffer);
  u[0] = (u[0] + 0x7fff + ((u[0] >> 16) & 1)) & 0xffff0000;
  return new Float32Array(u.buffer)[0];
}

function matrix(device: Device, w: Float32Array, N: number, K: number, type: PlainMatrix["type"]): Matrix {
  const stride = Math.ceil(K / 8) * 8;
  const padded = new Float32Array(N * stride);
  for (let n = 0; n < N; n++) padded.set(w.subarray(n * K, n * K + K), n * stride);
  let bytes: Uint8Array<ArrayBuffer>;
  if (type === "f32") bytes = new Uint8Array(padded.buffer);
  else if (type === "f16") bytes = new Uint8Array(Float16Array.from(padded).buffer);
  else {
    const u = new Uint16Array(padded.length);
    const view = new Uint32Array(Float32Array.from(padded, (v) => rounded(v, "bf16")).buffer);
    view.forEach((v, i) => u[i] = v >>> 16);
    bytes = new Uint8Array(u.buffer);
  }
  const buffer = device.memory.take(Math.ceil(bytes.length / 16) * 16);
  device.gpu.queue.writeBuffer(buffer, 0, bytes);
  return { buffer, N, K, stride, type };
}

const ACTS: Record<Activation, (x: number) => number> = {
  none: (x) => x,
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  quick_gelu: (x) => x / (1 + Math.exp(-1.702 * x)),
  relu: (x) => Math.max(0, x),
};

/** Maclaurin series: exact enough for |x| < 4 in f64. */
function erf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 80; n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return sum * 2 / Math.sqrt(Math.PI);
}

interface Case {
  B: number;
  S: number;
  K: number;
  N: number;
  x?: Dtype;
  w?: PlainMatrix["type"];
  options?: LinearOptions;
  bias?: boolean;
  gate?: boolean;
  add?: "residual" | "accumulate";
  outlier?: number;
  /** Rows of the joint sequence before and after the part. */
  around?: [number, number];
}

const OPERANDS: readonly Operands[] = ["texels", "buffers", "tiled"];

/** Runs one case and returns the largest error relative to the largest expected value. */
async function error(device: Device, c: Case): Promise<number> {
  const { B, S, K, N, around = [0, 0] } = c;
  const r = new Recorder(device, c.x ?? "f32");
  try {
    const xs = numbers(B * S * K, 1);
    if (c.outlier) xs[K - 1] = c.outlier;
    const ws = numbers(N * K, 2);
    const bs = numbers(N, 3);
    const gs = numbers(B * (N + 3), 4);
    const W = S + around[0] + around[1];
    const joint = numbers(B * W * N, 5);
    const type = c.w ?? "f32";
    let x: Tensor = r.upload([B, S, K], xs);
    if (c.x === "f16") x = half(r, xs, [B, S, K]);
    const weight = matrix(device, ws, N, K, type);
    const into = r.upload([B, W, N], joint);
    const part = rows(into, around[0], S);
    const y = linear(r, x, { weight, bias: c.bias ? r.upload([N], bs) : undefined }, {
      ...c.options,
      gate: c.gate ? r.upload([B, N + 3], gs) : undefined,
      gateAt: c.gate ? 2 : undefined,
      residual: c.add === "residual" ? part : undefined,
      into: c.add === "accumulate" ? part : undefined,
      accumulate: c.add === "accumulate",
    });
    const got = await r.read(y);
    device.check();
    let worst = 0;
    let peak = 1e-9;
    for (let b = 0; b < B; b++) {
      for (let s = 0; s < W; s++) {
        for (let n = 0; n < N; n++) {
          const inside = s >= around[0] && s < around[0] + S;
          if (!inside && c.add !== "accumulate") continue;
          const old = joint[(b * W + s) * N + n];
          let want = old;
          if (inside) {
            let sum = c.bias ? bs[n] : 0;
            for (let k = 0; k < K; k++) {
              const v = xs[(b * S + s - around[0]) * K + k];
              const a = ACTS[c.options?.preAct ?? "none"](c.x === "f16" ? Math.f16round(v) : v);
              sum += a * rounded(ws[n * K + k], type);
            }
            sum = ACTS[c.options?.act ?? "none"](sum) * (c.options?.scale ?? 1);
            if (c.gate) sum *= gs[b * (N + 3) + 2 + n];
            want = sum + (c.add ? old : 0);
          }
          const at = c.add === "accumulate" ? (b * W + s) * N + n : (b * S + s - around[0]) * N + n;
          assert(Number.isFinite(got[at]), `y[${b},${s},${n}] is ${got[at]}`);
          worst = Math.max(worst, Math.abs(got[at] - want));
          peak = Math.max(peak, Math.abs(want));
        }
      }
    }
    device.memory.release(weight.buffer);
    return worst / peak;
  } finally {
    r[Symbol.dispose]();
  }
}

/** A tensor of halves. */
function half(r: Recorder, data: Float32Array, shape: number[]): Tensor {
  const t = r.tensor(shape, "f16");
  const padded = new Float16Array(Math.ceil(data.length / 2) * 2);
  padded.set(data);
  r.device.gpu.queue.writeBuffer(t.buffer, 0, padded);
  return t;
}

// f32: K products and sums of relative error 2⁻²⁴, random signs: √K · 2⁻²⁴ ≈ 1e-6 at K = 3000.
const F32 = 5e-6;
// f16 results are rounded once: 2⁻¹¹ of their size.
const F16 = 1e-3;
// Sums of eight f16 products are rounded eight times, each by 2⁻¹² of its size on average; then the result once.
const HALF = 2e-3;

const SHAPES: [number, number, number, number][] = [
  [1, 1, 8, 1],
  [1, 7, 77, 33],
  [2, 130, 320, 96],
  [3, 5, 12, 20],
  [1, 17, 64, 130],
  [1, 45, 24, 90],
  [1, 45, 24, 120],
];

Deno.test("Every size of tile is chosen for some of these shapes", async () => {
  using device = await deviceReading("texels", undefined, "rows");
  const chosen = SHAPES.map(([B, S, K, N]) =>
    chooseMatmul(device, { M: B * S, N, K, xType: "f32", wType: "f32" }).shader.split(",TEXELS")[0]
  );
  for (const tile of ["RM=1,RN=8", "RM=4,RN=4", "RM=8,RN=12", "RM=16,RN=12", "RM=16,RN=16"]) {
    assert(chosen.includes(`matmul@${tile}`), `${tile} is not among ${chosen.join(" ")}`);
  }
});

Deno.test("linear() equals an f64 loop at odd sizes for every weight type and way to the operands", async () => {
  for (
    const [operands, tiles] of [
      ...OPERANDS.flatMap((o) => [[o, "large"], [o, "small"]] as const),
      ["tiled", "huge"] as const,
    ]
  ) {
    using device = await deviceReading(operands, undefined, "tree", tiles);
    for (const w of ["f32", "f16", "bf16"] as const) {
      for (const [B, S, K, N] of SHAPES) {
        const e = await error(device, { B, S, K, N, w, bias: true });
        assert(e < F32, `${[B, S, K, N]} ${w}, ${operands}, ${tiles}: ${e}`);
      }
    }
  }
});

Deno.test("linear() of one or two rows equals an f64 loop however a workgroup sums up", async () => {
  for (const reduction of ["rows", "tree", "subgroups"] as const) {
    using device = await deviceReading("buffers", undefined, reduction);
    if (reduction === "subgroups" && !device.info.subgroups) continue; // tests/page_in_chromium.ts has them
    for (const [B, K, N] of [[1, 8, 1], [2, 77, 33], [1, 1100, 130], [2, 520, 8]]) {
      for (const w of ["f32", "bf16"] as const) {
        const c = {
          B,
          S: 1,
          K,
          N,
          w,
          bias: true,
          gate: true,
          add: "residual" as const,
          around: [1, 2] as [number, number],
        };
        const e = await error(device, { ...c, options: { act: "silu", preAct: "silu", scale: 0.5 } });
        assert(e < F32, `${[B, K, N]} ${w}, ${reduction}: ${e}`);
      }
    }
  }
});

Deno.test("Every way to the operands rounds alike, to the last bit of the largest error", async () => {
  for (const w of ["bf16", "f32"] as const) {
    const found: number[] = [];
    for (
      const [operands, tiles] of [...OPERANDS.map((o) => [o, "large"] as const), ["tiled", "huge"] as const]
    ) {
      using device = await deviceReading(operands, undefined, "tree", tiles);
      found.push(await error(device, { B: 2, S: 45, K: 200, N: 70, w, bias: true }));
    }
    assertEquals(found, found.map(() => found[0]), w);
  }
});

Deno.test("tuneMatmul() measures once a device, takes stored results of the same adapter only, and survives JSON", async () => {
  using device = await openDevice();
  const measured = await tuneMatmul(device);
  assertEquals(await tuneMatmul(device), measured);
  // None is clearly faster, which is by half: of two that are alike always the same one is taken. On a processor the kind of
  // adapter decides, whatever else runs there.
  const timed = OPERANDS.filter((o) => measured.ms[o] !== undefined);
  assertEquals(timed, device.info.fallback ? [measured.operands] : OPERANDS);
  assert(
    timed.every((o) => 2 / 3 * measured.ms[measured.operands]! <= measured.ms[o]! && measured.ms[o]! > 0),
  );
  const shape = { M: 64, N: 64, K: 64, xType: "f32", wType: "f32" } as const;
  assertEquals(chooseMatmul(device, shape).operands, measured.operands);

  using second = await openDevice();
  const other = OPERANDS.find((o) => o !== measured.operands)!;
  const stored: MatmulTuning = JSON.parse(
    JSON.stringify({ ...measured, operands: other, ms: { ...measured.ms, [other]: 1 } }),
  );
  const foreign = { ...measured, adapter: "another" };
  assertEquals(await tuneMatmul(second, [foreign, stored]), stored);
  assertEquals(chooseMatmul(second, shape).operands, other);
});

Deno.test("f16 arithmetic is measured where small tiles are staged, and taken only where it is faster by a fifth", async () => {
  using device = await openDevice();
  const { arithmetic, arithmeticMs } = await tuneMatmul(device, [], { operands: "tiled", tiles: "small" });
  const { f32 = 0, f16 = 0 } = arithmeticMs;
  assertEquals([f32 > 0, f16 > 0], [device.info.f16, device.info.f16]);
  assertEquals(arithmetic, f16 < 0.8 * f32 ? "f16" : "f32");
});

Deno.test("linear() takes and gives halves", async () => {
  using device = await openDevice();
  if (!device.info.f16) return;
  for (const [B, S, K, N] of SHAPES) {
    const e = await error(device, { B, S, K, N, x: "f16", w: "f16", bias: true });
    assert(e < F16, `${[B, S, K, N]}: ${e}`);
  }
});

Deno.test("linear() multiplies in f16 where the tuning says so, all operands are f16, and so is a result that nothing is added to", async () => {
  using device = await deviceReading("tiled", undefined, "tree", "small", 0, "f16");
  using plain = await deviceReading("tiled", undefined, "tree", "small");
  if (!device.info.f16) return;
  const all = { M: 64, N: 64, K: 64, xType: "f16", wType: "f16", yType: "f16" } as const;
  const halves = (shape: MatmulShape): boolean => chooseMatmul(device, shape).shader.endsWith("HALF=1");
  assert(halves(all));
  for (
    const other of [{ xType: "f32" }, { wType: "bf16" }, { wType: "f32" }, { yType: "f32" }, {
      yType: undefined,
    }, { M: 16 }] as const
  ) {
    assert(!halves({ ...all, ...other }), JSON.stringify(other));
  }
  for (const [B, S, K, N] of [...SHAPES, [2, 40, 1000, 70] as const]) {
    const c = { B, S, K, N, x: "f16", w: "f16", bias: true } as const;
    for (const options of [{}, { act: "gelu_tanh", preAct: "silu", scale: 0.5 }] as const) {
      const gate = "act" in options;
      const e = await error(device, { ...c, options, gate, around: [1, 2] });
      assert(e < HALF, `${[B, S, K, N]}: ${e}`);
      if (B * S > 16 && K >= 64) assert(e !== await error(plain, { ...c, options, gate, around: [1, 2] }));
    }
    const exact = await error(device, { ...c, add: "residual", around: [1, 2] });
    assert(exact < F32, `${[B, S, K, N]} with a residual: ${exact}`);
  }
});

Deno.test("linear() applies every activation before and after the product", async () => {
  using device = await openDevice();
  for (const act of Object.keys(ACTS) as Activation[]) {
    assert(
      await error(device, { B: 1, S: 9, K: 24, N: 11, options: { act }, bias: true }) < F32,
      `after: ${act}`,
    );
    assert(
      await error(device, { B: 1, S: 9, K: 24, N: 11, options: { preAct: act } }) < F32,
      `before: ${act}`,
    );
  }
});

Deno.test("linear() gates, scales and adds a residual, also on some rows of a joint sequence in place", async () => {
  using device = await openDevice();
  const base = { B: 2, S: 19, K: 40, N: 13, gate: true, bias: true };
  for (const around of [[0, 0], [3, 6]] as [number, number][]) {
    for (const add of ["residual", "accumulate"] as const) {
      const e = await error(device, { ...base, add, around, options: { scale: 0.5, act: "silu" } });
      assert(e < F32, `${add} ${around}: ${e}`);
    }
  }
});

Deno.test("linear() stays accurate beside an outlier", async () => {
  using device = await openDevice();
  assert(await error(device, { B: 1, S: 20, K: 320, N: 24, w: "bf16", outlier: 3e4 }) < F32);
});

Deno.test("linear() splits what exceeds the largest binding", async () => {
  for (const operands of OPERANDS) {
    using device = await deviceReading(operands, 65536);
    for (const [B, S, K, N] of [[2, 130, 160, 110], [2, 61, 77, 233]]) {
      for (const add of ["residual", "accumulate", undefined] as const) {
        const e = await error(device, { B, S, K, N, add, gate: true, around: [5, 2] });
        assert(e < F32, `${[B, S, K, N]} ${add}, ${operands}: ${e}`);
      }
    }
  }
});

Deno.test("linear() refuses a width that is not the weight's", async () => {
  using device = await openDevice();
  using r = new Recorder(device);
  const weight = matrix(device, numbers(8, 1), 1, 8, "f32");
  let message = "";
  try {
    linear(r, r.tensor([1, 9]), { weight });
  } catch (e) {
    message = (e as Error).message;
  }
  assertEquals(message, "Cannot multiply x [1,9] by a weight [1, 8]: expected rows of 8");
});

Deno.test("Small products take tiles that compile fast where large ones read textures, and give the same numbers", async () => {
  using large = await deviceReading("texels");
  using usual = await openDevice();
  forceTuning(usual, { ...tuningOf(large)!, smallProduct: undefined });
  const tile = (device: Device, M: number) =>
    chooseMatmul(device, { M, N: 256, K: 256, xType: "f16", wType: "f16" });
  assertEquals([128, 129].map((M) => tile(usual, M).RM), [4, 16]);
  assertEquals([128, 129].map((M) => tile(large, M).RM), [16, 16]);
  const shape = { B: 1, S: 45, K: 24, N: 120, bias: true };
  assertEquals(await error(usual, shape), await error(large, shape));
});

Deno.test("Large tiles are compiled for a pipeline once it has had work for them, and change no number", async () => {
  using device = await deviceReading("texels");
  const shape = { M: 256, N: 256, K: 256, xType: "f16", wType: "f16" } as const;
  const tile = (kind?: string): number => chooseMatmul(device, { ...shape, kind }).RM;
  device.kernels.largeAfter = 2.5 * 2 ** 24;
  assertEquals([1, 2, 3, 4].map(() => tile("gelu")), [8, 8, 16, 16]);
  assertEquals(tile("silu"), 8, "another kind");
  assertEquals(tile(), 16, "where it is not counted");

  const small = { B: 1, S: 45, K: 24, N: 120, bias: true };
  device.kernels.largeAfter = 1.5 * 45 * 24 * 120;
  const errors = [await error(device, small), await error(device, small)];
  assertEquals(errors[0], errors[1]);
});
