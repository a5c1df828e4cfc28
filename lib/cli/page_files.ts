/**
 * The built page's files, from a checkout or from the published package alike.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { answerFor, HASHES, packedFile, PACKINGS } from "./page_packing.ts";
import { granted } from "./permissions.ts";

const ROOT = new URL("../../", import.meta.url);
/** What `deno task web:build` makes; travels with the package. The model in it is a copy that does not. */
const DIST = "web/dist/";
const MODEL = "weights/";
/** A copy too, of what the library has anyway. */
const SHADERS = "shaders.json";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  webmanifest: "application/manifest+json; charset=utf-8",
};

/** What the page is told by a server that draws: an element of its head. */
const SERVER_MARK = '<meta name="lssgen-server" content="';

/** Looks up a path of the page. Undefined: there is no such file. */
export type PageFiles = (path: string, request: Request) => Promise<Response | undefined>;

/**
 * Opens the page. A path is looked up in the build's own listing, never joined, so that no spelling of it leads elsewhere.
 *
 * @returns undefined when the page was not built.
 */
export async function pageFiles(): Promise<PageFiles | undefined> {
  const listing = await get(new URL(`${DIST}files.json`, ROOT));
  if (!listing) return undefined;
  const names: unknown = await listing.json().catch(() => undefined);
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
    throw new LssgenError(
      "bad_file",
      `"${DIST}files.json" is damaged; build the page again: deno task web:build`,
    );
  }
  const files = new Set<string>(names);
  const hashes = await (await get(new URL(DIST + HASHES, ROOT)))?.json().catch(() => ({})) as Record<
    string,
    string
  >;
  /** Files that the published package has unpacked only, for its size; packed when first asked for. */
  const made = new Map<string, Uint8Array<ArrayBuffer>>();
  const packed = async (name: string, ending: string): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    const known = made.get(name + ending);
    if (known) return known;
    const plain = await (await plainFile(name))?.bytes();
    const packing = PACKINGS.find((one) => one.ending === ending)!;
    const bytes = plain && new Uint8Array(packedFile(plain, packing));
    if (bytes) made.set(name + ending, bytes);
    return bytes;
  };
  return async (path, request) => {
    const name = path === "/" ? "index.html" : path.slice(1);
    if (!files.has(name)) return undefined;
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    if (name === "index.html") return await served(type);
    const { status, headers, ending } = answerFor(
      name,
      hashes?.[name],
      request,
      (packed) => files.has(packed),
    );
    headers.set("content-type", type);
    if (status === 304) return new Response(null, { status, headers });
    const found = ending === "" ? await plainFile(name) : await get(new URL(DIST + name + ending, ROOT));
    if (found || ending === "") return found && new Response(found.body, { headers });
    const bytes = await packed(name, ending);
    return bytes && new Response(bytes, { headers });
  };
}

/** A file of the build as it is; the package has its copies in one place only. */
async function plainFile(name: string): Promise<Response | undefined> {
  return await get(new URL(name.startsWith(MODEL) ? name : DIST + name, ROOT)) ??
    (name === SHADERS ? new Response(await shadersFile()) : undefined);
}

/** The page's file of shaders, as the build writes it, from the library's module. */
export async function shadersFile(): Promise<Uint8Array<ArrayBuffer>> {
  return new TextEncoder().encode(JSON.stringify(await import("../gpu/shaders.gen.ts")));
}

/** The page, told that this server draws. */
async function served(type: string): Promise<Response | undefined> {
  const html = await (await get(new URL(`${DIST}index.html`, ROOT)))?.text();
  return html === undefined ? undefined : new Response(html.replace(`${SERVER_MARK}"`, `${SERVER_MARK}1"`), {
    headers: { "content-type": type, "cache-control": "no-cache", "x-content-type-options": "nosniff" },
  });
}

/**
 * Builds the page of a checkout that has none yet, in a process of its own: the bundler is no part of the package.
 *
 * @returns Whether there is a page now.
 */
export async function buildPage(): Promise<boolean> {
  if (ROOT.protocol !== "file:") return false;
  const tool = new URL("tools/web.ts", ROOT);
  const found = await Deno.stat(tool).then(() => true, () => false);
  if (!found) return false;
  // A server that may run no other program goes without the page.
  if (!granted({ name: "run" })) return false;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", new URL("deno.json", ROOT).pathname, tool.href, "build"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

async function get(url: URL): Promise<Response | undefined> {
  try {
    const response = await fetch(url);
    if (response.ok) return response;
    await response.body?.cancel();
  } catch {
    // fetch of a file that does not exist throws.
  }
  return undefined;
}
