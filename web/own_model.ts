/**
 * Files of weights in their places: a model of their own, or parts of the model that is open, told from their tensors'
 * names. Headers are read, no weights.
 *
 * @module
 */

import { LssgenError } from "../lib/errors.ts";
import { assembledFolder } from "../lib/model_files/model_files.ts";
import { sortFiles } from "../lib/model_files/sort.ts";
import { blobSource, type ByteSource, folderOf, type FolderSource } from "../lib/weights/bytes.ts";
import { httpFolder } from "../lib/weights/http_source.ts";
import { type Checkpoint, openCheckpoint, openCheckpointFile } from "../lib/weights/checkpoint.ts";
import type { Lora } from "../lib/weights/lora.ts";
import { readModelIndex } from "../lib/weights/model_folder.ts";

/** What a pipeline is opened with. */
export interface Dressed {
  /** Folder with the file in it. */
  readonly folder: FolderSource;
  /** LoRAs among the files. */
  readonly loras?: readonly Lora[];
  /** What the files are: `model`, a component's folder, `parts`, or `lora`. */
  readonly part: string;
}

/** What {@linkcode withFiles} has to know beside the files. */
export interface Surroundings {
  /** Whether the folder is the user's own choice. */
  readonly own: boolean;
  /** Where tokenizers for models that bring none lie. */
  readonly tokenizers?: URL;
}

/**
 * Puts files into their places.
 *
 * @param folder The model that is open.
 * @throws {LssgenError} `bad_file`, `unsupported`, `bad_option` naming the file that is no part of a model, does not fit,
 * or needs others beside it.
 */
export async function withFiles(
  folder: FolderSource,
  files: readonly { name: string; blob: Blob }[],
  { own, tokenizers: at }: Surroundings,
): Promise<Dressed> {
  const { files: sorted, loras: found } = await sortFiles(
    files.map(({ name, blob }) => blobSource(name, blob)),
  );
  const loras = found.map((file) => ({ file, scale: 1 }));
  const tokenizers = at && httpFolder(at);
  if (sorted.model) {
    const whole = assembledFolder({ ...sorted, tokenizers });
    const missing = await whole.assembly().then(
      (a) => a.missing.some((m) => m.without === undefined),
      () => true,
    );
    // What the files lack, a folder that was chosen before may have; the page's own model has not.
    if (!missing || (!own && files.length > 1)) return { folder: whole, loras, part: "model" };
  }
  if (files.length === 1) return await withFile(folder, files[0]);
  const { model: diffusionModel, ...parts } = sorted;
  const only = Object.keys(sorted).length === 0;
  if (only) return { folder, loras, part: "lora" };
  return {
    folder: assembledFolder({ model: folder, diffusionModel, ...parts, tokenizers }),
    loras,
    part: "parts",
  };
}

/** Endings of files that can be read. */
const READABLE = /\.(safetensors|sft|gguf)$/i;

/**
 * Puts a file into a model.
 *
 * @throws {LssgenError} `unsupported` for other kinds of files, `bad_file` when the header is unsound or the file is no
 * part of this model.
 */
export async function withFile(folder: FolderSource, file: { name: string; blob: Blob }): Promise<Dressed> {
  const { name, blob } = file;
  if (!READABLE.test(name)) {
    throw new LssgenError("unsupported", `"${name}" cannot be read: expected .safetensors or .gguf`);
  }
  const ending = name.toLowerCase().endsWith(".gguf") ? "gguf" : "safetensors";
  const source = blobSource(name, blob);
  // openCheckpointFile reads endings as written, and gives first releases' names those of diffusers.
  const alone = folderOf(name, (path) => Promise.resolve(path === `weights.${ending}` ? source : undefined));
  const checkpoint = await openCheckpointFile(alone, `weights.${ending}`);
  const names = [...checkpoint.names()];
  if (names.some((tensor) => /(^|[._])lora([._]|$)|lora_(unet|te|transformer)|hada_w/.test(tensor))) {
    return { folder, loras: [{ file: source, scale: 1 }], part: "lora" };
  }
  const { components } = await readModelIndex(folder);
  const part = names.some((tensor) => /^(encoder|decoder)\.(conv_in|mid_block|mid)\b/.test(tensor))
    ? "vae"
    : ["transformer", "unet"].find((one) => components.has(one));
  if (part === undefined || !components.has(part)) {
    throw new LssgenError("bad_file", `"${folder.name}" has no part that "${name}" could be the weights of`);
  }
  await mustFit(folder, part, checkpoint, name);
  return { folder: replacing(folder, part, `${part}/diffusion_pytorch_model.${ending}`, source), part };
}

/** Compares with the weights that the folder brings, where it brings any: names and sizes. */
async function mustFit(folder: FolderSource, part: string, file: Checkpoint, name: string): Promise<void> {
  const own = await openCheckpoint(folder, part).catch((error) => {
    // A folder of configs alone is what such files are often kept with.
    if (error instanceof LssgenError && error.code === "bad_file") return undefined;
    throw error;
  });
  if (!own) return;
  const wanted = [...own.names()];
  const size = (shape: readonly number[] | undefined): string => `[${shape}]`;
  const odd = wanted.filter((tensor) => size(file.info(tensor)?.shape) !== size(own.info(tensor)?.shape));
  if (odd.length === 0) return;
  const [first] = odd;
  const found = file.info(first);
  throw new LssgenError(
    "bad_file",
    `"${name}" does not fit the ${part} of "${folder.name}": ${odd.length} of ${wanted.length} tensors differ, for ` +
      `example "${first}", which ${found ? `has shape ${size(found.shape)} there` : "it lacks"}, expected ${
        size(own.info(first)?.shape)
      }. Choose the folder of the file's own model first (its configs and tokenizers), then the file`,
  );
}

/** The folder with one file in place of all weights of a part. */
function replacing(folder: FolderSource, part: string, path: string, source: ByteSource): FolderSource {
  const weights = new RegExp(`^${part}/[^/]*\\.(safetensors|gguf|bin|index\\.json|index\\.[^/]*\\.json)$`);
  return folderOf(
    folder.name,
    (asked) => {
      if (asked === path) return Promise.resolve(source);
      return weights.test(asked) ? Promise.resolve(undefined) : folder.open(asked);
    },
    folder.list && (async (asked) => {
      const names = await folder.list!(asked);
      const at = asked === "" ? "" : `${asked}/`;
      return names.filter((name) => !weights.test(at + name));
    }),
  );
}
