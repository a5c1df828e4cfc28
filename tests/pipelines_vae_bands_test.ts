/** Pictures decoded in bands of rows, against the same pictures decoded whole; and how much memory bands take. */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { type Device, type DeviceInfo, openDevice } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { IdleDevice } from "../lib/gpu/rehearsal.ts";
import { AutoencoderKl, type AutoencoderKlConfig } from "../lib/models/autoencoder_kl.ts";
import { Weights } from "../lib/models/weights.ts";
import { WeightStore } from "../lib/residency/store.ts";
import type { LoadContext } from "../lib/pipelines/family.ts";
import { embeddedFolder } from "../lib/pipelines/embedded_model.ts";
import { loadKlVae, Vae } from "../lib/pipelines/vae.ts";
import { folderOf } from "../lib/weights/bytes.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { CAREFUL_BYTES } from "../web/engine.ts";
import { numbers } from "./devices.ts";

const index = { pipeline: "", components: new Map(), config: new ConfigReader("", {}) };

/** A golden autoencoder, with attention in its middle, as the `vae` folder of a model. */
function goldenFolder(): LoadContext["folder"] {
  const vae = fileFolder(new URL("./golden/vae/kl16_flux_sd3", import.meta.url).pathname);
  return folderOf("golden", (file) => vae.open(file.replace("vae/", "")));
}

/** The picture in whole and under a limit, and the network's norms and bands in the second case. */
async function both(
  folder: LoadContext["folder"],
  dtype: "f32" | "f16",
  [h, w]: readonly [number, number],
  limit: number,
): Promise<{ worst: number; least: number; most: number; uploads: number }> {
  using device = await openDevice();
  using whole = await loadKlVae({ folder, index, device, dtype });
  using small = await loadKlVae({ folder, index, device, dtype }, limit);
  using r = new Recorder(device, dtype);
  // Colour changes from top to bottom: bands have other statistics than the whole.
  const z = r.upload([1, h, w, 16], numbers(h * w * 16, 3).map((v, i) => v + Math.sin(i / (w * 16) / 7)));
  const want = await r.read(await whole.decode(r, z));
  let uploads = 0;
  const upload = r.upload.bind(r);
  r.upload = (shape, data) => {
    uploads++;
    return upload(shape, data);
  };
  const picture = await small.decode(r, z);
  const got = await r.read(picture);
  assertEquals(got.length, want.length);
  return {
    worst: want.reduce((top, v, i) => Math.max(top, Math.abs(v - got[i])), 0),
    least: Math.min(...want.subarray(0, 5000)),
    most: Math.max(...want.subarray(0, 5000)),
    uploads,
  };
}

/** 1/255 of the range −1 … 1. */
const STEP = 2 / 255;

for (const dtype of ["f32", "f16"] as const) {
  Deno.test(`the embedded model's picture in bands is the whole picture within 1/255, ${dtype}`, async () => {
    // 40 × 8 latents: a limit below which the last level is cut, and one at which the last two are.
    for (const limit of dtype === "f32" ? [1.6e6, 900e3] : [900e3]) {
      const { worst, least, most, uploads } = await both(embeddedFolder(), dtype, [40, 8], limit);
      assert(most - least > 0.2, "a flat picture shows no seams anyway");
      // Statistics are uploaded for each norm of each band of each pass but the first; tiles would upload little.
      assert(uploads > 3 * 2 * 5, `${uploads} uploads: not in bands`);
      assert(worst <= STEP, `limit ${limit}: off by ${worst / STEP} steps of 1/255`);
    }
  });
}

Deno.test("bands agree with the whole also where the middle block has attention", async () => {
  const { worst, uploads } = await both(goldenFolder(), "f32", [48, 8], 60e3);
  assert(uploads > 3 * 2 * 5, `${uploads} uploads: not in bands`);
  assert(worst <= STEP, `off by ${worst / STEP} steps of 1/255`);
});

const GPU: DeviceInfo = {
  vendor: "",
  architecture: "",
  description: "",
  fallback: false,
  f16: true,
  timestamps: false,
  subgroups: false,
  maxBindingBytes: 2 ** 31 - 4,
  maxBufferBytes: 2 ** 31 - 4,
  workgroupBytes: 32768,
  workgroupInvocations: 256,
  storageTexels: true,
};

/** The autoencoder of SD1.5, SDXL (4 channels) and SD3, FLUX (16). */
const REAL: AutoencoderKlConfig = {
  in_channels: 3,
  out_channels: 3,
  latent_channels: 16,
  block_out_channels: [128, 256, 512, 512],
  layers_per_block: 2,
  norm_num_groups: 32,
  mid_block_add_attention: true,
  use_quant_conv: false,
  use_post_quant_conv: false,
  scaling_factor: 1,
  shift_factor: 0,
};

/** A checkpoint that has whatever is asked for, and is never read. */
class AnyStore extends WeightStore {
  constructor(device: Device) {
    const info = () => ({ shape: [], dtype: "F16" });
    const unread = () => Promise.reject(new Error("read"));
    super({ name: "any", names: () => [], info, read: unread, readF32: unread }, device, { dtype: "f16" });
  }
  override declare(): void {}
}

/** Gibibytes that a real autoencoder takes for a picture, beside its weights, and the bands that it runs. */
async function realPicture(side: number, limit?: number): Promise<{ gib: number; bands: number }> {
  using device = new IdleDevice(GPU);
  using store = new AnyStore(device);
  const model = new AutoencoderKl(new Weights(store), REAL);
  let bands = 0;
  const decodeUpper = model.decodeUpper.bind(model);
  model.decodeUpper = (...args) => {
    bands++;
    return decodeUpper(...args);
  };
  using vae = new Vae(model, device, "f16", () => {}, limit);
  using r = new Recorder(device, "f16");
  const z = r.tensor([1, side / 8, side / 8, 16], "f32");
  const { shape } = await vae.decode(r, z);
  assertEquals(shape, [1, side, side, 3]);
  return { gib: device.memory.use().peak / 2 ** 30, bands };
}

Deno.test("a real autoencoder's picture of 2048² takes less than 2 GiB beside its weights, of 4096² less than 3", async () => {
  for (const [side, most] of [[2048, 2], [4096, 3]]) {
    const { gib } = await realPicture(side);
    assert(gib < most, `${side}²: ${gib} GiB`);
  }
});

Deno.test("after a lost device a real autoencoder's pictures take less memory, in bands and never in tiles", async () => {
  // Whole, 512² takes 0.6 GiB and 1024² 2.5; 2048² takes 1.8 in the bands of an unlimited device.
  for (const [side, most] of [[512, 0.2], [768, 0.3], [1024, 0.5], [2048, 1.5]]) {
    const { gib, bands } = await realPicture(side, CAREFUL_BYTES);
    assert(bands > 1, `${side}²: ${bands} bands`);
    assert(gib < most, `${side}²: ${gib} GiB`);
  }
});
