/// <reference lib="dom" />
/**
 * Finished pictures: the one or two in view, and those of this visit.
 *
 * @module
 */

import { byId, element } from "./dom.ts";
import { duration } from "./estimate.ts";
import type { PictureMessage, WebProgress } from "./protocol.ts";

/** A picture with an address that images and links can use. */
export interface Picture extends PictureMessage {
  /** blob: URL of the PNG, for as long as the page lives. */
  readonly url: string;
}

const view: HTMLElement = byId("pictures");
const list: HTMLElement = byId("history");

/** What is in view: pictures, or at first the placeholder. */
let inView: readonly Node[] = [...view.childNodes];
let canvas: HTMLCanvasElement | undefined;

/** Shows in their place what a picture in the making looks like, as large as its stage is beside the whole. */
export function preview({ preview, width = 1, height = 1 }: WebProgress, whole: { width: number }): void {
  if (!preview) return;
  if (!canvas) {
    canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Preview of the picture in the making");
    view.classList.remove("two");
    view.replaceChildren(element("div", { className: "growing" }, canvas));
  }
  const { width: w, height: h, rgb } = preview;
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  canvas.parentElement!.style.aspectRatio = `${width} / ${height}`;
  canvas.style.width = `${100 * Math.min(1, width / whole.width)}%`;
  const pixels = new ImageData(w, h);
  for (let i = 0; i < w * h; i++) pixels.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
}

/** Puts back what was in view before the preview, unless a picture has come. */
export function endPreview(): void {
  if (!canvas) return;
  canvas = undefined;
  view.classList.toggle(
    "two",
    inView.filter((node) => node instanceof HTMLElement && node.matches("figure")).length > 1,
  );
  view.replaceChildren(...inView);
}

/** Gives a picture its address. */
export function keep(message: PictureMessage): Picture {
  return { ...message, url: URL.createObjectURL(message.png) };
}

/** Shows one picture, or two side by side with a verdict on their times. */
export function show(pictures: readonly Picture[]): void {
  view.classList.toggle("two", pictures.length > 1);
  const figures = pictures.map((picture) => figureOf(picture, pictures));
  const lines = pictures.length === 2
    ? [element("p", { className: "verdict" }, verdict(pictures[0], pictures[1]))]
    : [];
  canvas = undefined;
  inView = [...lines, ...figures];
  view.replaceChildren(...inView);
}

function figureOf(picture: Picture, all: readonly Picture[]): HTMLElement {
  const { url, width, height, parameters, timings } = picture;
  const two = all.length > 1;
  const img = element("img", {
    src: url,
    width,
    height,
    alt: `${parameters.prompt}, drawn by ${nameOf(picture)}`,
  });
  const where = timings.map(({ phase, ms }) => `${phase} ${duration(ms)}`).join(", ");
  const title = two ? `${nameOf(picture)}: ${duration(picture.ms)}` : String(parameters.prompt);
  const settings = `${width} × ${height}, ${parameters.steps} steps, seed ${parameters.seed}` +
    (parameters.method === "direct" ? "" : `, σ ${parameters.initNoise}`);
  const facts = two
    ? `${settings}. ${sentence(where)}.`
    : `${nameOf(picture)}, ${settings}. ${duration(picture.ms)}: ${where}.`;
  const link = element("a", { href: url, download: fileName(picture), className: "button" }, "Download PNG");
  if (two) link.setAttribute("aria-label", `Download PNG, ${nameOf(picture)}`);
  return element(
    "figure",
    {},
    img,
    element(
      "figcaption",
      {},
      element("h3", {}, title),
      element("p", { className: "hint" }, facts),
      ...picture.warnings.map((warning) => element("p", { className: "hint" }, `${warning}.`)),
      element("div", { className: "actions" }, link),
    ),
  );
}

/** Which of two took less time. */
export function verdict(first: Picture, second: Picture): string {
  const ratio = first.ms / second.ms;
  const [fast, slow, factor] = ratio >= 1 ? [second, first, ratio] : [first, second, 1 / ratio];
  return factor < 1.02
    ? `${nameOf(first)} and ${nameOf(second)} took the same time: ${duration(first.ms)}`
    : `${nameOf(fast)} took ${duration(fast.ms)}, ${nameOf(slow)} ${duration(slow.ms)}: ${
      factor.toFixed(2)
    }× as fast`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A method's name at the head of a sentence. */
export function nameOf({ parameters }: Picture): string {
  const method = String(parameters.method);
  return method === "lssgen" ? "LSSGen" : sentence(method);
}

/** `a-red-apple-lssgen-42.png`. */
export function fileName({ parameters }: Picture): string {
  const words = String(parameters.prompt).toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-");
  const stem = words.replace(/^-+|-+$/g, "").slice(0, 40) || "picture";
  return `${stem}-${parameters.method}-${parameters.seed}.png`;
}

/** Puts an entry at the head of the list. */
export function remember(
  pictures: readonly Picture[],
  onChoose: (pictures: readonly Picture[]) => void,
): void {
  byId("history-empty").hidden = true;
  const [picture] = pictures;
  const { url, parameters, width, height } = picture;
  const button = element(
    "button",
    { type: "button" },
    element("img", { src: url, alt: "", width: 128, height: 128 }),
    element("b", {}, String(parameters.prompt)),
    element(
      "small",
      {},
      `${nameOf(picture)}, ${duration(picture.ms)}`,
      element("br"),
      `${width} × ${height}`,
    ),
  );
  button.addEventListener("click", () => {
    mark(button);
    onChoose(pictures);
  });
  mark(button);
  list.prepend(element("li", {}, button));
}

function mark(chosen: HTMLElement): void {
  for (const button of list.querySelectorAll("button")) button.removeAttribute("aria-current");
  chosen.setAttribute("aria-current", "true");
}
