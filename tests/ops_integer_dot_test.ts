/** Products by quantised weights of x in signed bytes: the sums that such bytes have, and how far they are from those of x itself. */

import { assert, assertEquals } from "@std/assert";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { forceTuning, integerRowsOf, tuneMatmul, usable } from "../lib/gpu/tune.ts";
import { measureIntegerRows, tuneIntegerDot } from "../lib/gpu/tune_integer_dot.ts";
import { linear } from "../lib/ops/linear.ts";
import type { QuantisedMatrix } from "../lib/ops/quantised.ts";
import { NAMES, noise, off, product, weightOf } from "./quantised_weights.ts";

/** A device that prefers integer dot products for up to 32 rows. */
async function preferring(operands: "texels" | "buffers", maxBindingBytes?: number): Promise<Device> {
  const device = await openDevice({ maxBindingBytes });
  const integerRows = { short: 32, long: 32 };
  forceTuning(device, { ...await tuneMatmul(device), operands, integerRows });
  return device;
}

function allowed(weight: QuantisedMatrix): QuantisedMatrix {
  return { ...weight, blocks: { ...weight.blocks, integerDot: true } };
}

/** x [M, K] as its bytes stand for: of 32 values the largest is 127. */
function rounded(x: Float32Array, K: number): Float32Array {
  const y = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += K) {
    for (let k = row; k < row + K; k += 32) {
      const unit = x.subarray(k, Math.min(k + 32, row + K));
      const d = unit.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / 127;
      unit.forEach((v, i) => y[k + i] = d === 0 ? 0 : d * Math.round(v / d));
    }
  }
  return y;
}

/** Difference beside what is wanted, in the mean of squares. */
function relative(got: Float32Array, want: Float32Array): number {
  const squares = (v: Float32Array): number => v.reduce((sum, x) => sum + x * x, 0);
  return Math.sqrt(squares(got.map((v, i) => v - want[i])) / squares(want));
}

/** Types whose numbers are signed bytes. */
const WHOLE = NAMES.filter((type) => !type.startsWith("F8"));

Deno.test("integer dot products are those of x in bytes, for every type, number of rows and odd widths, and near those of x", async () => {
  for (const operands of ["texels", "buffers"] as const) {
    using device = await preferring(operands);
    // What a type's bytes are does not depend on how they are read.
    for (const type of operands === "texels" ? WHOLE : ["Q5_1", "Q3_K"] as const) {
      const thorough = type === (operands === "texels" ? "Q6_K" : "Q5_1");
      const shapes = thorough
        ? [[2, 33, 512], [3, 9, 256], [27, 10, 768]]
        : type === "I8"
        ? [[2, 6, 40]]
        : [];
      for (const [M, N, K] of [[1, 5, 512], ...shapes]) {
        const { weight, values } = weightOf(device, type, N, K);
        const xs = Float32Array.from({ length: M * K }, (_, i) => noise(i + 7) * (1 + 9 * noise(i >> 6)));
        xs.fill(0, 32, 64);
        using r = new Recorder(device, "f32");
        const x = r.upload([1, M, K], xs);
        const got = await r.read(linear(r, x, { weight: allowed(weight) }));
        const name = `${operands} ${type} ${[M, N, K]}`;
        // Where a value lies between two bytes, f32 may choose the other.
        const bytes = product(rounded(xs, K), values, M, N, K);
        assert(off(got, bytes) < 1e-4, `${name}: ${off(got, bytes)} from x in bytes`);
        const error = relative(got, product(xs, values, M, N, K));
        assert(error > 1e-4 && error < 0.03, `${name}: ${error} from x`);
        // Without leave x stays as it is.
        const exact = await r.read(linear(r, x, { weight }));
        assert(off(exact, product(xs, values, M, N, K)) < 5e-6, name);
        weight.buffer.destroy();
      }
    }
  }
});

