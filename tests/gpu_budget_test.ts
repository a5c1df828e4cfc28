/** The time budget of launches: cutting changes no bit, the cuts follow what the device was seen to do. */

import { assert, assertEquals } from "@std/assert";
import { DISPATCH_MS, DispatchBudget } from "../lib/gpu/budget.ts";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { attention } from "../lib/ops/attention.ts";
import { conv2d, convTranspose2d, packConv } from "../lib/ops/conv2d.ts";
import { linear, type Matrix, type PlainMatrix } from "../lib/ops/linear.ts";
import { rows, type Tensor } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";

/** Some kernel's result. */
type Work = (r: Recorder) => Tensor;

/** Results and launches of `work`, when launches may take `ms` milliseconds. */
async function results(device: Device, ms: number, work: readonly Work[]) {
  Object.assign(device, { budget: new DispatchBudget(ms) });
  using r = new Recorder(device, device.info.f16 ? "f16" : "f32");
  const found: { values: Float32Array; launches: number }[] = [];
  for (const run of work) {
    using _ = r.scope();
    const before = r.dispatches;
    const y = run(r);
    const launches = r.dispatches - before;
    found.push({ values: await r.read(y), launches });
  }
  device.check();
  return found;
}

/** A budget in which no more than a workgroup's rows fit. */
const TINY_MS = 1e-9;

async function sameWhenCut(device: Device, work: readonly Work[]): Promise<void> {
  const [whole, pieces] = [await results(device, Infinity, work), await results(device, TINY_MS, work)];
  for (const [i, { values, launches }] of whole.entries()) {
    assert(pieces[i].launches > launches, `case ${i} was not cut: ${launches} launches`);
    assert(values.some((v) => v !== 0));
    assertEquals(pieces[i].values, values, `case ${i}`);
  }
}

function matrix(device: Device, N: number, K: number, type: PlainMatrix["type"]): Matrix {
  const stride = Math.ceil(K / 8) * 8;
  const values = numbers(N * stride, 2).map((v, i) => i % stride < K ? v : 0);
  const data = type === "f32" ? values : Float16Array.from(values);
  const buffer = device.memory.take(data.byteLength);
  device.gpu.queue.writeBuffer(buffer, 0, data);
  return { buffer, N, K, stride, type };
}

const product = (B: number, S: number, K: number, N: number, type: PlainMatrix["type"]): Work => (r) => {
  const x = r.upload([B, S, K], numbers(B * S * K, 1));
  const joint = r.upload([B, S + 5, N], numbers(B * (S + 5) * N, 3));
  const weight = matrix(r.device, N, K, type);
  const bias = r.upload([N], numbers(N, 4));
  return linear(r, x, { weight, bias }, { act: "gelu_tanh", residual: rows(joint, 3, S) });
};

for (const operands of ["texels", "buffers", "tiled"] as const) {
  Deno.test(`a product cut to the budget has the same bits, operands from ${operands}`, async () => {
    using device = await deviceReading(operands);
    await sameWhenCut(device, [
      product(1, 131, 77, 33, "f32"),
      product(2, 65, 64, 130, "f16"),
      product(3, 43, 24, 9, "f32"),
    ]);
  });
}

/** Positions, sizes and channels that divide by nothing. */
const picture = (B: number, H: number, W: number, C: number): Work => (r) =>
  r.upload([B, H, W, C], numbers(B * H * W * C, 5));

for (const operands of ["texels", "buffers"] as const) {
  Deno.test(`a convolution cut to the budget has the same bits, operands from ${operands}`, async () => {
    const weights = (r: Recorder, Co: number, Ci: number, k: number, transposed = false) =>
      packConv(r.device, numbers(Co * Ci * k * k, 6), { Co, Ci, kh: k, kw: k, transposed, type: "f16" });
    using device = await deviceReading(operands);
    await sameWhenCut(device, [
      (r) => {
        const residual = r.upload([2, 13, 11, 20], numbers(2 * 13 * 11 * 20, 7));
        return conv2d(r, picture(2, 13, 11, 12)(r), weights(r, 20, 12, 3), { pad: 1, residual });
      },
      (r) => conv2d(r, picture(1, 17, 9, 8)(r), weights(r, 7, 8, 3), { pad: 1, upsample: 2, act: "silu" }),
      (r) => conv2d(r, picture(1, 19, 15, 5)(r), weights(r, 16, 5, 3), { stride: 2, pad: [0, 0, 1, 1] }),
      (r) => convTranspose2d(r, picture(1, 9, 7, 8)(r), weights(r, 9, 8, 4, true), { stride: 2, pad: 1 }),
    ]);
  });

  Deno.test(`attention cut to the budget has the same bits, operands from ${operands}`, async () => {
    const heads =
      (B: number, L: number, n: number, D: number, o: { causal?: boolean; bias?: boolean }): Work => (r) => {
        const C = n * D;
        const qkv = r.upload([B, L, 3 * C], numbers(B * L * 3 * C, 8));
        const [q, k, v] = [0, C, 2 * C].map((at) => ({ tensor: qkv, at }));
        const bias = o.bias ? r.upload([1, n, L, L], numbers(n * L * L, 9)) : undefined;
        const keyMask = o.bias
          ? r.upload([B, L], Float32Array.from({ length: B * L }, (_, i) => i % 5 === 3 ? 0 : 1))
          : undefined;
        return attention(r, q, k, v, { heads: n, headDim: D, causal: o.causal, bias, keyMask });
      };
    using device = await deviceReading(operands);
    await sameWhenCut(device, [
      heads(2, 131, 2, 32, {}),
      heads(1, 77, 3, 12, { causal: true }),
      heads(1, 141, 2, 32, { causal: true, bias: true }), // more than a workgroup of any tile takes
    ]);
  });
}

