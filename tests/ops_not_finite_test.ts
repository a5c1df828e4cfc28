/** NaN and infinity reach the output of every kernel that takes maxima, clamps, or divides by a root. */

import { assert } from "@std/assert";
import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import type { Operands, Reduction } from "../lib/gpu/tune.ts";
import { attention } from "../lib/ops/attention.ts";
import { activation, combine, posteriorSample, softClamp } from "../lib/ops/elementwise.ts";
import { groupNorm } from "../lib/ops/group_norm.ts";
import { embedTokens } from "../lib/ops/embedding.ts";
import { linear } from "../lib/ops/linear.ts";
import { layerNorm, rmsNorm } from "../lib/ops/norm.ts";
import { qkNormRope } from "../lib/ops/qk_norm_rope.ts";
import { blockBytes, QUANTISED, type QuantisedName } from "../lib/ops/quantised.ts";
import type { Dtype, Tensor } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";

/** Uploads values as f32 or f16. */
function upload(r: Recorder, shape: number[], data: Float32Array<ArrayBuffer>, dtype: Dtype): Tensor {
  if (dtype === "f32") return r.upload(shape, data);
  const t = r.tensor(shape, "f16");
  const halves = new Float16Array(Math.ceil(data.length / 2) * 2);
  halves.set(data);
  r.device.gpu.queue.writeBuffer(t.buffer, 0, halves);
  return t;
}

interface Poison {
  readonly name: string;
  /** Changes queries and keys [L, D] of one head. */
  readonly put: (q: Float32Array, k: Float32Array, D: number) => void;
  /** Reaches the queries that it makes +∞; those that it makes −∞ do without the key. */
  readonly some?: boolean;
}

const POISONS: Poison[] = [
  { name: "NaN in all queries", put: (q) => q.fill(NaN) },
  { name: "NaN in one query", put: (q, _k, D) => q[2 * D + 3] = NaN },
  { name: "NaN in one key", put: (_q, k, D) => k[1 * D + 3] = NaN },
  { name: "infinity in one key", put: (_q, k, D) => k[1 * D + 3] = Infinity, some: true },
  // Every key's column is negative, so that each score of the query is −∞.
  {
    name: "infinity in one query whose scores are all −∞",
    put: (q, k, D) => {
      for (let i = 3; i < k.length; i += D) k[i] = -1;
      q[2 * D + 3] = Infinity;
    },
  },
];

/** The kernels of attention: how operands are read, how rows are summed up, columns of a head, queries and keys. */
const KERNELS: [string, Operands, Reduction, number, number][] = [
  ["attention", "buffers", "tree", 10, 9],
  ["attention with subgroups", "buffers", "subgroups", 10, 9],
  ["attention_tiled", "tiled", "tree", 40, 21],
  ["attention_texels", "texels", "tree", 32, 21],
  ["attention_scores and attention_values", "texels", "tree", 72, 420],
];

for (const [name, operands, reduction, D, L] of KERNELS) {
  Deno.test(`queries and keys that are not finite leave a query of ${name} not finite`, async () => {
    using device = await deviceReading(operands, undefined, reduction);
    if (reduction === "subgroups" && !device.info.subgroups) return;
    for (const dtype of device.info.f16 ? ["f32", "f16"] as const : ["f32"] as const) {
      for (const options of dtype === "f16" ? [{}] : [{}, { mask: true }, { bias: true, causal: true }]) {
        for (const poison of POISONS) {
          const [q, k] = [numbers(L * D, 1), numbers(L * D, 2)];
          poison.put(q, k, D);
          using r = new Recorder(device, dtype);
          const heads = (data: Float32Array<ArrayBuffer>) => ({
            tensor: upload(r, [1, L, D], data, dtype),
            at: 0,
          });
          const out = attention(r, heads(q), heads(k), heads(numbers(L * D, 3)), {
            heads: 1,
            headDim: D,
            causal: "causal" in options,
            keyMask: "mask" in options ? r.upload([1, L], new Float32Array(L).fill(1)) : undefined,
            bias: "bias" in options ? r.upload([1, 1, L, L], new Float32Array(L * L)) : undefined,
          });
          const values = await r.read(out);
          const row = values.subarray(2 * D, 3 * D);
          assert(
            poison.some ? !values.every(Number.isFinite) : row.every((v) => !Number.isFinite(v)),
            `${poison.name}, ${dtype}, ${JSON.stringify(options)}: ${row.slice(0, 4)}`,
          );
        }
      }
    }
  });
}

/** Runs `make` on 4 rows of 16 with one value replaced, and says whether the row of it holds something that is not finite. */
async function survives(
  device: Device,
  value: number,
  make: (r: Recorder, x: Tensor) => Tensor,
): Promise<boolean> {
  using r = new Recorder(device);
  const data = numbers(4 * 16, 1);
  data[16 + 8] = value;
  const out = await r.read(make(r, r.upload([4, 16], data)));
  return !out.every(Number.isFinite);
}

