/**
 * The page: `build` makes a static folder of it, `serve` builds and serves it on this machine only.
 *
 * ```sh
 * deno run -A tools/web.ts build [FOLDER]
 * deno run -A tools/web.ts serve [--port N]
 * ```
 *
 * @module
 */

import { extname, fromFileUrl, join, resolve } from "@std/path";
import { blobSource } from "../lib/weights/bytes.ts";
import { type ListedFile, listFile } from "../lib/weights/cache.ts";
import * as shaders from "../lib/gpu/shaders.gen.ts";
import { LANGUAGES, TEXTS } from "../web/texts.ts";
import type { BuildOptions, Metafile, Plugin } from "./esbuild.ts";
import { together } from "./web_chunks.ts";
import { privateNames } from "./web_names.ts";
import { answerFor, EDITED, HASHES, packedFile, PACKINGS, packs } from "../lib/cli/page_packing.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const MODEL = "weights/lssgen-emoji";
/** Tokenizers for models that bring none. */
const TOKENIZERS = "weights/tokenizers";
/** Where the page goes without another folder. */
const DIST = join(ROOT, "web/dist");

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json; charset=utf-8",
};

/** Shaders are text, not scripts: they are fetched beside the worker's own script. */
const SHADERS = "shaders.json";
/** So is the list of the model's files, with a hash for each part of them. */
const MODEL_FILES = "model_files.json";

/** The page's script, its worker's, and the family of its own model, which is opened at once. */
const [PAGE, WORKER, BUILT_IN_FAMILY] = ["web/main.ts", "web/worker.ts", "lib/pipelines/flux.ts"];

/** What is not part of the model although it may lie beside it. */
const NOT_MODEL = /(^|\/)\.|\.(py|png|md|part)$/;

/** Files below a folder, as paths relative to it with slashes, sorted. Links are not followed. */
async function filesBelow(folder: string, at = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(join(folder, at))) {
    const path = at === "" ? entry.name : `${at}/${entry.name}`;
    if (entry.isDirectory) found.push(...await filesBelow(folder, path));
    else if (entry.isFile) found.push(path);
  }
  return found.sort();
}

/**
 * Scripts for browsers from TypeScript. `using` is compiled away: Safari does not have it yet.
 *
 * @param entries Name of each script without `.js`, and its source.
 * @returns What is in which script, and which imports which.
 */
export async function bundle(
  entries: Readonly<Record<string, string>>,
  out: string,
  define: Readonly<Record<string, string>> = {},
): Promise<Metafile> {
  const esbuild = await import("./esbuild.ts");
  await Deno.writeTextFile(join(out, SHADERS), JSON.stringify(shaders));
  try {
    const options: BuildOptions = {
      absWorkingDir: ROOT,
      metafile: true,
      // Safari has no such symbols yet. They are imported where they are named, so that they are there whichever part runs first.
      inject: [join(ROOT, "web/symbols.ts")],
      define: { "Symbol.dispose": "dispose", "Symbol.asyncDispose": "asyncDispose", ...define },
      charset: "utf8",
      // What many models do not need is loaded when one does.
      splitting: true,
      chunkNames: "[hash]",
      entryPoints: { ...entries },
      // esbuild would take a relative one from absWorkingDir.
      outdir: resolve(out),
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2022",
      platform: "browser",
      legalComments: "none",
      logLevel: "warning",
    };
    const plugins = [SHADERS_AS_DATA, LANGUAGES_APART];
    const { inputs } = (await esbuild.build({ ...options, plugins, write: false })).metafile!;
    if (inputs[PAGE] && inputs[WORKER]) plugins.push(together(inputs, ROOT, PAGE, [WORKER, BUILT_IN_FAMILY]));
    const sources = await Promise.all(
      Object.keys(inputs).filter((path) => path.endsWith(".ts")).map((path) =>
        Deno.readTextFile(join(ROOT, path))
      ),
    );
    const { metafile } = await esbuild.build({ ...options, plugins, mangleProps: privateNames(sources) });
    // What `using` became is not minified before it is printed.
    for (const [path, output] of Object.entries(metafile!.outputs)) {
      const file = resolve(ROOT, path);
      const { code } = await esbuild.transform(await Deno.readTextFile(file), {
        minify: true,
        format: "esm",
        target: "es2022",
        charset: "utf8",
      });
      await Deno.writeTextFile(file, code);
      output.bytes = new TextEncoder().encode(code).length;
    }
    return metafile!;
  } finally {
    // Its child process would keep this one alive.
    await esbuild.stop();
  }
}

