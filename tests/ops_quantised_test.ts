/** Quantised weights on the GPU: the values of the files' blocks, whatever the shape, rows and windows. */

import { assert, assertEquals } from "@std/assert";
import { Recorder } from "../lib/gpu/recorder.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { forceTuning, tuneMatmul } from "../lib/gpu/tune.ts";
import { linear } from "../lib/ops/linear.ts";
import { embedTokens } from "../lib/ops/embedding.ts";
import { blockBytes, expand, type QuantisedMatrix } from "../lib/ops/quantised.ts";
import { NAMES, noise, off, product, weightOf } from "./quantised_weights.ts";

Deno.test("every quantised type is expanded to the values that the reader of files computes", async () => {
  using device = await openDevice();
  for (const type of NAMES) {
    const { weight, values } = weightOf(device, type, 7, 512);
    using r = new Recorder(device, "f32");
    const got = await r.read(expand(r, weight, 0, 7));
    // Products of scales are rounded once more than in f64: an f32's last bits.
    assert(off(got, values) < 1e-6, `${type}: ${off(got, values)}`);
    const some = await r.read(expand(r, weight, 3, 5));
    assertEquals(some, got.subarray(3 * 512, 5 * 512), type);
    weight.buffer.destroy();
  }
});

Deno.test("products of few and of many rows by a quantised weight equal an f64 loop", async () => {
  using device = await openDevice();
  for (const type of NAMES) {
    // Each number of rows has a kernel, whose code of a unit depends on the type alone: all of them for two types.
    const thorough = type === "Q4_0" || type === "Q6_K";
    const shapes = thorough ? [[2, 33, 512], [3, 9, 256], [7, 10, 768], [37, 50, 256], [100, 50, 256]] : [];
    for (const [M, N, K] of [[1, 5, 512], ...shapes]) {
      const { weight, values } = weightOf(device, type, N, K);
      const xs = Float32Array.from({ length: M * K }, (_, i) => noise(i + 7));
      const bias = Float32Array.from({ length: N }, (_, i) => noise(i + 99));
      const want = product(xs, values, M, N, K).map((v, i) => v + bias[i % N]);
      using r = new Recorder(device, "f32");
      const x = r.upload([1, M, K], xs);
      const got = await r.read(linear(r, x, { weight, bias: r.upload([N], bias) }));
      assert(off(got, want) < 5e-6, `${type} ${[M, N, K]}: ${off(got, want)}`);
      weight.buffer.destroy();
    }
  }
});

Deno.test("few rows by a quantised weight are multiplied alike from buffers", async () => {
  using device = await openDevice();
  forceTuning(device, { ...await tuneMatmul(device), operands: "buffers" });
  for (const type of NAMES) {
    for (const M of type === "Q6_K" ? [1, 8] : [1]) {
      const [N, K] = [9, 512];
      const { weight, values } = weightOf(device, type, N, K);
      const xs = Float32Array.from({ length: M * K }, (_, i) => noise(i + 7));
      using r = new Recorder(device, "f32");
      const got = await r.read(linear(r, r.upload([1, M, K], xs), { weight }));
      assert(off(got, product(xs, values, M, N, K)) < 5e-6, type);
      weight.buffer.destroy();
    }
  }
});

Deno.test("bytes with factors of rows or of blocks are multiplied by few rows in widths that are no whole units", async () => {
  for (const operands of ["texels", "buffers"] as const) {
    using device = await openDevice();
    forceTuning(device, { ...await tuneMatmul(device), operands });
    for (const type of ["F8_E4M3", "I8"] as const) {
      for (const [K, columns] of [[40, 0], [40, 1], [48, 3], [96, 1]]) {
        const [M, N] = [2, 6];
        const { weight, values } = weightOf(device, type, N, K);
        const factors = Float32Array.from({ length: N * Math.max(1, columns) }, (_, i) => 0.5 + noise(i + 3));
        const width = K / Math.max(1, columns);
        const scaled = values.map((v, i) =>
          columns === 0 ? v : v * factors[Math.floor(i / K) * columns + Math.floor(i % K / width)]
        );
        const xs = Float32Array.from({ length: M * K }, (_, i) => noise(i + 7));
        using r = new Recorder(device, "f32");
        const scales = columns === 0
          ? undefined
          : { factors: r.upload([N, columns], factors), columns, width };
        const w = { ...weight, blocks: { ...weight.blocks, scales } };
        const got = await r.read(linear(r, r.upload([1, M, K], xs), { weight: w }));
        assert(
          off(got, product(xs, scaled, M, N, K)) < 5e-6,
          `${operands} ${type} ${K} ${columns}: ${off(got, product(xs, scaled, M, N, K))}`,
        );
        weight.buffer.destroy();
      }
    }
  }
});

