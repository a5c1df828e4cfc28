/**
 * Room on the disk that holds a folder.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { dirname } from "@std/path";
import { granted } from "./permissions.ts";

/** Free bytes for this user; undefined where the system does not say or may not be asked. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  if (!granted({ name: "sys", kind: "statfs" })) return undefined;
  for (let at = folder;; at = dirname(at)) {
    if (!granted({ name: "read", path: at })) return undefined;
    try {
      const { bavail, bsize } = await statfs(at);
      return Number(bavail) * Number(bsize);
    } catch (error) {
      // A folder that is yet to be made is on its parent's disk.
      if ((error as { code?: string }).code !== "ENOENT" || at === dirname(at)) return undefined;
    }
  }
}
