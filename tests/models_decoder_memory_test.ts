/** What decoding takes of the GPU's memory beside the weights, recorded on a device that does nothing. */

import { assert, assertEquals } from "@std/assert";
import type { Device } from "../lib/gpu/device.ts";
import { IdleDevice } from "../lib/gpu/rehearsal.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { AutoencoderKl, autoencoderKlConfig } from "../lib/models/autoencoder_kl.ts";
import { Weights } from "../lib/models/weights.ts";
import { USUAL_ADAPTER } from "../lib/pipelines/memory.ts";
import { WeightStore } from "../lib/residency/store.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { MODELS } from "../tools/synthesize/models.ts";
import { deviceReading } from "./devices.ts";
import { declaredTensors, RandomCheckpoint } from "../tools/synthesize/random_checkpoint.ts";

/** Bytes of the largest map: 512² of 256 channels in f32, on the way into the decoder's last level. */
const LARGEST = 512 * 512 * 256 * 4;

/** Most bytes beside the weights while SDXL's decoder makes 512² pixels. */
async function decoding(texels: boolean): Promise<number> {
  const { config } = MODELS.sdxl.components.vae;
  const build = (w: Weights) =>
    new AutoencoderKl(w, autoencoderKlConfig(new ConfigReader("vae/config.json", config)));
  using device = new IdleDevice({ ...USUAL_ADAPTER, fallback: texels });
  const source = new RandomCheckpoint("vae", declaredTensors(build), () => "F16", 0);
  using store = new WeightStore(source, device, { dtype: "f32" });
  const vae = build(new Weights(store));
  await store.pretend();
  using r = new Recorder(device, "f32");
  vae.decode(r, r.tensor([1, 64, 64, 4], "f32"));
  const { footprint, weights } = device.memory.use();
  return footprint - weights;
}

Deno.test("decoding takes four of its largest maps, six with copies in textures: those of smaller levels are freed before", async () => {
  const plain = await decoding(false) / LARGEST;
  assert(plain < 4, `${plain} maps`);
  const copies = await decoding(true) / LARGEST;
  assert(copies < 6, `${copies} maps`);
});

Deno.test("a decoder whose weights stream takes on a GPU what its rehearsal takes", async () => {
  const { config } = MODELS.sdxl.components.vae;
  const build = (w: Weights) =>
    new AutoencoderKl(w, autoencoderKlConfig(new ConfigReader("vae/config.json", config)));
  const source = new RandomCheckpoint("vae", declaredTensors(build), () => "F16", 0);
  const streaming = { resident: () => 0, slots: 2, slotBytes: 0 };
  // At 256² what is left over between blocks would go back to the driver, if nothing waited for weights.
  const taken = async (device: Device): Promise<number> => {
    using store = new WeightStore(source, device, { dtype: "f32", streaming });
    const vae = build(new Weights(store));
    await (device.rehearses ? store.pretend() : store.load());
    using r = new Recorder(device, "f32");
    device.memory.resetPeak();
    await r.read(vae.decode(r, r.upload([1, 32, 32, 4], new Float32Array(4096))));
    return device.memory.use().footprint;
  };
  using device = await deviceReading("texels");
  using idle = IdleDevice.like(device);
  const planned = await taken(idle);
  assertEquals(await taken(device), planned);
});
