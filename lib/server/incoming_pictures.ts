/**
 * Pictures that clients send: base64, data: addresses and files of a form. Headers are read when they come, pixels in the
 * queue, when their turn comes.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { openPicture, type PictureFile } from "../image/picture_file.ts";
import { brightness } from "../pipelines/picture_request.ts";
import { ApiError } from "./api_error.ts";
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
  const bytes = typeof value === "string" ? sentBytes(value, field) : value;
  return openPicture(bytes, { name: field, maxPixels: PIXELS_IN * limits.pixels });
}

/**
 * Base64, with or without `data:…;base64,` in front.
 *
 * @throws {ApiError} 422 for what is no base64.
 */
export function sentBytes(text: string, field: string): Uint8Array<ArrayBuffer> {
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

/**
 * A mask with what A1111's fields change in it.
 *
 * @param change `inverted`: black is drawn anew; `blur`: standard deviation in pixels of a Gaussian over its edges.
 */
export function changedMask(
  file: PictureFile,
  change: { readonly inverted: boolean; readonly blur: number },
): PictureFile {
  if (!change.inverted && change.blur === 0) return file;
  return {
    ...file,
    async decode() {
      const picture = await file.decode();
      const { width, height } = picture;
      const light = brightness(picture);
      const data = change.inverted ? light.map((v) => 255 - v) : light;
      return {
        width,
        height,
        channels: 1,
        data: change.blur === 0 ? data : blurred(data, width, height, change.blur),
      };
    },
  };
}

/** A Gaussian, rows first; the edge's value goes on outside. */
function blurred(
  data: Uint8Array<ArrayBuffer>,
  width: number,
  height: number,
  sigma: number,
): Uint8Array<ArrayBuffer> {
  const radius = Math.ceil(2.5 * sigma);
  const weights = Array.from(
    { length: 2 * radius + 1 },
    (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const sum = weights.reduce((a, b) => a + b);
  const pass = (
    from: ArrayLike<number>,
    along: number,
    lines: number,
    step: number,
    stride: number,
  ): Float32Array => {
    const to = new Float32Array(width * height);
    for (let line = 0; line < lines; line++) {
      for (let at = 0; at < along; at++) {
        let value = 0;
        for (let k = -radius; k <= radius; k++) {
          const near = Math.min(along - 1, Math.max(0, at + k));
          value += weights[k + radius] * from[line * stride + near * step];
        }
        to[line * stride + at * step] = value / sum;
      }
    }
    return to;
  };
  const rows = pass(data, width, height, 1, width);
  return Uint8Array.from(pass(rows, height, width, width, 1), Math.round);
}
