/**
 * The bench's command line: one table, from which parsing and help come.
 *
 * @module
 */

import type { Operands } from "../lib/gpu/tune.ts";

/** What was asked for. */
export interface BenchOptions {
  /** Print the help and nothing else. */
  readonly help: boolean;
  /** Names of benches; all of them when undefined. */
  readonly only?: readonly string[];
  /** Cases whose name contains one of these. */
  readonly cases?: readonly string[];
  /** Repetitions of each contender. */
  readonly repetitions: number;
  /** Print a JSON report, to a file where one is named. */
  readonly json: boolean;
  /** The JSON's file; standard output without it. */
  readonly file?: string;
  /** Other engines beside ours: in this process, or all in Chromium. */
  readonly peers?: "deno" | "chromium";
  /** Instead of what the tuning finds. */
  readonly operands?: Operands;
  /** Time every kernel of the cases. */
  readonly profile: boolean;
}

/** A command line that cannot be meant; the message says what would be. */
export class BadOption extends Error {}

interface Row {
  readonly name: string;
  /** What stands for the value in the help; in brackets where it may be missing. Without: a flag. */
  readonly value?: string;
  readonly help: string;
}

const ROWS: readonly Row[] = [
  { name: "only", value: "NAME[,NAME]", help: "these benches; all without it" },
  { name: "case", value: "TEXT[|TEXT]", help: "only cases whose name contains one of the texts" },
  {
    name: "reps",
    value: "N",
    help: "repetitions of each contender, 5 by default; what takes long has fewer",
  },
  { name: "profile", help: "the time of every kernel of each case" },
  {
    name: "peers",
    value: "[chromium]",
    help: "onnxruntime-web at the same work in turns; with chromium all in Chromium, with TensorFlow.js too",
  },
  {
    name: "operands",
    value: "buffers|texels|tiled",
    help: "how kernels read their operands, in place of what the tuning finds",
  },
  { name: "json", value: "[FILE]", help: "the report as JSON, into a file or alone on standard output" },
  { name: "help", help: "this text" },
];

const OPERANDS: readonly Operands[] = ["buffers", "texels", "tiled"];

/** Usage, options and names. */
export function helpText(names: readonly string[]): string {
  const rows = ROWS.map(({ name, value, help }) => [`--${name}${value ? ` ${value}` : ""}`, help]);
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return [
    "deno task bench [OPTIONS]",
    "",
    "GFLOP/s of the kernels and of what is built of them, GB/s where memory bounds, their share of the peak that",
    "plain multiply-adds and a plain copy reach in turns with them. Everything takes half an hour on two cores.",
    "",
    ...rows.map(([left, help]) => `  ${left.padEnd(width)}${help}`),
    "",
    `Names: ${names.join(", ")}`,
  ].join("\n");
}

/**
 * Reads a command line.
 *
 * @param args Without the program's name.
 * @param names Of the benches there are.
 * @throws {BadOption} for an unknown option or name, or a value that is none.
 */
export function parseOptions(args: readonly string[], names: readonly string[]): BenchOptions {
  const given = new Map<string, string | undefined>();
  for (let i = 0; i < args.length; i++) {
    const [, spelled, attached] = /^--([^=]*)(?:=(.*))?$/.exec(args[i]) ?? [];
    const row = ROWS.find(({ name }) => name === spelled);
    if (!row) {
      const known = ROWS.map(({ name }) => `--${name}`).join(", ");
      throw new BadOption(`"${args[i]}" is no option of the bench: choose from ${known}`);
    }
    let value: string | undefined = attached;
    if (row.value && value === undefined && args[i + 1]?.startsWith("--") === false) value = args[++i];
    if (!row.value && value !== undefined) throw new BadOption(`--${row.name} takes no value`);
    if (row.value?.startsWith("[") === false && value === undefined) {
      throw new BadOption(`--${row.name} needs a value: ${row.value}`);
    }
    given.set(row.name, value);
  }
  const only = given.get("only")?.split(",");
  for (const name of only ?? []) {
    if (!names.includes(name)) {
      throw new BadOption(`No bench is called "${name}": choose from ${names.join(", ")}`);
    }
  }
  const repetitions = Number(given.get("reps") ?? 5);
  if (!Number.isInteger(repetitions) || repetitions < 1) {
    throw new BadOption(`--reps is "${given.get("reps")}", expected a whole number from 1 on`);
  }
  const where = given.get("peers");
  if (where !== undefined && where !== "chromium") {
    throw new BadOption(`--peers is "${where}", expected nothing more, or chromium`);
  }
  const operands = given.get("operands");
  if (operands !== undefined && !isOperands(operands)) {
    throw new BadOption(`--operands is "${operands}", expected one of ${OPERANDS.join(", ")}`);
  }
  return {
    help: given.has("help"),
    only,
    cases: given.get("case")?.split("|"),
    repetitions,
    json: given.has("json"),
    file: given.get("json"),
    peers: given.has("peers") ? where ?? "deno" : undefined,
    operands,
    profile: given.has("profile"),
  };
}

function isOperands(text: string): text is Operands {
  return (OPERANDS as readonly string[]).includes(text);
}
