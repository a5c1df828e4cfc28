/**
 * The models of a machine, by the hash of their bytes: a server and its workers have to mean the same model, and names do not
 * tell.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, join, relative } from "@std/path";
import { entriesOf } from "../lib/cli/model_folder.ts";
import { LssgenError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { sha256 } from "./job.ts";

/** A model of this machine. */
export interface HeldModel {
  /** Name of its file or folder. */
  readonly name: string;
  /** Hash of its bytes. */
  readonly hash: string;
  /** Where it lies; undefined for the embedded model. */
  readonly path?: string;
}

/** Files that make a model; pictures and texts for people beside them do not. */
const PART = /\.(safetensors|sft|gguf|json|txt|model)$/i;
const WEIGHTS = /\.(safetensors|sft|gguf)$/i;
/** Folders below folders; more is a link that leads in a circle. */
const MAX_DEPTH = 4;

/** The embedded model: what travels with a version of this program. */
export async function embeddedModel(): Promise<HeldModel> {
  return { name: "lssgen-emoji", hash: await sha256(`lssgen-emoji ${VERSION}`) };
}

/**
 * The models of a folder: each file of weights in it, and each folder that holds some.
 *
 * @throws {LssgenError} `bad_option` where there is no such folder, or no model in it.
 */
export async function modelsIn(folder: string, hashes: FileHashes): Promise<HeldModel[]> {
  const found: HeldModel[] = [];
  for (const { name, path } of await entriesOf(folder)) {
    const isFile = (await Deno.stat(path)).isFile;
    if (isFile ? WEIGHTS.test(name) : (await partsOf(path)).some((part) => WEIGHTS.test(part))) {
      found.push(await modelAt(path, hashes));
    }
  }
  if (found.length === 0) {
    throw new LssgenError(
      "bad_option",
      `--models is "${folder}", which holds no model: a file of weights, or a folder with some, is one`,
    );
  }
  return found;
}

/** The model of a file or folder. */
export async function modelAt(path: string, hashes: FileHashes): Promise<HeldModel> {
  const stat = await Deno.stat(path).catch((cause) => {
    throw new LssgenError("bad_file", `There is no model at "${path}"`, { cause });
  });
  if (stat.isFile) return { name: basename(path), hash: await hashes.of(path), path };
  const lines: string[] = [];
  for (const part of await partsOf(path)) lines.push(`${relative(path, part)} ${await hashes.of(part)}`);
  return { name: basename(path), hash: await sha256(lines.join("\n")), path };
}

async function partsOf(folder: string, depth = 0): Promise<string[]> {
  const parts: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(".")) continue;
    const path = join(folder, name);
    const { isDirectory } = await Deno.stat(path);
    if (isDirectory && depth < MAX_DEPTH) parts.push(...await partsOf(path, depth + 1));
    else if (!isDirectory && PART.test(name)) parts.push(path);
  }
  return parts.sort();
}

/** Hashes of files, remembered by size and time of change: a model of 24 GB takes a minute. */
export class FileHashes {
  private known: Record<string, string> | undefined;

  /**
   * Makes it.
   *
   * @param memory File that keeps them between runs; undefined: they are kept in memory.
   */
  constructor(private readonly memory?: string) {}

  /** SHA-256 of a file's bytes. */
  async of(path: string): Promise<string> {
    const { size, mtime } = await Deno.stat(path);
    const key = `${await Deno.realPath(path)} ${size} ${mtime?.getTime()}`;
    this.known ??= await this.remembered();
    if (!Object.hasOwn(this.known, key)) {
      const hash = createHash("sha256");
      using file = await Deno.open(path);
      const buffer = new Uint8Array(1 << 20);
      for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) {
        hash.update(buffer.subarray(0, n));
      }
      this.known[key] = hash.digest("hex");
      await this.remember();
    }
    return this.known[key];
  }

  /** What earlier runs found. */
  private async remembered(): Promise<Record<string, string>> {
    try {
      const known: unknown = JSON.parse(await Deno.readTextFile(this.memory!));
      const entries = Object.entries(known as object).filter(([, hash]) => /^[0-9a-f]{64}$/.test(hash));
      return Object.fromEntries(entries);
    } catch {
      return {};
    }
  }

  /** Writes it down for later runs. */
  private async remember(): Promise<void> {
    if (this.memory === undefined) return;
    const part = `${this.memory}.${crypto.randomUUID()}.part`;
    try {
      await Deno.mkdir(join(this.memory, ".."), { recursive: true });
      await Deno.writeTextFile(part, JSON.stringify(this.known));
      await Deno.rename(part, this.memory);
    } catch {
      // They are found again next time.
      await Deno.remove(part).catch(() => {});
    }
  }
}
