/**
 * axe-core, which finds what keeps people from using a page; named here for the reason that esbuild.ts gives.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- see above
import axe from "npm:axe-core@4.10.3";

/** Its script, to be run in a page. */
export const AXE_SOURCE: string = (axe as unknown as { source: string }).source;
