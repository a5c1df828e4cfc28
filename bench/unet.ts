/**
 * One step of Stable Diffusion 1.5's UNet, 860 million random weights: what stable-diffusion.cpp and PyTorch are timed at.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { Unet, unetConfig } from "../lib/models/unet.ts";
import { unetFlops } from "../lib/scaling/flops_unet.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import type { Bench, BenchCase } from "./harness.ts";
import { numbers } from "./norm.ts";
import { randomModel } from "./random_weights.ts";

/** unet/config.json of Stable Diffusion 1.5, as far as it matters. */
const CONFIG = unetConfig(
  new ConfigReader("Stable Diffusion 1.5's unet/config.json", {
    attention_head_dim: 8,
    block_out_channels: [320, 640, 1280, 1280],
    cross_attention_dim: 768,
    in_channels: 4,
    layers_per_block: 2,
    norm_num_groups: 32,
    out_channels: 4,
  }),
);
const TEXT_TOKENS = 77;

/**
 * Seconds that others take for the same step at 256² on the two-core machine that this project is measured on: f16
 * weights, no classifier-free guidance. Taken with stable-diffusion.cpp's prebuilt programs and PyTorch 2.13 in f32; not
 * repeated by this bench, so they mean nothing on another machine.
 */
const OTHERS: Readonly<Record<string, number>> = {
  "stable-diffusion.cpp, Vulkan on llvmpipe": 47,
  "stable-diffusion.cpp, CPU": 2.4,
  "PyTorch f32, CPU": 1.6,
};

async function make(device: Device, side: number): Promise<BenchCase> {
  const dtype = device.info.f16 ? "f16" : "f32";
  const unet = await randomModel(device, (w) => new Unet(w, CONFIG));
  const r = new Recorder(device, dtype);
  const h = side / 8;
  const at = (h: number) => {
    const input = {
      sample: numbers(r, [1, h, h, CONFIG.in_channels]),
      timestep: [500],
      encoderHiddenStates: numbers(r, [1, TEXT_TOKENS, CONFIG.cross_attention_dim]),
    };
    return (r: Recorder): void => {
      using _output = r.scope();
      unet.model.forward(r, input);
    };
  };
  const run = at(h);
  return {
    flops: unetFlops(CONFIG, h, h, TEXT_TOKENS),
    contenders: [{
      label: "UNet step",
      submit: (times) => {
        for (let i = 0; i < times; i++) run(r);
        r.submit();
      },
    }],
    record: { kind: "network", dtype, run },
    facts: ([{ minMs }]) => ({
      "MB of weights": Math.round(unet.bytes / 1e6),
      ...side === 256
        ? Object.fromEntries(
          Object.entries(OTHERS).map(([name, seconds]) => [
            `${name} (${seconds} s)`,
            `takes ${(1000 * seconds / minMs).toFixed(2)}× as long`,
          ]),
        )
        : {},
    }),
    dispose: () => {
      r[Symbol.dispose]();
      unet[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** The UNet. */
export const unet: Bench = {
  name: "unet",
  cases: [{ name: "SD1.5 step at 256², batch 1, 77 text tokens", make: (device) => make(device, 256) }],
};
