/**
 * Pieces of a tensor put together.
 *
 * @module
 */

/** Values of several pieces, one after the other; a single piece is given back as it is. */
export function endToEnd(parts: readonly Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0];
  return filled(parts, new Float32Array(lengthOf(parts)));
}

/**
 * Bytes of several pieces, one after the other; a single piece is given back as it is.
 *
 * @param into Memory that may be used for the answer, which then is a view of it.
 */
export function bytesEndToEnd(
  parts: readonly Uint8Array<ArrayBuffer>[],
  into?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0];
  const length = lengthOf(parts);
  return filled(parts, into && into.length >= length ? into.subarray(0, length) : new Uint8Array(length));
}

function lengthOf(parts: readonly ArrayLike<number>[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function filled<T extends { set(part: ArrayLike<number>, at: number): void }>(
  parts: readonly ArrayLike<number>[],
  out: T,
): T {
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
