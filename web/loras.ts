/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * LoRAs with strengths: those that are in use, of those that there are. A request names them in its prompt, as A1111's do.
 *
 * @module
 */

import { withoutLoraTags } from "../lib/parameters/lora_tags.ts";
import { announce, byId, element } from "./dom.ts";
import { t } from "./language.ts";

const list: HTMLElement = byId("lora-list");
const names: HTMLSelectElement = byId("lora-name");
const add: HTMLButtonElement = byId("lora-add");

let available: readonly string[] = [];
/** Strengths of those in use, by name. */
const used = new Map<string, number>();

/** A LoRA by its name. */
type Named = { readonly name: string; readonly scale: number };

/** Offers LoRAs; new ones of the user's are put to use at once. */
export function offer(found: readonly string[]): void {
  const fresh = found.filter((name) => !available.includes(name));
  for (const name of used.keys()) if (!found.includes(name)) used.delete(name);
  // A server's are many; a file that was just chosen is meant.
  if (available.length + fresh.length <= 8 && ownFiles) { for (const name of fresh) used.set(name, 1); }
  available = found;
  show();
}

let ownFiles = true;

/** Whether LoRAs are files of the user's rather than a server's. */
export function areOwn(own: boolean): void {
  ownFiles = own;
}

/** A prompt with the tags of the LoRAs in use. */
export function tagged(prompt: string): string {
  return [
    prompt,
    ...[...used].filter(([, scale]) => scale !== 0).map(([name, scale]) => `<lora:${name}:${scale}>`),
  ].join(" ");
}

/** Takes tags out of a prompt, where they name LoRAs that there are. */
export function untagged(prompt: string): { prompt: string; named: readonly Named[] } {
  const { prompt: rest, loras } = withoutLoraTags(prompt);
  return loras.every(({ name }) => available.includes(name))
    ? { prompt: rest, named: loras }
    : { prompt, named: [] };
}

/** Those in use. */
export function inUse(): Named[] {
  return [...used].map(([name, scale]) => ({ name, scale }));
}

/** Uses these and no others; gives the names of those that there are not. */
export function restore(wanted: readonly Named[]): string[] {
  used.clear();
  for (const { name, scale } of wanted) if (available.includes(name)) used.set(name, scale);
  show();
  return wanted.map(({ name }) => name).filter((name) => !available.includes(name));
}

function show(): void {
  list.replaceChildren(...[...used].map(([name, scale]) => row(name, scale)));
  const others = available.filter((name) => !used.has(name));
  names.replaceChildren(...others.map((name) => element("option", { value: name, textContent: name })));
  byId("lora-more").hidden = others.length === 0;
}

function row(name: string, scale: number): HTMLElement {
  const strength = element("input", {
    type: "number",
    min: "-2",
    max: "2",
    step: "0.05",
    value: String(scale),
  });
  strength.setAttribute("aria-label", t("loraStrength", { name }));
  strength.addEventListener("input", () => {
    const value = Number(strength.value);
    used.set(name, Number.isFinite(value) ? value : 1);
  });
  const remove = element("button", { type: "button", className: "square" }, "×");
  remove.setAttribute("aria-label", t("loraRemove", { name }));
  remove.addEventListener("click", () => {
    used.delete(name);
    show();
    changed();
    names.focus();
  });
  return element("li", {}, element("span", { className: "grow" }, name), strength, remove);
}

function changed(): void {
  list.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Listens to its own controls. */
export function listen(): void {
  add.addEventListener("click", () => {
    if (names.value === "") return;
    const { value } = names;
    used.set(value, 1);
    show();
    changed();
    announce(value);
    list.querySelector<HTMLInputElement>("li:last-child input")?.focus();
  });
}
