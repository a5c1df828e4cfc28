/**
 * Expands the directives of a shader's source: variants, unrolled blocks, included parts. Kernels are expanded when they are
 * compiled, since all variants together are fifteen times as long as their sources.
 *
 * Directives are comment lines of their own; docs/SHADERS.md explains them to writers of kernels:
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
 * - Each parameter also becomes a `const` line at the top of its entry (`const RM: u32 = 8u;`), so the rest of the text
 *   uses it as plain WGSL. A file without `variants` has one entry by its plain name.
 * - An index is not replaced after a dot (`v.x` stays with an index called x) nor inside longer words.
 * - Comment lines within a block are kept for the first repetition only.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** A shader that cannot be expanded; the message names the file and the line. */
export class ShaderSyntaxError extends LssgenError {
  /** @param where `file:line` @param what What was wrong and what was expected. */
  constructor(where: string, what: string) {
    super("internal", `${where}: ${what}`);
    this.name = "ShaderSyntaxError";
  }
}

type Values = Readonly<Record<string, number>>;

/** A line of plain WGSL, or a block to repeat. */
type Node =
  | { readonly kind: "line"; readonly text: string }
  | {
    readonly kind: "unroll";
    readonly index: string;
    /** The index as part of an identifier, and as a word of its own. */
    readonly marks: readonly [RegExp, RegExp];
    readonly count: string;
    readonly where: string;
    readonly body: Node[];
  };

/** A shader's source, read once and expanded for each variant that is asked for. */
export class ShaderSource {
  /** Entries in the order of the `variants` line: `matmul@RM=8,RN=8`, or `softmax` alone. */
  readonly names: readonly string[];
  readonly #variants: ReadonlyMap<string, Values>;
  readonly #nodes: readonly Node[];

  /**
   * Reads the directives.
   *
   * @param name File name without `.wgsl`.
   * @param source Its text.
   * @param parts Texts to include, by name.
   * @throws {ShaderSyntaxError} For a directive that is malformed or not closed, or a part that does not exist.
   */
  constructor(name: string, source: string, parts: Readonly<Record<string, string>> = {}) {
    const { variants, nodes } = parse(name, source, parts);
    this.#nodes = nodes;
    this.#variants = new Map(
      variants.length === 0 ? [[name, {}]] : variants.map((values): [string, Values] => {
        const pairs = Object.entries(values).map(([key, value]) => `${key}=${value}`);
        return [`${name}@${pairs.join(",")}`, values];
      }),
    );
    this.names = [...this.#variants.keys()];
  }

  /**
   * WGSL of an entry, without directives; undefined for a name that is none of {@linkcode names}.
   *
   * @throws {ShaderSyntaxError} For a count that is no count.
   */
  text(name: string): string | undefined {
    const values = this.#variants.get(name);
    if (!values) return undefined;
    const constants = Object.entries(values).map(([key, value]) => `const ${key}: u32 = ${value}u;`);
    return [...constants, ...expand(this.#nodes, values)].join("\n") + "\n";
  }
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
      const [, index, count] = block;
      const marks: [RegExp, RegExp] = [
        new RegExp(`#${index}(?![A-Za-z0-9])`, "g"),
        new RegExp(`(?<![.\\w#])${index}(?!\\w)`, "g"),
      ];
      inner.body.push({ kind: "unroll", index, marks, count, where, body });
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
    const { index, marks: [joined, word], body } = node;
    const count = evaluate(node.count, values, node.where);
    if (count === 0) return [];
    const lines = (i: number): string[] => expand(body, { ...values, [index]: i });
    const first = lines(0);
    // Most bodies are the same lines for every number, but for the number itself.
    const varies = countsMention(body, index);
    const code = first.filter(isCode);
    return Array.from({ length: count }, (_, i) => {
      const repeated = i === 0 ? first : varies ? lines(i).filter(isCode) : code;
      return repeated.map((line) =>
        line.includes(index) ? line.replace(joined, String(i)).replace(word, String(i)) : line
      );
    }).flat();
  });
}

function isCode(line: string): boolean {
  return !line.trimStart().startsWith("//");
}

/** Whether the count of a block within these lines depends on an outer index. */
function countsMention(nodes: readonly Node[], index: string): boolean {
  return nodes.some((node) =>
    node.kind === "unroll" &&
    (new RegExp(`\\b${index}\\b`).test(node.count) || countsMention(node.body, index))
  );
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
