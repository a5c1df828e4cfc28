/**
 * The embedded model's parts as a picture uses them: a denoiser step at each stage's size, the latent upsampler
 * beside bicubic resampling, the autoencoder's decoder.
 *
 * @module
 */

import { gridPlaces } from "../lib/ops/token_sets.ts";
import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { AutoencoderKl, autoencoderKlConfig } from "../lib/models/autoencoder_kl.ts";
import { fluxConfig, FluxTransformer } from "../lib/models/flux.ts";
import { LatentUpsampler, latentUpsamplerConfig } from "../lib/models/latent_upsampler.ts";
import type { Weights } from "../lib/models/weights.ts";
import { resample } from "../lib/ops/resample.ts";
import { loadComponent } from "../lib/pipelines/family.ts";
import { embeddedFolder } from "../lib/pipelines/embedded_model.ts";
import { fluxFlops, vaeDecodeFlops } from "../lib/scaling/flops.ts";
import { elements, type Tensor } from "../lib/tensor.ts";
import type { ConfigReader } from "../lib/weights/model_folder.ts";
import type { Bench, BenchCase, Contender } from "./harness.ts";

const TEXT_TOKENS = 24;

/** A case around one component of the embedded model. */
async function part<M>(
  device: Device,
  folder: string,
  build: (w: Weights, c: ConfigReader) => M,
  bench: (
    model: M,
    r: Recorder,
  ) => { flops: number; runs: Record<string, (r: Recorder) => void>; others?: Record<string, number> },
): Promise<BenchCase> {
  const dtype = device.info.f16 ? "f16" : "f32";
  const component = await loadComponent({ folder: embeddedFolder(), device, dtype }, folder, build);
  const r = new Recorder(device, dtype);
  const { flops, runs, others = {} } = bench(component.model, r);
  const contenders = Object.entries(runs).map(([label, run]): Contender => ({
    label,
    flops: others[label],
    submit: (times) => {
      for (let i = 0; i < times; i++) {
        using _outputs = r.scope();
        run(r);
      }
      r.submit();
    },
  }));
  return {
    flops,
    contenders,
    record: { kind: "network", dtype, run: Object.values(runs)[0] },
    dispose: () => {
      r[Symbol.dispose]();
      component[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

function filled(r: Recorder, shape: readonly number[]): Tensor {
  return r.upload(shape, Float32Array.from({ length: elements(shape) }, (_, i) => (i * 0.618 % 2) - 1));
}

const step = (side: number) => ({
  name: `${side}²: ${(side / 16) ** 2} image and ${TEXT_TOKENS} text tokens`,
  make: (device: Device) =>
    part(device, "transformer", (w, c) => new FluxTransformer(w, fluxConfig(c)), (model, r) => {
      const h = side / 16;
      const tokens = h * h;
      const c = model.config;
      const table = model.rope(TEXT_TOKENS, gridPlaces(h, h));
      const input = {
        hiddenStates: filled(r, [1, tokens, c.in_channels]),
        encoderHiddenStates: filled(r, [1, TEXT_TOKENS, c.joint_attention_dim]),
        modulation: model.modulation(r, {
          pooledProjections: filled(r, [1, c.pooled_projection_dim]),
          timestep: [0.5],
          guidance: c.guidance_embeds ? [2.5] : undefined,
        }),
        rope: r.upload([TEXT_TOKENS + tokens, c.attention_head_dim / 2, 2], table),
      };
      return {
        flops: fluxFlops(c, tokens, TEXT_TOKENS),
        runs: { "denoiser step": (r) => void model.forward(r, input) },
      };
    }),
});

/** One step of the denoiser. */
export const denoiser: Bench = { name: "denoiser", cases: [128, 256, 512].map(step) };

/** Latents of 256² to 512². */
export const upsample: Bench = {
  name: "upsample",
  cases: [{
    name: "latents 32² → 64², 16 channels",
    make: (device) =>
      part(device, "upsampler", (w, c) => new LatentUpsampler(w, latentUpsamplerConfig(c)), (model, r) => {
        const x = filled(r, [1, 32, 32, model.config.in_channels]);
        const [wide, narrow] = model.config.block_out_channels;
        const C = model.config.in_channels;
        const conv = (pixels: number, from: number, to: number): number => 18 * pixels * from * to;
        return {
          // conv_in, transposed 4×4 and 3×3 of the first block, two 3×3 of the second, conv_out.
          flops: conv(32 * 32, C, wide) + 2 * 16 * 32 * 32 * wide * wide + conv(64 * 64, wide, wide) +
            conv(64 * 64, wide, narrow) + conv(64 * 64, narrow, narrow) + conv(64 * 64, narrow, C),
          runs: {
            "learned upsampler": (r) => void model.forward(r, x),
            "bicubic": (r) => void resample(r, x, 64, 64, "bicubic"),
          },
          others: { "bicubic": 2 * 16 * 64 * 64 * C },
        };
      }),
  }],
};

/** Latents of 512² to a picture. */
export const vae: Bench = {
  name: "vae",
  cases: [{
    name: "decode to 512²",
    make: (device) =>
      part(device, "vae", (w, c) => new AutoencoderKl(w, autoencoderKlConfig(c)), (model, r) => {
        const z = filled(r, [1, 64, 64, model.config.latent_channels]);
        return {
          flops: vaeDecodeFlops(model.config, 64, 64),
          runs: { "decode": (r) => void model.decode(r, z) },
        };
      }),
  }],
};
