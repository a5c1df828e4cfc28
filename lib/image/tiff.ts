/**
 * The directories (IFDs) of TIFF data, in which Exif lies.
 *
 * Source: TIFF 6.0, section 2.
 *
 * @module
 */

/** TIFF data. */
export interface Tiff {
  /** From its byte order mark on. */
  readonly view: DataView;
  /** Whether the low byte of a number comes first. */
  readonly little: boolean;
  /** Where the first directory lies. */
  readonly first: number;
}

const HEADER_BYTES = 8;
/** An entry: tag, type, number of values, and the value or where it lies. */
const ENTRY_BYTES = 12;

/** Reads the header; undefined for what is no TIFF data. */
export function openTiff(data: Uint8Array): Tiff | undefined {
  if (data.length < HEADER_BYTES) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  return { view, little, first: view.getUint32(4, little) };
}

/** Where the entries of the directory at a byte lie, as far as they are inside the data. */
export function* entriesAt({ view, little }: Tiff, at: number): Generator<number> {
  if (at < HEADER_BYTES || at + 2 > view.byteLength) return;
  const count = view.getUint16(at, little);
  for (let i = 0, place = at + 2; i < count && place + ENTRY_BYTES <= view.byteLength; i++) {
    yield place;
    place += ENTRY_BYTES;
  }
}
