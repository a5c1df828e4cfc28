/**
 * Pictures: headers of every format, pixels of PNG and JPEG, texts of PNG.
 *
 * @module
 */

import { openPicture } from "../../lib/image/picture_file.ts";
import { readPngText } from "../../lib/image/png.ts";
import { fromStored } from "../../lib/cli/request.ts";
import { encodePng } from "../../lib/image/png.ts";
import { type Input, seedFolder, type Target, textOf } from "./target.ts";

/** The server's bound for pictures that are sent; what is larger is refused before it is unpacked. */
const MAX_PIXELS = 2 ** 20;

async function samples(wanted: RegExp): Promise<Input[]> {
  const list: Record<string, { file: string }> = JSON.parse(
    textOf(await seedFolder("data", /^pictures\.json$/), "pictures.json"),
  );
  return Object.entries(list).filter(([name]) => wanted.test(name)).map(([, { file }]) =>
    new Map([["picture", Uint8Array.fromBase64(file)]])
  );
}

const open = (input: Input): ReturnType<typeof openPicture> =>
  openPicture(input.get("picture") ?? new Uint8Array(), { maxPixels: MAX_PIXELS });

/** PNG: pixels and texts. */
export const png: Target = {
  name: "png",
  async seeds() {
    const own = await encodePng({ width: 3, height: 2, channels: 3, data: new Uint8Array(18) }, {
      lssgen: "{}",
      parameters: "a",
    });
    return [...await samples(/^png/), new Map([["picture", own]])];
  },
  async run(input) {
    const bytes = input.get("picture") ?? new Uint8Array();
    const picture = open(input);
    const texts = await readPngText(bytes);
    if (texts.has("lssgen")) fromStored(texts.get("lssgen"), "picture");
    if (picture.format === "PNG") await picture.decode();
  },
};

/** JPEG: pixels. */
export const jpeg: Target = {
  name: "jpeg",
  seeds: () => samples(/^jpeg/),
  async run(input) {
    const picture = open(input);
    if (picture.format === "JPEG") await picture.decode();
  },
};

/** The others, whose pixels the platform reads: headers alone. */
export const headers: Target = {
  name: "picture-headers",
  seeds: () => samples(/^(webp|gif|bmp|avif|tiff|heic)/),
  run: open,
};
