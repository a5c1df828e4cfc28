/**
 * Parts of published models at their real widths, with random weights: what a picture computes beside the denoiser's steps. Text encoders
 * have two of their layers, which are all alike. `--profile` says which kernels take the time.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { AutoencoderKl, autoencoderKlConfig } from "../lib/models/autoencoder_kl.ts";
import { clipTextConfig, ClipTextModel } from "../lib/models/clip.ts";
import { t5Config, T5Encoder } from "../lib/models/t5.ts";
import type { Weights } from "../lib/models/weights.ts";
import { vaeDecodeFlops } from "../lib/scaling/flops.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import { MODELS } from "../tools/synthesize/models.ts";
import type { Bench, BenchCase } from "./harness.ts";
import { numbers } from "./norm.ts";
import { randomModel } from "./random_weights.ts";

/** Layers of a text encoder. */
const LAYERS = 2;

async function make<M>(
  device: Device,
  build: (w: Weights) => M,
  work: (model: M, r: Recorder) => { flops: number; run: (r: Recorder) => void },
): Promise<BenchCase> {
  const dtype = device.info.f16 ? "f16" : "f32";
  const part = await randomModel(device, build);
  const r = new Recorder(device, dtype);
  const { flops, run } = work(part.model, r);
  const scoped = (r: Recorder): void => {
    using _outputs = r.scope();
    run(r);
  };
  return {
    flops,
    contenders: [{
      label: "part",
      submit: (times) => {
        for (let i = 0; i < times; i++) scoped(r);
        r.submit();
      },
    }],
    record: { kind: "network", dtype, run: scoped },
    dispose: () => {
      r[Symbol.dispose]();
      part[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** Config of a part of SDXL or SD3.5 with some of its keys changed. */
function config(model: string, part: string, changed: Record<string, number> = {}): ConfigReader {
  return new ConfigReader(`${part}/config.json`, { ...MODELS[model].components[part].config, ...changed });
}

const ids = (count: number): Int32Array<ArrayBuffer> => Int32Array.from({ length: count }, (_, i) => i % 256);

const decoder = (side: number): Bench["cases"][number] => ({
  name: `SDXL's decoder to ${side}²`,
  make: (device) =>
    make(device, (w) => new AutoencoderKl(w, autoencoderKlConfig(config("sdxl", "vae"))), (model, r) => {
      const z = numbers(r, [1, side / 8, side / 8, model.config.latent_channels]);
      return { flops: vaeDecodeFlops(model.config, side / 8, side / 8), run: (r) => void model.decode(r, z) };
    }),
});

/** Parts of published models. */
export const published: Bench = {
  name: "published",
  cases: [
    decoder(256),
    decoder(512),
    {
      name: `SDXL's second text encoder, ${LAYERS} of 32 layers, 77 tokens`,
      make: (device) => {
        const few = config("sdxl", "text_encoder_2", { num_hidden_layers: LAYERS, vocab_size: 256 });
        return make(device, (w) => new ClipTextModel(w, clipTextConfig(few, "CLIPTextModel")), (model) => ({
          flops: LAYERS * 77 * (24 * model.config.hidden_size ** 2 + 4 * 77 * model.config.hidden_size),
          run: (r) => void model.forward(r, ids(77), 1, 77),
        }));
      },
    },
    {
      name: `T5-XXL, ${LAYERS} of 24 layers, 256 tokens`,
      make: (device) => {
        const few = config("sd3.5-medium", "text_encoder_3", { num_layers: LAYERS, vocab_size: 256 });
        return make(device, (w) => new T5Encoder(w, t5Config(few)), (model) => {
          const { d_model: D, d_ff } = model.config;
          return {
            flops: LAYERS * 256 * (8 * D ** 2 + 6 * D * d_ff + 4 * 256 * D),
            run: (r) => void model.forward(r, ids(256), 1, 256),
          };
        });
      },
    },
  ],
};
