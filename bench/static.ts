/**
 * What can be told of a kernel from its text: how much it computes for each load, what it keeps in registers and in
 * workgroup memory, how often a workgroup waits. Counted by walking the unrolled WGSL with the launch's constants put
 * in; loops whose bounds are constants count as often as they run, those of run-time bounds are looked at one by one.
 *
 * @module
 */

import type { KernelSpec } from "../lib/gpu/kernel.ts";
import type { Facts } from "./harness.ts";

/** What one pass through some statements does. */
interface Work {
  /** Multiply-adds of scalars. */
  fmas: number;
  /** Loads from storage, textures or workgroup memory; a vector is one. */
  loads: number;
  /** Barriers. */
  barriers: number;
}

/** A loop of run-time length that multiplies, innermost first. */
interface Loop {
  readonly index: string;
  /** Of its own statements, without inner loops of run-time length. */
  readonly own: Work;
  /** Barriers of inner loops included. */
  readonly barriers: number;
}

type Node =
  | { readonly kind: "simple"; readonly text: string }
  | { readonly kind: "block"; readonly body: readonly Node[] }
  | {
    readonly kind: "if";
    readonly test: string;
    readonly then: readonly Node[];
    readonly other: readonly Node[];
  }
  | { readonly kind: "for" | "switch"; readonly head: string; readonly body: readonly Node[] };

interface Fn {
  readonly params: string;
  readonly body: readonly Node[];
}

const NOTHING: Readonly<Work> = { fmas: 0, loads: 0, barriers: 0 };

