/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page's elements by name, and new ones.
 *
 * @module
 */

/** The element of an id that index.html is known to have. */
export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element "${id}"`);
  return found as T;
}

/** An element with properties and content; text is always text, never HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
}

/** Says something to screen readers, after what they are saying. */
export function announce(text: string): void {
  byId("live").textContent = text;
}
