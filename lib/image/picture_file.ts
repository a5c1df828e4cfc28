/**
 * Pictures that people bring, in whatever format: the size first, from the header, the pixels when they are needed.
 *
 * PNG and JPEG are read here, so that their values are the same on every engine; the others by the platform
 * (`createImageBitmap`), which Deno and browsers have and Node has not.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { type PictureFacts, pictureFacts, type PictureFormat } from "./formats.ts";
import { decodeJpeg, OtherJpeg } from "./jpeg.ts";
import { turned, upright } from "./orientation.ts";
import { decodePng, type Picture } from "./png.ts";

/** A picture in a file. */
export interface PictureFile {
  /** File name for messages. */
  readonly name: string;
  /** Format, as people call it. */
  readonly format: string;
  /** Pixels across, turned upright. */
  readonly width: number;
  /** Pixels down, turned upright. */
  readonly height: number;
  /**
   * Its pixels, upright. They are kept: asking again costs nothing.
   *
   * @throws {LssgenError} `bad_file` for a damaged file, `unsupported` where the platform has no decoder.
   */
  decode(): Promise<Picture>;
}

/** Pixels of a picture that is read: 268 MB as RGBA. */
export const MAX_PICTURE_PIXELS: number = 2 ** 26;

/** How {@linkcode openPicture} reads. */
export interface OpenPictureOptions {
  /** File name for messages. */
  readonly name?: string;
  /** Most pixels. Default and at most 2^26, for example 8192 × 8192. */
  readonly maxPixels?: number;
}

/**
 * Reads the header of a picture: PNG, JPEG, WebP, GIF or BMP, and AVIF in browsers. Of animations the first frame counts.
 * Colour profiles and gamma are ignored, as Pillow ignores them.
 *
 * @param bytes The whole file.
 * @throws {LssgenError} `bad_file` when it is no picture or damaged, `unsupported` for other formats and for more pixels
 * than are read.
 *
 * @example A photo to begin with
 * ```ts
 * import { createPipeline, openPicture } from "@lssgen/webgpu";
 *
 * const photo = await fetch("https://example.org/photo.jpg");
 * const image = openPicture(new Uint8Array(await photo.arrayBuffer()));
 * await using pipeline = await createPipeline();
 * await pipeline.generate({ prompt: "a red apple", image, strength: 0.6 });
 * ```
 */
export function openPicture(
  bytes: Uint8Array<ArrayBuffer>,
  options: OpenPictureOptions = {},
): PictureFile {
  const { name = "picture" } = options;
  const maxPixels = Math.min(options.maxPixels ?? MAX_PICTURE_PIXELS, MAX_PICTURE_PIXELS);
  const { format, facts } = pictureFacts(bytes, name);
  const pixels = facts.width * facts.height;
  if (pixels > maxPixels) {
    throw new LssgenError(
      "unsupported",
      `Cannot read "${name}": ${facts.width} × ${facts.height} is ${pixels} pixels, at most ${maxPixels} are read; ` +
        "make it smaller first",
    );
  }
  const [width, height] = turned(facts.orientation)
    ? [facts.height, facts.width]
    : [facts.width, facts.height];
  let decoded: Promise<Picture> | undefined;
  return {
    name,
    format: format.name,
    width,
    height,
    decode: () => decoded ??= decode(bytes, format, facts, name),
  };
}

async function decode(
  bytes: Uint8Array<ArrayBuffer>,
  format: PictureFormat,
  facts: PictureFacts,
  name: string,
): Promise<Picture> {
  const stored = await ownDecode(bytes, format, name) ??
    await platformDecode(unturned(bytes, facts), format, name);
  if (format.name !== "AVIF" && (stored.width !== facts.width || stored.height !== facts.height)) {
    throw new LssgenError(
      "bad_file",
      `Cannot read "${name}" as ${format.name}: it decodes to ${stored.width} × ${stored.height}, ` +
        `its header says ${facts.width} × ${facts.height}`,
    );
  }
  return upright(stored, facts.orientation);
}

/** Pixels of what is read here; undefined for all that is left to the platform. */
async function ownDecode(
  bytes: Uint8Array<ArrayBuffer>,
  { name: format }: PictureFormat,
  name: string,
): Promise<Picture | undefined> {
  if (format === "PNG") return await decodePng(bytes, name);
  if (format !== "JPEG") return undefined;
  try {
    return decodeJpeg(bytes, name);
  } catch (error) {
    if (error instanceof OtherJpeg) return undefined;
    throw error;
  }
}

/** The file with its own order to turn taken back: some decoders follow it and some do not. */
function unturned(bytes: Uint8Array<ArrayBuffer>, { turn }: PictureFacts): Uint8Array<ArrayBuffer> {
  if (!turn) return bytes;
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(turn.at, 1, turn.littleEndian);
  return copy;
}

/** Decoded by the engine, handed over as PNG: Deno's OffscreenCanvas has no 2D context to read pixels from. */
async function platformDecode(
  bytes: Uint8Array<ArrayBuffer>,
  { name: format, type }: PictureFormat,
  name: string,
): Promise<Picture> {
  if (typeof createImageBitmap === "undefined" || typeof OffscreenCanvas === "undefined") {
    throw new LssgenError(
      "unsupported",
      `Cannot read "${name}": this engine has no decoder for ${format}; save it as PNG, or hand over decoded pixels ` +
        "as { width, height, channels, data }",
    );
  }
  let png: Blob;
  try {
    const bitmap = await createImageBitmap(new Blob([bytes], { type }), { colorSpaceConversion: "none" });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("bitmaprenderer")!.transferFromImageBitmap(bitmap);
    png = await canvas.convertToBlob({ type: "image/png" });
  } catch (cause) {
    const why = format === "AVIF"
      ? "it is damaged, or this engine has no decoder for it (Deno has none, browsers have): save it as PNG or WebP"
      : (cause as Error).message;
    throw new LssgenError(
      format === "AVIF" ? "unsupported" : "bad_file",
      `Cannot read "${name}" as ${format}: ${why}`,
      { cause },
    );
  }
  return await decodePng(new Uint8Array(await png.arrayBuffer()), name);
}
