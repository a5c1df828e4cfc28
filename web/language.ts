/**
 * The page's language: texts by name, and those that stand in index.html.
 *
 * @module
 */

import { COLUMNS, LANGUAGES, type TextName, TEXTS } from "./texts.ts";

/** A language of the page. */
export type Language = (typeof LANGUAGES)[number];

const STORED = "lssgen-language";

/**
 * A row has every language, which this holds it to. In the built page it has the first alone, and there are no rows of texts that
 * only index.html has.
 */
const ROWS: Readonly<Record<TextName, readonly [en: string, de: string]>> = TEXTS;

let language: Language = "en";
/** All texts of the language, once it was switched. */
let texts: Readonly<Record<string, string>> = {};

/** The language in use. */
export function currentLanguage(): Language {
  return language;
}

/** A text, with its values filled in. */
export function t(name: TextName, values: Readonly<Record<string, string | number>> = {}): string {
  const text = texts[name] ?? ROWS[name][0];
  return text.replace(/\{(\w+)\}/g, (whole, key) => key in values ? String(values[key]) : whole);
}

/** Whether there is such a text. */
export function isText(name: string): name is TextName {
  return Object.hasOwn(TEXTS, name) || Object.hasOwn(texts, name);
}

/** A number as the language writes it. */
export function decimal(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return language === "de" ? text.replace(".", ",") : text;
}

/** The language that was chosen here before, or that the browser asks for. */
export function preferredLanguage(): Language {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // Storage is forbidden: the browser's language counts.
  }
  const wanted = [stored ?? "", ...globalThis.navigator?.languages ?? []];
  for (const one of wanted) {
    const found = LANGUAGES.find((known) => one.toLowerCase().split("-")[0] === known);
    if (found) return found;
  }
  return "en";
}

/** Switches the language of all that {@linkcode t} gives from then on. Where its texts cannot be fetched, all stays as it is. */
export async function setLanguage(wanted: string): Promise<void> {
  const found = LANGUAGES.find((known) => known === wanted) ?? "en";
  try {
    // Before its texts are there: the page may be loaded anew meanwhile.
    localStorage.setItem(STORED, found);
  } catch {
    // Asked again at the next visit.
  }
  if (found === language) return;
  const loaded = await COLUMNS[found]().catch(() => undefined);
  if (!loaded) return;
  texts = loaded;
  language = found;
}

/** Loads the texts that only parts have which are loaded later. Such a part waits for it before it says anything. */
export async function allTexts(): Promise<void> {
  if (Object.keys(texts).length > 0) return;
  texts = await COLUMNS[language]().catch(() => ({}));
}

/** Puts the texts of index.html into the language. */
export function localise(root: Document): void {
  root.documentElement.lang = language;
  root.title = t("title");
  for (const element of root.querySelectorAll<HTMLElement>("[data-t]")) {
    if (isText(element.dataset.t!)) element.textContent = t(element.dataset.t);
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-t-label]")) {
    const name = element.dataset.tLabel!;
    // In the language of index.html the label stands there.
    const text = isText(name) ? t(name) : element.getAttribute("aria-label")!;
    element.setAttribute("aria-label", text);
    if (element.matches("input[type=text]")) element.setAttribute("placeholder", text);
  }
}
