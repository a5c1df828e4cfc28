/**
 * Writes shaders/*.wgsl and shaders/parts/*.wgsl into lib/gpu/shaders.gen.ts as they are (`deno task shaders`), where
 * lib/gpu/shaders.ts expands them. Every variant is expanded once here, so that a wrong directive is told before it is
 * written.
 *
 * ```sh
 * deno task shaders                    # writes the module
 * deno task shaders --check            # only says whether it is fresh
 * deno task shaders --print softmax    # the WGSL of a kernel; of a file's name alone, all its variants
 * deno task shaders --print            # the names of all kernels
 * ```
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, fromFileUrl } from "@std/path";
import { ShaderSource } from "../lib/gpu/expand_shader.ts";

/** Texts by file name without `.wgsl`. */
export type Texts = Readonly<Record<string, string>>;

/** The generated module. */
export function shaderModule(sources: Texts, parts: Texts): string {
  const literal = (text: string) => "`" + text.replace(/\\|`|\$\{/g, (found) => "\\" + found) + "`";
  const rows = (texts: Texts) =>
    Object.entries(texts).map(([name, text]) => `  ${JSON.stringify(name)}: ${literal(text)},\n`).join("");
  const digest = createHash("sha256").update(rows(sources)).update(rows(parts)).digest("hex").slice(0, 16);
  return `// Generated from shaders/*.wgsl by tools/build_shaders.ts: edit those and run \`deno task shaders\`.\n` +
    `\n/** Sources of shaders by name; lib/gpu/shaders.ts expands them. */\n` +
    `export const SOURCES: Readonly<Record<string, string>> = {\n${rows(sources)}};\n` +
    `\n/** What they include, by name. */\n` +
    `export const PARTS: Readonly<Record<string, string>> = {\n${rows(parts)}};\n` +
    `\n/** Tells one version of the shaders from another. */\n` +
    `export const SHADERS_DIGEST = "${digest}";\n`;
}

/**
 * Reads a folder of .wgsl files, and its `parts`, and returns the text that the generated module should have.
 *
 * @throws {ShaderSyntaxError} For a variant that cannot be expanded.
 */
export async function buildShaders(folder: URL): Promise<string> {
  const [sources, parts] = await readShaders(folder);
  for (const source of sourcesOf(sources, parts)) for (const name of source.names) source.text(name);
  return shaderModule(sources, parts);
}

function sourcesOf(sources: Texts, parts: Texts): ShaderSource[] {
  return Object.entries(sources).map(([name, text]) => new ShaderSource(name, text, parts));
}

async function readShaders(folder: URL): Promise<[sources: Texts, parts: Texts]> {
  return [await texts(folder), await texts(new URL("parts/", folder))];
}

/** Texts of a folder's .wgsl files by name, sorted. */
async function texts(folder: URL): Promise<Texts> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && entry.name.endsWith(".wgsl")) files.push(entry.name);
  }
  return Object.fromEntries(
    await Promise.all(
      files.sort().map(async (file): Promise<[string, string]> => [
        basename(file, ".wgsl"),
        await Deno.readTextFile(new URL(file, folder)),
      ]),
    ),
  );
}

/** Prints kernels by name, and says what there is when a name is unknown. @returns Exit code. */
async function print(folder: URL, wanted: readonly string[]): Promise<number> {
  const sources = sourcesOf(...await readShaders(folder));
  const names = sources.flatMap((source) => source.names);
  if (wanted.length === 0) {
    console.log(names.join("\n"));
    return 0;
  }
  for (const want of wanted) {
    const found = names.filter((name) => name === want || name.startsWith(`${want}@`));
    if (found.length === 0) {
      const file = want.replace(/@.*/, "");
      const near = names.filter((name) => name.startsWith(`${file}@`));
      console.error(
        `No shader "${want}"; ${
          near.length > 0 ? `${file} has ${near.join(" ")}` : "`deno task shaders --print` lists all"
        }`,
      );
      return 1;
    }
    for (const name of found) {
      if (found.length > 1) console.log(`// ---- ${name}`);
      console.log(sources.map((source) => source.text(name)).find((text) => text !== undefined)!.trimEnd());
    }
  }
  return 0;
}

async function main(): Promise<number> {
  const root = new URL("../", import.meta.url);
  const folder = new URL("shaders/", root);
  const [mode, ...names] = Deno.args;
  if (mode === "--print") return await print(folder, names);
  const target = new URL("lib/gpu/shaders.gen.ts", root);
  const wanted = await buildShaders(folder);
  const present = await Deno.readTextFile(target).catch(() => "");
  if (present === wanted) return 0;
  if (mode === "--check") {
    console.error("lib/gpu/shaders.gen.ts is stale: run `deno task shaders`");
    return 1;
  }
  // Written aside and renamed, so that a program that starts meanwhile reads one version or the other.
  const aside = await Deno.makeTempFile({ dir: fromFileUrl(new URL("./", target)), suffix: ".part" });
  await Deno.writeTextFile(aside, wanted);
  await Deno.chmod(aside, 0o644);
  await Deno.rename(aside, target);
  console.log(`lib/gpu/shaders.gen.ts: ${wanted.length} characters`);
  return 0;
}

if (import.meta.main) Deno.exit(await main());
