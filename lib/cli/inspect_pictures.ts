/**
 * `inspect PICTURE`: what pictures say about how they were made.
 *
 * @module
 */

import { openPicture } from "../image/picture_file.ts";
import { readPictureTexts } from "../image/picture_texts.ts";
import { PICTURE_NAME } from "./file_names.ts";
import { readBytes } from "./input.ts";
import type { Terminal } from "./terminal.ts";

/** Whether these words are pictures, by their names. */
export function arePictures(words: readonly string[]): boolean {
  return words.length > 0 && words.every((word) => PICTURE_NAME.test(word));
}

/** Tells of each picture its size and its texts: parameters as A1111 writes them, ours, ComfyUI's graphs. */
export async function inspectPictures(
  words: readonly string[],
  json: boolean,
  terminal: Terminal,
): Promise<void> {
  for (const name of words) {
    const bytes = await readBytes(name, "`inspect`");
    const { width, height } = openPicture(bytes, { name });
    const texts = await readPictureTexts(bytes, name);
    if (json) {
      terminal.print(JSON.stringify({ name, width, height, texts: Object.fromEntries(texts) }));
      continue;
    }
    terminal.print(`${name}: ${width}×${height}`);
    if (texts.size === 0) terminal.print("  says nothing about how it was made");
    for (const [key, text] of texts) terminal.print(`  ${key}: ${text.trimEnd().replaceAll("\n", "\n    ")}`);
  }
}
