/// <reference lib="dom" />
/**
 * A grid of pictures in view.
 *
 * @module
 */

import { element } from "./dom.ts";
import { altOf, fileName, type Picture, put } from "./pictures.ts";

/** Shows a grid: a row for each value down, a column for each across. Cells that are not drawn yet are empty. */
export function showGrid(
  title: string,
  columns: readonly string[],
  rows: readonly string[],
  pictureAt: (column: number, row: number) => Picture | undefined,
): void {
  const cell = (picture: Picture | undefined): HTMLElement => {
    if (!picture) return element("td", {}, "…");
    const { url, width, height } = picture;
    const link = element(
      "a",
      { href: url, download: fileName(picture) },
      element("img", { src: url, width, height, alt: altOf(picture) }),
    );
    return element("td", {}, link);
  };
  const head = element(
    "tr",
    {},
    element("td"),
    ...columns.map((text) => element("th", { scope: "col" }, text)),
  );
  const body = rows.map((text, row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, text),
      ...columns.map((_, column) => cell(pictureAt(column, row))),
    )
  );
  const table = element(
    "table",
    { className: "grid" },
    element("caption", {}, title),
    element("tbody", {}, head, ...body),
  );
  const scroll = element("div", { className: "scroll", tabIndex: 0 }, table);
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", title);
  put([scroll], () => {});
}
