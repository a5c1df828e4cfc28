/**
 * The package as npm's users get it through JSR's bridge: TypeScript turned into JavaScript file by file, everything else
 * as it is.
 *
 * @module
 */

import { dirname, fromFileUrl, join } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { publishedFiles } from "../tools/publish_check.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const script = (path: string): string => path.replace(/\.ts$/, ".js");

/** Runs a program in a folder; its output, or its error. */
export async function runIn(
  folder: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: folder,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const [text, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${error || text}`);
  return text;
}

/** WebGPU for Node. */
export const DAWN = "webgpu@0.6.2";

/** Makes a project of modules in a folder, with packages from npm. */
export async function installFromNpm(folder: string, packages: readonly string[]): Promise<void> {
  await Deno.writeTextFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"];
  await runIn(folder, "npm", ["install", ...quiet, ...packages]);
}

/** The same, and this package beside those. */
export async function makeProject(folder: string, packages: readonly string[]): Promise<void> {
  await installFromNpm(folder, packages);
  await pack(join(folder, "node_modules", config.name));
}

async function pack(out: string): Promise<void> {
  const esbuild = await import("../tools/esbuild.ts");
  try {
    for (const { path } of await publishedFiles(false)) {
      const to = join(out, script(path));
      await Deno.mkdir(dirname(to), { recursive: true });
      if (!path.endsWith(".ts")) {
        await Deno.copyFile(join(ROOT, path), to);
        continue;
      }
      const text = await Deno.readTextFile(join(ROOT, path));
      const { code } = await esbuild.transform(text, { loader: "ts", format: "esm", target: "esnext" });
      await Deno.writeTextFile(
        to,
        code.replace(/((?:from|import) ?\(?)"(\.[^"]*)\.ts"/g, '$1"$2.js"'),
      );
    }
  } finally {
    await esbuild.stop();
  }
  const { name, version } = config;
  const exports = Object.fromEntries(
    Object.entries(config.exports).map(([key, path]) => [key, script(path)]),
  );
  await Deno.writeTextFile(
    join(out, "package.json"),
    JSON.stringify({ name, version, type: "module", exports }),
  );
}