/** Shaders are fetched, not compiled as a script. */
const SHADERS_AS_DATA: Plugin = {
  name: "shaders",
  setup(build) {
    build.onLoad({ filter: /[\\/]shaders\.gen\.ts$/ }, () => ({
      contents: `export const { ${Object.keys(shaders)} } = ` +
        `await (await fetch(new URL("${SHADERS}", import.meta.url))).json();`,
    }));
  },
};

/** The table of texts, a column a script: nobody reads two languages, and what index.html says in English is there already. */
const LANGUAGES_APART: Plugin = {
  name: "languages",
  setup(build) {
    const column = (i: number, names: readonly string[] = Object.keys(TEXTS)): Record<string, string> =>
      Object.fromEntries(names.map((name) => [name, TEXTS[name as keyof typeof TEXTS][i]]));
    build.onLoad({ filter: /[\\/]web[\\/]texts\.ts$/ }, async () => ({
      contents: `export const LANGUAGES = ${JSON.stringify(LANGUAGES)};
        const first = ${JSON.stringify(column(0, await textsOfScripts()))};
        export const TEXTS = Object.fromEntries(Object.entries(first).map(([name, text]) => [name, [text]]));
        export const COLUMNS = { ${
        LANGUAGES.map((language) => `${language}: async () => (await import("texts:${language}")).default`)
      } };`,
    }));
    build.onResolve({ filter: /^texts:/ }, ({ path }) => ({ path, namespace: "texts" }));
    build.onLoad({ filter: /./, namespace: "texts" }, ({ path }) => ({
      contents: `export default ${
        JSON.stringify(column(LANGUAGES.findIndex((language) => path === `texts:${language}`)))
      };`,
    }));
  },
};

/**
 * Names of texts that the page's script may ask for at once: neither those that only stand in index.html, nor those that only scripts
 * name which are loaded later and wait for all texts.
 */
async function textsOfScripts(): Promise<string[]> {
  const page = await Deno.readTextFile(join(ROOT, "web/index.html"));
  const standing = new Set([...page.matchAll(/ data-t(?:-label)?="([\w-]+)"/g)].map(([, name]) => name));
  const scripts = new Map<string, string>();
  for (const file of await filesBelow(join(ROOT, "web"))) {
    if (/^\w+\.ts$/.test(file) && file !== "texts.ts") {
      scripts.set(file, await Deno.readTextFile(join(ROOT, "web", file)));
    }
  }
  const first = new Set(["main.ts"]);
  for (const file of first) {
    for (
      const [, name] of scripts.get(file)!.matchAll(/^(?:import|\}) (?!type)[^;]*?from "\.\/(\w+\.ts)";/gm)
    ) {
      if (scripts.has(name)) first.add(name);
    }
  }
  const says = (files: Iterable<string>, name: string): boolean =>
    [...files].some((file) => scripts.get(file)!.includes(`"${name}"`));
  return Object.keys(TEXTS).filter((name) =>
    says(first, name) || !standing.has(name) && !says(scripts.keys(), name)
  );
}

/** What a finished build lists its files in. */
const LISTING = "files.json";
/** What is in a folder while the page is built into it. */
const UNFINISHED = ".lssgen-unfinished";
/** Ending of the folder beside the page's that it is built in. */
const BESIDE = ".building";

/** Whether a build may replace a folder: it is empty or missing, or a build made it. */
async function isOurs(out: string): Promise<boolean> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(out)) names.push(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
  if (names.length === 0 || names.includes(UNFINISHED)) return true;
  if (!names.includes(LISTING)) return false;
  try {
    const listed: unknown = JSON.parse(await Deno.readTextFile(join(out, LISTING)));
    // Every file of a build is in its listing: one that is not is somebody's.
    return Array.isArray(listed) && listed.includes(LISTING) && listed.includes("index.html") &&
      (await filesBelow(out)).every((path) => listed.includes(path));
  } catch {
    return false;
  }
}

/** Files that are served as they lie. */
const STATIC = ["style.css", "icon.svg", "icon-192.png", "icon-512.png", "manifest.webmanifest"];

