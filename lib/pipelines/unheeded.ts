/**
 * Options that change nothing on this model or adapter: its warnings say so.
 *
 * @module
 */

import type { Model } from "./networks.ts";

/** Why `integerDot` changes nothing. */
const NOT_INTEGER = {
  unavailable: "integerDot changes nothing: the adapter has no integer dot products",
  slower: "integerDot changes nothing: integer dot products were measured to be no faster on this adapter",
  unquantised:
    "integerDot changes nothing: no weights stay quantised; keepQuantised lets those of GGUF files stay so",
} as const;

/** The model with a warning that `integerDot` changes nothing. */
export function withoutIntegerDot(model: Model, why: keyof typeof NOT_INTEGER): Model {
  const { info } = model;
  return { ...model, info: { ...info, warnings: [...info.warnings ?? [], NOT_INTEGER[why]] } };
}
