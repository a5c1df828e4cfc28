/**
 * `deno task golden DIR [--group G] [--case PREFIX] [--out OUT] [--dtype f32|f16] [--kernels LIST]`: runs any folder of
 * golden cases, a line a case, and `N passed, N failed` alone on the last line. LIST forces kernels that the adapter would not
 * choose: `tiled,small,f16` are staged operands, small tiles, and f16 arithmetic where it is safe.
 *
 * @module
 */

import { fileFolder } from "../lib/cli/files.ts";
import { spreadThreads } from "../lib/cli/software_adapter.ts";
import type { MatmulTuning } from "../lib/gpu/tune.ts";
import type { Dtype } from "../lib/tensor.ts";
import { writeSafetensors } from "../lib/weights/safetensors.ts";
import { type CaseResult, LazyDevice, runCase } from "./golden/run.ts";

interface Options {
  readonly dir: string;
  readonly group?: string;
  readonly prefix?: string;
  readonly out?: string;
  readonly dtype: Dtype;
  readonly kernels?: Partial<MatmulTuning>;
}

/** What --kernels names, by what of a tuning it is. */
const KERNELS = {
  operands: ["texels", "buffers", "tiled"],
  tiles: ["small", "large", "huge"],
  texels: ["sampled", "storage"],
  reduction: ["rows", "tree", "subgroups"],
  arithmetic: ["f32", "f16"],
} satisfies { [K in keyof MatmulTuning]?: MatmulTuning[K][] };

const USAGE = `Usage: deno task golden DIR [--group GROUP] [--case PREFIX] [--out OUT] [--dtype f32|f16]
       [--kernels LIST], of ${
  Object.values(KERNELS).map((words) => words.join("|")).join(", ")
} (arithmetic)`;

function parse(args: readonly string[]): Options {
  const options: { -readonly [K in keyof Options]?: Options[K] } = { dtype: "f32" };
  for (let i = 0; i < args.length; i++) {
    const value = (): string => {
      const v = args[++i];
      if (v === undefined) fail(`${args[i - 1]} needs a value`);
      return v;
    };
    if (args[i] === "--group") options.group = value();
    else if (args[i] === "--case") options.prefix = value();
    else if (args[i] === "--out") options.out = value();
    else if (args[i] === "--dtype") {
      const dtype = value();
      if (dtype !== "f32" && dtype !== "f16") fail(`--dtype is "${dtype}", expected f32 or f16`);
      options.dtype = dtype as Dtype;
    } else if (args[i] === "--kernels") {
      for (const word of value().split(",")) {
        const [choice] = Object.entries(KERNELS).find(([, words]) => (words as string[]).includes(word)) ??
          fail(`--kernels names "${word}"`);
        // Cases are small, and tiles are chosen by size: what is forced holds for every product.
        options.kernels = { smallProduct: 0, ...options.kernels, [choice]: word };
      }
    } else if (args[i].startsWith("-")) fail(`Unknown option ${args[i]}`);
    else if (options.dir === undefined) options.dir = args[i];
    else fail(`Unexpected argument "${args[i]}"`);
  }
  if (options.dir === undefined) fail("Missing the folder of cases");
  return options as Options;
}

function fail(message: string): never {
  console.error(`${message}\n${USAGE}`);
  Deno.exit(2);
}

/** Folders with a case.json, as paths below `root`, sorted; a folder below a case is its data. */
async function findCases(root: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  const entries = [];
  for await (const entry of Deno.readDir(below ? `${root}/${below}` : root)) entries.push(entry);
  if (entries.some((e) => e.name === "case.json")) return [below];
  for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (entry.isDirectory) {
      found.push(...await findCases(root, below ? `${below}/${entry.name}` : entry.name));
    }
  }
  return found;
}

function line(r: CaseResult): string {
  const figures = r.worst && r.worst.reason === undefined
    ? `max-abs ${r.worst.maxAbs.toExponential(2)}  rel ${r.worst.relative.toExponential(2)}  allowed ${
      r.worst.allowed.toExponential(2)
    }`
    : "";
  const head = `${r.ok ? "ok  " : "FAIL"} ${r.path.padEnd(42)} ${r.class.padEnd(28)} ${figures}`.trimEnd();
  return [head, ...r.failures.slice(0, 4).map((f) => `       ${f}`)].join("\n");
}

async function write(out: string, result: CaseResult): Promise<void> {
  for (const [file, tensors] of result.answer?.outputs ?? []) {
    const folder = `${out}/${result.path}`;
    await Deno.mkdir(folder, { recursive: true });
    const entries = [...tensors].filter(([name]) => name.startsWith("out.")).map(([name, v]) => ({
      name,
      shape: v.shape,
      data: Float32Array.from(v.data),
    }));
    const path = `${folder}/${file.replace(/^io/, "out")}`;
    await Deno.writeFile(`${path}.part`, writeSafetensors(entries));
    await Deno.rename(`${path}.part`, path);
  }
}

if (import.meta.main) {
  spreadThreads();
  const options = parse(Deno.args);
  const root = options.dir.replace(/\/+$/, "");
  let paths: string[];
  try {
    paths = await findCases(root);
  } catch (error) {
    fail(`Cannot read "${options.dir}": ${(error as Error).message}`);
  }
  const inGroup = (p: string) =>
    !options.group || p.split("/")[0] === options.group || root.endsWith(`/${options.group}`);
  const wanted = (p: string) => {
    const name = p.split("/").slice(1).join("/") || p;
    return !options.prefix || name.startsWith(options.prefix) || p.startsWith(options.prefix);
  };
  const gpu = new LazyDevice(options.kernels);
  let [ok, bad] = [0, 0];
  for (const path of paths.filter((p) => inGroup(p) && wanted(p))) {
    const files: string[] = [];
    for await (const entry of Deno.readDir(`${root}/${path}`)) {
      if (/^io.*\.safetensors$/.test(entry.name)) files.push(entry.name);
    }
    const result = await runCase(path, (p) => fileFolder(`${root}/${p}`), files.sort(), gpu, options.dtype);
    console.log(line(result));
    if (result.ok) ok++;
    else bad++;
    if (options.out) await write(options.out, result);
  }
  await gpu.close();
  console.log(`${ok} passed, ${bad} failed`);
  Deno.exit(bad > 0 || ok === 0 ? 1 : 0);
}
