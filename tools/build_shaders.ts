/**
 * Writes shaders/*.wgsl into lib/gpu/shaders.gen.ts, one string an entry (`deno task shaders`); with
 * `--check` it only says whether that file is fresh.
 *
 * The one thing it does beyond copying is unrolling, since naga unrolls no loops and private arrays
 * with a dynamic index are slow. Directives are comment lines of their own:
 *
 * ```wgsl
 * // variants RM=8 RN=8; RM=16 RN=16     one entry a variant: "matmul@RM=8,RN=8", "matmul@RM=16,RN=16"
 *
 * // unroll i RM                         the lines up to the matching `end`, once for each i in 0 … RM−1
 * let a#i = A[(m0 + i) * stride];        #i joins an identifier: a0, a1, …; the whole word i is the number
 * // unroll j RN / 4                     blocks nest; a count is integer arithmetic (+ - * / % and
 * var acc#i_#j = vec4f();                parentheses) over numbers, parameters and outer indices
 * // end
 * // end
 *
 * // include conv_output               the lines of shaders/parts/conv_output.wgsl, which include nothing
 * ```
 *
 * - Each parameter also becomes a `const` line at the top of its entry (`const RM: u32 = 8u;`), so the
 *   rest of the text uses it as plain WGSL. A file without `variants` has one entry by its plain name.
 * - An index is not replaced after a dot (`v.x` stays with an index called x) nor inside longer words.
 * - Comment lines within a block are kept for the first repetition only.
 *
 * docs/SHADERS.md says the same for writers of kernels.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, fromFileUrl } from "@std/path";

/** A shader that cannot be expanded; the message names the file and the line. */
export class ShaderSyntaxError extends Error {
  /** @param where `file:line` @param what What was wrong and what was expected. */
  constructor(where: string, what: string) {
    super(`${where}: ${what}`);
    this.name = "ShaderSyntaxError";
  }
}

/** One entry of the generated module. */
export interface ShaderEntry {
  /** `matmul`, or `matmul@RM=8,RN=8` for a variant. */
  readonly name: string;
  /** WGSL without directives. */
  readonly text: string;
}

type Values = Readonly<Record<string, number>>;

/** A line of plain WGSL, or a block to repeat. */
type Node =
  | { readonly kind: "line"; readonly text: string }
  | {
    readonly kind: "unroll";
    readonly index: string;
    readonly count: string;
    readonly where: string;
    readonly body: Node[];
  };

/**
 * Entries of one shader file, in the order of its `variants` line.
 *
 * @param name File name without `.wgsl`.
 * @param source Its text.
 * @param parts Texts to include, by name.
 * @throws {ShaderSyntaxError} For a directive that is malformed or not closed, or a part that does not exist.
 */
export function expandShader(
  name: string,
  source: string,
  parts: Readonly<Record<string, string>> = {},
): ShaderEntry[] {
  const { variants, nodes } = parse(name, source, parts);
  if (variants.length === 0) return [{ name, text: expand(nodes, {}).join("\n") + "\n" }];
  return variants.map((values) => {
    const pairs = Object.entries(values);
    const constants = pairs.map(([key, value]) => `const ${key}: u32 = ${value}u;`);
    return {
      name: `${name}@${pairs.map(([key, value]) => `${key}=${value}`).join(",")}`,
      text: [...constants, ...expand(nodes, values)].join("\n") + "\n",
    };
  });
}

/** The generated module: entries sorted by file name, variants as their file orders them. */
export function shaderModule(entries: readonly ShaderEntry[]): string {
  const literal = (text: string) => "`" + text.replace(/\\|`|\$\{/g, (found) => "\\" + found) + "`";
  const rows = entries.map(({ name, text }) => `  ${JSON.stringify(name)}: ${literal(text)},\n`).join("");
  return `// Generated from shaders/*.wgsl by tools/build_shaders.ts: edit those and run \`deno task shaders\`.\n` +
    `\n/** WGSL text by shader name; variants are \`name@RM=8,RN=8\`. */\n` +
    `export const SHADERS: Readonly<Record<string, string>> = {\n${rows}};\n` +
    `\n/** Tells one version of the shaders from another. */\n` +
    `export const SHADERS_DIGEST = "${createHash("sha256").update(rows).digest("hex").slice(0, 16)}";\n`;
}

/** Reads a folder of .wgsl files, and its `parts`, and returns the text that the generated module should have. */
export async function buildShaders(folder: URL): Promise<string> {
  const parts = Object.fromEntries(await texts(new URL("parts/", folder)));
  return shaderModule((await texts(folder)).flatMap(([name, source]) => expandShader(name, source, parts)));
}

/** Texts of a folder's .wgsl files by name, sorted. */
async function texts(folder: URL): Promise<[name: string, text: string][]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && entry.name.endsWith(".wgsl")) files.push(entry.name);
  }
  return await Promise.all(
    files.sort().map(async (file): Promise<[string, string]> => [
      basename(file, ".wgsl"),
      await Deno.readTextFile(new URL(file, folder)),
    ]),
  );
}