/** The page's file with its texts in it, so that nothing jumps when the script takes over. */
export function inEnglish(html: string): string {
  return html.replace(
    /(<[a-z]\w*\b[^>]*\bdata-t="([\w-]+)"[^>]*>)(?=<\/)/g,
    (_, tag: string, name: string) => {
      if (!Object.hasOwn(TEXTS, name)) {
        throw new Error(
          `web/index.html asks for the text "${name}", which web/texts.ts has not`,
        );
      }
      const [text] = TEXTS[name as keyof typeof TEXTS];
      return tag + text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    },
  ).replace(/ data-t-label="([\w-]+)"/g, (attribute, name: string) => {
    if (!Object.hasOwn(TEXTS, name)) {
      throw new Error(`web/index.html asks for the text "${name}", which web/texts.ts has not`);
    }
    const [text] = TEXTS[name as keyof typeof TEXTS];
    return `${attribute} aria-label="${text.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"`;
  });
}

/** The service worker, which knows the page's own files and this build's name. */
async function serviceWorker(out: string): Promise<void> {
  // Tokenizers go along: a single checkpoint, opened without network, has none of its own.
  const assets = (await filesBelow(out)).filter((path) =>
    !path.startsWith(`${MODEL}/`) && path !== UNFINISHED
  );
  const hashes = await Promise.all(
    assets.map(async (path) => await hashOf(await Deno.readFile(join(out, path)))),
  );
  const name = await hashOf(new TextEncoder().encode(hashes.join()));
  const esbuild = await import("./esbuild.ts");
  try {
    await esbuild.build({
      entryPoints: { sw: join(ROOT, "web/sw.ts") },
      outdir: out,
      bundle: true,
      minify: true,
      format: "iife",
      target: "es2022",
      logLevel: "warning",
      define: { BUILD: JSON.stringify(name), ASSETS: JSON.stringify(assets) },
    });
  } finally {
    await esbuild.stop();
  }
}

/** Twelve hexadecimal digits of a file's SHA-256: enough to tell versions apart. */
async function hashOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Packs files of text beforehand, and lists what every file's content is called. */
async function pack(out: string): Promise<void> {
  const hashes: Record<string, string> = {};
  for (const path of await filesBelow(out)) {
    if (path === UNFINISHED || path === EDITED) continue;
    const bytes = await Deno.readFile(join(out, path));
    hashes[path] = await hashOf(bytes);
    if (!packs(path)) continue;
    for (const packing of PACKINGS) {
      await Deno.writeFile(join(out, path + packing.ending), packedFile(bytes, packing));
    }
  }
  await Deno.writeTextFile(join(out, HASHES), JSON.stringify(hashes));
}

/** Removes a build. Killed half-way it is one that was not finished: no page, and ours to remove. */
async function clear(folder: string): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(folder)).catch(() => undefined);
  if (!names) return;
  await Deno.writeTextFile(join(folder, UNFINISHED), "");
  await Deno.remove(join(folder, LISTING)).catch(() => {});
  for (const { name } of names) {
    if (name !== UNFINISHED && name !== LISTING) await Deno.remove(join(folder, name), { recursive: true });
  }
  await Deno.remove(folder, { recursive: true });
}

