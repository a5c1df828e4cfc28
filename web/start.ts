/**
 * The picture to begin with. What shows and changes one is loaded with the first.
 *
 * @module
 */

import { byId } from "./dom.ts";
import { t } from "./language.ts";
import type { StartFiles } from "./protocol.ts";

let editor: typeof import("./start_editor.ts") | undefined;
let onChange: () => void = () => {};

/** The name of the picture to begin with. */
export function startName(): string | undefined {
  return editor?.startName();
}

/**
 * Begins with a picture, or with noise alone.
 *
 * @throws {Error} When the browser cannot show it, in words for the page.
 */
export async function beginWith(picture?: File): Promise<void> {
  if (!editor) {
    if (!picture) return;
    const loaded = await import("./start_editor.ts");
    if (!editor) loaded.listen(() => onChange());
    editor = loaded;
  }
  await editor.beginWith(picture);
}

/** Takes a mask from a file in place of what is drawn: where there is a picture. */
export async function maskWith(file: File): Promise<void> {
  await editor?.maskWith(file);
}

/** The pictures that the next one begins with. */
export async function startFiles(): Promise<StartFiles> {
  return await editor?.startFiles() ?? {};
}

/** Brings texts in line with the language. */
export function refresh(): void {
  if (editor) return editor.refresh();
  byId("init-hint").textContent = t(
    document.documentElement.dataset.server === "true" ? "beginHintServer" : "beginHint",
  );
}

/** `told` hears of every change. */
export function listen(told: () => void): void {
  onChange = told;
}
