/// <reference lib="dom" />
/**
 * The pictures that this browser keeps: a list of all, the newest first, that can be opened, saved as one file and deleted.
 *
 * @module
 */

import { announce, byId, element } from "./dom.ts";
import { duration } from "./estimate.ts";
import { t } from "./language.ts";
import { addressed, fileName, nameOf, type Picture } from "./pictures.ts";
import type { PictureMessage } from "./protocol.ts";
import { deletePictures, keepPicture, keeps, keptPictures } from "./store.ts";

const list: HTMLElement = byId("history");
const more: HTMLButtonElement = byId("gallery-more");
const deleteAll: HTMLButtonElement = byId("delete-all");

/** Entries that are shown at first, and more at a time. */
const PAGE = 24;
/** Milliseconds in which deleting everything has to be said once more. */
const SURE_MS = 6000;

let pictures: Picture[] = [];
let shown = PAGE;
let chosen: number | undefined;
let onChoose: (picture: Picture) => void = () => {};
let sure: ReturnType<typeof setTimeout> | undefined;

/** Reads what is kept. */
export async function open(choose: (picture: Picture) => void, onEmpty: () => void): Promise<void> {
  onChoose = choose;
  more.addEventListener("click", () => {
    shown += PAGE;
    show();
  });
  byId("export").addEventListener("click", exportAll);
  deleteAll.addEventListener("click", async () => {
    if (sure === undefined) {
      sure = setTimeout(unsure, SURE_MS);
      deleteAll.textContent = t("deleteAllSure", { count: pictures.length });
      announce(deleteAll.textContent);
      return;
    }
    unsure();
    await deletePictures();
    for (const { url } of pictures) URL.revokeObjectURL(url);
    pictures = [];
    show();
    announce(t("allDeleted"));
    onEmpty();
    byId("prompt").focus();
  });
  const kept = (await keptPictures()).map(addressed);
  pictures = [...pictures, ...kept.filter(({ id }) => !pictures.some((one) => one.id === id))];
  if (!await keeps()) byId("history-empty").dataset.t = "galleryLost";
  show();
}

function unsure(): void {
  clearTimeout(sure);
  sure = undefined;
  deleteAll.textContent = t("deleteAll");
}

/** Keeps a picture, and marks it as the one in view. */
export async function keep(message: PictureMessage): Promise<Picture> {
  const picture = addressed(await keepPicture(message));
  pictures.unshift(picture);
  chosen = picture.id;
  show();
  return picture;
}

/** Deletes a picture. */
export async function remove({ id, url }: Picture): Promise<void> {
  await deletePictures(id);
  URL.revokeObjectURL(url);
  pictures = pictures.filter((one) => one.id !== id);
  show();
  announce(t("deleted"));
}

/** How many there are. */
export function count(): number {
  return pictures.length;
}

async function exportAll(): Promise<void> {
  const { uniqueNames, zip } = await import("./zip.ts");
  const names = uniqueNames(pictures.map(fileName));
  const archive = await zip(pictures.map(({ png, when }, i) => ({ name: names[i], data: png, when })));
  const url = URL.createObjectURL(archive);
  element("a", { href: url, download: "lssgen-pictures.zip" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Shows the list as it is; also after the language has changed. */
export function show(): void {
  const empty = byId("history-empty");
  empty.textContent = t(empty.dataset.t === "galleryLost" ? "galleryLost" : "galleryEmpty");
  empty.hidden = pictures.length > 0 && empty.dataset.t !== "galleryLost";
  byId("gallery-actions").hidden = pictures.length === 0;
  more.hidden = pictures.length <= shown;
  more.textContent = t("galleryMore", { count: pictures.length - shown });
  if (sure === undefined) deleteAll.textContent = t("deleteAll");
  list.replaceChildren(...pictures.slice(0, shown).map(entry));
}

function entry(picture: Picture): HTMLElement {
  const { id, url, parameters, width, height } = picture;
  const button = element(
    "button",
    { type: "button" },
    element("img", { src: url, alt: "", width: 128, height: 128, loading: "lazy" }),
    element("b", {}, String(parameters.prompt)),
    element(
      "small",
      {},
      `${nameOf(picture)}, ${duration(picture.ms)}`,
      element("br"),
      `${width} × ${height}`,
    ),
  );
  if (id === chosen) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => {
    chosen = id;
    for (const other of list.querySelectorAll("button")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    onChoose(picture);
  });
  return element("li", {}, button);
}