function parse(
  name: string,
  source: string,
  parts: Readonly<Record<string, string>>,
): { variants: Values[]; nodes: Node[] } {
  let variants: Values[] = [];
  const root: Node[] = [];
  const open: { body: Node[]; where: string }[] = [{ body: root, where: "" }];
  source.replace(/\n$/, "").split("\n").forEach((text, row) => {
    const where = `shaders/${name}.wgsl:${row + 1}`;
    const directive = /^\s*\/\/\s*(variants|unroll|end|include)\b(.*)$/.exec(text);
    const rest = directive?.[2].trim() ?? "";
    const inner = open[open.length - 1];
    if (directive?.[1] === "variants" && rest.includes("=")) {
      if (variants.length > 0) throw new ShaderSyntaxError(where, "a second `variants` line, expected one");
      variants = parseVariants(rest, where);
    } else if (directive?.[1] === "unroll") {
      const block = /^([A-Za-z_]\w*)\s+(.+)$/.exec(rest);
      if (!block) throw new ShaderSyntaxError(where, "expected `// unroll NAME COUNT`");
      const body: Node[] = [];
      inner.body.push({ kind: "unroll", index: block[1], count: block[2], where, body });
      open.push({ body, where });
    } else if (directive?.[1] === "include" && /^\w+$/.test(rest)) {
      if (!Object.hasOwn(parts, rest)) throw new ShaderSyntaxError(where, `no shaders/parts/${rest}.wgsl`);
      inner.body.push(...parse(`parts/${rest}`, parts[rest], {}).nodes);
    } else if (directive?.[1] === "end" && rest === "") {
      if (open.length === 1) throw new ShaderSyntaxError(where, "`// end` without `// unroll`");
      open.pop();
    } else {
      inner.body.push({ kind: "line", text });
    }
  });
  if (open.length > 1) {
    throw new ShaderSyntaxError(open[open.length - 1].where, "`// unroll` without its `// end`");
  }
  return { variants, nodes: root };
}

function parseVariants(text: string, where: string): Values[] {
  const variants = text.split(";").map((part) =>
    Object.fromEntries(
      part.trim().split(/\s+/).map((pair): [string, number] => {
        const match = /^([A-Za-z]\w*)=(\d+)$/.exec(pair);
        if (!match) {
          throw new ShaderSyntaxError(
            where,
            `"${pair}" in \`variants\`, expected NAME=NUMBER; semicolons between variants`,
          );
        }
        return [match[1], Number(match[2])];
      }),
    )
  );
  const names = Object.keys(variants[0]).join(" ");
  for (const values of variants) {
    const found = Object.keys(values).join(" ");
    if (found !== names) {
      throw new ShaderSyntaxError(
        where,
        `a variant sets ${found}, the first one ${names}: expected the same names`,
      );
    }
  }
  return variants;
}

function expand(nodes: readonly Node[], values: Values): string[] {
  return nodes.flatMap((node) => {
    if (node.kind === "line") return [node.text];
    const count = evaluate(node.count, values, node.where);
    return Array.from({ length: count }, (_, i) => {
      const lines = expand(node.body, { ...values, [node.index]: i });
      const kept = i === 0 ? lines : lines.filter((line) => !line.trim().startsWith("//"));
      return kept.map((line) => substitute(line, node.index, i));
    }).flat();
  });
}

function substitute(line: string, index: string, value: number): string {
  return line
    .replace(new RegExp(`#${index}(?![A-Za-z0-9])`, "g"), String(value))
    .replace(new RegExp(`(?<![.\\w#])${index}(?!\\w)`, "g"), String(value));
}

/** Integer arithmetic with the usual precedence; division must come out even. */
function evaluate(text: string, values: Values, where: string): number {
  const tokens = text.match(/[A-Za-z_]\w*|\d+|\S/g) ?? [];
  let at = 0;
  const bad = (what: string) => new ShaderSyntaxError(where, `${what} in the count "${text}"`);
  const atom = (): number => {
    const token = tokens[at++];
    if (token === "(") {
      const value = sum();
      if (tokens[at++] !== ")") throw bad("missing )");
      return value;
    }
    if (token !== undefined && /^\d+$/.test(token)) return Number(token);
    if (token !== undefined && Object.hasOwn(values, token)) return values[token];
    throw bad(
      token === undefined ? "something is missing" : `"${token}" is no number, parameter or outer index`,
    );
  };
  const product = (): number => {
    let value = atom();
    while (tokens[at] === "*" || tokens[at] === "/" || tokens[at] === "%") {
      const operator = tokens[at++];
      const right = atom();
      if (operator !== "*" && right === 0) throw bad("division by zero");
      if (operator === "/" && value % right !== 0) throw bad(`${value} / ${right} is not whole`);
      value = operator === "*" ? value * right : operator === "/" ? value / right : value % right;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-") {
      value = tokens[at++] === "+" ? value + product() : value - product();
    }
    return value;
  };
  const count = sum();
  if (at < tokens.length) throw bad(`"${tokens[at]}" is unexpected`);
  if (count < 0) throw bad(`${count} is negative`);
  return count;
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  const target = new URL("lib/gpu/shaders.gen.ts", root);
  const wanted = await buildShaders(new URL("shaders/", root));
  const present = await Deno.readTextFile(target).catch(() => "");
  if (Deno.args.includes("--check")) {
    if (present !== wanted) {
      console.error("lib/gpu/shaders.gen.ts is stale: run `deno task shaders`");
      Deno.exit(1);
    }
  } else if (present !== wanted) {
    // Written aside and renamed, so that a program that starts meanwhile reads one version or the other.
    const aside = await Deno.makeTempFile({ dir: fromFileUrl(new URL("./", target)), suffix: ".part" });
    await Deno.writeTextFile(aside, wanted);
    await Deno.chmod(aside, 0o644);
    await Deno.rename(aside, target);
    console.log(`lib/gpu/shaders.gen.ts: ${wanted.length} characters`);
  }
}
