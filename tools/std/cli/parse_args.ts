/**
 * Stands in for `jsr:@std/cli/parse-args` where JSR does not answer (see `links` in deno.json): only what this repository
 * calls, arguments of the form `--name=value` whose values are texts. Never published; tests/edge_std_test.ts pins it.
 *
 * @module
 */

/** The options of the original that are read here. */
export interface ParseOptions {
  /** Names whose values stay texts, whatever they look like. */
  readonly string: readonly string[];
  /** Those of them that may be given several times; their value is the list. */
  readonly collect: readonly string[];
}

/**
 * Values by name: the last text of an option, all texts of one that collects (none: an empty list). `_` is always empty here.
 *
 * @throws {TypeError} For anything but `--name=value` with a name of `string`, which the original would take for more.
 */
export function parseArgs(args: readonly string[], options: ParseOptions): Record<string, unknown> {
  const values: Record<string, unknown> = { _: [] };
  for (const name of options.collect) values[name] = [];
  for (const arg of args) {
    const at = arg.indexOf("=");
    const name = arg.slice(2, at);
    if (!arg.startsWith("--") || at < 3 || !options.string.includes(name)) {
      throw new TypeError(`Expected --name=value, got "${arg}"`);
    }
    const value = arg.slice(at + 1);
    if (options.collect.includes(name)) (values[name] as string[]).push(value);
    else values[name] = value;
  }
  return values;
}
