/**
 * Blocks of FLUX and SDXL at their real widths, with random weights.
 *
 * @module
 */

import type { Device } from "../lib/gpu/device.ts";
import { Recorder } from "../lib/gpu/recorder.ts";
import { FluxDoubleBlock, FluxSingleBlock } from "../lib/models/flux.ts";
import { TransformerBlock, unetConfig, UnetResnet } from "../lib/models/unet.ts";
import type { Weights } from "../lib/models/weights.ts";
import { ropeTable } from "../lib/ops/embedding.ts";
import { linear } from "../lib/ops/linear.ts";
import { rows } from "../lib/tensor.ts";
import { ConfigReader } from "../lib/weights/model_folder.ts";
import type { Bench, BenchCase } from "./harness.ts";
import { numbers } from "./norm.ts";
import { randomModel } from "./random_weights.ts";

/** What a block is run on, made once for a size. */
type Prepare<M> = (model: M, r: Recorder, size: number) => (r: Recorder) => void;

/**
 * A case around one block.
 *
 * @param size Of the case: tokens or pixels along a side, as `prepare` takes it.
 * @param small The same for the warm-up, which compiles.
 */
async function blockCase<M>(
  device: Device,
  { build, prepare, size, small, flops, label }: {
    build: (w: Weights) => M;
    prepare: Prepare<M>;
    size: number;
    small: number;
    flops: number;
    label: string;
  },
): Promise<BenchCase> {
  const dtype = device.info.f16 ? "f16" : "f32";
  const block = await randomModel(device, build);
  const r = new Recorder(device, dtype);
  const run = prepare(block.model, r, size);
  const runSmall = prepare(block.model, r, small);
  return {
    flops,
    contenders: [{
      label,
      warm: () => {
        runSmall(r);
        r.submit();
      },
      submit: (times) => {
        for (let i = 0; i < times; i++) run(r);
        r.submit();
      },
    }],
    record: { kind: "network", dtype, run },
    dispose: () => {
      r[Symbol.dispose]();
      block[Symbol.dispose]();
      device.memory.trim();
    },
  };
}

/** FLUX.1's width, and the tokens of a 512² picture and of a prompt. */
const FLUX = { heads: 24, D: 3072, image: 1024, text: 512, axes: [16, 56, 56] };

/** Multiply-adds of 12·D² weights a token, and of attention. */
function fluxBlockFlops(modulation: number): number {
  const { D, image, text } = FLUX;
  const all = image + text;
  return 24 * all * D * D + 4 * all * all * D + 2 * D * modulation * D;
}

function stream(r: Recorder, side: number) {
  const { D, axes } = FLUX;
  const text = side * side / 2;
  const N = text + side * side;
  const ids = Array.from(
    { length: N },
    (_, i) => i < text ? [0, 0, 0] : [0, Math.floor((i - text) / side), (i - text) % side],
  );
  return {
    text,
    N,
    x: numbers(r, [1, N, D]),
    temb: numbers(r, [1, D]),
    rope: r.upload([N, D / FLUX.heads / 2, 2], ropeTable(ids, axes, 10000)),
  };
}

const SDXL = unetConfig(
  new ConfigReader("SDXL's unet/config.json", {
    block_out_channels: [320, 640, 1280],
    down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types: ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    transformer_layers_per_block: [1, 2, 10],
    attention_head_dim: [5, 10, 20],
    cross_attention_dim: 2048,
  }),
);
const SDXL_TEXT = 77;

function sdxlTransformer(side: number, C: number, heads: number): Bench["cases"][number] {
  const N = side * side;
  const context = SDXL.cross_attention_dim;
  // Self-attention, attention to the text, gated MLP of 4·C.
  const flops = 8 * N * C * C + 4 * N * N * C + 4 * N * C * C + 4 * SDXL_TEXT * context * C +
    4 * N * SDXL_TEXT * C + 24 * N * C * C;
  return {
    name: `SDXL transformer block, ${side}²×${C}`,
    make: (device) =>
      blockCase(device, {
        label: "transformer block",
        build: (w) => new TransformerBlock(w, C, heads, context, false),
        size: side,
        small: 8,
        flops,
        prepare: (block, r, side) => {
          const x = numbers(r, [1, side * side, C]);
          const states = numbers(r, [1, SDXL_TEXT, context]);
          return (r) => block.forward(r, x, states);
        },
      }),
  };
}

function sdxlResnet(side: number, C: number): Bench["cases"][number] {
  const E = 4 * SDXL.block_out_channels[0];
  return {
    name: `SDXL ResNet block, ${side}²×${C}`,
    make: (device) =>
      blockCase(device, {
        label: "ResNet block",
        build: (w) => new UnetResnet(w, C, C, E, SDXL),
        size: side,
        small: 8,
        flops: 2 * 18 * side * side * C * C + 2 * E * C,
        prepare: (block, r, side) => {
          const x = numbers(r, [1, side, side, C]);
          const temb = numbers(r, [1, E]);
          return (r) => {
            using _output = r.scope();
            block.forward(r, x, temb);
          };
        },
      }),
  };
}

/** Blocks. */
export const block: Bench = {
  name: "block",
  cases: [
    {
      name: `FLUX double block, ${FLUX.image} image and ${FLUX.text} text tokens`,
      make: (device) =>
        blockCase(device, {
          label: "double block",
          build: (w) => new FluxDoubleBlock(w, FLUX.heads, FLUX.D),
          size: Math.sqrt(FLUX.image),
          small: 8,
          flops: fluxBlockFlops(12),
          prepare: (block, r, side) => {
            const { x, text, N, temb, rope } = stream(r, side);
            return (r) => {
              using _modulation = r.scope();
              const m = linear(r, temb, block.modulation, { dtype: "f32" });
              block.forward(r, x, rows(x, 0, text), rows(x, text, N - text), m, rope);
            };
          },
        }),
    },
    {
      name: `FLUX single block, ${FLUX.image} image and ${FLUX.text} text tokens`,
      make: (device) =>
        blockCase(device, {
          label: "single block",
          build: (w) => new FluxSingleBlock(w, FLUX.heads, FLUX.D),
          size: Math.sqrt(FLUX.image),
          small: 8,
          flops: fluxBlockFlops(3),
          prepare: (block, r, side) => {
            const { x, temb, rope } = stream(r, side);
            return (r) => {
              using _modulation = r.scope();
              block.forward(r, x, linear(r, temb, block.modulation, { dtype: "f32" }), rope);
            };
          },
        }),
    },
    sdxlTransformer(64, 640, 10),
    sdxlTransformer(32, 1280, 20),
    sdxlResnet(64, 320),
    sdxlResnet(32, 1280),
  ],
};
