/**
 * How the page's files travel: text packed beforehand, every file with the name of its content (ETag), so that a second visit
 * asks and gets nothing.
 *
 * @module
 */

import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** File that a build lists the hashes of its files in. */
export const HASHES = "hashes.json";

/** A way of packing that browsers undo. */
export interface Packing {
  /** As `Accept-Encoding` has it. */
  readonly name: "br" | "gzip";
  /** Ending of the packed file. */
  readonly ending: string;
}

/** Ways, the smallest first. */
export const PACKINGS: readonly Packing[] = [{ name: "br", ending: ".br" }, { name: "gzip", ending: ".gz" }];

/** The page itself, which people edit after the build: it is neither packed nor named by its content. */
export const EDITED = "index.html";

/** Whether a file is text, which packing makes smaller. */
export function packs(path: string): boolean {
  return path !== EDITED && /\.(html|js|css|json|svg|txt|webmanifest)$/.test(path) &&
    !path.startsWith("weights/");
}

/** A file, packed as small as it gets. */
export function packedFile(bytes: Uint8Array, { name }: Packing): Uint8Array {
  return name === "gzip"
    ? gzipSync(bytes, { level: 9 })
    : brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
}

/**
 * What is answered to a request for a file.
 *
 * @param hash Name of the file's content, where it is known.
 * @param has Whether the build has a file.
 */
export function answerFor(
  path: string,
  hash: string | undefined,
  request: Pick<Request, "headers">,
  has: (path: string) => boolean,
): { readonly status: 200 | 304; readonly headers: Headers; readonly ending: string } {
  const headers = new Headers({ "cache-control": "no-cache", "x-content-type-options": "nosniff" });
  const accepted = new Map(
    (request.headers.get("accept-encoding") ?? "").split(",").map((part) => {
      const [name, quality] = part.trim().toLowerCase().split(/\s*;\s*q=/);
      return [name, Number(quality ?? 1)] as const;
    }),
  );
  const packing = packs(path)
    ? PACKINGS.find(({ name, ending }) => (accepted.get(name) ?? 0) > 0 && has(path + ending))
    : undefined;
  if (packs(path)) headers.set("vary", "Accept-Encoding");
  if (hash !== undefined) {
    // Each packing is a representation of its own.
    const tag = `"${hash}${packing ? `-${packing.name}` : ""}"`;
    headers.set("etag", tag);
    const known = (request.headers.get("if-none-match") ?? "").split(",").map((one) =>
      one.trim().replace(/^W\//, "")
    );
    if (known.includes(tag) || known.includes("*")) return { status: 304, headers, ending: "" };
  }
  if (packing) headers.set("content-encoding", packing.name);
  return { status: 200, headers, ending: packing?.ending ?? "" };
}
