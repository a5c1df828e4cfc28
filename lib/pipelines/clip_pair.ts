/**
 * Two CLIP encoders side by side: SDXL and SD3.
 *
 * @module
 */

import type { ClipPrompts, ClipStates } from "./prompts.ts";
import { stacked, type States, zeros } from "./text_states.ts";

/** a and b side by side: [rows, wa] and [rows, wb] → [rows, wa + wb]. */
export function sideBySide(a: States, b: States): States {
  const width = a.width + b.width;
  const data = new Float32Array(a.rows * width);
  for (let row = 0; row < a.rows; row++) {
    data.set(a.data.subarray(row * a.width, (row + 1) * a.width), row * width);
    data.set(b.data.subarray(row * b.width, (row + 1) * b.width), row * width + a.width);
  }
  return { data, rows: a.rows, width };
}

/**
 * Penultimate states of SDXL's and SD3's two CLIP encoders side by side, and all that each of them gave.
 *
 * @param prompts The first encoder's and the second's.
 */
export async function clipStates(
  clipL: ClipPrompts,
  clipG: ClipPrompts,
  prompts: readonly [string, string],
  emphasis?: boolean,
): Promise<{ states: States; l: ClipStates; g: ClipStates }> {
  const both: ClipStates[] = [];
  for (const [i, clip] of [clipL, clipG].entries()) {
    both.push(await clip.encode(prompts[i], (await clip.getTokenizer()).maxLength, emphasis));
  }
  const [l, g] = both;
  clipL.check(l.penultimate.data);
  clipG.check(g.penultimate.data, g.textEmbeds ?? g.pooled);
  const rows = Math.max(l.penultimate.rows, g.penultimate.rows);
  const even = l.penultimate.rows === g.penultimate.rows;
  const empty = even ? { l, g } : await clipStates(clipL, clipG, ["", ""]);
  return {
    states: sideBySide(
      filled(l.penultimate, rows, empty.l.penultimate),
      filled(g.penultimate, rows, empty.g.penultimate),
    ),
    l,
    g,
  };
}

/** The same rows filled with zeros to `width` channels. */
export function widened(a: States, width: number): States {
  return width === a.width ? a : sideBySide(a, zeros(a.rows, width - a.width));
}

/** The same rows, and those of the empty prompt below until there are `rows`: for two encoders side by side. */
export function filled(a: States, rows: number, empty: States): States {
  return a.rows >= rows ? a : filled(stacked(a, empty), rows, empty);
}
