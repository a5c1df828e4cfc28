/**
 * LoRAs, opened and matched with the model's parts.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { LoraTag } from "../text/prompt_syntax.ts";
import type { LoraSet } from "../weights/lora.ts";
import { ADAPTABLE, type LoadContext, openComponent, partOf } from "./family.ts";
import type { Model } from "./networks.ts";

/**
 * The caller's LoRAs and those that a prompt names, matched to the headers of every component, so that what fits nothing is
 * known before anything is loaded.
 *
 * @throws {LssgenError} `bad_option` when a prompt names a LoRA that nobody finds; as {@linkcode LoraSet.open} and
 * {@linkcode LoraSet.warnings}.
 */
export async function openAllLoras(
  { options: { loras = [], findLora } }: Model,
  context: LoadContext,
  tags: readonly LoraTag[],
): Promise<{ loras?: Pick<LoraSet, "apply">; warnings: string[] }> {
  const { folder, index } = context;
  const named = [];
  for (const { name, scale, textScale } of tags) {
    const found = await findLora?.(name);
    if (!found) {
      throw new LssgenError(
        "bad_option",
        `The prompt names the LoRA "${name}", but ` +
          (findLora
            ? "there is none of that name"
            : "no folder of LoRAs is known: --lora-model-dir DIR names one, findLora in createPipeline"),
      );
    }
    if (scale !== 0 || textScale !== 0) named.push({ ...found, scale, textScale });
  }
  if (loras.length + named.length === 0) return { warnings: [] };
  const { LoraSet } = await import("../weights/lora.ts");
  const denoiser = await LoraSet.open([...loras, ...named]);
  // A scale belongs to a file as a whole: where the encoders' differs, they have a set of their own.
  const even = named.every(({ scale, textScale }) => scale === textScale);
  const text = even ? denoiser : await LoraSet.open([
    ...loras,
    ...named.map(({ textScale, ...found }) => ({ ...found, scale: textScale })),
  ]);
  for (const part of ADAPTABLE) {
    if (!index.components.has(part)) continue;
    for (const set of new Set([denoiser, text])) {
      set.apply(await openComponent(context, part, false), partOf(part));
    }
  }
  return {
    loras: {
      apply: (checkpoint, part) => (part === "denoiser" ? denoiser : text).apply(checkpoint, part),
    },
    warnings: denoiser.warnings(`${folder.name} (${index.pipeline})`),
  };
}
