/// <reference lib="dom" />
/**
 * Finished pictures in view: one, two side by side, or a grid; and the one in the making.
 *
 * @module
 */

import { byId, element } from "./dom.ts";
import { duration } from "./estimate.ts";
import { methodName } from "./form.ts";
import { decimal, t } from "./language.ts";
import type { WebProgress } from "./protocol.ts";
import type { KeptPicture } from "./store.ts";

/** A picture with an address that images and links can use. */
export interface Picture extends KeptPicture {
  /** blob: URL of the PNG, for as long as the page lives. */
  readonly url: string;
}

/** What can be done with a picture in view. */
export interface PictureActions {
  /** Puts its settings into the form. */
  use(picture: Picture): void;
  /** Begins the next one with it. */
  begin(picture: Picture): void;
  /** Deletes it. */
  remove(picture: Picture): void;
}

const view: HTMLElement = byId("pictures");
const empty: readonly Node[] = [...view.childNodes];

/** What is in view: pictures, or at first the placeholder. */
let inView: readonly Node[] = empty;
let canvas: HTMLCanvasElement | undefined;
let actions: PictureActions | undefined;
/** Shows once more what is in view. */
let again: () => void = () => {};

/** Brings what is in view in line with the language. */
export function refresh(): void {
  if (!canvas) again();
}

/** Says what buttons do. */
export function listen(to: PictureActions): void {
  actions = to;
}

/** Shows in their place what a picture in the making looks like, as large as its stage is beside the whole. */
export function preview({ preview, width = 1, height = 1 }: WebProgress, whole: { width: number }): void {
  if (!preview) return;
  if (!canvas) {
    canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", t("previewLabel"));
    view.classList.remove("two");
    view.replaceChildren(element("div", { className: "growing" }, canvas));
  }
  const { width: w, height: h, rgb } = preview;
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  canvas.parentElement!.style.aspectRatio = `${width} / ${height}`;
  canvas.parentElement!.style.setProperty("--aspect", String(width / height));
  canvas.style.width = `${100 * Math.min(1, width / whole.width)}%`;
  const pixels = new ImageData(w, h);
  for (let i = 0; i < w * h; i++) pixels.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
}

/** Puts back what was in view before the preview, unless a picture has come. */
export function endPreview(): void {
  if (!canvas) return;
  canvas = undefined;
  put(inView);
}

/** Puts something in view. @param shown Shows it once more. */
export function put(nodes: readonly Node[], shown?: () => void): void {
  again = shown ?? again;
  canvas = undefined;
  inView = nodes;
  view.classList.toggle(
    "two",
    nodes.filter((node) => node instanceof HTMLElement && node.matches("figure")).length > 1,
  );
  view.replaceChildren(...nodes);
}

/** Gives a picture its address. */
export function addressed(kept: KeptPicture): Picture {
  return { ...kept, url: URL.createObjectURL(kept.png) };
}

/** Shows nothing but the placeholder. */
export function showNone(): void {
  again = () => {};
  put(empty);
}

/** Shows one picture, or several; two compared with a verdict on their times. */
export function show(pictures: readonly Picture[], compared = false): void {
  again = () => show(pictures, compared);
  const figures = pictures.map((picture) => figureOf(picture, pictures.length > 1, compared));
  const lines = compared && pictures.length === 2
    ? [element("p", { className: "verdict" }, verdict(pictures[0], pictures[1]))]
    : [];
  put([...lines, ...figures]);
}

/** What a picture shows, for those who do not see it. */
export function altOf(picture: Picture): string {
  return t("drawnBy", { prompt: String(picture.parameters.prompt), method: nameOf(picture) });
}

function figureOf(picture: Picture, several: boolean, compared: boolean): HTMLElement {
  const { url, width, height, parameters, timings } = picture;
  const img = element("img", { src: url, width, height, alt: altOf(picture) });
  img.style.setProperty("--aspect", String(width / height));
  const where = timings.map(({ phase, ms }) => `${phase} ${duration(ms)}`).join(", ");
  const title = compared ? `${nameOf(picture)}: ${duration(picture.ms)}` : String(parameters.prompt);
  const settings = t("facts", {
    size: `${width} × ${height}`,
    steps: String(parameters.steps),
    seed: String(parameters.seed),
  }) + (parameters.method === "direct" || parameters.initNoise === undefined
    ? ""
    : `, σ ${parameters.initNoise}`);
  const facts = compared
    ? `${settings}. ${sentence(where)}.`
    : `${nameOf(picture)}, ${settings}. ${duration(picture.ms)}${where === "" ? "" : `: ${where}`}.`;
  const link = element("a", { href: url, download: fileName(picture), className: "button" }, t("download"));
  const name = `${nameOf(picture)}, ${parameters.seed}`;
  const act = (text: string, act: (picture: Picture) => void): HTMLElement => {
    const button = element("button", { type: "button" }, text);
    if (several) button.setAttribute("aria-label", `${text}, ${name}`);
    button.addEventListener("click", () => act(picture));
    return button;
  };
  if (several) link.setAttribute("aria-label", t("downloadOf", { name }));
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
      element(
        "div",
        { className: "actions" },
        link,
        act(t("useSettings"), (one) => actions?.use(one)),
        act(t("beginWithThis"), (one) => actions?.begin(one)),
        act(t("deleteThis"), (one) => actions?.remove(one)),
      ),
    ),
  );
}

/** Which of two took less time. */
export function verdict(first: Picture, second: Picture): string {
  const ratio = first.ms / second.ms;
  const [fast, slow, factor] = ratio >= 1 ? [second, first, ratio] : [first, second, 1 / ratio];
  return factor < 1.02
    ? t("tookSame", { one: nameOf(first), other: nameOf(second), time: duration(first.ms) })
    : t("took", {
      fast: nameOf(fast),
      fastTime: duration(fast.ms),
      slow: nameOf(slow),
      slowTime: duration(slow.ms),
      factor: decimal(factor, 2),
    });
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A method's name at the head of a sentence. */
export function nameOf({ parameters }: Pick<Picture, "parameters">): string {
  return methodName(String(parameters.method ?? "lssgen"));
}

/** `a-red-apple-lssgen-42.png`. */
export function fileName({ parameters }: Pick<Picture, "parameters">): string {
  const words = String(parameters.prompt).toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-");
  const stem = words.replace(/^-+|-+$/g, "").slice(0, 40) || "picture";
  return `${stem}-${parameters.method ?? "lssgen"}-${parameters.seed}.png`;
}
