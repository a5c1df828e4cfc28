/**
 * Changes of texts: tokens put between, pieces doubled, cut out and moved.
 *
 * @module
 */

import type { Draws } from "./random.ts";

/** A text with one to eight changes, with `tokens` of its grammar put in. */
export function changedText(text: string, tokens: readonly string[], draws: Draws): string {
  for (let n = 1 + draws.below(8); n > 0; n--) {
    const at = draws.below(text.length + 1);
    const length = draws.below(Math.min(text.length - at, 40) + 1);
    const rest = text.slice(at + length);
    switch (draws.below(7)) {
      case 0:
        text = text.slice(0, at) + rest;
        break;
      case 1:
        text = text.slice(0, at + length) + text.slice(at);
        break;
      case 2:
        text = rest + text.slice(0, at + length);
        break;
      case 3: {
        // Many alike, rarely very many.
        const times = draws.oneIn(20) ? draws.of([100, 1000, 5000]) : 1 + draws.below(8);
        text = text.slice(0, at) + draws.of(tokens).repeat(times) + text.slice(at);
        break;
      }
      default:
        text = text.slice(0, at) + draws.of(tokens) + (draws.oneIn(2) ? rest : text.slice(at));
    }
  }
  return text;
}
