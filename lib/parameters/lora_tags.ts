/**
 * `<lora:name:0.8>` in prompts.
 *
 * @module
 */

/** A LoRA by its name, as prompts name it. */
export interface NamedLora {
  /** File name without its ending. */
  readonly name: string;
  /** Strength. */
  readonly scale: number;
}

/** Takes `<lora:name:0.8>` out of a prompt. */
export function withoutLoraTags(prompt: string): { prompt: string; loras: readonly NamedLora[] } {
  const loras: NamedLora[] = [];
  const rest = prompt.replace(/\s*<lora:([^:<>]+)(?::([+-]?[\d.]+))?>/g, (tag, name: string, scale = "1") => {
    if (!Number.isFinite(Number(scale))) return tag;
    loras.push({ name: name.trim(), scale: Number(scale) });
    return "";
  });
  return { prompt: rest.trim(), loras };
}
