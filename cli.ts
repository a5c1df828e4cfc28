/**
 * The command line: `deno run -A cli.ts "a red apple"`; `--help` lists the rest.
 *
 * @module
 */

import { main } from "./lib/cli/main.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
