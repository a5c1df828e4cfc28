/**
 * `deno task types`: checks the library in plain TypeScript projects, as users of npm and bundlers have them: one takes WebGPU's
 * types from `@webgpu/types`, one from the DOM library of a compiler that has them. The packages come from npm into temporary
 * folders; the first run fetches 60 MB, later ones take them from Deno's cache.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";

/** A project: its compiler, and where WebGPU's types come from. */
interface Project {
  /** What is checked, for messages. */
  readonly name: string;
  /** Packages of npm, by name. */
  readonly packages: Readonly<Record<string, string>>;
  /** Packages of types that the compiler reads. */
  readonly types: readonly string[];
}

const PROJECTS: readonly Project[] = [
  {
    name: "TypeScript 5.9 with @webgpu/types",
    packages: { typescript: "5.9.3", "@webgpu/types": "0.1.74" },
    types: ["@webgpu/types"],
  },
  { name: "TypeScript 7.0 with its own DOM library", packages: { typescript: "7.0.2" }, types: [] },
];

/** The repository. */
const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** Runs Deno in a folder. */
async function deno(folder: string, ...args: string[]): Promise<{ success: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  return { success, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/**
 * Checks the library, or a folder of the same layout, in one project.
 *
 * @returns The compiler's complaints; empty when there are none.
 */
export async function complaints({ name, packages, types }: Project, root: string = ROOT): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "deno.json"), '{ "nodeModulesDir": "auto" }');
    await Deno.writeTextFile(
      join(folder, "package.json"),
      JSON.stringify({ private: true, type: "module", dependencies: packages }),
    );
    const config = {
      compilerOptions: {
        target: "esnext",
        module: "esnext",
        moduleResolution: "bundler",
        lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"],
        types,
        typeRoots: ["./node_modules"],
        strict: true,
        noEmit: true,
        allowImportingTsExtensions: true,
      },
      // lib/cli is for Deno; everything else is for every runtime.
      include: [join(root, "*.ts"), join(root, "lib")],
      exclude: [join(root, "cli.ts"), join(root, "lib/cli")],
    };
    await Deno.writeTextFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    const installed = await deno(folder, "install");
    if (!installed.success) return `${name}: npm does not answer: ${installed.output}`;
    const { success, output } = await deno(folder, "run", "-A", "node_modules/typescript/bin/tsc", "-p", ".");
    return success ? "" : `${name}:\n${output}`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const found = (await Promise.all(PROJECTS.map((project) => complaints(project)))).filter((text) =>
    text !== ""
  );
  for (const text of found) console.error(text);
  Deno.exit(found.length > 0 ? 1 : 0);
}
