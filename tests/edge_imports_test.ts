/**
 * The arrows of the architecture: imports in lib/ only point downwards, none go round in a circle, and only the edge knows its host.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, relative } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** Files directly in lib/: errors, tensors, random numbers. */
const BASE = "base";

/** What each folder of lib/ may import, besides itself and the base. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  base: [],
  gpu: [],
  weights: [],
  hub: ["weights"],
  schedulers: [],
  text: [],
  image: [],
  judging: ["image", "weights"],
  cache: [],
  ops: ["gpu"],
  scaling: ["schedulers"],
  residency: ["ops", "gpu", "weights"],
  models: ["residency", "ops", "gpu", "weights"],
  pipelines: [
    "scaling",
    "cache",
    "models",
    "residency",
    "text",
    "image",
    "ops",
    "schedulers",
    "gpu",
    "hub",
    "weights",
  ],
  model_files: ["pipelines", "weights"],
  comfyui: ["schedulers"],
  parameters: ["comfyui", "model_files", "pipelines", "schedulers", "image"],
  server: ["comfyui", "pipelines", "schedulers", "image"],
  cli: [
    "comfyui",
    "server",
    "parameters",
    "model_files",
    "pipelines",
    "scaling",
    "cache",
    "models",
    "residency",
    "text",
    "judging",
    "image",
    "ops",
    "schedulers",
    "gpu",
    "hub",
    "weights",
  ],
};

/** Modules of the platform that Deno's own names have nothing for: hashes of streams, the room on a disk. */
const PLATFORM: Readonly<Record<string, readonly string[]>> = {
  "lib/cli/disk_space.ts": ["node:fs/promises"],
  "lib/cli/http.ts": ["node:http", "node:net"],
  "lib/cli/websocket.ts": ["node:net"],
  "lib/cli/page_packing.ts": ["node:zlib"],
  "lib/cli/hub_transfer.ts": ["node:crypto"],
};

/** What it may name in types only: a scheduler is made from a config, whose reader lives with the files. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = { schedulers: ["weights"] };

interface Source {
  /** Path from the repository's root. */
  readonly path: string;
  /** Text without comments. */
  readonly code: string;
  /** Specifiers of imports and re-exports that remain at run time. */
  readonly values: readonly string[];
  /** Specifiers of type-only ones. */
  readonly types: readonly string[];
}

function parse(path: string, text: string): Source {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const values: string[] = [];
  const types: string[] = [];
  for (
    const [, type, specifier] of code.matchAll(
      /^\s*(?:import|export)\s(\s*type\s)?[^;"']*?from\s*["']([^"']+)["']/gm,
    )
  ) {
    (type ? types : values).push(specifier);
  }
  for (const [, specifier] of code.matchAll(/\bimport\s*\(?\s*["']([^"']+)["']/g)) values.push(specifier);
  return { path, code, values, types };
}

async function sources(folder: string): Promise<Source[]> {
  const found: Source[] = [];
  for await (const entry of Deno.readDir(`${ROOT}${folder}`)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await sources(path));
    // The generated module holds WGSL, no imports.
    else if (path.endsWith(".ts") && !path.endsWith(".gen.ts")) {
      found.push(parse(path, await Deno.readTextFile(`${ROOT}${path}`)));
    }
  }
  return found;
}

function layer(path: string): string {
  const parts = path.split("/");
  return parts.length === 2 ? BASE : parts[1];
}

function resolve(from: string, specifier: string): string {
  return relative(ROOT, fromFileUrl(new URL(specifier, new URL(from, `file://${ROOT}`))));
}

/** Complaints about the imports of lib/. */
function upward(files: readonly Source[]): string[] {
  const wrong: string[] = [];
  for (const { path, values, types } of files) {
    const own = layer(path);
    if (!Object.hasOwn(ALLOWED, own)) wrong.push(`${path}: no rule for folder ${own}`);
    const check = (specifier: string, allowed: readonly string[]): void => {
      if (!specifier.startsWith(".")) {
        const known = !specifier.startsWith("node:") || PLATFORM[path]?.includes(specifier);
        if (own !== "cli" || !known) wrong.push(`${path}: ${specifier} is not ours`);
        return;
      }
      const target = resolve(path, specifier);
      const other = layer(target);
      const down = target.startsWith("lib/") && (other === own || other === BASE || allowed.includes(other));
      if (!down) wrong.push(`${path}: ${specifier} is no arrow downwards`);
    };
    for (const specifier of values) check(specifier, ALLOWED[own] ?? []);
    for (const specifier of types) check(specifier, [...ALLOWED[own] ?? [], ...TYPES_ONLY[own] ?? []]);
  }
  return wrong;
}

