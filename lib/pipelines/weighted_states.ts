/**
 * States of prompts with weights, in as many rows as they take. A page loads this when a prompt has any.
 *
 * @module
 */

import { weightedChunks, type WeightedRow, weightedRow } from "../text/prompt_weights.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type PromptStates, stacked, type States } from "./text_states.ts";

/** The rows that a prompt needs: several where the encoder has a fixed length, else one. */
export function rowsOf(
  tokenizer: Tokenizer,
  prompt: string,
  length: number,
  fixedLength: boolean,
): readonly WeightedRow[] {
  return fixedLength ? weightedChunks(tokenizer, prompt, length) : [weightedRow(tokenizer, prompt, length)];
}

/**
 * States with weights given to their tokens. Pooled vectors stay as they are, as in ComfyUI.
 *
 * @param empty Those of the empty prompt.
 */
export function weighed<S extends PromptStates>(states: S, empty: S, weights: Float32Array): S {
  return {
    ...states,
    last: moved(states.last, empty.last, weights),
    ...states.penultimate && empty.penultimate &&
      { penultimate: moved(states.penultimate, empty.penultimate, weights) },
  };
}

/** Rows of one prompt as one, with the pooled vectors of the first, as in ComfyUI. */
export function joinedRows<S extends PromptStates>(rows: readonly S[]): S {
  const penultimate = rows.flatMap(({ penultimate }) => penultimate ?? []);
  return {
    ...rows[0],
    last: rows.map(({ last }) => last).reduce(stacked),
    ...penultimate.length > 0 && { penultimate: penultimate.reduce(stacked) },
  };
}

/** Each token's state moved along the line from the empty prompt's: h₀ + w · (h − h₀). */
function moved(states: States, empty: States, weights: Float32Array): States {
  const { rows, width } = states;
  const data = new Float32Array(states.data);
  for (let i = 0; i < data.length; i++) {
    const w = weights[Math.floor(i / width)];
    if (w !== 1) data[i] = empty.data[i] + w * (data[i] - empty.data[i]);
  }
  return { data, rows, width };
}
