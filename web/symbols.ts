/**
 * Symbols that Safari does not have yet. The build puts these names where a script says `Symbol.dispose`; what esbuild makes of
 * `using` falls back on the same two.
 *
 * @module
 */

/** Looked up by name: the build replaces what is spelt out. */
function known(name: "dispose" | "asyncDispose"): symbol {
  return Symbol[name] ?? Symbol.for(`Symbol.${name}`);
}

/** `Symbol.dispose`, or what stands for it. */
export const dispose: symbol = known("dispose");
/** `Symbol.asyncDispose`, or what stands for it. */
export const asyncDispose: symbol = known("asyncDispose");
