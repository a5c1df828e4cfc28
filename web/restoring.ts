/// <reference lib="dom" />
/**
 * A picture that was dropped or pasted: settings to take over, or a picture to begin with. Where it holds settings, people choose.
 *
 * @module
 */

import { readPictureTexts } from "../lib/image/picture_texts.ts";
import { readSettings, type RestoredSettings } from "../lib/parameters/foreign.ts";
import { announce, byId, element } from "./dom.ts";
import { restore as restoreForm } from "./form_restoring.ts";
import { allTexts, t } from "./language.ts";
import * as loras from "./loras.ts";

await allTexts();

const box: HTMLElement = byId("found");

/** The settings in a picture; undefined where there are none that make sense. */
async function settingsIn(file: File): Promise<RestoredSettings | undefined> {
  try {
    return readSettings(
      await readPictureTexts(new Uint8Array(await file.arrayBuffer()), file.name),
      file.name,
    );
  } catch {
    return undefined;
  }
}

/**
 * Asks what shall become of a picture, where there is something to ask.
 *
 * @param begin Begins with it.
 * @param changed The form has other settings now.
 */
export async function take(file: File, begin: (file: File) => void, changed: () => void): Promise<void> {
  const found = await settingsIn(file);
  if (!found) return begin(file);
  const use = element("button", { type: "button", className: "primary" }, t("useSettings"));
  use.addEventListener("click", () => {
    say(restore(found));
    changed();
  });
  const start = element("button", { type: "button" }, t("beginWithIt"));
  start.addEventListener("click", () => {
    hide();
    begin(file);
  });
  const text = element(
    "p",
    { id: "found-text" },
    t("foundSettings", { name: file.name, source: found.source }),
  );
  box.replaceChildren(text, element("div", { className: "actions" }, use, start, dismiss()));
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
  use.focus({ preventScroll: true });
}

/** Puts the settings into the form; gives what there is to say about them. */
function restore({ request, loras: named, model, left }: RestoredSettings): string[] {
  const unplaced = restoreForm(request as Record<string, unknown>);
  const missing = loras.restore(named);
  return [
    t("settingsTaken"),
    ...model ? [t("settingsModel", { name: model })] : [],
    ...missing.map((name) => t("settingsLora", { name })),
    ...left.length + unplaced.length > 0
      ? [t("settingsLeft", { names: [...left, ...unplaced].join(", ") })]
      : [],
  ];
}

function say(sentences: readonly string[]): void {
  const text = element("p", { id: "found-text" }, `${sentences.join(". ")}.`);
  const button = dismiss();
  box.replaceChildren(text, element("div", { className: "actions" }, button));
  announce(text.textContent!);
  button.focus({ preventScroll: true });
}

function dismiss(): HTMLElement {
  const button = element("button", { type: "button" }, t("dismiss"));
  button.addEventListener("click", () => {
    hide();
    byId("prompt").focus();
  });
  return button;
}

/** Takes the question back. */
export function hide(): void {
  box.hidden = true;
  box.replaceChildren();
}
