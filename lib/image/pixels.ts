/**
 * Pixels of a picture that may still be in its file; apart from what reads files, which a page loads when there is one.
 *
 * @module
 */

import type { PictureFile } from "./picture_file.ts";
import type { Picture } from "./png_writing.ts";

/** The pixels, decoded where they are not yet. @throws {LssgenError} As {@linkcode PictureFile.decode}. */
export async function pixelsOf(picture: Picture | PictureFile): Promise<Picture> {
  return "decode" in picture ? await picture.decode() : picture;
}
