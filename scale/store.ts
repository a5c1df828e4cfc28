/**
 * Where pictures lie: a folder that all machines see, or a bucket that speaks S3.
 *
 * @module
 */

import { join } from "@std/path";
import { LssgenError } from "../lib/errors.ts";
import { sha256 } from "./job.ts";
import { S3Store } from "./s3.ts";

/** Bytes under names like `pictures/0a1b….png`. */
export interface ObjectStore {
  /** What it is, for messages; no secrets. */
  readonly name: string;
  /**
   * Writes an object, whole or not at all.
   *
   * @throws {LssgenError} `unavailable`: full, refused, or it does not answer.
   */
  put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /**
   * Reads an object; undefined where there is none.
   *
   * @param most Bytes it may have.
   * @throws {LssgenError} `unavailable`; `bad_file` for a longer one.
   */
  get(key: string, most: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Removes an object, if there is one. */
  remove(key: string): Promise<void>;
}

/** Folders of a store. */
export type StoreFolder = "pictures" | "inputs" | "latents";

/** What the names of a folder's objects end in: latents are f32 numbers, least byte first, without a header. */
const ENDING: Readonly<Record<StoreFolder, string>> = { pictures: "png", inputs: "png", latents: "f32" };

/** Bytes of an object: a PNG of 16384 × 16384 pixels is longer, and is not stored. */
export const MAX_OBJECT: number = 2 ** 28;

/** What names of objects look like; they are made of hashes and of nothing that a client sends. */
const KEY = /^((pictures|inputs|previews)\/[0-9a-f]{64}\.png|latents\/[0-9a-f]{64}\.f32)$/;

/** Writes bytes under their hash, and returns it. */
export async function putHashed(
  store: ObjectStore,
  folder: StoreFolder,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const hash = await sha256(bytes);
  await store.put(`${folder}/${hash}.${ENDING[folder]}`, bytes);
  return hash;
}

/**
 * Reads bytes by their hash. An object of other bytes is removed: a folder does not write over one of the same length.
 *
 * @returns Undefined where there is no such object, or one of other bytes.
 */
export async function getHashed(
  store: ObjectStore,
  folder: StoreFolder,
  hash: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const key = `${folder}/${hash}.${ENDING[folder]}`;
  const bytes = await store.get(key, MAX_OBJECT);
  if (!bytes || await sha256(bytes) === hash) return bytes;
  await store.remove(key);
  return undefined;
}

/**
 * Opens what `--store` names.
 *
 * @param place A folder, or `s3+https://HOST/BUCKET` or `s3+http://…` with the keys in `AWS_ACCESS_KEY_ID` and
 * `AWS_SECRET_ACCESS_KEY`.
 * @throws {LssgenError} `bad_option`.
 */
export async function openStore(
  place: string,
  env: (name: string) => string | undefined,
): Promise<ObjectStore> {
  if (/^s3\+https?:\/\//i.test(place)) return new S3Store(place, env);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) {
    throw new LssgenError(
      "bad_option",
      `--store is "${
        place.replace(/\/\/[^@/]*@/, "//…@")
      }", expected a folder, s3+https://HOST/BUCKET or s3+http://HOST/BUCKET`,
    );
  }
  return await FolderStore.open(place);
}

/** A folder of this machine, or one that is mounted on all machines. */
export class FolderStore implements ObjectStore {
  /** See {@linkcode ObjectStore}. */
  readonly name: string;

  private constructor(private readonly folder: string) {
    this.name = `folder "${folder}"`;
  }

  /** Makes the folders, if they are not there. */
  static async open(folder: string): Promise<FolderStore> {
    const store = new FolderStore(folder);
    for (const name of ["pictures", "inputs", "latents", "previews"]) {
      await Deno.mkdir(join(folder, name), { recursive: true }).catch((error) => {
        throw store.unavailable("make", error);
      });
    }
    return store;
  }

  /** See {@linkcode ObjectStore}. */
  async put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const path = this.path(key);
    // What lies there under its hash is the same picture.
    if (
      !key.startsWith("previews/") && (await Deno.stat(path).catch(() => undefined))?.size === bytes.length
    ) {
      return;
    }
    const part = `${path}.${crypto.randomUUID()}.part`;
    try {
      await Deno.writeFile(part, bytes, { createNew: true });
      await Deno.rename(part, path);
    } catch (error) {
      await Deno.remove(part).catch(() => {});
      throw this.unavailable("write", error);
    }
  }

  /** See {@linkcode ObjectStore}. */
  async get(key: string, most: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const path = this.path(key);
    try {
      const { size } = await Deno.stat(path);
      if (size > most) throw tooLong(key, most);
      return await Deno.readFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      if (error instanceof LssgenError) throw error;
      throw this.unavailable("read", error);
    }
  }

  /** See {@linkcode ObjectStore}. */
  async remove(key: string): Promise<void> {
    await Deno.remove(this.path(key)).catch(() => {});
  }

  /** Where an object lies. */
  private path(key: string): string {
    checkKey(key);
    return join(this.folder, key);
  }

  /** The error of a disk, without its path. */
  private unavailable(what: string, cause: unknown): LssgenError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new LssgenError(
      "unavailable",
      `Cannot ${what} in the object store, ${this.name}: ${why.replaceAll(this.folder, "…").slice(0, 200)}`,
      { cause },
    );
  }
}

/** Names of objects never lead elsewhere. */
export function checkKey(key: string): void {
  if (!KEY.test(key)) throw new LssgenError("internal", `"${key.slice(0, 100)}" is no name of an object`);
}

/** The error of an object that is longer than it may be. */
export function tooLong(key: string, most: number): LssgenError {
  return new LssgenError("bad_file", `The object ${key} is longer than ${most} bytes`);
}
