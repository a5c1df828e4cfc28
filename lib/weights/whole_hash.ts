/**
 * Hashes of whole files, as hubs list them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { Sha256 } from "./sha256.ts";

/** Hash of a whole file. */
export interface FileDigest {
  /** `git-sha1` is SHA-1 of `blob SIZE\0` and the content. */
  readonly kind: "sha256" | "git-sha1";
  /** In hexadecimal. */
  readonly hex: string;
}

/** The hash of a whole file, part after part. @param most Bytes that are kept for a hash that takes all at once. */
export function wholeHash(
  { path, size, digest }: { readonly path: string; readonly size: number; readonly digest?: FileDigest },
  most: number,
): { update(bytes: Uint8Array): void; hex(): Promise<string> } {
  if (digest?.kind === "sha256") {
    const hash = new Sha256();
    return { update: (bytes) => void hash.update(bytes), hex: () => Promise.resolve(hash.hex()) };
  }
  // Git's hash is that of small files, which are in memory as a whole.
  if (size > most) {
    throw new LssgenError("unsupported", `"${path}" has ${size} bytes and no SHA-256 to check it with`);
  }
  const pieces: BlobPart[] = [`blob ${size}\0`];
  return {
    update: (bytes) => void pieces.push(bytes as Uint8Array<ArrayBuffer>),
    hex: async () => hexOf(await crypto.subtle.digest("SHA-1", await new Blob(pieces).arrayBuffer())),
  };
}

function hexOf(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
