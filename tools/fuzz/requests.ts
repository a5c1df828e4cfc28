/**
 * Requests: what pictures store of them, and the bodies of both APIs.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { planPicture, readModelInfo } from "../../lib/pipelines/text_to_image.ts";
import type { ModelInfo } from "../../lib/pipelines/types.ts";
import { parseOptions } from "../../lib/cli/options.ts";
import { followedPaths, fromStored, toEngineChoice, toRequest } from "../../lib/cli/request.ts";
import { ApiError } from "../../lib/server/api_error.ts";
import { LIMITS } from "../../lib/server/limits.ts";
import { editRequests, imageRequests, streamed } from "../../lib/server/openai.ts";
import { checkSettings, pictureRequests } from "../../lib/server/sdapi.ts";
import { Different, folderInput, type Input, seedFolder, type Target, textInput, textOf } from "./target.ts";

const infos: ModelInfo[] = [];

/** Models with and without guidance as an input. */
async function readInfos(): Promise<void> {
  if (infos.length > 0) return;
  for (const family of ["sd15", "flux_dev"]) {
    const files = await seedFolder(`golden/pipelines/${family}/model`, /\.json$/);
    infos.push(await readModelInfo(folderInput(files)));
  }
}

const seedsOf = async (...bodies: readonly unknown[]): Promise<Input[]> => {
  await readInfos();
  return bodies.map((body) => textInput({ "body.json": JSON.stringify(body) }));
};

/** The parsed body; undefined where the server has refused it as no JSON. */
function bodyOf(input: Input): unknown {
  try {
    return JSON.parse(textOf(input, "body.json"));
  } catch {
    return undefined;
  }
}

const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAAHncGNIAAAADElEQVR4nGNgYNgLAADBAL5D8DPnAAAAAElFTkSuQmCC";

const COMMON = {
  prompt: "a fox <lora:x:0.5>",
  negative_prompt: "blurry",
  seed: 7,
  steps: 4,
};

/** A1111's txt2img and img2img. */
export const sdapi: Target = {
  name: "sdapi",
  refusals: [ApiError],
  seeds: () =>
    seedsOf(
      {
        ...COMMON,
        sampler_name: "Euler",
        scheduler: "automatic",
        cfg_scale: 7,
        width: 64,
        height: 64,
        batch_size: 1,
        n_iter: 2,
        override_settings: { CLIP_stop_at_last_layers: 1, sd_vae: "Automatic" },
        lora: [{ path: "a.safetensors", multiplier: 0.5 }],
        alwayson_scripts: {},
      },
      { ...COMMON, enable_hr: true, hr_scale: 2, hr_upscaler: "Latent", denoising_strength: 0.7 },
      {
        ...COMMON,
        init_images: [PICTURE],
        mask: PICTURE,
        denoising_strength: 0.5,
        mask_blur: 4,
        inpainting_fill: 1,
      },
    ),
  run(input) {
    const body = bodyOf(input);
    if (body === undefined) return;
    // Refused is what every route refuses.
    let [first, read]: [unknown, boolean] = [undefined, false];
    for (const info of infos) {
      for (const fromPicture of [false, true]) {
        try {
          for (const request of pictureRequests(body, info, LIMITS, fromPicture).requests.slice(0, 1)) {
            planPicture(info, request);
          }
          read = true;
        } catch (error) {
          if (!(error instanceof ApiError || error instanceof LssgenError)) throw error;
          first ??= error;
        }
      }
    }
    if (read) checkSettings((body as { override_settings?: unknown }).override_settings, false);
    if (!read) throw first;
  },
};

/** OpenAI's generations and edits. */
export const openai: Target = {
  name: "openai",
  refusals: [ApiError],
  seeds: () =>
    seedsOf(
      {
        ...COMMON,
        n: 2,
        size: "64x64",
        response_format: "b64_json",
        model: "x",
        quality: "auto",
        method: "direct",
      },
      {
        ...COMMON,
        size: "auto",
        stream: true,
        partial_images: 2,
        output_format: "png",
        user: "me",
        prompt_2: "y",
      },
      { ...COMMON, image: PICTURE, mask: PICTURE, strength: 0.5, size: "64x64", input_fidelity: "low" },
      { ...COMMON, image: [PICTURE] },
    ),
  run(input) {
    const body = bodyOf(input);
    if (body === undefined) return;
    let [first, read]: [unknown, boolean] = [undefined, false];
    const [info] = infos;
    const calls = [
      () => streamed(body),
      () => imageRequests(body, info, LIMITS),
      () => editRequests(body, new Map(), info, LIMITS),
    ];
    for (const call of calls) {
      try {
        call();
        read ||= call !== calls[0];
      } catch (error) {
        if (!(error instanceof ApiError || error instanceof LssgenError)) throw error;
        first ??= error;
      }
    }
    if (!read) throw first;
  },
};

/** What `--from` reads: a picture's own parameters, planned. */
export const stored: Target = {
  name: "stored-parameters",
  seeds: () =>
    seedsOf(
      {
        prompt: "a fox",
        width: 64,
        height: 64,
        steps: 4,
        guidance: 5,
        seed: 7,
        method: "direct",
        scheduler: "euler",
      },
      {
        prompt: "a fox",
        negativePrompt: "b",
        width: 128,
        height: 128,
        seed: 1,
        minResolution: 64,
        initNoise: 0.7,
        upsampler: "bilinear",
        shortenSteps: false,
        entry: "reference",
        scheduler: "euler",
        sigmas: [10, 5, 0.1],
        emphasis: true,
        rng: "philox",
        loras: ["a.safetensors:0.5"],
        model: "/models/a",
        dtype: "f32",
        maxActivation: 512,
      },
      {
        prompt: "x",
        method: "refine",
        width: 128,
        height: 128,
        refineSteps: 2,
        guidanceStart: 0.1,
        guidanceEnd: 0.9,
        skipLayers: [1],
        slgScale: 0,
        skipLayerEnd: 0.5,
        seed: 3,
      },
    ),
  async run(input) {
    const { request, engine } = fromStored(textOf(input, "body.json"), "a.png");
    const options = parseOptions([]);
    const asked = toRequest(options, request);
    const said = JSON.parse(textOf(input, "body.json"));
    for (const [key, value] of Object.entries(request)) {
      const same = [said[key], asked[key as keyof typeof asked]].every((v) =>
        JSON.stringify(v) === JSON.stringify(value)
      );
      if (!same) {
        throw new Different(
          key,
          `${key} is stored as ${JSON.stringify(said[key])} and asked as ${JSON.stringify(value)}`,
        );
      }
    }
    const { prompt: _, ...rest } = asked;
    toEngineChoice(options, engine);
    planPicture(infos[0], rest);
    await followedPaths(engine, options, "a.png", () => Promise.resolve(true));
  },
};
