/**
 * Puppeteer, which drives Debian's Firefox by WebDriver BiDi (Playwright needs a Firefox of its own); named here for the reason that
 * esbuild.ts gives.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- see above
export { type Browser, launch, type Page } from "npm:puppeteer-core@24.10.0";
