/**
 * Weights that are not one file under a usual name: sharded sets, with an index or counted by their names, pairs of TAESD's halves,
 * and the one file of a folder, whatever it is called.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { FolderSource } from "./bytes.ts";
import { checkPart, isUnfinished, openAlone, renamed, scaled, SHARD, STEMS } from "./checkpoint_file.ts";
import type { GgufFile } from "./gguf.ts";
import { readConfig } from "./model_folder.ts";
import type { PartKind } from "./names/family.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import type { Checkpoint } from "./types.ts";

/** Endings of files that can be read; ComfyUI's users write .sft for .safetensors. */
const READABLE = /\.(safetensors|sft|gguf)$/i;
/** Weights that are not read here, by their endings. */
const PICKLES = /\.(bin|ckpt|pt|pth|pkl)$/i;
/** Names under which libraries store pickles, for folders that cannot be listed. */
const PICKLE_NAMES = ["pytorch_model.bin", "diffusion_pytorch_model.bin"];

/**
 * What a component's folder holds under names of its own, where it can be listed.
 *
 * @param variant What was asked for, of which nothing is there.
 * @param open Opens one of its files.
 * @throws {LssgenError} `bad_file` when there is nothing, when there are several, or when it is only there as a pickle or unfinished.
 */
export async function openOwnName(
  folder: FolderSource,
  subfolder: string,
  variant: string | undefined,
  kinds: readonly PartKind[] | undefined,
  open: (path: string) => Promise<Checkpoint>,
): Promise<Checkpoint> {
  const at = subfolder === "" ? "" : `${subfolder}/`;
  const names = await folder.list?.(subfolder) ?? [];
  const own = variant ? undefined : await ownName(folder, at, names, kinds, open);
  if (own) return own;

  const pickle = names.find((name) => PICKLES.test(name)) ?? await firstOf(folder, at, PICKLE_NAMES);
  const unfinished = names.find(isUnfinished);
  const where = `"${folder.name}${at === "" ? "" : `/${subfolder}`}"`;
  const wanted = `${STEMS.map((s) => `${s}.safetensors`).join(" or ")}${
    variant ? ` of variant ${variant}` : ""
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

async function firstOf(
  folder: FolderSource,
  at: string,
  names: readonly string[],
): Promise<string | undefined> {
  for (const name of names) if (await folder.open(`${at}${name}`)) return name;
  return undefined;
}

/** The one file, set, or pair of TAESD's halves that a folder holds under names of its own; undefined without any. */
async function ownName(
  folder: FolderSource,
  at: string,
  names: readonly string[],
  kinds: readonly PartKind[] | undefined,
  open: (path: string) => Promise<Checkpoint>,
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
    return await open(`${at}${[...sets.values()][0].sort()[0]}`);
  }
  if (files.length === 2 && kinds?.includes("vae")) {
    const both = await Promise.all(files.map((name) => open(`${at}${name}`)))
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
export async function openIndexed(folder: FolderSource, at: string, index: string): Promise<Checkpoint> {
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

/** A set whose names count its parts: `flux1-00001-of-00003.gguf`. @param path One of them. */
export async function openShards(
  folder: FolderSource,
  path: string,
  { stem, count, ending }: { readonly stem: string; readonly count: string; readonly ending: string },
): Promise<Checkpoint> {
  const slash = path.lastIndexOf("/") + 1;
  const shards: (SafetensorsFile | GgufFile)[] = [];
  for (let i = 1; i <= Number(count); i++) {
    const name = `${stem}-${String(i).padStart(5, "0")}-of-${count}.${ending}`;
    const shard = await openAlone(folder, path.slice(0, slash) + name);
    checkPart(shard, i, Number(count));
    shards.push(shard);
  }
  return await scaled(joined(`${folder.name}/${path}`, shards));
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
