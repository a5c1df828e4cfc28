/** The autoencoder in tiles, against diffusers' tiled_decode and tiled_encode with the same tiles. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import type { LoadContext } from "../lib/pipelines/family.ts";
import { channelsLast } from "../lib/pipelines/latents.ts";
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
