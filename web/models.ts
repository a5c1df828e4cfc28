/// <reference lib="dom" />
/**
 * The models at hand: the server's, the page's own, folders and files of the user's, and those whose weights are kept here.
 *
 * @module
 */

import { byId, element } from "./dom.ts";
import { size } from "./estimate.ts";
import type { Chosen } from "./folders.ts";
import { t } from "./language.ts";
import type { OwnModel, StoredModel } from "./protocol.ts";
import { forgetModel, keepModel, keptModels } from "./store.ts";

/** What is to draw: the server's model, or one in this browser (its own without another). */
export type Choice = { readonly server: true } | { readonly server?: false; readonly own?: OwnModel };

/** What rows do. */
export interface ModelActions {
  /** Opens one. */
  open(choice: Choice): void;
  /** Opens what was chosen earlier. */
  reopen(name: string, handles: Chosen["handles"]): void;
  /** Deletes kept weights. */
  forget(model: StoredModel): void;
}

const list: HTMLElement = byId("models");

let actions: ModelActions | undefined;
let stored: readonly StoredModel[] = [];
let served = false;
let here = true;
let choice: Choice = {};
let busy = false;

/** Says what rows do, and which models there can be. */
export function listen(to: ModelActions, canServe: boolean, canDraw: boolean): void {
  [actions, served, here] = [to, canServe, canDraw];
}

/** Takes in which weights are kept. */
export function showStored(models: readonly StoredModel[]): void {
  stored = models;
  show();
}

/** Marks the one that is open. */
export function showOpen(open: Choice): void {
  choice = open;
  show();
}

/** While a picture is drawn none can be opened. */
export function disable(running: boolean): void {
  busy = running;
  for (const button of list.querySelectorAll("button")) button.disabled = running;
}

/** Remembers a folder or files, where the browser hands out handles. */
export async function remember(name: string, handles: Chosen["handles"]): Promise<void> {
  if (handles.length === 0) return;
  await keepModel({ name, handles });
  await show();
}

/** Lists them. */
export async function show(): Promise<void> {
  const kept = here ? await keptModels() : [];
  const hubs = here ? stored.filter(({ name }) => name !== undefined) : [];
  const own = stored.find(({ name }) => name === undefined);
  const rows: HTMLElement[] = [];
  if (served) {
    rows.push(
      row(t("serversModel"), t("kindServer"), choice.server === true, () => actions?.open({ server: true })),
    );
  }
  const open = choice.server ? undefined : choice.own;
  if (here && (served || kept.length + hubs.length > 0 || own)) {
    rows.push(row(
      t("builtIn"),
      own ? t("kindStored", { size: size(own.bytes) }) : "",
      !choice.server && !open?.folder && !open?.hub,
      () => actions?.open({}),
      own && [t("deleteNamed", { name: t("builtIn") }), () => actions?.forget(own)],
    ));
  }
  for (const { name, handles } of kept) {
    const kind = t(handles.some(({ kind }) => kind === "directory") ? "kindFolder" : "kindFiles");
    const isOpen = name === open?.folder?.name || name === open?.files?.map((file) => file.name).join(" + ");
    rows.push(row(name, kind, isOpen, () => actions?.reopen(name, handles), [
      t("forgetFolder", { name }),
      () => forgetModel(name).then(show),
    ]));
  }
  for (const model of hubs) {
    const name = model.name!;
    rows.push(row(
      name,
      t("kindStored", { size: size(model.bytes) }),
      name === open?.hub?.name,
      () => actions?.open({ own: { hub: { name, endpoint: new URL(model.under).origin } } }),
      [t("deleteNamed", { name }), () => actions?.forget(model)],
    ));
  }
  list.hidden = rows.length === 0;
  list.replaceChildren(...rows);
  disable(busy);
}

function row(
  name: string,
  kind: string,
  current: boolean,
  open: () => void,
  remove?: readonly [label: string, act: () => void],
): HTMLElement {
  const item = element(
    "li",
    {},
    element(
      "span",
      { className: "grow" },
      name,
      ...kind === "" ? [] : [element("small", { className: "hint" }, ` ${kind}`)],
    ),
  );
  const opener = element("button", { type: "button" }, t("openModel"));
  opener.setAttribute("aria-label", t("openNamed", { name }));
  opener.addEventListener("click", open);
  if (current) item.setAttribute("aria-current", "true");
  else item.append(opener);
  if (remove) {
    const button = element("button", { type: "button", className: "square" }, "×");
    button.setAttribute("aria-label", remove[0]);
    button.addEventListener("click", () => {
      remove[1]();
      byId("model-title").focus();
    });
    item.append(button);
  }
  return item;
}
