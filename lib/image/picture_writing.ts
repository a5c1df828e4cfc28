/**
 * A finished picture as a file of the format that its name asks for. What writes WebP and Exif is imported when it is asked
 * for: a page writes PNG.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { encodePng, type Picture } from "./png_writing.ts";

/** Formats that are written. */
export type PictureFormatName = "PNG" | "JPEG" | "WebP";

/** The same by the ending of a file's name. */
export const WRITTEN_FORMATS: Readonly<Record<string, PictureFormatName>> = {
  ".png": "PNG",
  ".jpg": "JPEG",
  ".jpeg": "JPEG",
  ".webp": "WebP",
};

/** Texts of a picture: `parameters` as A1111 spells them, `lssgen` as JSON, `Software`. */
export type PictureTexts = Readonly<Record<string, string>>;

/** A segment of a JPEG holds so much. */
const MAX_SEGMENT_BYTES = 65_533;
/** Colours are not thinned out, and what is lost is hard to see. */
const JPEG_QUALITY = 0.95;

/**
 * Writes a picture: PNG and WebP without loss, JPEG with little.
 *
 * @param picture RGB.
 * @param format Which.
 * @param texts What the file says about the picture; none by default.
 * @throws {LssgenError} `unsupported` where the engine has no encoder for JPEG (Node), or where the texts are longer than a
 * JPEG can hold; as `encodeWebp`.
 */
export async function encodePicture(
  picture: Picture,
  format: PictureFormatName,
  texts: PictureTexts = {},
): Promise<Uint8Array<ArrayBuffer>> {
  if (format === "PNG") return await encodePng(picture, texts);
  const exif = Object.keys(texts).length === 0
    ? undefined
    : (await import("./exif_texts.ts")).writeExif(texts);
  if (format === "WebP") return (await import("./webp.ts")).encodeWebp(picture, exif);
  return withExif(await platformJpeg(picture), exif);
}

async function platformJpeg({ width, height, data }: Picture): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof OffscreenCanvas === "undefined" || typeof createImageBitmap === "undefined") {
    throw new LssgenError("unsupported", "This engine has no encoder for JPEG; write PNG or WebP");
  }
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = data[3 * i + c];
  }
  const bitmap = await createImageBitmap(new ImageData(rgba, width, height));
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("bitmaprenderer")!.transferFromImageBitmap(bitmap);
  const file = await canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY });
  if (file.type !== "image/jpeg") {
    throw new LssgenError("unsupported", "This engine's canvas writes no JPEG; write PNG or WebP");
  }
  return new Uint8Array(await file.arrayBuffer());
}

/** A JPEG with Exif as its first segment, in front of JFIF's. */
function withExif(jpeg: Uint8Array, exif: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  if (!exif) return new Uint8Array(jpeg);
  const length = exif.length + 8; // the length itself and "Exif\0\0"
  if (length > MAX_SEGMENT_BYTES) {
    throw new LssgenError(
      "unsupported",
      `The picture's parameters take ${length} bytes, a JPEG holds at most ${MAX_SEGMENT_BYTES}: write PNG or WebP, or ` +
        "leave the parameters out (--disable-image-metadata)",
    );
  }
  const out = new Uint8Array(jpeg.length + 2 + length);
  out.set(jpeg.subarray(0, 2));
  out.set([0xff, 0xe1, length >> 8, length & 0xff, 0x45, 0x78, 0x69, 0x66, 0, 0], 2);
  out.set(exif, 12);
  out.set(jpeg.subarray(2), 12 + exif.length);
  return out;
}
