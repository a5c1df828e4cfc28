/**
 * Pictures as one zip file. PNGs are packed already, so they are stored as they are: no compression, no library.
 *
 * Source: PKWARE "APPNOTE.TXT" 6.3.10, 4.3: local headers, central directory, end record.
 *
 * @module
 */

/** A file for the archive. */
export interface Entry {
  /** Its name; UTF-8. */
  readonly name: string;
  /** Its bytes. */
  readonly data: Blob;
  /** Milliseconds of the epoch. */
  readonly when: number;
}

/** Most bytes and files without the 64-bit extension. */
const MAX_BYTES = 0xffff_ffff;
const MAX_FILES = 0xffff;

const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Names that occur once: `a.png`, `a-2.png`. */
export function uniqueNames(names: readonly string[]): string[] {
  const used = new Set<string>();
  return names.map((name) => {
    let one = name;
    for (let n = 2; used.has(one); n++) one = name.replace(/(\.[^.]*)?$/, (ending) => `-${n}${ending}`);
    used.add(one);
    return one;
  });
}

/**
 * Puts files into a zip. One file is in memory at a time.
 *
 * @throws {RangeError} Beyond 4 GB or 65535 files.
 */
export async function zip(entries: readonly Entry[]): Promise<Blob> {
  const parts: BlobPart[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const { name, data, when } of entries) {
    const title = new TextEncoder().encode(name);
    const date = new Date(when);
    const time = date.getHours() << 11 | date.getMinutes() << 5 | date.getSeconds() >> 1;
    const day = (Math.max(1980, date.getFullYear()) - 1980) << 9 | (date.getMonth() + 1) << 5 |
      date.getDate();
    // Version 2.0, names in UTF-8, stored.
    const common = [
      [20, 2],
      [0x0800, 2],
      [0, 2],
      [time, 2],
      [day, 2],
      [crc32(new Uint8Array(await data.arrayBuffer())), 4],
      [
        data.size,
        4,
      ],
      [data.size, 4],
      [title.length, 2],
      [0, 2],
    ];
    const local = record([[0x04034b50, 4], ...common], title);
    directory.push(
      record([[0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]], title),
    );
    parts.push(local, data);
    at += local.length + data.size;
    if (at > MAX_BYTES || entries.length > MAX_FILES) {
      throw new RangeError("A zip holds 4 GB and 65535 files: delete some first");
    }
  }
  const length = directory.reduce((sum, { length }) => sum + length, 0);
  const count = entries.length;
  const end = record([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [length, 4], [at, 4], [0, 2]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** Numbers of 2 and 4 bytes, the lowest byte first, and a name behind them. */
function record(
  fields: readonly (readonly number[])[],
  name: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const length = fields.reduce((sum, [, bytes]) => sum + bytes, 0);
  const out = new Uint8Array(length + name.length);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  out.set(name, at);
  return out;
}
