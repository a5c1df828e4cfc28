/**
 * Which way up a picture is: cameras store what the sensor saw, and how to turn it.
 *
 * Source: Exif 2.32, tag 0x0112 in IFD 0. Where Exif says nothing, Adobe's XMP may
 * (`tiff:Orientation`), as Pillow's `exif_transpose` has it.
 *
 * @module
 */

import type { Picture } from "./png.ts";
import { entriesAt, openTiff } from "./tiff.ts";

/** Exif's eight: 1 as stored, 2 mirrored, 3 half a turn, 4 upside down, 5 … 8 with rows and columns exchanged. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const TAG = 0x0112;
const SHORT = 3;

/**
 * Where TIFF data says the orientation.
 *
 * @param tiff From its byte order mark on. Anything that does not fit counts as saying nothing.
 * @returns The value, the place of its two bytes, and their order; undefined without a valid one.
 */
export function exifOrientation(
  tiff: Uint8Array,
): { value: Orientation; at: number; littleEndian: boolean } | undefined {
  const opened = openTiff(tiff);
  if (!opened) return undefined;
  const { view, little, first } = opened;
  for (const at of entriesAt(opened, first)) {
    if (view.getUint16(at, little) !== TAG || view.getUint16(at + 2, little) !== SHORT) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8
      ? { value: value as Orientation, at: at + 8, littleEndian: little }
      : undefined;
  }
  return undefined;
}

/** What XMP says, undefined when nothing. */
export function xmpOrientation(text: string): Orientation | undefined {
  const [, digit] = /tiff:Orientation(?:="|>)([1-8])/.exec(text) ?? [];
  return digit === undefined ? undefined : Number(digit) as Orientation;
}

/** Whether rows and columns change places. */
export function turned(orientation: Orientation): boolean {
  return orientation >= 5;
}

/** The picture as it is meant to be seen. */
export function upright(picture: Picture, orientation: Orientation): Picture {
  if (orientation === 1) return picture;
  const { width: w, height: h, channels, data } = picture;
  const [width, height] = turned(orientation) ? [h, w] : [w, h];
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [sx, sy] = storedAt(orientation, x, y, w, h);
      const [from, to] = [(sy * w + sx) * channels, (y * width + x) * channels];
      for (let c = 0; c < channels; c++) out[to + c] = data[from + c];
    }
  }
  return { width, height, channels, data: out };
}

/** Where the stored picture, w × h, has the pixel that is seen at (x, y). */
function storedAt(o: Orientation, x: number, y: number, w: number, h: number): [number, number] {
  switch (o) {
    case 1:
      return [x, y];
    case 2:
      return [w - 1 - x, y];
    case 3:
      return [w - 1 - x, h - 1 - y];
    case 4:
      return [x, h - 1 - y];
    case 5:
      return [y, x];
    case 6:
      return [y, h - 1 - x];
    case 7:
      return [w - 1 - y, h - 1 - x];
    case 8:
      return [w - 1 - y, x];
  }
}
