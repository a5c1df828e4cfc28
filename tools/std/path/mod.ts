/**
 * Stands in for `jsr:@std/path` where JSR does not answer (see `links` in deno.json): only what this
 * repository calls, over `node:path`. Never published; tests/edge_std_test.ts pins the behaviour.
 *
 * @module
 */
export { basename, dirname, extname, isAbsolute, join, relative, resolve } from "node:path";
export { fileURLToPath as fromFileUrl, pathToFileURL as toFileUrl } from "node:url";
