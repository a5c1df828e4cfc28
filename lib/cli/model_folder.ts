/**
 * The folder of `serve --models`: each file of weights in it is a model, and each folder that holds some.
 *
 * @module
 */

import { join } from "@std/path";
import { LssgenError } from "../errors.ts";

/** A model of the folder, before it is looked into. */
export interface FoundModel {
  /** Name of its file or folder. */
  readonly name: string;
  /** Where it is. */
  readonly path: string;
  /** Bytes of its weights. */
  readonly bytes: number;
  /** Changes with its files. */
  readonly version: string;
}

const WEIGHTS = /\.(safetensors|sft|gguf)$/i;
/** Folders below folders; more is a link that leads in a circle. */
const MAX_DEPTH = 4;

/**
 * What `--models` holds, models or not, in the order of names.
 *
 * @throws {LssgenError} `bad_option` where there is no such folder.
 */
export async function entriesOf(folder: string): Promise<{ readonly name: string; readonly path: string }[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) if (!name.startsWith(".")) names.push(name);
  } catch (cause) {
    throw new LssgenError("bad_option", `--models is "${folder}", which is no folder that can be read`, {
      cause,
    });
  }
  return names.sort().map((name) => ({ name, path: join(folder, name) }));
}

/**
 * The models of a folder, by name.
 *
 * @throws {LssgenError} `bad_option` where there is no such folder.
 */
export async function modelsInFolder(folder: string): Promise<FoundModel[]> {
  const found: FoundModel[] = [];
  for (const { name, path } of await entriesOf(folder)) {
    const files = await weightsOf(path);
    if (files.length === 0) continue;
    found.push({
      name,
      path,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      version: files.map(({ size, mtime }) => `${size} ${mtime?.getTime()}`).join(),
    });
  }
  return found;
}

/** Bytes of the weights at a path; undefined where there are none, or none on this machine. */
export async function weightBytes(path: string | undefined): Promise<number | undefined> {
  const files = path === undefined ? [] : await weightsOf(path);
  return files.length === 0 ? undefined : files.reduce((sum, { size }) => sum + size, 0);
}

/** The files of weights at a path: itself, or those in it. */
async function weightsOf(path: string, depth = 0): Promise<Deno.FileInfo[]> {
  // A link that leads nowhere, or a file that is being moved.
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isFile) return WEIGHTS.test(path) ? [info] : [];
  if (!info?.isDirectory || depth > MAX_DEPTH) return [];
  const found: Deno.FileInfo[] = [];
  try {
    for await (const { name } of Deno.readDir(path)) {
      if (!name.startsWith(".")) found.push(...await weightsOf(join(path, name), depth + 1));
    }
  } catch (error) {
    // One folder that may not be read (lost+found) takes no other from the list.
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
  return found;
}
