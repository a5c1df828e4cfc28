/**
 * esbuild, for the page and for tests of the package. Named here and not in deno.json's import map, all of whose packages
 * Deno looks up before it runs anything, the command line too.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- see above
export { build, type BuildOptions, type Metafile, type Plugin, stop, transform } from "npm:esbuild@0.25.5";
