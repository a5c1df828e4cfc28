/**
 * Pixels between the nodes of a graph: colours, masks of another size, one channel as a mask.
 *
 * @module
 */

import type { PictureFile } from "../../image/picture_file.ts";
import type { Picture } from "../../image/png_writing.ts";
import { resize } from "../../image/resize.ts";
import type { Mask } from "./values.ts";

/** Pixels as RGB, without what says how transparent they are, as ComfyUI reads pictures. */
export function inColours(picture: Picture): Picture & { readonly channels: 3 } {
  const { width, height, channels, data } = picture;
  if (channels === 3) return { ...picture, channels };
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = data[i * channels + (channels <= 2 ? 0 : c)];
  }
  return { width, height, channels: 3, data: out };
}

/** A mask of one channel at another size. */
export function scaledMask(mask: Picture, width: number, height: number): Uint8Array<ArrayBuffer> {
  return (mask.width === width && mask.height === height ? mask : resize(mask, width, height, "bilinear"))
    .data;
}

/** Which channel of a picture is a mask; `hidden` is what alpha hides. Without alpha all is visible. */
export type MaskChannel = "red" | "green" | "blue" | "alpha" | "hidden";

/** One channel of a picture as a mask. */
export function channelMask(file: PictureFile, channel: MaskChannel): Mask {
  return {
    file: {
      ...file,
      async decode() {
        const { width, height, channels, data } = await file.decode();
        const value = (i: number): number => {
          if (channel === "alpha" || channel === "hidden") {
            const alpha = channels % 2 === 0 ? data[(i + 1) * channels - 1] : 255;
            return channel === "hidden" ? 255 - alpha : alpha;
          }
          return data[i * channels + (channels <= 2 ? 0 : ["red", "green", "blue"].indexOf(channel))];
        };
        return {
          width,
          height,
          channels: 1,
          data: Uint8Array.from({ length: width * height }, (_, i) => value(i)),
        };
      },
    },
  };
}
