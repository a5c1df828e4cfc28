import { assert } from "@std/assert";
import { type Device, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import type { Reduction } from "../lib/gpu/tune.ts";
import { layerNorm, rmsNorm } from "../lib/ops/norm.ts";
import { qkNormRope } from "../lib/ops/qk_norm_rope.ts";
import { rows } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";

const EPS = 1e-5;

/** Devices by how they sum up rows; subgroups only where the adapter has them. */
async function* devices(maxBindingBytes?: number): AsyncGenerator<[Reduction, Device]> {
  for (const reduction of ["rows", "tree", "subgroups"] as const) {
    const device = await deviceReading("texels", maxBindingBytes, reduction);
    if (reduction !== "subgroups" || device.info.subgroups) yield [reduction, device];
    device[Symbol.dispose]();
  }
}

interface NormCase {
  readonly B: number;
  readonly S: number;
  readonly D: number;
  readonly mean: number;
  readonly affine?: boolean;
  readonly modulate?: boolean;
  /** Rows with a modulation of their own. */
  readonly head?: number;
  readonly rms?: boolean;
  /** Rows of the sequence before and after those that are normed. */
  readonly around?: readonly [number, number];
}

/** Largest error of one case against an f64 loop, relative to the largest value. */
async function normError(device: Device, c: NormCase): Promise<number> {
  const { B, S, D, head = 0, around = [0, 0] } = c;
  using r = new Recorder(device);
  const N = S + around[0] + around[1];
  const xs = numbers(B * N * D, 1).map((v) => v + c.mean);
  const [ws, bs, ms] = [numbers(D, 2), numbers(D, 3), numbers(B * 4 * D, 4)];
  const x = r.upload([B, N, D], xs);
  const part = c.around ? rows(x, around[0], S) : x;
  const y = c.rms ? rmsNorm(r, part, { eps: EPS, weight: r.upload([D], ws) }) : layerNorm(r, part, {
    eps: EPS,
    weight: c.affine ? r.upload([D], ws) : undefined,
    bias: c.affine ? r.upload([D], bs) : undefined,
    modulation: c.modulate ? r.upload([B, 4 * D], ms) : undefined,
    shiftAt: 0,
    scaleAt: D,
    head: { count: head, shiftAt: 2 * D, scaleAt: 3 * D },
  });
  const got = await r.read(y);
  let [worst, peak] = [0, 1e-9];
  for (let row = 0; row < B * S; row++) {
    const [b, n] = [Math.floor(row / S), row % S];
    const v = [...xs.subarray((b * N + around[0] + n) * D, (b * N + around[0] + n + 1) * D)];
    const mean = c.rms ? 0 : v.reduce((a, e) => a + e, 0) / D;
    const inv = 1 / Math.sqrt(v.reduce((a, e) => a + (e - mean) ** 2, 0) / D + EPS);
    const m = b * 4 * D + (n < head ? 2 * D : 0);
    v.forEach((e, d) => {
      let want = (e - mean) * inv;
      if (c.affine || c.rms) want *= ws[d];
      if (c.affine) want += bs[d];
      if (c.modulate) want = want * (1 + ms[m + D + d]) + ms[m + d];
      worst = Math.max(worst, Math.abs(want - got[row * D + d]));
      peak = Math.max(peak, Math.abs(want));
    });
  }
  return worst / peak;
}

const SHAPES = [[1, 1, 8], [2, 7, 77], [2, 33, 320], [3, 17, 12], [1, 3, 3072]] as const;

Deno.test("layerNorm() and rmsNorm() equal an f64 loop at odd sizes, however rows are summed up", async () => {
  for await (const [reduction, device] of devices()) {
    for (const [B, S, D] of SHAPES) {
      for (
        const options of [
          {},
          { affine: true },
          { rms: true },
          { modulate: true },
          { modulate: true, head: Math.ceil(S / 3) },
          { affine: true, around: [2, 3] },
        ] as const
      ) {
        // Mean 50, spread 1/√3: subtracting the mean leaves 2⁻²⁴ · 50 of a value's size, ten times f32's own rounding.
        for (const [mean, tolerance] of [[0, 2e-6], [50, 2e-5]]) {
          const e = await normError(device, { B, S, D, mean, ...options });
          assert(e < tolerance, `${[B, S, D]} ${JSON.stringify(options)} around ${mean}, ${reduction}: ${e}`);
        }
      }
    }
  }
});

Deno.test("layerNorm() splits what exceeds the largest binding", async () => {
  for await (const [reduction, device] of devices(16384)) {
    const e = await normError(device, { B: 2, S: 61, D: 200, mean: 0, modulate: true, head: 7 });
    assert(e < 2e-6, `${reduction}: ${e}`);
  }
});

/** Largest error of qkNormRope against an f64 loop. */
async function qkError(
  device: Device,
  c: { B: number; N: number; heads: number; d: number; norm: boolean; head: number; rope: boolean },
): Promise<number> {
  const { B, N, heads, d, head } = c;
  const width = 3 * heads * d;
  using r = new Recorder(device);
  const xs = numbers(B * N * width, 1);
  const norm = (seed: number) => ({ q: numbers(d, seed), k: numbers(d, seed + 1) });
  const [main, text] = [norm(2), norm(4)];
  const angles = numbers(N * d / 2, 6);
  const table = Float32Array.from(
    { length: N * d },
    (_, i) => i % 2 === 0 ? Math.cos(angles[i >> 1]) : Math.sin(angles[i >> 1]),
  );
  const up = (n: typeof main) => ({ q: r.upload([d], n.q), k: r.upload([d], n.k) });
  const qkv = r.upload([B, N, width], xs);
  qkNormRope(r, qkv, {
    heads,
    norms: c.norm ? up(main) : undefined,
    head: c.norm && head > 0 ? { count: head, norms: up(text) } : undefined,
    eps: EPS,
    rope: c.rope ? r.upload([N, d / 2, 2], table) : undefined,
  });
  const got = await r.read(qkv);
  let worst = 0;
  for (let row = 0; row < B * N; row++) {
    const n = row % N;
    for (let part = 0; part < 3 * heads; part++) {
      const at = row * width + part * d;
      const v = [...xs.subarray(at, at + d)];
      const which = Math.floor(part / heads);
      if (which < 2 && c.norm) {
        const inv = 1 / Math.sqrt(v.reduce((a, e) => a + e * e, 0) / d + EPS);
        const w = (n < head ? text : main)[which === 0 ? "q" : "k"];
        v.forEach((e, i) => v[i] = e * inv * w[i]);
      }
      if (which < 2 && c.rope) {
        for (let i = 0; i < d; i += 2) {
          const [cos, sin] = [table[n * d + i], table[n * d + i + 1]];
          [v[i], v[i + 1]] = [v[i] * cos - v[i + 1] * sin, v[i + 1] * cos + v[i] * sin];
        }
      }
      v.forEach((e, i) => worst = Math.max(worst, Math.abs(e - got[at + i])));
    }
  }
  return worst;
}

Deno.test("qkNormRope() norms and rotates queries and keys in place, text with norms of its own, values untouched", async () => {
  for (const maxBindingBytes of [undefined, 16384]) {
    using device = await openDevice({ maxBindingBytes });
    for (const [B, N, heads, d] of [[1, 1, 1, 2], [2, 19, 3, 10], [2, 19, 3, 12], [2, 33, 2, 64]]) {
      for (const norm of [true, false]) {
        for (const rope of [true, false]) {
          for (const head of [0, 1, Math.min(N, 7)]) {
            const e = await qkError(device, { B, N, heads, d, norm, rope, head });
            // Values below 2, some ten roundings of 2⁻²⁴ each.
            assert(e < 2e-6, `${[B, N, heads, d]} norm ${norm} rope ${rope} head ${head}: ${e}`);
          }
        }
      }
    }
  }
});