const ROWS: [string, (r: Recorder, x: Tensor) => Tensor][] = [
  ...(["silu", "gelu_tanh", "gelu", "quick_gelu", "relu"] as const).map((
    kind,
  ): [string, (r: Recorder, x: Tensor) => Tensor] => [kind, (r, x) => activation(r, x, kind)]),
  ["softClamp()", softClamp],
  // The value is the first log-variance of a row.
  ["posteriorSample()", (r, x) => posteriorSample(r, x, r.upload([4, 8], numbers(32, 3)))],
  ["combine() with a clip", (r, x) => combine(r, [{ coef: 1, tensor: x }], { clip: 1 })],
  ["layerNorm()", (r, x) => layerNorm(r, x, { eps: 1e-5 })],
  ["groupNorm()", (r, x) => {
    const [weight, bias] = [r.upload([16], numbers(16, 5)), r.upload([16], numbers(16, 6))];
    return groupNorm(r, { ...x, shape: [1, 2, 2, 16] }, { groups: 4, eps: 1e-5, weight, bias });
  }],
  // One head of four pairs; the value is the first of the second row's keys.
  ["qkNormRope()", (r, x) => {
    const qkv = { ...x, shape: [1, 2, 24] };
    const weight = r.upload([8], numbers(8, 4));
    qkNormRope(r, qkv, { heads: 1, norms: { q: weight, k: weight }, eps: 1e-6 });
    return x;
  }],
  ["rmsNorm()", (r, x) => rmsNorm(r, x, { eps: 1e-5, weight: r.upload([16], numbers(16, 4)) })],
];

Deno.test("activations, clips and norms hand on NaN and infinity, and do not hide sums that overflow", async () => {
  for (const reduction of ["rows", "tree", "subgroups"] as const) {
    using device = await deviceReading("buffers", undefined, reduction);
    if (reduction === "subgroups" && !device.info.subgroups) continue;
    for (const [name, make] of ROWS) {
      for (const value of [NaN, Infinity, -Infinity]) {
        assert(await survives(device, value, make), `${name} hides ${value} (${reduction})`);
      }
    }
    for (const [name, make] of ROWS.filter(([name]) => name.endsWith("Norm()"))) {
      assert(await survives(device, 1e30, make), `${name} is flat where a square overflows (${reduction})`);
    }
  }
});

/** Where the factors of a block lie: 16 bits each. */
const FACTORS: Readonly<Record<string, readonly number[]>> = {
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
};
/** Bytes that are no finite number. */
const CODES: Readonly<Record<string, readonly number[]>> = {
  F8_E4M3: [0x7f, 0xff],
  F8_E5M2: [0x7c, 0x7d, 0x7f, 0xfc, 0xff],
};

Deno.test("a factor of a block, or an 8-bit value, that is not finite leaves its outputs not finite, in every quantised type", async () => {
  using device = await deviceReading("buffers");
  const [N, K] = [4, 512];
  for (const type of Object.keys(QUANTISED) as QuantisedName[]) {
    if (type === "I8") continue; // every byte is a number
    const size = QUANTISED[type].bytes;
    const rowBytes = blockBytes(type, K);
    // What stands in the row's second block, by place: a half, or a byte.
    const poisons = type in CODES
      ? CODES[type].map((code) => [size + 3, Uint8Array.of(code)] as const)
      : FACTORS[type].flatMap((at) =>
        [NaN, Infinity, -Infinity].map((v) =>
          [size + at, new Uint8Array(new Float16Array([v]).buffer)] as const
        )
      );
    for (const [at, value] of poisons) {
      const bytes = Uint8Array.from({ length: Math.ceil(N * rowBytes / 16) * 16 }, (_, i) => 1 + i * 7 % 40);
      bytes.set(value, 2 * rowBytes + at);
      const buffer = device.gpu.createBuffer({ size: bytes.length, usage: 0x80 | 0x08 });
      device.gpu.queue.writeBuffer(buffer, 0, bytes);
      const weight = {
        buffer,
        N,
        K,
        stride: K,
        blocks: { type, rowBytes, at: 0, scale: 1, expanded: "f32" as const },
      };
      using r = new Recorder(device, "f32");
      for (const M of [1, 20]) { // products of few rows read blocks, those of many expand them
        const x = r.upload([M, K], Float32Array.from({ length: M * K }, (_, i) => 1 + i % 5));
        const y = await r.read(linear(r, x, { weight }));
        const what = `${type}, ${[...value]} at ${at}, ${M} rows`;
        for (let i = 0; i < M; i++) {
          assert(!Number.isFinite(y[i * N + 2]), `${what}: ${y[i * N + 2]}`);
          assert(Number.isFinite(y[i * N + 1]), what);
        }
      }
      const row = await r.read(embedTokens(r, Int32Array.of(2), [1, 1], weight));
      assert(row.some((v) => !Number.isFinite(v)), type);
      buffer.destroy();
    }
  }
});
