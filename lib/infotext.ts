/**
 * What A1111 calls infotext, the words of a picture on how it was drawn: prompt, "Negative prompt:", and a last line of
 * `Label: value` pairs.
 *
 * @module
 */

/** A text in its parts. */
export interface Infotext {
  /** The prompt. */
  readonly prompt: string;
  /** The negative prompt; "" without one. */
  readonly negativePrompt: string;
  /** The last line's values by label. */
  readonly fields: ReadonlyMap<string, string>;
}

/** `Label: value, Label: "value, with commas"`. A label's length is bounded so that a line of one endless word is read quickly. */
const FIELDS = /(\w[\w \-/]{0,63}):\s*(?:"((?:\\.|[^"\\])*)"|([^,]*))(?:,|$)/g;

/** Reads one; of a text that is none everything is the prompt. */
export function readInfotext(text: string): Infotext {
  const lines = text.replace(/\r/g, "").trim().split("\n");
  const last = lines.at(-1) ?? "";
  const fields = new Map<string, string>();
  if (/^\s*Steps: /.test(last)) {
    lines.pop();
    for (const [, label, quoted, plain] of last.matchAll(FIELDS)) {
      fields.set(label.trim(), (quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "").trim());
    }
  }
  const at = lines.findIndex((line) => line.startsWith("Negative prompt:"));
  return {
    prompt: (at < 0 ? lines : lines.slice(0, at)).join("\n").trim(),
    negativePrompt: at < 0 ? "" : lines.slice(at).join("\n").slice("Negative prompt:".length).trim(),
    fields,
  };
}
