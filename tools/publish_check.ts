/**
 * What `deno publish` would send, checked as JSR checks it and beyond: the dry run with types (no slow ones), every file
 * listed, names that JSR takes, and the sum of sizes, which the dry run leaves out. Builds the page first: it goes along.
 *
 * ```sh
 * deno run -A tools/publish_check.ts
 * ```
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { build } from "./web.ts";

const ROOT = new URL("../", import.meta.url);
/** JSR takes 20 MiB unpacked; some is kept for what it adds. */
export const MOST_BYTES = 19_000_000;

/** A file of the package. */
export interface PublishedFile {
  /** Path from the package's root. */
  readonly path: string;
  /** Size. */
  readonly bytes: number;
}

/**
 * The files that `deno publish` would send, from what its dry run prints.
 *
 * @param check Whether it also checks types: slower.
 * @throws {Error} With its own words when it is not content.
 */
export async function publishedFiles(check: boolean): Promise<PublishedFile[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", ...check ? [] : ["--no-check"]],
    cwd: fromFileUrl(ROOT),
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  // One import is not written out, on purpose: the entry for queues, which is fetched with --queue only.
  const warnings = [...text.matchAll(/^warning\[(.*?)\][\s\S]*?--> (\S+?):\d+/gm)]
    .filter(([, kind, file]) => !(kind === "unanalyzable-dynamic-import" && file.endsWith("/cli.ts")));
  if (!success || warnings.length > 0) throw new Error(text);
  const paths = [...text.matchAll(/^ +(file:\S+) \(/gm)].map(([, url]) =>
    decodeURIComponent(url.slice(ROOT.href.length))
  );
  return await Promise.all(
    paths.map(async (path) => ({ path, bytes: (await Deno.stat(new URL(path, ROOT))).size })),
  );
}

/** What JSR would refuse, as sentences. */
export function complaints(files: readonly PublishedFile[]): string[] {
  const wrong: string[] = [];
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > MOST_BYTES) wrong.push(`${bytes} bytes in all, at most ${MOST_BYTES} should go`);
  const seen = new Set<string>();
  for (const { path } of files) {
    if (path.length >= 155 || (path.split("/").at(-1) ?? "").length >= 95 || !/^[\w./@-]+$/.test(path)) {
      wrong.push(`${path}: JSR takes no such name`);
    }
    if (seen.has(path.toLowerCase())) wrong.push(`${path}: differs from another in case only`);
    seen.add(path.toLowerCase());
  }
  return wrong;
}

async function main(): Promise<number> {
  await build();
  const files = await publishedFiles(true);
  for (const { path, bytes } of files) console.log(`${String(bytes).padStart(9)}  ${path}`);
  const wrong = complaints(files);
  if (!files.some(({ path }) => path === "web/dist/worker.js")) wrong.push("web/dist: the page is missing");
  for (const sentence of wrong) console.error(sentence);
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  console.log(`${files.length} files, ${(total / 1e6).toFixed(2)} MB of ${MOST_BYTES / 1e6} MB`);
  return wrong.length > 0 || files.length === 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