/** Facts of a kernel's text. @param text WGSL without the preamble. @param spec Constants and types it is compiled with. */
export function staticFacts(text: string, spec: Pick<KernelSpec, "constants" | "types">): Facts {
  const kernel = new Kernel(text, spec);
  const loops = kernel.loops();
  const facts: Record<string, string | number> = {};
  const multiplying = loops.filter(({ own }) => own.fmas > 0 && own.loads > 0);
  if (multiplying.length > 0) {
    facts["multiply-adds a load"] = multiplying
      .map(({ index, own }) => `${round(own.fmas / own.loads)} (loop ${index})`).join(", ");
    facts["accumulators"] = kernel.accumulators();
    facts["barriers a step"] = loops.reduce((most, { barriers }) => Math.max(most, barriers), 0);
  }
  facts["workgroup bytes"] = kernel.workgroupBytes();
  return facts;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

class Kernel {
  private readonly values = new Map<string, number>();
  private readonly functions = new Map<string, Fn>();
  private readonly types: ReadonlyMap<string, string>;
  private readonly structs = new Map<string, string[]>();
  /** Module variables that are indexed: storage and workgroup arrays. */
  private readonly memory = new Set<string>();
  private readonly shared: { type: string; count: string }[] = [];
  private readonly costs = new Map<string, Work>();
  private readonly found: Loop[] = [];
  private readonly sums = new Map<string, number>();

  constructor(text: string, { constants = {}, types = {} }: Pick<KernelSpec, "constants" | "types">) {
    const code = text.replace(/\/\/.*/g, "");
    this.types = new Map(Object.entries(types));
    for (
      const [, name, value] of code.matchAll(/\b(?:const|override)\s+(\w+)\s*(?::\s*\w+)?\s*=\s*([^;]+);/g)
    ) {
      const known = constants[name] ?? this.evaluate(value);
      if (known !== undefined) this.values.set(name, known);
    }
    for (const [, name, fields] of code.matchAll(/\bstruct\s+(\w+)\s*\{([^}]*)\}/g)) {
      this.structs.set(name, [...fields.matchAll(/\w+\s*:\s*([\w<>]+)/g)].map(([, type]) => type));
    }
    for (const [, space, name, type] of code.matchAll(/\bvar<([^>]*)>\s*(\w+)\s*:\s*(array<.*?>)\s*;/g)) {
      this.memory.add(name);
      const [, of, count] = /^array<(.*?)(?:,([^,]*))?>$/.exec(type) ?? [];
      if (space.trim() === "workgroup") this.shared.push({ type: of.trim(), count: count ?? "1" });
    }
    for (const match of code.matchAll(/\bfn\s+(\w+)\s*\(/g)) {
      const open = match.index + match[0].length - 1;
      const close = closing(code, open);
      const brace = code.indexOf("{", close);
      const body = code.slice(brace + 1, closing(code, brace));
      this.functions.set(match[1], { params: code.slice(open + 1, close), body: parse(body) });
    }
  }

  workgroupBytes(): number {
    return this.shared.reduce(
      (sum, { type, count }) => sum + this.bytes(type) * (this.evaluate(count) ?? 0),
      0,
    );
  }

  loops(): readonly Loop[] {
    const main = this.functions.get("main");
    if (main) this.cost(main.body, vectorNames(main));
    return this.found;
  }

  /** Scalars that the loops sum up in. */
  accumulators(): number {
    return [...this.sums.values()].reduce((a, b) => a + b, 0);
  }

  /** Work of some statements, and whether they always return. */
  private cost(nodes: readonly Node[], vectors: ReadonlyMap<string, number>): Work & { returns?: boolean } {
    const sum: Work & { returns?: boolean } = { ...NOTHING };
    for (const node of nodes) {
      const part = this.costOf(node, vectors);
      sum.fmas += part.fmas;
      sum.loads += part.loads;
      sum.barriers += part.barriers;
      if (part.returns) return { ...sum, returns: true };
    }
    return sum;
  }

  private costOf(node: Node, vectors: ReadonlyMap<string, number>): Work & { returns?: boolean } {
    switch (node.kind) {
      case "simple":
        return this.statement(node.text, vectors);
      case "block":
        return this.cost(node.body, vectors);
      case "switch":
        return NOTHING; // activations: not what is counted
      case "if": {
        const known = this.evaluate(node.test);
        if (known !== undefined) return this.cost(known !== 0 ? node.then : node.other, vectors);
        const [a, b] = [this.cost(node.then, vectors), this.cost(node.other, vectors)];
        return a.fmas + a.loads >= b.fmas + b.loads ? { ...a, returns: false } : { ...b, returns: false };
      }
      case "for": {
        const times = this.turns(node.head);
        const before = this.found.length;
        const { fmas, loads, barriers } = this.cost(node.body, vectors);
        if (times !== undefined) {
          return { fmas: fmas * times, loads: loads * times, barriers: barriers * times };
        }
        const inner = this.found.slice(before);
        const all = barriers + inner.reduce((most, l) => Math.max(most, l.barriers), 0);
        if (fmas > 0 || inner.length > 0) {
          const index = /(\w+)\s*(?::\s*\w+)?\s*=/.exec(node.head)?.[1] ?? "?";
          this.found.push({ index, own: { fmas, loads, barriers }, barriers: all });
        }
        return NOTHING; // counted by itself
      }
    }
  }

  private statement(text: string, vectors: ReadonlyMap<string, number>): Work & { returns?: boolean } {
    const work: Work & { returns?: boolean } = { ...NOTHING };
    const [, target, operator] =
      /^\s*(?:(?:let|var)\s+)?([\w.]+(?:\[[^\]]*\])?)\s*(?::[^=]*)?([-+*/]?=)(?!=)/.exec(text) ??
        [];
    const right = operator ? text.slice(text.indexOf(operator) + operator.length) : text;
    for (const [, name] of right.matchAll(/\b(\w+)\s*\(/g)) {
      if (name === "texel") work.loads++;
      else if (name === "workgroupBarrier") work.barriers++;
      else if (name === "dot") work.fmas += 4;
      else if (name === "fma") work.fmas += this.width(right, target, vectors);
      else if (this.functions.has(name)) {
        const called = this.called(name);
        work.fmas += called.fmas;
        work.loads += called.loads;
        work.barriers += called.barriers;
      }
    }
    if (operator === "+=" && !/\b(fma|dot)\s*\(/.test(right) && /\*/.test(right) && target) {
      work.fmas += this.width(right, target, vectors);
    }
    for (const [, name] of right.matchAll(/\b(\w+)\s*\[/g)) if (this.memory.has(name)) work.loads++;
    if (target && work.fmas > 0 && /^\w/.test(target) && !/^\s*(let|var)\b/.test(text)) {
      const name = target.replace(/[.[].*/, "");
      if (!this.memory.has(name)) this.sums.set(name, vectors.get(name) ?? 1);
    }
    if (/^\s*return\b/.test(text)) work.returns = true;
    return work;
  }

  /** Lanes of a multiply-add: of the variable it goes to, or by the types named in it. */
  private width(right: string, target: string | undefined, vectors: ReadonlyMap<string, number>): number {
    const name = target?.replace(/[.[].*/, "");
    const whole = target !== undefined && /^\w+$/.test(target);
    if (name && whole && vectors.has(name)) return vectors.get(name)!;
    const named = /\bvec([234])(?:[fh]|<)/.exec(right);
    return named ? Number(named[1]) : 1;
  }

  private called(name: string): Work {
    const known = this.costs.get(name);
    if (known) return known;
    this.costs.set(name, NOTHING); // WGSL has no recursion; a cycle would be an error elsewhere
    const fn = this.functions.get(name)!;
    const sums = new Map(this.sums);
    const { fmas, loads, barriers } = this.cost(fn.body, vectorNames(fn));
    this.sums.clear(); // its locals are no accumulators of the kernel
    for (const [key, value] of sums) this.sums.set(key, value);
    const work = { fmas, loads, barriers };
    this.costs.set(name, work);
    return work;
  }

  /** How often a loop runs, where its bound and step are constants. */
  private turns(head: string): number | undefined {
    const [start = "", test = "", step = ""] = head.split(";");
    const limit = /[<>]=?\s*(.*)$/.exec(test)?.[1];
    const end = limit === undefined ? undefined : this.evaluate(limit);
    if (end === undefined) return undefined;
    const by = /\+=\s*(.*)$/.exec(step)?.[1];
    const width = by === undefined ? 1 : this.evaluate(by);
    if (width === undefined) return undefined;
    // A loop that begins at the invocation's own number runs this often on average.
    const from = this.evaluate(/=\s*(.*)$/.exec(start)?.[1] ?? "") ?? 0;
    return Math.max(0, (end - from) / width);
  }

  /** The value of a constant expression; undefined when it is none. */
  private evaluate(expression: string): number | undefined {
    const text = expression.replace(/\b(\d+(?:\.\d*)?(?:e[-+]?\d+)?)[uif]?\b/g, "$1")
      .replace(/\b[A-Za-z_]\w*\b/g, (name) => {
        if (Object.hasOwn(FUNCTIONS, name)) return name;
        const value = this.values.get(name);
        return value === undefined ? name === "true" || name === "false" ? name : "?" : String(value);
      });
    return arithmetic(text);
  }

  private bytes(type: string): number {
    const known: Readonly<Record<string, number>> = { f32: 4, u32: 4, i32: 4, f16: 2 };
    const named = this.types.get(type);
    if (named) return this.bytes(named);
    if (type in known) return known[type];
    const [, lanes, of] = /^vec([234])(?:<(\w+)>|[fuih])$/.exec(type) ?? [];
    if (lanes) {
      const each = of ? this.bytes(of) : type.endsWith("h") ? 2 : 4;
      return (lanes === "3" ? 4 : Number(lanes)) * each;
    }
    return (this.structs.get(type) ?? []).reduce((sum, field) => sum + this.bytes(field), 0);
  }
}

/** Names that hold vectors within a function, with their lanes. */
function vectorNames({ params, body }: Fn): Map<string, number> {
  const names = new Map<string, number>();
  for (const [, name, lanes] of params.matchAll(/(\w+)\s*:\s*vec([234])/g)) names.set(name, Number(lanes));
  const walk = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      if (node.kind === "simple") {
        const [, name, lanes] =
          /^\s*(?:let|var)\s+(\w+)\s*(?::\s*(?:array<\s*)?vec([234])|=\s*vec([234]))/.exec(node.text)
            ?.filter((part) => part !== undefined) ?? [];
        if (name) names.set(name, Number(lanes));
      } else if (node.kind === "if") {
        walk(node.then);
        walk(node.other);
      } else walk(node.body);
    }
  };
  walk(body);
  return names;
}

/** Index of the bracket that closes the one at `open`. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if ("({[".includes(text[i])) depth++;
    else if (")}]".includes(text[i]) && --depth === 0) return i;
  }
  return text.length;
}

/** Statements of a body. */
function parse(text: string): Node[] {
  const nodes: Node[] = [];
  let at = 0;
  const skip = (): void => {
    while (at < text.length && /\s/.test(text[at])) at++;
  };
  /** The text within the brackets that come next. */
  const within = (): string => {
    skip();
    const end = closing(text, at);
    const inner = text.slice(at + 1, end);
    at = end + 1;
    return inner;
  };
  const conditional = (): Node => {
    const brace = text.indexOf("{", at);
    const test = text.slice(at, brace);
    at = brace;
    const then = parse(within());
    skip();
    let other: Node[] = [];
    if (/^else\b/.test(text.slice(at, at + 5))) {
      at += 4;
      skip();
      if (/^if\b/.test(text.slice(at, at + 3))) {
        at += 2;
        other = [conditional()];
      } else other = parse(within());
    }
    return { kind: "if", test, then, other };
  };
  while (true) {
    skip();
    if (at >= text.length) return nodes;
    const [word] = /^(for|while|loop|if|switch)\b/.exec(text.slice(at, at + 7)) ?? [];
    if (text[at] === "{") nodes.push({ kind: "block", body: parse(within()) });
    else if (word === "if") {
      at += 2;
      nodes.push(conditional());
    } else if (word) {
      at += word.length;
      const brace = word === "for" ? -1 : text.indexOf("{", at);
      const head = word === "for" ? within() : text.slice(at, brace);
      if (word !== "for") at = brace;
      nodes.push({ kind: word === "switch" ? "switch" : "for", head, body: parse(within()) });
    } else {
      let end = at;
      for (let depth = 0; end < text.length; end++) {
        if ("({[".includes(text[end])) depth++;
        else if (")}]".includes(text[end])) depth--;
        else if (text[end] === ";" && depth === 0) break;
      }
      const statement = text.slice(at, end).trim();
      if (statement) nodes.push({ kind: "simple", text: statement });
      at = end + 1;
    }
  }
}

/** Functions that sizes are made with. */
const FUNCTIONS: Readonly<Record<string, (...values: readonly number[]) => number>> = {
  min: Math.min,
  max: Math.max,
  select: (no, yes, test) => test ? yes : no,
};

/** Numbers, + - * / %, comparisons, && and ||, brackets, min, max and select; undefined for anything else. */
function arithmetic(text: string): number | undefined {
  const tokens = text.match(/\d+(?:\.\d*)?(?:e[-+]?\d+)?|[=!<>]=|&&|\|\||<<|>>|[-+*/%()<>!&,]|[a-z]+|\S/g) ??
    [];
  const LEVELS = [["||"], ["&&"], ["==", "!="], ["<", ">", "<=", ">="], ["&"], ["<<", ">>"], ["+", "-"], [
    "*",
    "/",
    "%",
  ]];
  let at = 0;
  const operate = (a: number, operator: string, b: number): number => {
    switch (operator) {
      case "||":
        return a || b ? 1 : 0;
      case "&&":
        return a && b ? 1 : 0;
      case "==":
        return a === b ? 1 : 0;
      case "!=":
        return a !== b ? 1 : 0;
      case "<":
        return a < b ? 1 : 0;
      case ">":
        return a > b ? 1 : 0;
      case "<=":
        return a <= b ? 1 : 0;
      case ">=":
        return a >= b ? 1 : 0;
      case "&":
        return a & b;
      case "<<":
        return a << b;
      case ">>":
        return a >> b;
      case "+":
        return a + b;
      case "-":
        return a - b;
      case "*":
        return a * b;
      case "%":
        return a % b;
      default:
        return Math.trunc(a / b);
    }
  };
  const read = (level: number): number => {
    if (level === LEVELS.length) {
      const token = tokens[at++];
      if (token === "(") {
        const value = read(0);
        if (tokens[at++] !== ")") return NaN;
        return value;
      }
      const call = Object.hasOwn(FUNCTIONS, token ?? "") ? FUNCTIONS[token] : undefined;
      if (call && tokens[at++] === "(") {
        const values = [read(0)];
        while (tokens[at] === ",") {
          at++;
          values.push(read(0));
        }
        return tokens[at++] === ")" ? call(...values) : NaN;
      }
      if (token === "-") return -read(level);
      if (token === "!") return read(level) ? 0 : 1;
      return token !== undefined && /^\d/.test(token) ? Number(token) : NaN;
    }
    let value = read(level + 1);
    while (at < tokens.length && LEVELS[level].includes(tokens[at])) {
      const operator = tokens[at++];
      value = operate(value, operator, read(level + 1));
    }
    return value;
  };
  const value = read(0);
  return at === tokens.length && Number.isFinite(value) ? value : undefined;
}
