/// <reference lib="dom" />
/**
 * An error explained, with the ways out as buttons. Loaded with the first one.
 *
 * @module
 */

import type { DrawingError } from "./drawer.ts";
import { byId, element } from "./dom.ts";
import { explain } from "./explain.ts";
import { allTexts, t } from "./language.ts";

await allTexts();

/** What surrounds the fault. */
export interface Circumstances {
  /** Whether the model is the user's own. */
  readonly own: boolean;
  /** Does the same again. */
  readonly retry?: () => void;
  /** Opens the model that always works. */
  readonly fallBack?: () => void;
  /** Uses a token for the server. */
  readonly useToken?: (token: string) => void;
  /** Sentences that come on top. */
  readonly notes?: readonly string[];
  /** Title in place of the code's own. */
  readonly title?: string;
}

/**
 * Explains an error in its place.
 *
 * @param clear Takes it back.
 */
export function fill(
  trouble: HTMLElement,
  { code, message }: DrawingError,
  around: Circumstances,
  clear: () => void,
): void {
  const { title, hints, retry: sensible } = explain(code, message, around.own);
  const actions = element("div", { className: "actions" });
  const button = (text: string, act: () => void): void => {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", () => {
      clear();
      act();
    });
    actions.append(made);
  };
  const token = code === "bad_token" && around.useToken ? tokenForm(around.useToken, clear) : undefined;
  if (sensible && around.retry) button(t("tryAgain"), around.retry);
  if (around.fallBack && code !== "bad_option") button(t("useBuiltInModel"), around.fallBack);
  button(t("dismiss"), () => byId("generate").focus());
  trouble.replaceChildren(
    element("h3", {}, around.title ?? title),
    ...[...hints, ...around.notes ?? []].map((hint) => element("p", {}, hint)),
    ...token ? [token] : [],
    actions,
  );
}

function tokenForm(use: (token: string) => void, clear: () => void): HTMLElement {
  const input = element("input", { id: "token", type: "password", autocomplete: "off" });
  const label = element("label", { htmlFor: "token" }, t("token"));
  const form = element(
    "form",
    { className: "field" },
    label,
    element("div", { className: "joined" }, input, element("button", {}, t("tokenUse"))),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value === "") return input.focus();
    clear();
    use(input.value);
  });
  return form;
}
