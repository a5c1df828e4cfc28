/**
 * Prompts that are encoded together. A page loads this when a picture has two.
 *
 * @module
 */

import type { Encoded } from "../text/tokenizer.ts";
import { keyOf, type T5Prompts } from "./prompts.ts";

/**
 * Encodes prompts that `encode` is going to be asked for, as far as they take a row each, in one go: an encoder that streams is read
 * once for all of them. `encode` has their states then, to the bit as each has them alone.
 *
 * @param length Tokens of each. @param emphasis As `encode` takes it.
 */
export async function encodeTogether(
  encoder: T5Prompts,
  prompts: readonly string[],
  length: number,
  emphasis = false,
): Promise<void> {
  const rows = new Map<string, Encoded>();
  for (const prompt of prompts) {
    const key = keyOf(prompt, length, emphasis, 0);
    const row = encoder.remembered.has(key) ? undefined : await encoder.onlyRow(prompt, length, emphasis);
    if (row) rows.set(key, row);
  }
  if (rows.size < 2) return;
  const states = await encoder.rows([...rows.values()], 0);
  for (const [i, key] of [...rows.keys()].entries()) encoder.remember(key, states[i]);
}
