/**
 * The models that requests may name.
 *
 * @module
 */

import { baseName } from "../base_name.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import { ApiError } from "./api_error.ts";
import { blank } from "./known_fields.ts";
import type { Engine, Offer } from "./queue.ts";

/** A model as lists show it. */
export interface ServedModel {
  /** Name of its file or folder. Requests may leave its ending out. */
  readonly name: string;
  /** Bytes of its files, where they are known. */
  readonly bytes?: number;
  /** Its family: `FLUX`, `SDXL`, … */
  readonly family?: string;
  /** Whether it is in memory. */
  readonly loaded: boolean;
}

/** See the module. */
export interface Models {
  /** What is drawn with where a request names no model. */
  readonly first: Engine;
  /** All of them, the first first. */
  list(): Promise<readonly ServedModel[]>;
  /**
   * A model by its name, without loading it: its configs are read. Undefined: there is none.
   *
   * @throws {LssgenError} `bad_file`, `unsupported`: it cannot be drawn with.
   */
  find(name: string): Promise<Engine | undefined>;
  /** What the queue of this process asks before it takes the next job; undefined where all are alike. */
  readonly offer?: () => Offer;
}

/** The name under which a model is listed. */
export function nameOf({ name }: ModelInfo): string {
  return baseName(name);
}

/** A name without the ending of a file of weights. */
export function withoutEnding(name: string): string {
  return name.replace(/\.(safetensors|sft|gguf)$/i, "");
}

/** The family of a pipeline's class. */
export function familyOf(pipeline: string): string {
  for (
    const [begin, family] of [
      ["Flux", "FLUX"],
      ["StableDiffusionXL", "SDXL"],
      ["StableDiffusion3", "SD3"],
      ["StableDiffusion", "SD"],
      ["DiT", "DiT"],
    ]
  ) {
    if (pipeline.startsWith(begin)) return family;
  }
  return pipeline;
}

/** One model and no other. */
export class OneModel implements Models {
  /** Makes it. */
  constructor(readonly first: Engine) {}

  /** See {@linkcode Models}. */
  list(): Promise<readonly ServedModel[]> {
    const { info } = this.first;
    return Promise.resolve([{ name: nameOf(info), family: familyOf(info.pipeline), loaded: true }]);
  }

  /** See {@linkcode Models}. */
  find(name: string): Promise<Engine | undefined> {
    const { info } = this.first;
    const own = nameOf(info);
    return Promise.resolve([own, withoutEnding(own), info.name].includes(name) ? this.first : undefined);
  }
}

/** The one of this name, which may lack its ending; one that has just this name comes first. */
export function listed<Named extends { readonly name: string }>(
  models: readonly Named[],
  name: string,
): Named | undefined {
  return models.find((one) => one.name === name) ?? models.find((one) => withoutEnding(one.name) === name);
}

/** Names that an error lists at most. */
const LISTED = 20;

/** The names that there are, for an error. */
export function shownNames(models: readonly ServedModel[]): string {
  const more = models.length > LISTED ? ` and ${models.length - LISTED} more` : "";
  return models.slice(0, LISTED).map(({ name }) => `"${name}"`).join(", ") + more;
}

/**
 * The model that a field names; without a name undefined.
 *
 * @throws {ApiError} For a name that no model here has, with those that there are.
 */
export async function modelNamed(
  models: Models,
  name: unknown,
  field: string,
): Promise<Engine | undefined> {
  if (blank(name)) return undefined;
  const found = typeof name === "string" ? await models.find(name) : undefined;
  if (found) return found;
  throw new ApiError(
    422,
    "model_not_found",
    `"${field}": there is no model ${JSON.stringify(String(name).slice(0, 100))} here, only ${
      shownNames(await models.list())
    }`,
    field,
  );
}
