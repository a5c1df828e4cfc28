/**
 * Denoisers made for inpainting (9-channel UNets, FLUX.1 Fill) against diffusers' own pipelines: files whose first layer
 * is wider are taken as what they are. tests/data/make_inpainting.py made the reference.
 */

import { assert, assertEquals } from "@std/assert";
import { fileFolder } from "../lib/cli/files.ts";
import { openDevice } from "../lib/gpu/device.ts";
import type { Picture } from "../lib/image/png.ts";
import { modelFiles } from "../lib/model_files/model_files.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest } from "../lib/pipelines/text_to_image.ts";
import { bytesOf, folderOf } from "../lib/weights/bytes.ts";
import { readConfig } from "../lib/weights/model_folder.ts";
import { openSafetensors } from "../lib/weights/safetensors.ts";
import { bflFlux, fileOf, ldmUnet, prefixed, type Tensors } from "./foreign_layouts.ts";
import { type Tensor, tensorsOf } from "./foreign_names.ts";

const SIDE = 64;
const data = async (name: string) => {
  const url = new URL(`./data/${name}.safetensors`, import.meta.url);
  return await openSafetensors(bytesOf(name, await Deno.readFile(url)));
};

async function stored(name: "picture" | "mask"): Promise<Picture> {
  const values = Uint8Array.from(await (await data("image_to_image")).readF32(name));
  return { width: SIDE, height: SIDE, channels: name === "mask" ? 1 : 3, data: values };
}

/** The first layer's weights with further input channels behind the others. */
function widened({ shape, data }: Tensor, channels: number): Tensor {
  const [N, K, ...rest] = shape;
  const inner = rest.reduce((a, b) => a * b, 1);
  const row = K * inner;
  const added = channels * inner;
  const out = new Float32Array(N * (row + added));
  for (let n = 0; n < N; n++) {
    out.set(data.subarray(n * row, (n + 1) * row), n * (row + added));
    for (let i = 0; i < added; i++) {
      out[n * (row + added) + row + i] = ((n * added + i) * 37 % 101 - 50) / 500;
    }
  }
  return { shape: [N, K + channels, ...rest], data: out };
}

const CASES: Readonly<
  Record<
    string,
    {
      model: string;
      layer: string;
      added: number;
      names: (t: Tensors) => Tensors;
      request: Partial<GenerateRequest>;
    }
  >
> = {
  sd15_inpainting: {
    model: "sd15",
    layer: "unet/conv_in.weight",
    added: 5,
    names: (t) => prefixed("model.diffusion_model.", ldmUnet(t)),
    request: { guidance: 5 },
  },
  sdxl_inpainting: {
    model: "sdxl",
    layer: "unet/conv_in.weight",
    added: 5,
    names: (t) => prefixed("model.diffusion_model.", ldmUnet(t)),
    request: { guidance: 4 },
  },
  flux_fill: {
    model: "flux_dev",
    layer: "transformer/x_embedder.weight",
    added: 320,
    names: bflFlux,
    // Its own default is FluxFillPipeline's guidance of 30.
    request: {},
  },
};

const device = await openDevice();

for (const [name, { model, layer, added, names, request }] of Object.entries(CASES)) {
  Deno.test(`${name} fills a mask as diffusers' pipeline does`, async () => {
    const [component, tensor] = layer.split("/");
    const tensors = await tensorsOf(
      `pipelines/${model}/model/${component}/diffusion_pytorch_model.safetensors`,
    );
    tensors.set(tensor, widened(tensors.get(tensor)!, added));
    const golden = fileFolder(new URL(`./golden/pipelines/${model}/model`, import.meta.url).pathname);
    // Sizes that no released model has need a config, which has to agree with the file.
    const { json } = await readConfig(golden, `${component}/config.json`);
    const config = {
      ...json,
      in_channels: Number(json.in_channels) + added,
      out_channels: json.out_channels ?? json.in_channels,
    };
    const folder = modelFiles({
      model: folderOf(
        golden.name,
        (path) =>
          path === `${component}/config.json`
            ? Promise.resolve(bytesOf(path, new TextEncoder().encode(JSON.stringify(config))))
            : golden.open(path),
      ),
      diffusionModel: bytesOf(`${name}.safetensors`, fileOf(names(tensors))),
    });
    await using pipeline = await createPipeline(folder, { dtype: "f32", device });
    assertEquals(pipeline.info.maskInput, model === "flux_dev" ? "pixels" : "latents");
    const mask = await stored("mask");
    const { images: [{ rgb }] } = await pipeline.generate({
      prompt: "a small red apple",
      image: await stored("picture"),
      mask,
      width: SIDE,
      height: SIDE,
      steps: 5,
      method: "direct",
      seed: 5,
      rng: "torch-cpu",
      emphasis: false,
      ...request,
    });
    const want = await (await data("inpainting")).readF32(name);
    let worst = 0;
    rgb.forEach((v, i) => {
      // Kept pixels are the user's own here; diffusers leaves those that went through the autoencoder.
      if (mask.data[Math.floor(i / 3)] === 255) worst = Math.max(worst, Math.abs(v - want[i]));
    });
    assert(worst <= 2, `off by ${worst} of 255`);
    // Without a picture everything is drawn, in stages too.
    const { images: [free] } = await pipeline.generate({
      prompt: "a small red apple",
      width: SIDE,
      height: SIDE,
      steps: 2,
      minResolution: 32,
      upsampler: "bicubic",
      shortenSteps: false,
    });
    assert(new Set(free.rgb).size > 20, "the picture is blank");
  });
}
