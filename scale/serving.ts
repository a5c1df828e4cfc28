/**
 * What `serve --queue` has in place of a GPU.
 *
 * @module
 */

import { LssgenError } from "../lib/errors.ts";
import { loraFolder } from "../lib/cli/lora_folder.ts";
import type { Parsed } from "../lib/cli/options.ts";
import type { ServingParts } from "../lib/cli/scale_entry.ts";
import { indivisible } from "../lib/pipelines/parts.ts";
import { planPicture } from "../lib/pipelines/text_to_image.ts";
import type { GenerateRequest, ModelInfo } from "../lib/pipelines/types.ts";
import type { SplitStages } from "../lib/server/policy.ts";
import type { Engine } from "../lib/server/queue.ts";
import { readPrompt } from "../lib/text/prompt_syntax.ts";
import { embeddedModel, modelAt } from "./models.ts";
import { fileHashes, openQueue } from "./opening.ts";
import { queueMetrics, statePage } from "./state.ts";

/** Options that make a model, or open it, and where they belong. */
const NOT_HERE: Readonly<Record<string, string>> = {
  models: "with --queue a server asks for one model; workers hold several",
  diffusionModel: "with --queue a model is one file or folder: `convert` puts parts into one",
  vae: "with --queue a model is one file or folder: `convert` puts parts into one",
  clipL: "with --queue a model is one file or folder: `convert` puts parts into one",
  clipG: "with --queue a model is one file or folder: `convert` puts parts into one",
  t5xxl: "with --queue a model is one file or folder: `convert` puts parts into one",
  config: "with --queue a model is one file or folder: `convert` puts parts into one",
  prediction: "with --queue a model is one file or folder: `convert` writes what it predicts",
  taesd: "workers draw, and they take no --taesd",
  upsamplerWeights: "workers draw, and they take no --upsampler-weights",
  dtype: "workers draw: give it to them",
  lora: "prompts name LoRAs, <lora:name:0.8>, which lie in --lora-model-dir here and at the workers",
};

/** Opens the queue for a server of one model. */
export async function serving(
  options: Parsed,
  info: ModelInfo,
  note: (sentence: string) => void,
): Promise<ServingParts> {
  for (const [key, why] of Object.entries(NOT_HERE)) {
    if (options.text[key] === undefined && options.texts[key] === undefined) continue;
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new LssgenError("bad_option", `--${name} does not go with --queue: ${why}`);
  }
  for (const key of ["maxActivation", "taesdPreviewOnly"]) {
    if (options.number[key] !== undefined || options.flag[key] !== undefined) {
      throw new LssgenError(
        "bad_option",
        `--max-activation and --taesd-preview-only do not go with --queue: workers draw`,
      );
    }
  }
  const hashes = fileHashes();
  const { model: path, loraModelDir } = options.text;
  const model = path === undefined ? await embeddedModel() : await modelAt(path, hashes);
  const find = loraModelDir === undefined ? undefined : loraFolder(loraModelDir);
  const queue = await openQueue(options, {
    model,
    note,
    split: {
      when: (options.text.splitStages ?? "auto") as SplitStages,
      stages: (request) => {
        const plan = planPicture(info, request);
        if (indivisible(info, request, plan) !== undefined) return undefined;
        return plan.stages.map(({ width, height }) => width * height);
      },
    },
    loraNames: namedLoras,
    loraHash: async (name) => {
      if (!find) {
        throw new LssgenError(
          "bad_option",
          `The prompt names the LoRA "${name}", and this server has no --lora-model-dir`,
        );
      }
      return await hashes.of((await find(name)).file.name);
    },
  });
  const engine: Engine = {
    info,
    plan: (request) => planPicture(info, request),
    generate: () => Promise.reject(new LssgenError("internal", "This server does not draw itself")),
  };
  return {
    queue,
    engine,
    metrics: () => queueMetrics(queue),
    gets: { "/queue": () => statePage(queue) },
    close: () => queue[Symbol.asyncDispose](),
  };
}

/** Names of the LoRAs in a request's prompts. */
function namedLoras(request: GenerateRequest): string[] {
  if (request.emphasis === false) return [];
  const prompts = [
    request.prompt,
    request.prompt2,
    request.prompt3,
    request.negativePrompt,
    request.negativePrompt2,
    request.negativePrompt3,
  ];
  return [...new Set(prompts.flatMap((prompt) => readPrompt(prompt ?? "").loras.map(({ name }) => name)))];
}
