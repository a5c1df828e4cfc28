/**
 * Models by address: the embedded one, a URL, a hub's name.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { FolderSource } from "../weights/bytes.ts";
import { httpFolder } from "../weights/http_source.ts";
import type { ModelSource } from "./types.ts";

/**
 * The folder that a source stands for which is none itself. Without a source the embedded model's.
 *
 * @throws {LssgenError} `bad_option` for a text that is no address.
 */
export async function folderBehind(source?: ModelSource): Promise<FolderSource> {
  if (source === undefined) return (await import("./embedded_model.ts")).embeddedFolder();
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw new LssgenError(
      "bad_option",
      `The model is ${
        source === null ? "null" : `of type ${typeof source}`
      }, expected an address, a URL, or a folder with ` +
        "name, open() and text()",
    );
  }
  // "ORG/NAME", with one slash in its middle, is a hub's; "./models/flux" and "models/flux/" are folders beside the page.
  if (typeof source === "string") {
    const { parseHubName } = await import("../hub/name.ts");
    const name = parseHubName(source);
    if (name) return (await import("../hub/repository.ts")).hubFolder(name);
  }
  // A page's own address, where there is a page, so that "models/flux/" works there as it does for images.
  const here = (globalThis as { location?: { href: string } }).location?.href;
  if (source instanceof URL || URL.canParse(source, here)) return httpFolder(new URL(source, here));
  throw new LssgenError(
    "bad_option",
    `The model is "${source}", expected an address such as "https://example.org/flux/", a URL, or a folder ` +
      '(fileFolder("./flux") of @lssgen/webgpu/cli in Deno)',
  );
}
