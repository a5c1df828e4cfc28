/** Textures that kernels read as storage, which other tests do, and through the sampling unit: the same bytes, so the same bits. */

import { assert, assertEquals } from "@std/assert";
import { randomModel } from "../bench/random_weights.ts";
import { expectedTexels } from "../lib/gpu/adapters.ts";
import { openDevice } from "../lib/gpu/device.ts";
import type { TexelAccess } from "../lib/gpu/kernel.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { tuneMatmul } from "../lib/gpu/tune.ts";
import { AutoencoderKl } from "../lib/models/autoencoder_kl.ts";
import { Unet } from "../lib/models/unet.ts";
import type { Weights } from "../lib/models/weights.ts";
import type { Dtype, Tensor } from "../lib/tensor.ts";
import { deviceReading } from "./devices.ts";
import { decoded, predicted, smallAutoencoder, smallUnet } from "./small_networks.ts";

const VAE = smallAutoencoder([40, 72], 2);
const UNET = smallUnet([64, 80], [2, 2], 4);

/** What a network makes, and the shaders that read textures for it. */
async function ran<M>(
  texels: TexelAccess,
  dtype: Dtype,
  build: (w: Weights) => M,
  forward: (model: M, r: Recorder) => Tensor,
): Promise<{ values: Float32Array; shaders: Set<string> }> {
  using device = await deviceReading("texels", undefined, "tree", "large", 0, "f32", texels);
  using network = await randomModel(device, build);
  using r = new Recorder(device, dtype);
  const values = await r.read(forward(network.model, r));
  const shaders = [...r.kernels].map(({ spec }) => spec.shader).filter((s) => /texels|TEXELS=1/.test(s));
  return { values, shaders: new Set(shaders.map((s) => s.split("@")[0])) };
}

for (const dtype of ["f32", "f16"] as const) {
  Deno.test(`networks draw the same bits from textures as storage and sampled ones, ${dtype}`, async () => {
    const vae = (texels: TexelAccess) => ran(texels, dtype, (w) => new AutoencoderKl(w, VAE), decoded);
    const unet = (texels: TexelAccess) => ran(texels, dtype, (w) => new Unet(w, UNET), predicted);
    const seen = new Set<string>();
    for (const network of [vae, unet]) {
      const [storage, sampled] = [await network("storage"), await network("sampled")];
      assert(storage.values.some((v) => Math.abs(v) > 0.01), "nothing to see");
      assertEquals(sampled.values, storage.values);
      for (const shader of storage.shaders) seen.add(shader);
    }
    assertEquals(
      [...seen].sort(),
      ["attention_texels", "conv", "conv3x3", "group_norm_texels", "matmul", "scale_shift"],
    );
  });
}

Deno.test("how textures are read is measured, and is storage before that only on a CPU that can", async () => {
  using device = await openDevice();
  assert(device.info.storageTexels);
  assertEquals(expectedTexels(device.info), "storage");
  assertEquals(expectedTexels({ storageTexels: false, fallback: true }), "sampled");
  assertEquals(expectedTexels({ storageTexels: true, fallback: false }), "sampled");

  const { texels, texelsMs } = await tuneMatmul(device, [], { operands: "texels" });
  assert(texelsMs.sampled! > 0 && texelsMs.storage! > 0);
  assertEquals(device.kernels.texels, texels);
});