/** Makes the static folder: page, scripts, model. Any host can serve it, under any path. */
export async function build(out: string = DIST): Promise<{ files: number; bytes: number }> {
  const model: string[] = await filesBelow(join(ROOT, MODEL)).catch(() => []);
  const paths = model.filter((path) => !NOT_MODEL.test(path));
  if (!paths.includes("model_index.json")) {
    throw new Error(
      `Cannot build the page: "${MODEL}" holds no model_index.json, the model has to come along`,
    );
  }
  if (out !== DIST && !await isOurs(out)) {
    throw new Error(
      `Cannot build the page into "${out}": it is no folder that was built here, and all that it holds would be deleted; ` +
        "name a new folder, or empty this one",
    );
  }
  // Built beside and put in its place as a whole: a build that is killed leaves the page that was there, and the next one
  // takes what it left away.
  const building = out.replace(/[/\\]+$/, "") + BESIDE;
  if (!await isOurs(building)) {
    throw new Error(`Cannot build the page in "${building}": it is somebody's folder`);
  }
  await clear(building);
  await Deno.mkdir(building, { recursive: true });
  await Deno.writeTextFile(join(building, UNFINISHED), "");

  const listed: ListedFile[] = [];
  for (const path of paths) {
    const bytes = await Deno.readFile(join(ROOT, MODEL, path));
    listed.push(await listFile(path, blobSource(path, new Blob([bytes]))));
    await Deno.mkdir(join(building, MODEL, path, ".."), { recursive: true });
    // Written anew rather than copied: the page is for everybody, whatever the rights of the source.
    await Deno.writeFile(join(building, MODEL, path), bytes, { mode: 0o644 });
  }
  await Deno.mkdir(join(building, TOKENIZERS), { recursive: true });
  for (const path of await filesBelow(join(ROOT, TOKENIZERS))) {
    await Deno.writeFile(
      join(building, TOKENIZERS, path),
      await Deno.readFile(join(ROOT, TOKENIZERS, path)),
      {
        mode: 0o644,
      },
    );
  }
  await Deno.writeTextFile(join(building, MODEL_FILES), JSON.stringify(listed));
  await bundle(
    { main: join(ROOT, "web/main.ts"), worker: join(ROOT, "web/worker.ts") },
    building,
    {
      MODEL_URL: JSON.stringify(`./${MODEL}/`),
      MODEL_FILES_URL: JSON.stringify(`./${MODEL_FILES}`),
      TOKENIZERS_URL: JSON.stringify(`./${TOKENIZERS}/`),
    },
  );
  for (const name of STATIC) await Deno.copyFile(join(ROOT, "web", name), join(building, name));
  await Deno.writeTextFile(
    join(building, "index.html"),
    inEnglish(await Deno.readTextFile(join(ROOT, "web/index.html"))),
  );
  await serviceWorker(building);
  await pack(building);
  const listing = [...(await filesBelow(building)).filter((path) => path !== UNFINISHED), LISTING];
  // What `cli.ts serve` answers from.
  await Deno.writeTextFile(join(building, LISTING), JSON.stringify(listing));
  await Deno.remove(join(building, UNFINISHED));
  await clear(out);
  await Deno.rename(building, out);
  let bytes = 0;
  const all = await filesBelow(out);
  for (const path of all) bytes += (await Deno.stat(join(out, path))).size;
  return { files: all.length, bytes };
}

/**
 * Answers from a folder's own listing: a path is looked up, never joined, so that no spelling of it leads
 * out of the folder.
 *
 * @param folder What to serve.
 * @param prefix Under which path, with slashes at both ends.
 */
export async function staticFiles(
  folder: string,
  prefix = "/",
): Promise<(request: Request) => Promise<Response>> {
  const names = await filesBelow(folder);
  const files = new Map(names.map((path) => [prefix + path, path]));
  if (files.has(`${prefix}index.html`)) files.set(prefix, "index.html");
  const hashes = names.includes(HASHES)
    ? JSON.parse(await Deno.readTextFile(join(folder, HASHES))) as Record<string, string>
    : {};
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Only GET and HEAD\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    let path: string;
    try {
      path = decodeURIComponent(new URL(request.url).pathname);
    } catch {
      return new Response("Not a path\n", { status: 400 });
    }
    const name = files.get(path);
    if (!name) return new Response("Not found\n", { status: 404 });
    const { status, headers, ending } = answerFor(
      name,
      hashes[name],
      request,
      (packed) => files.has(prefix + packed),
    );
    headers.set("content-type", TYPES[extname(name)] ?? "application/octet-stream");
    if (status === 304) return new Response(null, { status, headers });
    const file = join(folder, name + ending);
    headers.set("content-length", String((await Deno.stat(file)).size));
    const body = request.method === "GET" ? (await Deno.open(file)).readable : null;
    return new Response(body, { headers });
  };
}

function built({ files, bytes }: { files: number; bytes: number }): string {
  return `${files} files, ${(bytes / 1e6).toFixed(1)} MB`;
}

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === "build" && rest.length <= 1 && !rest[0]?.startsWith("-")) {
    const out = rest[0] ?? DIST;
    console.log(`${out}: ${built(await build(out))}`);
    return 0;
  }
  const port = rest.length === 0 ? 8000 : rest[0] === "--port" ? Number(rest[1]) : NaN;
  if (command !== "serve" || rest.length > 2 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    console.error("Expected: build [FOLDER], or serve [--port N]");
    return 2;
  }
  console.log(built(await build()));
  const server = Deno.serve({
    port,
    hostname: "127.0.0.1",
    onListen: ({ port }) => console.log(`http://localhost:${port}/ (this machine only; Ctrl-C ends it)`),
  }, await staticFiles(DIST));
  await server.finished;
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
