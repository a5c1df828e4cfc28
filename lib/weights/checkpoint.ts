/**
 * A checkpoint: one directory of tensors over a safetensors file, a sharded set, or a GGUF file.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { ByteSource, FolderSource } from "./bytes.ts";
import { GGUF_MAGIC, GgufFile, openGguf } from "./gguf.ts";
import { readConfig } from "./model_folder.ts";
import type { PartKind } from "./names/family.ts";
import { hasOwnNames } from "./names/own.ts";
import { openSafetensors, SafetensorsFile } from "./safetensors.ts";
import type { Checkpoint } from "./types.ts";

export type { Checkpoint } from "./types.ts";

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
/** Endings of files that can be read; ComfyUI's users write .sft for .safetensors. */
const READABLE = /\.(safetensors|sft|gguf)$/i;
/** Names that programs give to downloads which are not finished. */
const UNFINISHED = /\.(incomplete|part|partial|crdownload|download|aria2|tmp|opdownload|!ut|!qB)$/i;

/** Whether a file's name says that it is still being downloaded. */
function isUnfinished(name: string): boolean {
  return UNFINISHED.test(name);
}
/** A part of a set: `flux1-00001-of-00003.gguf`. */
const SHARD = /^(.*)-(\d{5})-of-(\d{5})\.(safetensors|gguf)$/i;
/** Weights that are not read here, by their endings. */
const PICKLES = /\.(bin|ckpt|pt|pth|pkl)$/i;

/**
 * Opens the checkpoint of a component folder: a single file or a sharded set, plain or of a variant
 * (`model.fp16.safetensors`). Without `variant` the plain files come first, then fp16, then bf16; then, where the
 * folder can be listed, the one file of weights that is in it, whatever its name.
 *
 * @throws {LssgenError} `bad_file` when there is none, when there are several under names of their own, when it is only
 *   there as a pickle or unfinished, or is unsound.
 */
export async function openCheckpoint(
  folder: FolderSource,
  subfolder: string,
  options: { variant?: string } = {},
): Promise<Checkpoint> {
  const handedOut = isComponentFolder(folder) ? await folder.checkpoint(subfolder) : undefined;
  if (handedOut) return handedOut;
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
          return await renamed(await openIndexed(folder, at, index), kinds);
        }
      }
    }
  }
  const names = await folder.list?.(subfolder) ?? [];
  const own = options.variant ? undefined : await openOwnName(folder, at, names, kinds);
  if (own) return own;

  const pickle = names.find((name) => PICKLES.test(name)) ?? await firstOf(folder, at, PICKLE_NAMES);
  const unfinished = names.find(isUnfinished);
  const where = `"${folder.name}${at === "" ? "" : `/${subfolder}`}"`;
  const wanted = `${STEMS.map((s) => `${s}.safetensors`).join(" or ")}${
    options.variant ? ` of variant ${options.variant}` : ""
  }`;
  throw new LssgenError(
    "bad_file",
    unfinished
      ? `${where} has no weights but the unfinished download "${unfinished}"; let it finish, or download the file again`
      : pickle
      ? `${where} holds only pickled weights ("${pickle}"), which can run code; get the safetensors files of the model`
      : `${where} has no weights, expected ${wanted}${
        folder.list ? ", or one .safetensors or .gguf file" : ""
      }`,
  );
}

/** Names under which libraries store pickles, for folders that cannot be listed. */
const PICKLE_NAMES = ["pytorch_model.bin", "diffusion_pytorch_model.bin"];

async function firstOf(
  folder: FolderSource,
  at: string,
  names: readonly string[],
): Promise<string | undefined> {
  for (const name of names) if (await folder.open(`${at}${name}`)) return name;
  return undefined;
}

