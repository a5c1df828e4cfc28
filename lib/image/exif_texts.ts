/**
 * Texts in Exif, for pictures whose format has no text chunks (JPEG, WebP): a picture's parameters as other programs read them
 * in UserComment, and as this one does in MakerNote.
 *
 * Sources: Exif 2.32, tags 0x9286 (UserComment: eight bytes name the character code), 0x927C (MakerNote) and 0x8769 (where
 * the Exif IFD lies); TIFF 6.0 for the layout. A1111 writes UserComment in UTF-16, high byte first.
 *
 * @module
 */

import { latin1 } from "./png.ts";
import { entriesAt, openTiff } from "./tiff.ts";

const EXIF_IFD = 0x8769;
const MAKER_NOTE = 0x927c;
const USER_COMMENT = 0x9286;
const SOFTWARE = 0x0131;
const [ASCII, LONG, UNDEFINED] = [2, 4, 7];
const UNICODE = "UNICODE\0";
/** In front of MakerNote's JSON: other programs write their own notes under that tag. */
const MARK = "lssgen\0";
/** Bytes of a text that is read. */
const MAX_TEXT_BYTES = 8 << 20;

/** Texts of a picture. */
export interface ExifTexts {
  /** As A1111 spells it. */
  readonly parameters?: string;
  /** All parameters as JSON. */
  readonly lssgen?: string;
  /** Which program made it. */
  readonly Software?: string;
}

/** TIFF data with these texts, from its byte order mark on. */
export function writeExif({ parameters, lssgen, Software }: ExifTexts): Uint8Array<ArrayBuffer> {
  const utf8 = new TextEncoder();
  const sub = [
    ...lssgen === undefined ? [] : [{ tag: MAKER_NOTE, type: UNDEFINED, data: utf8.encode(MARK + lssgen) }],
    ...parameters === undefined
      ? []
      : [{ tag: USER_COMMENT, type: UNDEFINED, data: userComment(parameters) }],
  ];
  const top = Software === undefined
    ? []
    : [{ tag: SOFTWARE, type: ASCII, data: utf8.encode(`${Software}\0`) }];
  const topAt = 8;
  const subAt = topAt + ifdBytes(top) + 12; // an entry more: where the Exif IFD lies
  const bytes = new Uint8Array(subAt + ifdBytes(sub));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4d4d);
  view.setUint16(2, 42);
  view.setUint32(4, topAt);
  writeIfd(view, topAt, top, subAt);
  writeIfd(view, subAt, sub);
  return bytes;
}

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** An IFD and what its entries point to; every value begins at an even byte. */
function ifdBytes(entries: readonly Entry[]): number {
  return entries.reduce(
    (sum, { data }) => sum + 12 + (data.length > 4 ? data.length + (data.length & 1) : 0),
    6,
  );
}

function writeIfd(view: DataView, at: number, entries: readonly Entry[], exifAt?: number): void {
  const count = entries.length + (exifAt === undefined ? 0 : 1);
  view.setUint16(at, count);
  let data = at + 6 + 12 * count;
  for (const [i, entry] of entries.entries()) {
    const place = at + 2 + 12 * i;
    view.setUint16(place, entry.tag);
    view.setUint16(place + 2, entry.type);
    view.setUint32(place + 4, entry.data.length);
    const inside = entry.data.length <= 4;
    const to = inside ? place + 8 : data;
    if (!inside) view.setUint32(place + 8, data);
    new Uint8Array(view.buffer).set(entry.data, to);
    if (!inside) data += entry.data.length + (entry.data.length & 1);
  }
  if (exifAt === undefined) return;
  const place = at + 2 + 12 * entries.length;
  view.setUint16(place, EXIF_IFD);
  view.setUint16(place + 2, LONG);
  view.setUint32(place + 4, 1);
  view.setUint32(place + 8, exifAt);
}

function userComment(text: string): Uint8Array {
  const bytes = new Uint8Array(UNICODE.length + 2 * text.length);
  new TextEncoder().encodeInto(UNICODE, bytes);
  const view = new DataView(bytes.buffer, UNICODE.length);
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i));
  return bytes;
}

/**
 * The texts in TIFF data. What does not fit, points outside or is damaged counts as absent.
 *
 * @param tiff From its byte order mark on.
 */
export function readExif(tiff: Uint8Array): ExifTexts {
  const opened = openTiff(tiff);
  if (!opened) return {};
  const { view, little, first } = opened;
  const texts: { parameters?: string; lssgen?: string; Software?: string } = {};
  let below = false;
  const read = (directory: number): void => {
    for (const place of entriesAt(opened, directory)) {
      const tag = view.getUint16(place, little);
      const value = view.getUint32(place + 8, little);
      if (tag === EXIF_IFD && !below) {
        below = true; // The first one counts: a hostile file names thousands, each with thousands of entries.
        read(value);
      }
      const bytes = view.getUint32(place + 4, little);
      if (bytes > MAX_TEXT_BYTES || (tag !== USER_COMMENT && tag !== MAKER_NOTE && tag !== SOFTWARE)) {
        continue;
      }
      const from = bytes <= 4 ? place + 8 : value;
      if (from + bytes > tiff.length) continue;
      const data = tiff.subarray(from, from + bytes);
      if (tag === USER_COMMENT) texts.parameters ??= commentText(data, little);
      if (tag === MAKER_NOTE) texts.lssgen ??= markedText(data);
      if (tag === SOFTWARE) texts.Software ??= latin1(data).replace(/\0.*$/s, "");
    }
  };
  read(first);
  return texts;
}

function markedText(data: Uint8Array): string | undefined {
  // Cameras write megabytes there, and hostile files name them thousands of times over.
  if (latin1(data.subarray(0, MARK.length)) !== MARK) return undefined;
  return new TextDecoder().decode(data.subarray(MARK.length));
}

/** UserComment: ASCII, or UTF-16 in the order that makes more of its characters plain letters. */
function commentText(data: Uint8Array, little: boolean): string | undefined {
  const code = latin1(data.subarray(0, 8));
  const rest = data.subarray(8);
  if (code === "ASCII\0\0\0") return latin1(rest);
  if (code !== UNICODE) return undefined;
  let [high, low] = [0, 0];
  for (let i = 0; i + 1 < rest.length; i += 2) {
    if (rest[i] === 0) high++;
    if (rest[i + 1] === 0) low++;
  }
  const lowFirst = low === high ? little : low > high;
  return new TextDecoder(lowFirst ? "utf-16le" : "utf-16be").decode(rest);
}
