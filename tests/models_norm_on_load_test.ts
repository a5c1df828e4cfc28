/** Networks whose convolutions norm as they load, against the same with passes, staged and not: the goldens are too narrow to be staged. */

import { assert, assertEquals } from "@std/assert";
import { randomModel } from "../bench/random_weights.ts";
import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { AutoencoderKl } from "../lib/models/autoencoder_kl.ts";
import { Unet } from "../lib/models/unet.ts";
import type { Weights } from "../lib/models/weights.ts";
import { decodeInBands } from "../lib/pipelines/vae_bands.ts";
import type { Dtype, Tensor } from "../lib/tensor.ts";
import { deviceReading, numbers } from "./devices.ts";
import { decoded, predicted, smallAutoencoder, smallUnet } from "./small_networks.ts";

const VAE = smallAutoencoder([36, 72], 12);
const UNET = smallUnet([36, 72], [2, 4], 12);

interface Ran {
  readonly values: Float32Array;
  /** Kernels launched that norm as they load, and that apply a norm in a pass. */
  readonly loading: number;
  readonly passes: number;
}

async function ran<M>(
  device: Device,
  dtype: Dtype,
  build: (w: Weights) => M,
  forward: (model: M, r: Recorder) => Tensor,
): Promise<Ran> {
  using network = await randomModel(device, build);
  using r = new Recorder(device, dtype);
  const values = await r.read(forward(network.model, r));
  const specs = [...r.kernels].map(({ spec }) => spec);
  return {
    values,
    loading: specs.filter(({ constants }) => (constants?.NORM ?? 0) > 0).length,
    passes: specs.filter(({ shader }) => shader.startsWith("scale_shift")).length,
  };
}

function apart(a: Float32Array, b: Float32Array): number {
  assertEquals(a.length, b.length);
  const peak = b.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  assert(peak > 0.01, "nothing to see");
  return a.reduce((top, v, i) => Math.max(top, Math.abs(v - b[i])), 0) / peak;
}

/** Fails unless a network's outputs agree: norms on load with passes, and both with operands from textures. */
async function agree<M>(
  dtype: Dtype,
  build: (w: Weights) => M,
  forward: (model: M, r: Recorder) => Tensor,
): Promise<void> {
  using loading = await deviceReading("tiled", undefined, "tree", "large", Infinity);
  using passing = await deviceReading("tiled", undefined, "tree", "large", 0);
  using texels = await deviceReading("texels");
  const [a, b, c] = [
    await ran(loading, dtype, build, forward),
    await ran(passing, dtype, build, forward),
    await ran(texels, dtype, build, forward),
  ];
  assert(a.loading > 0 && b.loading === 0 && c.loading === 0, `${a.loading}, ${b.loading} and ${c.loading}`);
  assert(b.passes > 0 && c.passes > 0);
  // Roundings of a few layers; between two ways to stage the same, a compiler's.
  assert(apart(a.values, b.values) < (dtype === "f16" ? 2e-3 : 1e-5), `${apart(a.values, b.values)}`);
  assert(apart(a.values, c.values) < (dtype === "f16" ? 1e-2 : 1e-4), `${apart(a.values, c.values)}`);
}

for (const dtype of ["f32", "f16"] as const) {
  Deno.test(`an autoencoder whose convolutions norm as they load draws the same, ${dtype}`, async () => {
    await agree(dtype, (w) => new AutoencoderKl(w, VAE), decoded);
  });

  Deno.test(`a UNet whose convolutions norm as they load predicts the same, ${dtype}`, async () => {
    await agree(dtype, (w) => new Unet(w, UNET), predicted);
  });
}

Deno.test("an encoder whose convolutions norm as they load finds the same", async () => {
  await agree(
    "f32",
    (w) => new AutoencoderKl(w, VAE),
    (vae, r) => vae.encode(r, r.upload([1, 13, 18, 3], numbers(13 * 18 * 3, 3))),
  );
});

Deno.test("bands norm as they load with the whole picture's statistics", async () => {
  using device = await deviceReading("tiled", undefined, "tree", "large", Infinity);
  using network = await randomModel(device, (w) => new AutoencoderKl(w, VAE));
  using r = new Recorder(device, "f32");
  // Brighter from top to bottom: bands have other statistics than the whole.
  const z = r.upload([1, 40, 6, 4], numbers(40 * 6 * 4, 3).map((v, i) => v + i / 300));
  const lower = network.model.decodeLower(r, z, 1);
  const whole = await r.read(network.model.decodeUpper(r, lower, 1));
  const { data, passes } = await decodeInBands(r, { model: network.model, lower, level: 1, rows: 16 });
  assert(passes > 1);
  assert(apart(data, whole) < 4e-3, `${apart(data, whole)}`);
});
