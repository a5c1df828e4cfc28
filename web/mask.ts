/**
 * A mask's edge, and the mask of an extended picture: numbers only.
 *
 * @module
 */

/** White everywhere. */
const FULL = 255;

/**
 * Softens the edge of a mask: three passes of a box, which together are near a Gaussian.
 *
 * @param mask One byte a pixel, rows from the top.
 * @param radius Pixels that the edge reaches out to either side; 0 leaves it as it is.
 */
export function feathered(mask: Uint8Array, width: number, height: number, radius: number): Uint8Array {
  let out = new Uint8Array(mask);
  const reach = Math.round(radius / 3);
  if (reach < 1) return out;
  for (let pass = 0; pass < 3; pass++) {
    out = boxed(boxed(out, width, height, reach, 1, width), height, width, reach, width, 1);
  }
  return out;
}

/** Means of 2·reach + 1 values along one axis; beyond the edge its own value goes on. */
function boxed(
  from: Uint8Array,
  length: number,
  lines: number,
  reach: number,
  step: number,
  lineStep: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(from.length);
  const count = 2 * reach + 1;
  for (let line = 0; line < lines; line++) {
    const first = line * lineStep;
    const at = (i: number): number => from[first + Math.min(length - 1, Math.max(0, i)) * step];
    let sum = 0;
    for (let i = -reach; i <= reach; i++) sum += at(i);
    for (let i = 0; i < length; i++) {
      out[first + i * step] = Math.round(sum / count);
      sum += at(i + reach + 1) - at(i - reach);
    }
  }
  return out;
}

/** Pixels that are added on each side. */
export interface Padding {
  /** Above. */
  readonly top: number;
  /** To the right. */
  readonly right: number;
  /** Below. */
  readonly bottom: number;
  /** To the left. */
  readonly left: number;
}

/** Whether anything is added. */
export function isPadded({ top, right, bottom, left }: Padding): boolean {
  return top + right + bottom + left > 0;
}

/**
 * The mask of an extended picture: what was drawn, moved to its new place, and all that is new.
 *
 * @param mask Drawn on the picture before it was extended.
 * @param overlap Pixels of the picture beside the new edge that are drawn anew as well, so that no seam shows.
 */
export function extendedMask(
  mask: Uint8Array,
  width: number,
  height: number,
  padding: Padding,
  overlap: number,
): Uint8Array {
  const { top, right, bottom, left } = padding;
  const wide = left + width + right;
  const out = new Uint8Array(wide * (top + height + bottom)).fill(FULL);
  const from = (added: number): number => added > 0 ? overlap : 0;
  for (let y = from(top); y < height - from(bottom); y++) {
    for (let x = from(left); x < width - from(right); x++) {
      out[(y + top) * wide + x + left] = mask[y * width + x];
    }
  }
  return out;
}