/** The one file, set, or pair of TAESD's halves that a folder holds under names of its own; undefined without any. */
async function openOwnName(
  folder: FolderSource,
  at: string,
  names: readonly string[],
  kinds: readonly PartKind[] | undefined,
): Promise<Checkpoint | undefined> {
  const indexes = names.filter((name) => /\.safetensors\.index\.json$/i.test(name));
  const files = names.filter((name) => READABLE.test(name));
  const sets = new Map<string, string[]>();
  for (const name of files) {
    const shard = SHARD.exec(name);
    const set = shard ? `${shard[1]}-of-${shard[3]}.${shard[4].toLowerCase()}` : name;
    sets.set(set, [...sets.get(set) ?? [], name]);
  }
  if (indexes.length === 1) return await renamed(await openIndexed(folder, at, indexes[0]), kinds);
  if (sets.size === 0) return undefined;
  if (sets.size === 1) {
    return await openCheckpointFile(folder, `${at}${[...sets.values()][0].sort()[0]}`, kinds);
  }
  if (files.length === 2 && kinds?.includes("vae")) {
    const both = await Promise.all(files.map((name) => openCheckpointFile(folder, `${at}${name}`, kinds)))
      .catch(() => []);
    if (both.map(halfOf).sort().join() === "decoder,encoder") return joined(`${folder.name}/${at}`, both);
  }
  throw new LssgenError(
    "bad_file",
    `"${folder.name}/${at.slice(0, -1)}" holds several files of weights: ${
      files.join(", ")
    }; leave one of them, or name ` +
      `the right one ${STEMS[0]}.${files[0].toLowerCase().endsWith("gguf") ? "gguf" : "safetensors"}`,
  );
}

/** Which half of an autoencoder a file is, as TAESD is published. */
function halfOf(file: Checkpoint): string | undefined {
  const halves = new Set([...file.names()].map((name) => name.split(".")[0]));
  return halves.size === 1 ? [...halves][0] : undefined;
}

/** A set of files named by `*.safetensors.index.json`. */
async function openIndexed(folder: FolderSource, at: string, index: string): Promise<Checkpoint> {
  const config = await readConfig(folder, `${at}${index}`);
  const map = config.json.weight_map;
  if (
    typeof map !== "object" || map === null || Array.isArray(map) ||
    !Object.values(map).every((v) => typeof v === "string")
  ) {
    throw new LssgenError("bad_file", `"${config.name}" has no weight_map from tensor names to file names`);
  }
  const files = new Map<string, SafetensorsFile>();
  const where = new Map<string, Checkpoint>();
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
  return await scaled(fromFiles(config.name, where));
}

/**
 * Several files as one checkpoint.
 *
 * @throws {LssgenError} `bad_tensor` when two of them hold the same tensor.
 */
export function joined(name: string, files: readonly Checkpoint[]): Checkpoint {
  const where = new Map<string, Checkpoint>();
  for (const file of files) {
    for (const tensor of file.names()) {
      const other = where.get(tensor);
      if (other) {
        throw new LssgenError("bad_tensor", `"${other.name}" and "${file.name}" both hold "${tensor}"`);
      }
      where.set(tensor, file);
    }
  }
  return fromFiles(name, where);
}

function fromFiles(name: string, where: ReadonlyMap<string, Checkpoint>): Checkpoint {
  const fileOf = (tensor: string): Checkpoint => {
    const file = where.get(tensor);
    if (!file) throw new LssgenError("bad_tensor", `"${name}" has no tensor "${tensor}"`);
    return file;
  };
  return {
    name,
    metadata: new Map([...new Set(where.values())].flatMap((file) => [...file.metadata ?? []])),
    names: () => where.keys(),
    info: (tensor) => where.get(tensor)?.info(tensor),
    read: (tensor, rows, into) => fileOf(tensor).read(tensor, rows, into),
    readF32: (tensor, rows) => fileOf(tensor).readF32(tensor, rows),
    wholeOnly: (tensor) => where.get(tensor)?.wholeOnly?.(tensor) ?? false,
    stored: (tensor) => where.get(tensor)?.stored?.(tensor),
  };
}

/**
 * Opens one file, safetensors or GGUF as its bytes say, with the other parts of its set where its name counts them
 * (`-00001-of-00003`). Files with a model's original tensor names, or with those of another tool, are presented under
 * the names of diffusers and transformers.
 *
 * @param kinds Which part of the file is wanted, where it has several.
 * @throws {LssgenError} `bad_file` when it or a part of its set is missing, is something else, or is unsound.
 */
