/**
 * The texts in picture files of any format.
 *
 * @module
 */

import { readExif } from "./exif_texts.ts";
import { pictureFacts } from "./formats.ts";
import { readPngText } from "./png.ts";

/**
 * The texts of a picture in any format that is read: text chunks of a PNG, Exif of the others.
 *
 * @param bytes The whole file.
 * @param name File name for messages.
 * @throws {LssgenError} `bad_file`, `unsupported`: no picture that is read, or a damaged one.
 */
export async function readPictureTexts(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): Promise<ReadonlyMap<string, string>> {
  const { format, facts } = pictureFacts(bytes, name);
  const texts = format.name === "PNG" ? await readPngText(bytes, name) : new Map<string, string>();
  const exif = facts.exif === undefined ? {} : readExif(facts.exif);
  for (const [key, value] of Object.entries(exif)) {
    if (value !== undefined && !texts.has(key)) texts.set(key, value);
  }
  return texts;
}
