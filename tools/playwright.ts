/**
 * Playwright, for tests in Chromium; named here for the reason that esbuild.ts gives.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- see above
export { type Browser, chromium, type Page } from "npm:playwright-core@1.55.0";