export async function openCheckpointFile(
  folder: FolderSource,
  path: string,
  kinds?: readonly PartKind[],
): Promise<Checkpoint> {
  return await renamed(await openRawFile(folder, path), kinds);
}

/** A component's file under the names of diffusers and transformers. */
async function renamed(file: Checkpoint, kinds: readonly PartKind[] | undefined): Promise<Checkpoint> {
  if (hasOwnNames(file, kinds)) return file;
  const { underDiffusersNames } = await import("./names/original.ts");
  return underDiffusersNames(file, kinds);
}

/** Types whose values are weights as they are, from safetensors and GGUF. */
const PLAIN_TYPE = /^(BF16|F16|F32|F64|I?Q\d\w*)$/;

/** A file's weights as the numbers that they stand for, where scales of their own stand beside some of them. */
async function scaled(file: Checkpoint): Promise<Checkpoint> {
  const { metadata } = file;
  const plain = (metadata?.get("format") ?? "pt") === "pt" && !metadata?.has("_quantization_metadata") &&
    [...file.names()].every((name) =>
      /\.(weight|bias)$/.test(name) && PLAIN_TYPE.test(file.info(name)!.dtype)
    );
  if (plain) return file;
  const { withScales } = await import("./scales.ts");
  return await withScales(file);
}

/** {@linkcode openCheckpointFile} under the names that the file itself has. */
export async function openRawFile(folder: FolderSource, path: string): Promise<Checkpoint> {
  const slash = path.lastIndexOf("/") + 1;
  const [, stem, , count, ending] = SHARD.exec(path.slice(slash)) ?? [];
  if (stem === undefined || Number(count) < 2) {
    const file = await openAlone(folder, path);
    checkPart(file, 1, 1);
    return await scaled(file);
  }
  const shards: (SafetensorsFile | GgufFile)[] = [];
  for (let i = 1; i <= Number(count); i++) {
    const name = `${stem}-${String(i).padStart(5, "0")}-of-${count}.${ending}`;
    const shard = await openAlone(folder, path.slice(0, slash) + name);
    checkPart(shard, i, Number(count));
    shards.push(shard);
  }
  return await scaled(joined(`${folder.name}/${path}`, shards));
}

/** What a GGUF file says about the set that it is part of must be what its name says. */
function checkPart(file: SafetensorsFile | GgufFile, number: number, count: number): void {
  if (!(file instanceof GgufFile)) return;
  const said = Number(file.metadata.get("split.count") ?? 1);
  const place = Number(file.metadata.get("split.no") ?? number - 1) + 1;
  if (said <= 1 && count === 1 || said === count && place === number) return;
  throw new LssgenError(
    "bad_file",
    `"${file.name}" says that it is part ${place} of ${said}, its name makes it ${number} of ${count}; put all parts ` +
      `together under NAME-${String(place).padStart(5, "0")}-of-${
        String(said).padStart(5, "0")
      }.gguf and so on`,
  );
}

async function openAlone(folder: FolderSource, path: string): Promise<SafetensorsFile | GgufFile> {
  const source: ByteSource | undefined = await folder.open(path);
  if (!source) {
    const slash = path.lastIndexOf("/");
    const listed = await folder.list?.(path.slice(0, Math.max(slash, 0)));
    throw new LssgenError(
      "bad_file",
      listed?.includes(path.slice(slash + 1))
        ? `"${folder.name}/${path}" is a link to a file that is not there; download it again`
        : `"${folder.name}/${path}" is missing`,
    );
  }
  if (isUnfinished(path)) {
    throw new LssgenError(
      "bad_file",
      `"${source.name}" is an unfinished download; let it finish, or start it again`,
    );
  }
  const head = await source.read(0, Math.min(4, source.size));
  const gguf = head.length === 4 && new DataView(head.buffer).getUint32(0, true) === GGUF_MAGIC;
  return gguf || /\.gguf$/i.test(path) ? await openGguf(source) : await openSafetensors(source);
}
