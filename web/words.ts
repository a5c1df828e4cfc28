/// <reference lib="dom" />
/**
 * What the model knows, where it says so: example prompts to click, and its words to search. A model lists them in lssgen.json
 * as `examples` and `nouns`.
 *
 * @module
 */

import { byId, element } from "./dom.ts";
import { t } from "./language.ts";

const prompt: HTMLTextAreaElement = byId("prompt");
const search: HTMLInputElement = byId("word");
const list: HTMLElement = byId("word-list");

/** Words that are shown at a time. */
const MOST = 40;

let words: readonly string[] = [];

/** Offers a model's words and examples. */
export function offer(known: readonly string[] = [], examples: readonly string[] = []): void {
  words = known;
  byId("words").hidden = words.length === 0;
  const box = byId("examples");
  box.hidden = examples.length === 0;
  box.replaceChildren(...examples.map((text) =>
    chip(text, () => {
      prompt.value = text;
    })
  ));
  show();
}

function chip(text: string, act: () => void): HTMLElement {
  const button = element("button", { type: "button", className: "chip" }, text);
  button.addEventListener("click", () => {
    act();
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
    prompt.focus();
  });
  return button;
}

/** Lists the words that the search finds, those that begin with it first. */
export function show(): void {
  const wanted = search.value.trim().toLowerCase();
  const found = words.filter((word) => word.toLowerCase().includes(wanted));
  const first = (word: string): number => word.toLowerCase().startsWith(wanted) ? 0 : 1;
  found.sort((a, b) => first(a) - first(b));
  byId("words-count").textContent = t("wordsCount", { found: found.length, all: words.length });
  list.replaceChildren(...found.slice(0, MOST).map((word) => chip(word, () => insert(word))));
}

/** Puts a word where the cursor is. */
function insert(word: string): void {
  const { selectionStart: from, selectionEnd: to, value } = prompt;
  const before = from > 0 && !/\s$/.test(value.slice(0, from)) ? " " : "";
  const after = to < value.length && !/^[\s,.]/.test(value.slice(to)) ? " " : "";
  prompt.setRangeText(before + word + after, from, to, "end");
}

/** Listens to its own controls. */
export function listen(): void {
  search.addEventListener("input", (event) => {
    event.stopPropagation();
    show();
  });
}
