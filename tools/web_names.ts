/**
 * Names of private members, which a browser need not know: they are made short, as names of variables are.
 *
 * @module
 */

/** A declaration of a private member, with its modifiers. */
const PRIVATE = /\bprivate (?:(?:readonly|async|static|get|set|override) )*\*?(\w+)/g;

/**
 * Private names of some sources that mean nothing else in any of them: no part of another object, of JSON or of the browser has them,
 * and nothing names them by a text.
 */
export function privateNames(sources: readonly string[]): RegExp {
  const all = sources.map((text) => text.replace(/\/\*.*?\*\/|^\s*\/\/.*$/gms, "")).join("\n");
  const declared = new Set([...all.matchAll(PRIVATE)].map(([, name]) => name));
  // What is read of `this`, and declared, is theirs.
  const others = all.replace(PRIVATE, "").replace(/\{[^{}]*\} = this\b/g, "").replace(
    /\bthis[?!]?\.(\w+)/g,
    "",
  );
  const taken = new Set([
    ...others.matchAll(/[?!]?\.\s*(\w+)/g), // of other objects
    ...others.matchAll(/["'`](\w+)["'`]/g), // by a text
    ...others.matchAll(/(\w+)\??\s*:/g), // keys, and what is declared with a type
    ...others.matchAll(/[{,]\s*(\w+)\s*(?=[,}])/g), // short for keys
  ].map(([, name]) => name));
  const own = [...declared].filter((name) => name.length > 2 && name !== "constructor" && !taken.has(name));
  return new RegExp(`^(?:${own.join("|")})$`);
}
