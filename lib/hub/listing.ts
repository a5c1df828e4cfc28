/**
 * A repository's listing, read as hostile: paths, sizes and hashes become names of files.
 *
 * @module
 */

import { LssgenError, shortJson } from "../errors.ts";
import type { FileDigest } from "../weights/cache.ts";

/** A file of a repository. */
export interface HubFile {
  /** Path in the repository, with slashes. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of large files, git's own hash of small ones; also the content's name in the cache of the disk. */
  readonly digest: FileDigest;
}

/** Largest file that is believed: 8 TiB. */
const MAX_SIZE = 2 ** 43;

/**
 * Files of one page of `/api/models/ORG/NAME/tree/COMMIT`.
 *
 * @throws {LssgenError} `bad_file` when an entry has no sound size or hash.
 */
export function parseTree(json: unknown, repo: string): HubFile[] {
  if (!Array.isArray(json)) {
    throw new LssgenError(
      "bad_file",
      `The listing of "${repo}" is ${shortJson(json)}, expected a list of files`,
    );
  }
  return json.filter((entry) => entry?.type === "file").map((entry) => parseEntry(entry, repo));
}

function parseEntry(entry: Record<string, unknown>, repo: string): HubFile {
  const lfs = entry.lfs as { oid?: unknown; size?: unknown } | null | undefined;
  const size = lfs ? lfs.size ?? entry.size : entry.size;
  const hex = String(lfs ? lfs.oid : entry.oid).replace(/^sha256:/, "").toLowerCase();
  const kind = lfs ? "sha256" : "git-sha1";
  const { path } = entry;
  const sound = typeof path === "string" && typeof size === "number" && Number.isSafeInteger(size) &&
    size >= 0 &&
    size <= MAX_SIZE && (kind === "sha256" ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hex);
  if (!sound) {
    throw new LssgenError(
      "bad_file",
      `The listing of "${repo}" holds ${shortJson(entry)}, expected a path, a size and a hash`,
    );
  }
  return { path, size, digest: { kind, hex } };
}

/**
 * Refuses a path that could leave its folder, or that some system cannot have.
 *
 * @throws {LssgenError} `bad_file`
 */
export function checkPath(path: string, repo: string): void {
  const bytes = (text: string): number => new TextEncoder().encode(text).length;
  const bad = path.split("/").some((part) =>
    part === "" || part === "." || part === ".." || bytes(part) > 255
  );
  // deno-lint-ignore no-control-regex
  if (bad || /[\x00-\x1f\x7f\\]/.test(path) || /^[a-z]:/i.test(path) || bytes(path) > 1024) {
    throw new LssgenError(
      "bad_file",
      `The listing of "${repo}" names the file ${
        shortJson(path)
      }, which could lie outside its folder; refused`,
    );
  }
}
