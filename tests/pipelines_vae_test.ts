/** The autoencoder in tiles, against diffusers' tiled_decode and tiled_encode with the same tiles. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { LssgenError } from "../lib/errors.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import type { LoadContext } from "../lib/pipelines/family.ts";
import { channelsLast } from "../lib/pipelines/latents.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { loadTinyVae } from "../lib/pipelines/tiny_vae.ts";
import { loadKlVae } from "../lib/pipelines/vae.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;
/** A golden autoencoder as the `vae` folder of a model; its scale taken away, as diffusers' functions have none. */
function modelFolder(): LoadContext["folder"] {
  const vae = fileFolder(path("./golden/vae/kl16_flux_sd3"));
  return folderOf("test", async (file) => {
    if (file !== "vae/config.json") return await vae.open(file.replace("vae/", ""));
    const config = JSON.parse((await vae.text("config.json"))!);
    const text = JSON.stringify({ ...config, scaling_factor: 1, shift_factor: 0 });
    return bytesOf(file, new TextEncoder().encode(text));
  });
}

/** The golden autoencoder in a folder with a convolution inside a block `factor` times as large. */
function loud(factor: number, force_upcast: boolean): LoadContext["folder"] {
  const inner = modelFolder();
  return folderOf("loud", async (file) => {
    if (file === "vae/config.json") {
      const text = JSON.stringify({ ...JSON.parse((await inner.text(file))!), force_upcast });
      return bytesOf(file, new TextEncoder().encode(text));
    }
    const source = await inner.open(file);
    if (!source || !file.endsWith(".safetensors")) return source;
    const bytes = (await source.read(0, source.size)).slice();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    for (const name of ["decoder.mid_block.resnets.0.conv1.weight"]) {
      const { dtype, data_offsets: [from, to] } = header[name];
      assertEquals(dtype, "F32");
      for (let at = 8 + length + from; at < 8 + length + to; at += 4) {
        view.setFloat32(at, view.getFloat32(at, true) * factor, true);
      }
    }
    return bytesOf(file, bytes);
  });
}

// SDXL's own autoencoder reaches values that f16 cannot hold; a folder that says so (force_upcast) runs in f32 all through.
Deno.test("activations beyond f16 do no harm: exactly none with force_upcast, and little without", async () => {
  using device = await openDevice();
  const index = { pipeline: "", components: new Map(), config: new ConfigReader("", {}) };
  const decode = async (force_upcast: boolean, dtype: "f16" | "f32"): Promise<Float32Array> => {
    using vae = await loadKlVae({ folder: loud(1e6, force_upcast), index, device, dtype });
    using r = new Recorder(device, dtype);
    const z = r.upload([1, 8, 8, 16], Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)));
    return await r.read(await vae.decode(r, z));
  };
  const want = await decode(true, "f32");
  assert(want.every(Number.isFinite));
  assertEquals(await decode(true, "f16"), want);
  const half = await decode(false, "f16");
  const worst = Math.max(...half.map((v, i) => Number.isFinite(v) ? Math.abs(v - want[i]) : Infinity));
  assert(worst < 0.01, `off by ${worst}`);
});

Deno.test("a tiny autoencoder decodes in the pipeline's stead, and one for other latents is refused", async () => {
  using device = await openDevice();
  const folder = fileFolder(path("./golden/vae/tiny_taef1"));
  using tiny = await loadTinyVae({ folder, device, dtype: "f32" }, "", 16);
  using r = new Recorder(device, "f32");
  const z = r.upload([1, 4, 6, 16], new Float32Array(4 * 6 * 16));
  assertEquals((await tiny.decode(r, z)).shape, [1, 4 * tiny.factor, 6 * tiny.factor, 3]);
  const error = await assertRejects(
    () => loadTinyVae({ folder, device, dtype: "f32" }, "", 4),
    LssgenError,
    "latent_channels is 16",
  );
  assertEquals(error.code, "bad_option");
});

Deno.test("an upsampler for other latents is refused by name", async () => {
  using device = await openDevice();
  await assertRejects(
    () =>
      createPipeline(fileFolder(path("./golden/pipelines/sd15/model")), {
        device,
        upsamplerWeights: fileFolder(path("./golden/lssgen/_upsamplers/ch16")),
      }),
    LssgenError,
    "in_channels is 16, the model's latents have 4",
  );
});

Deno.test("tiles of a decode and of an encode blend as diffusers' do", async () => {
  using device = await openDevice();
  const index = { pipeline: "", components: new Map(), config: new ConfigReader("", {}) };
  // So little memory that tiles have their smallest size, 16 latents, which the reference was made with.
  using vae = await loadKlVae({ folder: modelFolder(), index, device, dtype: "f32" }, 1);
  using r = new Recorder(device, "f32");
  const want = await openSafetensors(
    bytesOf("reference", Deno.readFileSync(path("./data/vae_tiled.safetensors"))),
  );
  const close = (got: Float32Array, want: Float32Array, what: string) => {
    assertEquals(want.length, Math.ceil(got.length / 7));
    const peak = want.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    const worst = want.reduce((top, v, i) => Math.max(top, Math.abs(v - got[7 * i])), 0);
    assert(worst < 1e-4 * peak, `${what}: off by ${worst}, peak ${peak}`);
  };

  const [, C, h, w] = want.info("z")!.shape;
  const z = r.upload([1, h, w, C], channelsLast(await want.readF32("z"), C));
  close(await r.read(await vae.decode(r, z)), await want.readF32("decoded"), "decode");

  const [H, W] = [24 * vae.factor, 32 * vae.factor];
  const x = r.upload([1, H, W, 3], Float32Array.from({ length: H * W * 3 }, (_, i) => Math.sin(i * 0.37)));
  const noise = r.upload([1, 24, 32, C], new Float32Array(24 * 32 * C));
  const mean = await r.read(await vae.encode(r, x, noise)); // no noise: the mean
  const moments = await want.readF32("moments"); // every seventh of [24, 32, 2·C]
  const means = [...moments.keys()].filter((i) => 7 * i % (2 * C) < C);
  const got = Float32Array.from(means, (i) => mean[Math.floor(7 * i / (2 * C)) * C + 7 * i % (2 * C)]);
  const worst = means.reduce((top, i, j) => Math.max(top, Math.abs(moments[i] - got[j])), 0);
  assert(worst < 1e-3, `encode: off by ${worst}`);
});
