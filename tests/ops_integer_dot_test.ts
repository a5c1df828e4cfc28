/** Products by quantised weights of x in signed bytes: the sums that such bytes have, and how far they are from those of x itself. */

import { assert, assertEquals } from "@std/assert";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { forceTuning, integerRowsOf, measureIntegerRows, tuneIntegerDot, tuneMatmul } from "../lib/gpu/tune.ts";
import { usable } from "../lib/gpu/tune.ts";
import { linear } from "../lib/ops/linear.ts";
import type { QuantisedMatrix } from "../lib/ops/quantised.ts";
import { NAMES, noise, off, product, weightOf } from "./quantised_weights.ts";

/** A device that prefers integer dot products for up to 32 rows. */
async function preferring(operands: "texels" | "buffers", maxBindingBytes?: number): Promise<Device> {
  const device = await openDevice({ maxBindingBytes });
  const integerRows = { simple: 32, super: 32 };
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
    for (const type of WHOLE) {
      const thorough = type === "Q5_1" || type === "Q6_K";
      const shapes = thorough ? [[2, 33, 512], [3, 9, 256], [27, 10, 768]] : type === "I8" ? [[2, 6, 40]] : [];
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
