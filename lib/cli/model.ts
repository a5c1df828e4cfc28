/**
 * The model that options name: a folder, a file, or a file for each part.
 *
 * @module
 */

import { dirname, join } from "@std/path";
import { LssgenError } from "../errors.ts";
import { type ModelFile, modelFiles, tinyVaeFile } from "../model_files/model_files.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { localPath, remoteModel } from "./download.ts";
import { fileFolder, fileSource } from "./files.ts";
import { openFile, openFolder } from "./input.ts";
import type { ModelChoice } from "./request.ts";
import type { Terminal } from "./terminal.ts";

/** How the options are spelled, for messages. */
const OPTIONS: Readonly<Record<keyof ModelChoice, string>> = {
  model: "--model",
  diffusionModel: "--diffusion-model",
  vae: "--vae",
  clipL: "--clip_l",
  clipG: "--clip_g",
  t5: "--t5xxl",
  config: "--config",
  prediction: "--prediction",
  taesd: "--taesd",
};

const PARTS = ["diffusionModel", "vae", "clipL", "clipG", "t5"] as const;

/** A model, and the tiny autoencoder beside it. */
export interface OpenedModel {
  /** The embedded model when undefined. */
  readonly model: FolderSource | undefined;
  /** Beside a model in a folder; models made of files hold theirs. */
  readonly tinyVae?: FolderSource;
}

/**
 * Opens what the options name: files, folders, names on a hub (`ORG/NAME`), which are fetched first. Weights are not read,
 * and headers of files not before the model is asked for something.
 *
 * @param terminal Where a download shows.
 * @param headersOnly A hub's model is looked at where it lies, not fetched.
 * @throws {LssgenError} `bad_file` for a path that leads nowhere, `bad_option` for parts without a model.
 */
export async function openModel(
  choice: ModelChoice,
  terminal: Terminal,
  { headersOnly = false }: { headersOnly?: boolean } = {},
): Promise<OpenedModel> {
  const { config, prediction, taesd, model } = choice;
  const given = PARTS.flatMap((key) => choice[key] === undefined ? [] : [[key, choice[key]] as const]);
  const open = (path: string, option: string): Promise<Opened> => fileOrFolder(path, option, terminal);
  const remote = headersOnly ? await remoteModel(model, terminal.signal) : undefined;
  const single = model === undefined ? undefined : remote ?? await open(model, OPTIONS.model);
  if (given.length === 0 && config === undefined && prediction === undefined && !isFile(single)) {
    const tiny = taesd === undefined ? undefined : await open(taesd, OPTIONS.taesd);
    return {
      model: single as FolderSource | undefined,
      tinyVae: isFile(tiny) ? await tinyVaeFile(tiny) : tiny,
    };
  }
  if (model === undefined && choice.diffusionModel === undefined) {
    const [first] = [...given.map(([key]) => OPTIONS[key]), ...config ? ["--config"] : [], "--prediction"];
    throw new LssgenError(
      "bad_option",
      `Option ${first} needs a model: give --model FILE or --diffusion-model FILE beside it`,
    );
  }
  return {
    model: modelFiles({
      model: single,
      ...Object.fromEntries(
        await Promise.all(given.map(async ([key, path]) => [key, await open(path, OPTIONS[key])])),
      ),
      taesd: taesd === undefined ? undefined : await open(taesd, OPTIONS.taesd),
      config: await openFolder(config, OPTIONS.config, terminal),
      prediction,
    }),
  };
}

type Opened = Exclude<ModelFile, URL | string>;

function isFile(given: Opened | undefined): given is Exclude<Opened, FolderSource> {
  return given !== undefined && !("open" in given);
}

/** A folder; of a folder that holds nothing but one file of weights, that file. */
async function fileOrFolder(typed: string, option: string, terminal: Terminal): Promise<Opened> {
  const path = await localPath(typed, terminal);
  const info = await Deno.stat(path).catch(() => undefined);
  if (!info?.isDirectory) {
    const beside = (name: string) => fileSource(join(dirname(path), name));
    return { ...await openFile(path, option), beside };
  }
  const weights: string[] = [];
  for await (const { name, isFile } of Deno.readDir(path)) {
    if (name === "model_index.json" || name === "config.json") return fileFolder(path);
    if (isFile && /\.(safetensors|gguf)$/i.test(name)) weights.push(name);
  }
  return weights.length === 1 ? await openFile(`${path}/${weights[0]}`, option) : fileFolder(path);
}
