/**
 * A checkpoint: one directory of tensors over a safetensors file, a sharded set, or a GGUF file.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource, FolderSource } from "./bytes.ts";
import { openGguf } from "./gguf.ts";
import { readConfig } from "./model_folder.ts";
import type { PartKind } from "./names/family.ts";
import { underDiffusersNames } from "./names/original.ts";
import { openSafetensors, type RowRange, type SafetensorsFile } from "./safetensors.ts";

/** Tensors by name, whatever file they lie in. */
export interface Checkpoint {
  /** File or folder, for messages. */
  readonly name: string;
  /** Every tensor's name. */
  names(): Iterable<string>;
  /** Shape and stored type; `undefined` when absent. */
  info(name: string): { readonly shape: readonly number[]; readonly dtype: string } | undefined;
  /** Little-endian bytes as stored; only `rows` of the first axis where given. */
  read(name: string, rows?: RowRange): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> }>;
  /** The values as f32, whatever the storage; only `rows` of the first axis where given. */
  readF32(name: string, rows?: RowRange): Promise<Float32Array<ArrayBuffer>>;
}

/** A folder in diffusers' layout whose components' weights lie elsewhere: in single files of other layouts. */
export interface ComponentFolder extends FolderSource {
  /** A component's weights; undefined where they are files of the folder. */
  checkpoint(component: string): Promise<Checkpoint | undefined>;
  /** Where a component's weights come from, for messages: file and option. */
  whereIs(component: string): Promise<string | undefined>;
  /** A tiny autoencoder beside the model's own, as a folder. */
  tinyVae(): Promise<FolderSource | undefined>;
}

/** Whether a folder hands out weights itself. */
export function isComponentFolder(folder: FolderSource): folder is ComponentFolder {
  return "checkpoint" in folder;
}

/** Which parts of a pipeline a component's folder may hold, by its name; any part where the name does not say. */
export function kindsOf(subfolder: string): readonly PartKind[] | undefined {
  if (subfolder === "transformer" || subfolder === "unet") return ["denoiser"];
  if (/^vae(_|$)/.test(subfolder)) return ["vae"];
  return /^text_encoder(_\d)?$/.test(subfolder) ? ["clip", "t5"] : undefined;
}

/** What a checkpoint file may be called in a component's folder (diffusers, then transformers). */
const STEMS = ["diffusion_pytorch_model", "model"];

/**
 * Opens the checkpoint of a component folder: a single file or a sharded set, plain or of a variant
 * (`model.fp16.safetensors`). Without `variant` the plain files come first, then fp16, then bf16.
 *
 * @throws {LssgenError} `bad_file` when there is none, when it is only there as a pickle, or is unsound.
 */
export async function openCheckpoint(
  folder: FolderSource,
  subfolder: string,
  options: { variant?: string } = {},
): Promise<Checkpoint> {
  const own = isComponentFolder(folder) ? await folder.checkpoint(subfolder) : undefined;
  if (own) return own;
  const at = subfolder === "" ? "" : `${subfolder}/`;
  const kinds = kindsOf(subfolder);
  const variants = options.variant ? [options.variant] : ["", "fp16", "bf16"];
  for (const variant of variants) {
    for (const stem of STEMS) {
      const dotted = variant === "" ? "" : `.${variant}`;
      for (const ending of ["safetensors", "gguf"]) {
        const path = `${at}${stem}${dotted}.${ending}`;
        if (await folder.open(path)) return await openCheckpointFile(folder, path, kinds);
      }
      for (
        const index of [`${stem}.safetensors.index${dotted}.json`, `${stem}${dotted}.safetensors.index.json`]
      ) {
        if (await folder.open(`${at}${index}`)) {
          return underDiffusersNames(await openShards(folder, at, index), kinds);
        }
      }
    }
  }
  const pickle = await folder.open(`${at}pytorch_model.bin`) ??
    await folder.open(`${at}diffusion_pytorch_model.bin`);
  const where = `"${folder.name}${at === "" ? "" : `/${subfolder}`}"`;
  throw new LssgenError(
    "bad_file",
    pickle
      ? `${where} holds only pickled weights, which can run code; get the safetensors files of the model`
      : `${where} has no weights, expected ${STEMS.map((s) => `${s}.safetensors`).join(" or ")}${
        options.variant ? ` of variant ${options.variant}` : ""
      }`,
  );
}

/** A set of files named by `*.safetensors.index.json`. */
async function openShards(folder: FolderSource, at: string, index: string): Promise<Checkpoint> {
  const config = await readConfig(folder, `${at}${index}`);
  const map = config.json.weight_map;
  if (
    typeof map !== "object" || map === null || Array.isArray(map) ||
    !Object.values(map).every((v) => typeof v === "string")
  ) {
    throw new LssgenError("bad_file", `"${config.name}" has no weight_map from tensor names to file names`);
  }
  const files = new Map<string, SafetensorsFile>();
  const where = new Map<string, SafetensorsFile>();
  for (const [tensor, file] of Object.entries(map as Record<string, string>)) {
    let shard = files.get(file);
    if (!shard) {
      const source = await folder.open(`${at}${file}`);
      if (!source) {
        throw new LssgenError("bad_file", `"${config.name}" names the shard "${file}", which is missing`);
      }
      shard = await openSafetensors(source);
      files.set(file, shard);
    }
    if (!shard.info(tensor)) {
      throw new LssgenError(
        "bad_tensor",
        `"${config.name}" says that "${file}" holds "${tensor}", it does not`,
      );
    }
    where.set(tensor, shard);
  }
  const shardOf = (tensor: string): SafetensorsFile => {
    const shard = where.get(tensor);
    if (!shard) throw new LssgenError("bad_tensor", `"${config.name}" has no tensor "${tensor}"`);
    return shard;
  };
  return {
    name: config.name,
    names: () => where.keys(),
    info: (tensor) => where.get(tensor)?.info(tensor),
    read: (tensor, rows) => shardOf(tensor).read(tensor, rows),
    readF32: (tensor, rows) => shardOf(tensor).readF32(tensor, rows),
  };
}

/**
 * Opens one file by its ending: `.safetensors` or `.gguf`. Files with a model's original tensor names, or with those
 * of another tool, are presented under the names of diffusers and transformers.
 *
 * @param kinds Which part of the file is wanted, where it has several.
 * @throws {LssgenError} `bad_file` when it is missing or unsound, `unsupported` for another ending.
 */
export async function openCheckpointFile(
  folder: FolderSource,
  path: string,
  kinds?: readonly PartKind[],
): Promise<Checkpoint> {
  const source: ByteSource | undefined = await folder.open(path);
  if (!source) throw new LssgenError("bad_file", `"${folder.name}/${path}" is missing`);
  if (path.endsWith(".safetensors")) return underDiffusersNames(await openSafetensors(source), kinds);
  if (path.endsWith(".gguf")) return underDiffusersNames(await openGguf(source), kinds);
  throw new LssgenError("unsupported", `"${source.name}" cannot be read: expected .safetensors or .gguf`);
}
