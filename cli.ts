#!/usr/bin/env -S deno run -A
/**
 * The command line: `deno run -A cli.ts "a red apple"`; `--help` lists the rest. And what programs in Deno need of it:
 * the command line itself as a function, and folders of the local disk.
 *
 * @example A model of the local disk, read by parts
 * ```ts
 * import { fileFolder } from "@lssgen/webgpu/cli";
 * import { readModelInfo } from "@lssgen/webgpu";
 *
 * const info = await readModelInfo(fileFolder("./FLUX.1-schnell"));
 * console.log(info.pipeline, info.defaults.steps);
 * ```
 *
 * @module
 */

import { main } from "./lib/cli/main.ts";
import { prepareMesa } from "./lib/cli/software_adapter.ts";

export { BytesProgress } from "./lib/cli/bytes_progress.ts";
export { type FetchedModel, fetchModel, type FetchOptions } from "./lib/cli/download.ts";
export { fileFolder, fileSource } from "./lib/cli/files.ts";
export { type HubEnvironment, readHubEnvironment } from "./lib/cli/hub_cache.ts";
export type { TransferOptions } from "./lib/cli/hub_transfer.ts";
export { main } from "./lib/cli/main.ts";
export type { CommandName, Parsed } from "./lib/cli/options.ts";
export type { Command, Terminal } from "./lib/cli/terminal.ts";
export type { LoadScale, ScaleEntry, ServingParts } from "./lib/cli/scale_entry.ts";
export type { Claim, Drawn, Engine, JobQueue, Outcome, QueuedPicture, Watch } from "./lib/server/queue.ts";
export type { Offer, Priority } from "./lib/server/policy.ts";
export type { HubOptions } from "./lib/hub/client.ts";
export { type HubName, parseHubName } from "./lib/hub/name.ts";
export type { PieceSizes } from "./lib/hub/ranges.ts";
export type { Wish } from "./lib/hub/selection.ts";
export { type ByteSource, type FolderSource } from "./lib/weights/bytes.ts";

if (import.meta.main) {
  prepareMesa();
  // Not written out: what an import names in full is fetched at every start, needed or not.
  const scale = new URL("./scale/mod.ts", import.meta.url).href;
  Deno.exit(await main(Deno.args, () => import(scale)));
}
