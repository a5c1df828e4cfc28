/**
 * Pictures that clients send: base64, data: addresses and files of a form. Headers are read when they come, pixels in the
 * queue, when their turn comes.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { openPicture, type PictureFile } from "../image/picture_file.ts";
import { ApiError } from "./fields.ts";
import type { Limits } from "./limits.ts";

/** Pixels of a picture that is sent in, over those of one that is drawn: it may have twice the side. */
const PIXELS_IN = 4;

/**
 * A picture as a field holds it.
 *
 * @param value Base64, with or without `data:image/…;base64,` in front, or the bytes of a file.
 * @param field Its name, for messages.
 * @throws {ApiError} 422 for what is no base64.
 * @throws {LssgenError} `bad_file`, `unsupported`: no picture, or one of too many pixels.
 */
export function sentPicture(
  value: string | Uint8Array<ArrayBuffer>,
  field: string,
  limits: Limits,
): PictureFile {
  const bytes = typeof value === "string" ? bytesOf(value, field) : value;
  return openPicture(bytes, { name: field, maxPixels: PIXELS_IN * limits.pixels });
}

function bytesOf(text: string, field: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text.replace(/^data:[^,]*,/, "")), (c) => c.charCodeAt(0));
  } catch {
    throw new ApiError(422, "bad_field", `"${field}" is no base64`, field);
  }
}

/** OpenAI's mask says it the other way round: what is transparent is drawn anew. */
export function transparentMask(file: PictureFile): PictureFile {
  return {
    ...file,
    async decode() {
      const { width, height, channels, data } = await file.decode();
      if (channels === 1 || channels === 3) {
        throw new LssgenError(
          "bad_file",
          `"${file.name}" has no alpha channel, expected one that is transparent where the picture is drawn anew`,
        );
      }
      const drawn = Uint8Array.from(
        { length: width * height },
        (_, i) => 255 - data[i * channels + channels - 1],
      );
      return { width, height, channels: 1, data: drawn };
    },
  };
}