Deno.test("an epilogue around a quantised product is that of a plain one", async () => {
  using device = await openDevice();
  const [B, S, N, K] = [2, 3, 20, 256];
  const { weight, values } = weightOf(device, "Q4_K", N, K);
  using r = new Recorder(device, "f32");
  const plain = device.gpu.createBuffer({ size: values.byteLength, usage: 0x80 | 0x04 | 0x08 });
  device.gpu.queue.writeBuffer(plain, 0, values);
  const x = r.upload([B, S, K], Float32Array.from({ length: B * S * K }, (_, i) => noise(i)));
  const gate = r.upload([B, N + 4], Float32Array.from({ length: B * (N + 4) }, (_, i) => noise(i + 3)));
  const residual = r.upload([B, S, N], Float32Array.from({ length: B * S * N }, (_, i) => noise(i + 5)));
  const options = { act: "gelu_tanh", preAct: "silu", gate, gateAt: 4, residual, scale: 1.5 } as const;
  const got = await r.read(linear(r, x, { weight }, options));
  const want = await r.read(
    linear(r, x, { weight: { buffer: plain, N, K, stride: K, type: "f32" } }, options),
  );
  assert(off(got, want) < 5e-6, `${off(got, want)}`);
});

Deno.test("weights larger than a binding are expanded and multiplied in windows", async () => {
  using device = await openDevice({ maxBindingBytes: 40 << 10 });
  for (const type of ["Q8_0", "Q4_0", "Q6_K"] as const) {
    for (const M of [2, 20, 100]) {
      const [N, K] = [130, 512];
      const { weight, values } = weightOf(device, type, N, K);
      const xs = Float32Array.from({ length: M * K }, (_, i) => noise(i + 7));
      using r = new Recorder(device, "f32");
      const got = await r.read(linear(r, r.upload([1, M, K], xs), { weight }));
      const want = product(xs, values, M, N, K);
      assert(off(got, want) < 5e-6, `${type} ${M}: ${off(got, want)}`);
      weight.buffer.destroy();
    }
  }
});

Deno.test("columns of a wider quantised weight are multiplied as a weight of their own", async () => {
  using device = await openDevice();
  const [N, K] = [11, 768];
  const { weight, values } = weightOf(device, "Q5_K", N, K);
  for (const M of [1, 100]) {
    const part: QuantisedMatrix = {
      ...weight,
      K: 512,
      stride: 512,
      blocks: { ...weight.blocks, at: blockBytes("Q5_K", 256) },
    };
    const xs = Float32Array.from({ length: M * 512 }, (_, i) => noise(i + 7));
    using r = new Recorder(device, "f32");
    const got = await r.read(linear(r, r.upload([1, M, 512], xs), { weight: part }));
    const own = Float32Array.from(
      { length: N * 512 },
      (_, i) => values[Math.floor(i / 512) * K + 256 + i % 512],
    );
    assert(off(got, product(xs, own, M, N, 512)) < 5e-6);
  }
});

Deno.test("a low-rank change is added to a quantised weight while it is expanded", async () => {
  using device = await openDevice();
  const [N, K] = [12, 256];
  const { weight, values } = weightOf(device, "Q4_0", N, K);
  // Some rows are changed, the others are not; ranks of whole eights are multiplied by few rows, others are added while all expands.
  for (
    const [rank, M, first, count] of [[3, 1, 0, N], [8, 1, 0, N], [8, 4, 3, 6], [3, 10, 3, 6], [8, 10, 0, N]]
  ) {
    const down = Float32Array.from({ length: rank * K }, (_, i) => noise(i + 11));
    const up = Float32Array.from({ length: count * rank }, (_, i) => noise(i + 13));
    const strengths = Float32Array.from({ length: rank }, (_, i) => 0.5 + i / 8);
    const changed = values.map((v, i) => {
      const [n, k] = [Math.floor(i / K) - first, i % K];
      if (n < 0 || n >= count) return v;
      return strengths.reduce((sum, f, j) => sum + up[n * rank + j] * f * down[j * K + k], v);
    });
    using r = new Recorder(device, "f32");
    const changes = [{
      ...{ first, count, rank, type: "f32" as const },
      ...{ down: r.upload([rank, K], down), up: r.upload([count, rank], up) },
      factors: r.upload([rank], strengths),
    }];
    const xs = Float32Array.from({ length: M * K }, (_, i) => noise(i + 7));
    const x = r.upload([2, M, K], Float32Array.from({ length: 2 * M * K }, (_, i) => xs[i % (M * K)]));
    const bias = Float32Array.from({ length: N }, (_, i) => noise(i + 99));
    const w = { ...weight, blocks: { ...weight.blocks, changes } };
    const want = product(xs, changed, M, N, K).map((v, i) => Math.max(0, v + bias[i % N]));
    const options = { act: "relu" } as const;
    const got = await r.read(
      linear(r, { tensor: { ...x, shape: [1, 2 * M, K] }, at: M, count: M }, {
        weight: w,
        bias: r.upload([N], bias),
      }, options),
    );
    assert(off(got, want) < 5e-6, `${[rank, M]}: ${off(got, want)}`);
  }
});

Deno.test("tokens are looked up in a quantised table row by row", async () => {
  for (const maxBindingBytes of [undefined, 40 << 10]) {
    using device = await openDevice(maxBindingBytes ? { maxBindingBytes } : {});
    const { weight, values } = weightOf(device, "Q8_0", 300, 512);
    using r = new Recorder(device, "f32");
    const ids = Int32Array.of(5, 299, 0, 5, 120, 7);
    const got = await r.read(embedTokens(r, ids, [2, 3], weight));
    const want = Float32Array.from(
      { length: 6 * 512 },
      (_, i) => values[ids[Math.floor(i / 512)] * 512 + i % 512],
    );
    assert(off(got, want) < 1e-6);
  }
});
