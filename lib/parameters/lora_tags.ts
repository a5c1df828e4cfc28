/**
 * LoRAs with their strengths in texts: `<lora:name:0.8>` in prompts, `style.safetensors:0.8` in options.
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
  // From the first blank of several on only: looked for from each of them, a megabyte of blanks takes hours.
  const tags = /(?<!\s)\s*<lora:([^:<>]+)(?::([+-]?[\d.]+))?>/g;
  const rest = prompt.replace(tags, (tag, name: string, scale = "1") => {
    if (!Number.isFinite(Number(scale))) return tag;
    loras.push({ name: name.trim(), scale: Number(scale) });
    return "";
  });
  return { prompt: rest.trim(), loras };
}

/** `style.safetensors:0.8` → file and scale. Only a number behind the last colon is a scale, so that paths may have colons. */
export function loraSpec(text: string): { path: string; scale: number } {
  const [, path, scale] = /^(.+):([+-]?(?:\d+(?:\.\d*)?|\.\d+))$/.exec(text) ?? [];
  return path === undefined ? { path: text, scale: 1 } : { path, scale: Number(scale) };
}