Deno.test("an epilogue, an activation of x and windows of a weight are those of other products", async () => {
  for (const operands of ["texels", "buffers"] as const) {
    using device = await preferring(operands, 20 << 10);
    const [B, S, N, K] = [2, 3, 100, 512];
    const { weight, values } = weightOf(device, "Q4_K", N, K);
    using r = new Recorder(device, "f32");
    const whole = Float32Array.from({ length: B * (S + 1) * K }, (_, i) => noise(i));
    const x = r.upload([B, S + 1, K], whole);
    const gate = r.upload([B, N + 4], Float32Array.from({ length: B * (N + 4) }, (_, i) => noise(i + 3)));
    const added = Float32Array.from({ length: B * S * N }, (_, i) => noise(i + 5));
    const options = { act: "relu", preAct: "relu", gate, gateAt: 4, scale: 1.5 } as const;
    const rows = { tensor: x, at: 1, count: S };
    const got = await r.read(
      linear(r, rows, { weight: allowed(weight) }, { ...options, residual: r.upload([B, S, N], added) }),
    );
    const xs = Float32Array.from(
      { length: B * S * K },
      (_, i) => Math.max(0, whole[(Math.floor(i / (S * K)) + 1) * K + i]),
    );
    const want = product(rounded(xs, K), values, B * S, N, K).map((v, i) => {
      const [b, n] = [Math.floor(i / (S * N)), i % N];
      return added[i] + 1.5 * noise(b * (N + 4) + 4 + n + 3) * Math.max(0, v);
    });
    assert(off(got, want) < 1e-4, `${operands}: ${off(got, want)}`);
  }
});

Deno.test("x stays as it is where its bytes exceed a binding, with 8-bit floats, and on adapters without integer dot products", async () => {
  const difference = async (device: Device, type: "Q8_0" | "F8_E4M3", M: number): Promise<number> => {
    const [N, K] = [6, 512];
    const { weight, values } = weightOf(device, type, N, K);
    const xs = Float32Array.from({ length: M * K }, (_, i) => noise(i + 7));
    using r = new Recorder(device, "f32");
    const got = await r.read(linear(r, r.upload([1, M, K], xs), { weight: allowed(weight) }));
    return off(got, product(xs, values, M, N, K));
  };
  using device = await preferring("texels", 40 << 10);
  assert(await difference(device, "Q8_0", 16) > 1e-4);
  assert(await difference(device, "Q8_0", 32) < 5e-6);
  assert(await difference(device, "F8_E4M3", 2) < 5e-6);
  using without = await openDevice({ withoutIntegerDot: true });
  assertEquals(await tuneIntegerDot(without), "unavailable");
  forceTuning(without, { ...await tuneMatmul(without), integerRows: { short: 32, long: 32 } });
  assert(await difference(without, "Q8_0", 2) < 5e-6);
});

Deno.test("integer dot products run once they were asked for: by rule on processors, elsewhere as measured", async () => {
  using device = await openDevice();
  const { integerRows: _, ...tuning } = await tuneMatmul(device);
  forceTuning(device, tuning);
  assertEquals(integerRowsOf(device, "short"), 0);
  assertEquals(await tuneIntegerDot(device), undefined);
  assertEquals([integerRowsOf(device, "short"), integerRowsOf(device, "long")], [8, 4]);
  assert(usable({ ...tuning, integerRows: { short: 8, long: 0 } }, device));
  assert(!usable({ ...tuning, integerRows: { short: 7, long: 0 } }, device));
  forceTuning(device, { ...tuning, integerRows: { short: 0, long: 0 } });
  assertEquals(await tuneIntegerDot(device), "slower");

  const measured = await measureIntegerRows(device);
  device.check();
  for (const kind of ["short", "long"] as const) {
    const ms = measured.integerRowsMs[kind]!;
    const rows = [8, 256].filter((M) => ms[`integer${M}`] < 0.8 * ms[`other${M}`]);
    assert(measured.integerRows[kind] === 0 || rows.includes(8), JSON.stringify(ms));
    assert(measured.integerRows[kind] <= 8 || rows.includes(256), JSON.stringify(ms));
  }
});
