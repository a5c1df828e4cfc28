/**
 * LoRAs of the caller and those that a prompt names.
 *
 * @module
 */

import type { LoraTag } from "../text/prompt_syntax.ts";
import type { LoraSet } from "../weights/lora.ts";
import type { LoadContext } from "./family.ts";
import type { Model } from "./networks.ts";

/** LoRAs as they are in the weights. */
export interface AppliedLoras {
  /** Those that the prompt named. */
  readonly tags: readonly LoraTag[];
  /** What of them fits nothing, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * The caller's LoRAs and those that a prompt names, matched to the headers of every component, so that what fits nothing is
 * known before anything is loaded.
 *
 * @throws {LssgenError} `bad_option` when a prompt names a LoRA that nobody finds; as {@linkcode LoraSet.open} and
 * {@linkcode LoraSet.warnings}.
 */
export async function openLoras(
  model: Model,
  context: LoadContext,
  tags: readonly LoraTag[],
): Promise<{ loras?: Pick<LoraSet, "apply">; warnings: string[] }> {
  if (tags.length === 0 && (model.options.loras ?? []).length === 0) return { warnings: [] };
  const { openAllLoras } = await import("./opened_loras.ts");
  return await openAllLoras(model, context, tags);
}

export function sameLoras(a: readonly LoraTag[], b: readonly LoraTag[]): boolean {
  const key = (tags: readonly LoraTag[]): string =>
    tags.map(({ name, scale, textScale }) => JSON.stringify([name, scale, textScale])).sort().join();
  return key(a) === key(b);
}