Deno.test("attention one head at a time, under a small binding limit, is cut too", async () => {
  using device = await openDevice({ maxBindingBytes: 65536 });
  await sameWhenCut(device, [(r) => {
    const [L, C] = [97, 36];
    const qkv = r.upload([2, L, 3 * C], numbers(2 * L * 3 * C, 8));
    const [q, k, v] = [0, C, 2 * C].map((at) => ({ tensor: qkv, at }));
    return attention(r, q, k, v, { heads: 3, headDim: 12 });
  }]);
});

Deno.test("rows of a launch follow the measured rate: equal pieces of whole tiles, half the budget each", () => {
  const budget = new DispatchBudget(100);
  budget.learn(4e9, 1000); // 4 GFLOP/s: 0.4 GFLOP in 100 ms, 0.2 a launch
  assertEquals(budget.flops, 4e8);
  assertEquals(budget.rowsAtOnce(1000, 2e8, 32), 1000);
  assertEquals(budget.rowsAtOnce(1000, 2.01e8, 32), 512);
  assertEquals(budget.rowsAtOnce(1000, 1e9, 32), 224);
  assertEquals(budget.rowsAtOnce(1000, 1e15, 32), 32);
  assertEquals(new DispatchBudget(Infinity).rowsAtOnce(1000, 1e15, 32), 1000);
});

Deno.test("a rate comes from the last long measurement; short ones only raise it, absurd ones are bounded", () => {
  const budget = new DispatchBudget(DISPATCH_MS);
  budget.learn(5e12, 1000);
  assertEquals(budget.flopsPerSecond, 5e12);
  budget.learn(1e10, 10); // mostly waiting
  assertEquals(budget.flopsPerSecond, 5e12);
  budget.learn(1e11, 10);
  assertEquals(budget.flopsPerSecond, 1e13);
  budget.learn(1e12, 1000);
  assertEquals(budget.flopsPerSecond, 1e12);
  budget.learn(1e9, 3.6e6); // a laptop that slept
  assertEquals(budget.flopsPerSecond, 1e9);
  for (const [flops, ms] of [[0, 100], [1e9, 0], [1e9, -1], [NaN, 100]]) budget.learn(flops, ms);
  assertEquals(budget.flopsPerSecond, 1e9);
});

Deno.test("the device learns its rate from the steps that are waited for", async () => {
  using device = await openDevice();
  const before = device.budget.flopsPerSecond;
  using r = new Recorder(device);
  const x = r.upload([512, 512], numbers(512 * 512, 1));
  const weight = matrix(device, 512, 512, "f32");
  for (let step = 0; step < 4; step++) {
    using _ = r.scope();
    for (let i = 0; i < 4; i++) linear(r, x, { weight });
    await r.pace();
  }
  const learned = device.budget.flopsPerSecond;
  assert(learned !== before && learned >= 1e9 && learned < 1e15, `${learned}`);
});

Deno.test("on an adapter that runs on the CPU, which no watchdog looks at, nothing is cut unless asked for", async () => {
  using device = await openDevice();
  assertEquals(device.budget.ms, device.info.fallback ? Infinity : DISPATCH_MS);
  using asked = await openDevice({ dispatchMs: 30 });
  assertEquals(asked.budget.ms, 30);
});

Deno.test("command buffers are cut at the budget", async () => {
  const submits = async (dispatchMs: number): Promise<number> => {
    using device = await openDevice({ dispatchMs });
    const { queue } = device.gpu;
    const submit = queue.submit.bind(queue);
    let count = 0;
    using r = new Recorder(device);
    const x = r.upload([64, 64], numbers(4096, 1));
    const weight = matrix(device, 64, 64, "f32");
    linear(r, x, { weight }); // compiles
    await r.read(x);
    queue.submit = (buffers) => {
      count++;
      return submit(buffers);
    };
    for (let i = 0; i < 6; i++) linear(r, x, { weight });
    await r.read(x);
    return count;
  };
  // Unmeasured, a device is taken to make 10 GFLOP/s; a product here has half a million operations.
  assertEquals(await submits(0.12), 3);
  assertEquals(await submits(Infinity), 1);
});
