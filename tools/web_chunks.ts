/**
 * How the page's scripts are cut into files: what the worker needs until its first picture in one, whatever else needs parts of it.
 *
 * esbuild makes a file of each group of modules that the same scripts load, some fifty for the first picture alone, and each names what
 * it takes from the others. What is loaded together anyway is one group once all later scripts are said to need all of it, which they
 * find loaded.
 *
 * @module
 */

import type { Metafile, Plugin } from "./esbuild.ts";

type Inputs = Metafile["inputs"];

/** Modules that some load, themselves included; with `later` also those that they may load. */
function reached(inputs: Inputs, from: readonly string[], later = false): Set<string> {
  const seen = new Set(from);
  for (const at of seen) {
    for (const { path, kind, external } of inputs[at].imports) {
      if (!external && (later || kind === "import-statement")) seen.add(path);
    }
  }
  return seen;
}

/**
 * A plugin for the build after the one whose inputs these are.
 *
 * @param root The folder that their paths begin in, with a slash.
 * @param page The script of the page, all of whose modules stay apart: it draws nothing.
 * @param first What the worker loads until its first picture, itself the first of them.
 */
export function together(inputs: Inputs, root: string, page: string, first: readonly string[]): Plugin {
  const ofPage = reached(inputs, [page], true);
  const [worker] = first;
  const core = [...reached(inputs, first)].filter((path) => path !== worker && !ofPage.has(path));
  const later = new Set(first);
  for (const { imports } of Object.values(inputs)) {
    for (const { path, kind } of imports) {
      if (kind === "dynamic-import" && !ofPage.has(path) && !core.includes(path)) later.add(path);
    }
  }
  const contents = core.map((path) => `import ${JSON.stringify(root + path)};`).join("\n");
  return {
    name: "together",
    setup(build) {
      build.onResolve({ filter: /^core:$/ }, () => ({ path: "core", namespace: "core" }));
      build.onLoad({ filter: /./, namespace: "core" }, () => ({ contents, resolveDir: root }));
      build.onLoad({ filter: /\.ts$/, namespace: "file" }, async ({ path }) => {
        if (!later.has(path.slice(root.length).replaceAll("\\", "/"))) return undefined;
        return { contents: `import "core:";\n${await Deno.readTextFile(path)}`, loader: "ts" };
      });
    },
  };
}
