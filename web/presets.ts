/// <reference lib="dom" />
/**
 * Settings under names of the user's. Loaded when their fold is opened.
 *
 * @module
 */

import { announce, byId, element } from "./dom.ts";
import type { Settings } from "./form.ts";
import { allTexts, t } from "./language.ts";

await allTexts();

const list: HTMLSelectElement = byId("preset");
const name: HTMLInputElement = byId("preset-name");
const remove: HTMLButtonElement = byId("preset-delete");
const STORED = "lssgen-presets";
/** A preset says how to draw, not what. */
const LEFT_OUT = ["prompt", "seed"] as const;

/** What is kept, by name; nothing where it is damaged or storage is forbidden. */
function kept(): Record<string, Settings> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    return found && typeof found === "object" && !Array.isArray(found)
      ? found as Record<string, Settings>
      : {};
  } catch {
    return {};
  }
}

function keep(presets: Record<string, Settings>): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(presets));
  } catch {
    // The page goes on without.
  }
}

/** Lists them. */
export function show(): void {
  const before = list.value;
  const names = Object.keys(kept()).sort((a, b) => a.localeCompare(b));
  list.replaceChildren(
    element("option", { value: "", textContent: t("presetNone") }),
    ...names.map((value) => element("option", { value, textContent: value })),
  );
  list.value = names.includes(before) ? before : "";
  remove.disabled = list.value === "";
}

/** Listens to its own controls. */
export function listen(settings: () => Settings, use: (settings: Settings) => void): void {
  byId("preset-save").addEventListener("click", () => {
    const title = name.value.trim();
    if (title === "") return name.focus();
    const wanted: Record<string, unknown> = { ...settings() };
    for (const key of LEFT_OUT) delete wanted[key];
    keep({ ...kept(), [title]: wanted });
    name.value = "";
    show();
    list.value = title;
    remove.disabled = false;
    announce(t("presetSaved", { name: title }));
  });
  list.addEventListener("input", (event) => {
    event.stopPropagation();
    remove.disabled = list.value === "";
    const found = kept()[list.value];
    if (found) use(found);
  });
  remove.addEventListener("click", () => {
    const { value } = list;
    const { [value]: _, ...others } = kept();
    keep(others);
    show();
    list.focus();
    announce(t("presetDeleted", { name: value }));
  });
  show();
}
