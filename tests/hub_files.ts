/** Files for tests of hubs: a golden pipeline as a repository, and what lies in a cache afterwards. */

import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

/** Folder of a tiny pipeline. */
export const GOLDEN: string = fromFileUrl(new URL("golden/pipelines/sd15/model", import.meta.url));

/** Every file of a folder, by path with slashes. */
export async function walkFiles(folder: string, at = ""): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for await (const { name, isDirectory } of Deno.readDir(join(folder, at))) {
    const path = at === "" ? name : `${at}/${name}`;
    if (isDirectory) { for (const [inner, bytes] of await walkFiles(folder, path)) files.set(inner, bytes); }
    else files.set(path, await Deno.readFile(join(folder, path)));
  }
  return files;
}

/** What a file's name in `blobs` says its content is. */
export function nameOfContent(bytes: Uint8Array, like: string): string {
  const hash = createHash(like.length === 64 ? "sha256" : "sha1");
  if (like.length === 40) hash.update(`blob ${bytes.length}\0`);
  return hash.update(bytes).digest("hex");
}

/**
 * Checks a repository's folder in the cache: whatever has a final name is whole.
 *
 * @param files What the repository holds.
 * @returns Files under final names in the snapshot.
 */
export async function checkCache(
  root: string,
  commit: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<string[]> {
  const names = (path: string): string[] => {
    try {
      return [...Deno.readDirSync(path)].map(({ name }) => name);
    } catch {
      return [];
    }
  };
  for (const blob of names(join(root, "blobs"))) {
    if (/\.lssgen\.(incomplete|blocks)$/.test(blob)) continue;
    assertEquals(nameOfContent(await Deno.readFile(join(root, "blobs", blob)), blob), blob);
  }
  const snapshot = join(root, "snapshots", commit);
  const there = names(join(root, "snapshots")).length > 0 ? await walkFiles(snapshot) : new Map();
  for (const [path, bytes] of there) assertEquals(bytes, files.get(path), path);
  // Who finds the reference finds the model.
  if (names(join(root, "refs")).includes("main")) {
    assertEquals(await Deno.readTextFile(join(root, "refs", "main")), commit);
    assertEquals(there.has("model_index.json"), true);
  }
  return [...there.keys()].sort();
}
