/**
 * What nodes there are, as `GET /object_info` says it: from the tables that graphs are read by.
 *
 * @module
 */

import { COMFYUI_SAMPLERS, COMFYUI_SCHEDULERS } from "../../comfyui/names.ts";
import type { ModelInfo } from "../../pipelines/types.ts";
import { ApiError } from "../api_error.ts";
import { familyOf, type Models } from "../models.ts";
import type { Engine } from "../queue.ts";
import type { Upscalers } from "../upscalers.ts";
import {
  choicesOf,
  type InputSpec,
  type Lists,
  type NodeClass,
  type Part,
  type PartKind,
} from "./node_class.ts";
import { classNamed, NODE_CLASSES } from "./nodes.ts";
import { namedSampler } from "./requests.ts";

/** Files of parts that do not lie in the model's own. */
export type PartFiles = Readonly<Partial<Record<PartKind, string>>>;

/** What the lists are made of. */
export interface Sources {
  readonly models: Models;
  readonly loras?: () => Promise<readonly string[]>;
  readonly upscalers?: Upscalers;
  readonly partFiles?: (info: ModelInfo) => PartFiles;
}

/**
 * What there is now.
 *
 * @param usual The model whose samplers and schedules are listed; undefined for all that there are.
 */
export async function listsOf(
  sources: Sources,
  usual: Engine | undefined,
  uploads: readonly string[],
): Promise<Lists> {
  const { models, loras, upscalers, partFiles } = sources;
  const names = (await models.list()).map(({ name }) => name);
  const parts: Part[] = [];
  for (const model of names) {
    // A file that went away meanwhile has no parts.
    const engine = await models.find(model).catch(() => undefined);
    if (!engine) continue;
    const files = partFiles?.(engine.info) ?? {};
    for (const kind of partsOf(engine.info)) {
      parts.push({ name: files[kind] ?? `${model}/${kind}`, kind, model });
    }
  }
  return {
    models: names,
    parts,
    loras: (await loras?.() ?? []).map((name) => `${name}.safetensors`),
    upscalers: await upscalers?.list() ?? [],
    samplers: COMFYUI_SAMPLERS.filter((name) => !usual || can(name, "normal", usual.info)),
    schedulers: COMFYUI_SCHEDULERS.filter((name) => !usual || can("euler", name, usual.info)),
    uploads,
  };
}

function can(sampler: string, schedule: string, info: ModelInfo): boolean {
  try {
    namedSampler(sampler, schedule, info);
    return true;
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
}

/** Layers of CLIP L. SD2's text encoder has more. */
const LAYERS_OF_CLIP_L = 12;

/** Parts of a model. */
function partsOf({ pipeline, prompts, clipLayers }: ModelInfo): readonly PartKind[] {
  switch (familyOf(pipeline)) {
    case "FLUX":
      return ["clip_l", "t5xxl", "vae"];
    case "SD3":
      return prompts === 3 ? ["clip_l", "clip_g", "t5xxl", "vae"] : ["clip_l", "clip_g", "vae"];
    case "SDXL":
      return prompts === 2 ? ["clip_l", "clip_g", "vae"] : ["clip_g", "vae"];
    case "SD":
      return [(clipLayers?.most ?? 0) > LAYERS_OF_CLIP_L ? "clip_h" : "clip_l", "vae"];
    default:
      return ["vae"];
  }
}

/** Folders that `GET /models` lists. */
export const FOLDERS: Readonly<Record<string, (lists: Lists) => readonly string[]>> = {
  checkpoints: ({ models }) => models,
  diffusion_models: ({ models }) => models,
  loras: ({ loras }) => loras,
  vae: ({ parts }) => parts.filter(({ kind }) => kind === "vae").map(({ name }) => name),
  text_encoders: ({ parts }) => parts.filter(({ kind }) => kind !== "vae").map(({ name }) => name),
  upscale_models: ({ upscalers }) => upscalers.map(({ name }) => name),
  embeddings: () => [],
};

/** What is said of one class, or of all. A class that is not here: nothing, as ComfyUI answers it. */
export function objectInfo(lists: Lists, name?: string): Readonly<Record<string, unknown>> {
  const names = name === undefined ? Object.keys(NODE_CLASSES) : [name];
  return Object.fromEntries(names.flatMap((one) => {
    const kind = classNamed(one);
    return kind ? [[one, about(one, kind, lists)]] : [];
  }));
}

function about(name: string, kind: NodeClass, lists: Lists): unknown {
  const of = (optional: boolean): [string, unknown][] =>
    Object.entries(kind.inputs).filter(([, spec]) => (spec.optional === true) === optional)
      .map((
        [input, spec],
      ) => [input, inputInfo(spec, lists, input === "image" && typeof spec.type === "function")]);
  const [required, optional] = [of(false), of(true)];
  const types = kind.outputs.map(([type]) => type);
  return {
    input: {
      required: Object.fromEntries(required),
      ...optional.length > 0 && { optional: Object.fromEntries(optional) },
    },
    input_order: {
      required: required.map(([input]) => input),
      ...optional.length > 0 && { optional: optional.map(([input]) => input) },
    },
    output: types,
    output_is_list: types.map(() => false),
    output_name: kind.outputs.map(([, output]) => output),
    name,
    display_name: name,
    description: kind.says,
    python_module: "nodes",
    category: kind.category,
    output_node: kind.isOutput === true,
  };
}

function inputInfo(spec: InputSpec, lists: Lists, uploads: boolean): unknown {
  const { default: value, min, max, multiline } = spec;
  const options = {
    ...value !== undefined && { default: value },
    ...min !== undefined && { min },
    ...max !== undefined && { max },
    ...multiline && { multiline },
    ...uploads && { image_upload: true },
  };
  return [choicesOf(spec, lists) ?? spec.type, options];
}