/** Files that are opened from outside. */
const DOORS = ["mod.ts", "cli.ts", "lssgen.ts", "kernels.ts"];

/**
 * Circles among files by their imports, each as its files in the order of the arrows. Type-only imports count: two files that
 * need each other's types cannot be read one after the other either.
 */
function circles(files: readonly Source[]): string[] {
  const arrows = new Map(files.map(({ path, values, types }) => [
    path,
    [...values, ...types].filter((specifier) => specifier.startsWith(".")).map((s) => resolve(path, s)),
  ]));
  const found: string[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const follow = (path: string): void => {
    const from = way.indexOf(path);
    if (from >= 0) found.push([...way.slice(from), path].join(" → "));
    if (from >= 0 || done.has(path)) return;
    way.push(path);
    for (const next of arrows.get(path) ?? []) follow(next);
    way.pop();
    done.add(path);
  };
  for (const path of arrows.keys()) follow(path);
  return found;
}

const HOST =
  /\bDeno\s*\.|["']node:|\bprocess\s*\.|\bdocument\s*\.|\bwindow\s*\.(?!ts\b)|\brequire\s*\(\s*["']/;

Deno.test("imports in lib/ point downwards only", async () => {
  const files = await sources("lib");
  assert(files.length > 10, `only ${files.length} files found`);
  assertEquals(upward(files), []);
});

Deno.test("no imports of the library, the page, the training or the tools go round in a circle", async () => {
  const folders = await Promise.all(["lib", "web", "train", "tools", "bench", "tests"].map(sources));
  const doors = await Promise.all(
    DOORS.map(async (path) => parse(path, await Deno.readTextFile(`${ROOT}${path}`))),
  );
  assertEquals(circles([...folders.flat(), ...doors]), []);
});

Deno.test("the search for circles finds one of three files that only types close", () => {
  const files = [
    parse("lib/a.ts", `import { b } from "./x/b.ts";\n`),
    parse("lib/x/b.ts", `export { c } from "../c.ts";\n`),
    parse("lib/c.ts", `import type { A } from "./a.ts";\nimport "./d.ts";\n`),
    parse("lib/d.ts", ""),
  ];
  assertEquals(circles(files), ["lib/a.ts → lib/x/b.ts → lib/c.ts → lib/a.ts"]);
});

Deno.test("outside lib/cli nothing in lib/ knows Deno, Node or a page", async () => {
  const wrong = (await sources("lib")).filter(({ path, code }) => layer(path) !== "cli" && HOST.test(code));
  assertEquals(wrong.map(({ path }) => path), []);
});

Deno.test("neither the page nor the library's entries take anything of the command line, types included", async () => {
  const doors = await Promise.all(
    ["mod.ts", "lssgen.ts", "kernels.ts"].map(async (path) =>
      parse(path, await Deno.readTextFile(`${ROOT}${path}`))
    ),
  );
  const page = await sources("web");
  assert(page.some(({ path }) => path === "web/worker.ts"));
  const wrong = [...page, ...doors].filter(({ path, values, types }) =>
    [...values, ...types].some((specifier) =>
      specifier.startsWith(".") && /^(?:lib\/cli\/|cli\.ts$)/.test(resolve(path, specifier))
    )
  );
  assertEquals(wrong.map(({ path }) => path), []);
});

Deno.test("the walk over imports notices an upward arrow, a foreign module and a host's name", () => {
  const bad = parse(
    "lib/gpu/x.ts",
    `/* from "../models/a.ts" */\nimport { a } from "../ops/a.ts";\nimport type { b } from "npm:b";\n` +
      `import {\n  c,\n} from "../errors.ts";\nexport * from "./device.ts";\nconst d = await import("../../mod.ts");\n`,
  );
  assertEquals(upward([bad]), [
    "lib/gpu/x.ts: ../ops/a.ts is no arrow downwards",
    "lib/gpu/x.ts: ../../mod.ts is no arrow downwards",
    "lib/gpu/x.ts: npm:b is not ours",
  ]);
  assert(HOST.test("await Deno.readFile(x)") && HOST.test('from "node:fs"') && !HOST.test("a Denoiser.step"));
});
