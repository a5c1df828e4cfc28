/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The picture's size: one of the model's usual ones, that of the picture to begin with, or any, held to an aspect or not.
 *
 * @module
 */

import type { Defaults } from "../lib/pipelines/types.ts";
import { byId, element } from "./dom.ts";
import { t } from "./language.ts";

const size: HTMLSelectElement = byId("size");
const free: HTMLElement = byId("free-size");
const width: HTMLInputElement = byId("width");
const height: HTMLInputElement = byId("height");
const aspect: HTMLSelectElement = byId("aspect");

/** Values of the size that name no numbers. */
const OF_PICTURE = "own";
const FREE = "free";
/** Aspects that photographs and screens have. */
const ASPECTS = ["1:1", "5:4", "4:3", "3:2", "16:9", "21:9", "4:5", "3:4", "2:3", "9:16"];
/** Sides are multiples of it: latents have an eighth of the pixels, and many models read them in patches of two. */
const STEP = 16;

let usual = "";
let offered: readonly string[] = [];
let ofPicture = false;

/** Offers the usual sizes of a model. */
export function offer({ baseResolution: b, width, height }: Defaults): void {
  const even = (value: number): number => Math.round(value / 64) * 64 || STEP;
  const pairs = [[b / 2, b / 2], [b, b], [even(1.5 * b), even(1.5 * b)], [2 * b, 2 * b], [2 * b, b], [
    b,
    2 * b,
  ]];
  const values = [...new Set([...pairs, [4 * b, 4 * b], [width, height]].map(([w, h]) => `${w}x${h}`))];
  const area = (value: string): number =>
    value.split("x").reduce((product, side) => product * Number(side), 1);
  offered = values.filter((value) => area(value) > 0).sort((a, b) => area(a) - area(b));
  usual = `${width}x${height}`;
  list();
}

function list(): void {
  const before = size.value;
  const made = (value: string, textContent: string): HTMLElement => element("option", { value, textContent });
  size.replaceChildren(
    ...ofPicture ? [made(OF_PICTURE, t("asPicture"))] : [],
    ...offered.map((value) => made(value, value.replace("x", " × "))),
    made(FREE, t("ownSize")),
  );
  const values = [...size.options].map(({ value }) => value);
  size.value = values.includes(before) ? before : usual;
  const held = aspect.value;
  aspect.replaceChildren(made("", t("free")), ...ASPECTS.map((value) => made(value, value)));
  aspect.value = held;
  refresh();
}

/** A picture to begin with has a size, too. */
export function fromPicture(begins: boolean): void {
  if (begins === ofPicture) return;
  ofPicture = begins;
  list();
  if (begins) size.value = OF_PICTURE;
  refresh();
}

/** Shows the fields of a free size. */
export function refresh(): void {
  free.hidden = size.value !== FREE;
  if (!free.hidden && width.value === "") [width.value, height.value] = usual.split("x");
}

/** What is chosen; nothing for the size of the picture to begin with. */
export function chosen(): { width?: number; height?: number } {
  if (size.value === OF_PICTURE) return {};
  const [w, h] = size.value === FREE ? [width.value, height.value] : size.value.split("x");
  return { width: Number(w), height: Number(h) };
}

/** Chooses a size. */
export function restore(wanted: Readonly<Record<string, unknown>>): void {
  const [w, h] = [Number(wanted.width), Number(wanted.height)];
  if (!(w > 0 && h > 0)) {
    size.value = ofPicture ? OF_PICTURE : usual;
  } else if (offered.includes(`${w}x${h}`)) {
    size.value = `${w}x${h}`;
  } else {
    size.value = FREE;
    [width.value, height.value, aspect.value] = [String(w), String(h), ""];
  }
  refresh();
}

/** The sides of an aspect that have the area of others, as multiples of 16. */
export function sidesOf(ratio: string, w: number, h: number): [number, number] {
  const [x, y] = ratio.split(":").map(Number);
  const unit = Math.sqrt(w * h / (x * y));
  const even = (side: number): number => Math.max(STEP, Math.round(side / STEP) * STEP);
  return [even(x * unit), even(y * unit)];
}

/** Listens to its own controls. Events go on to the form. */
export function listen(): void {
  const hold = (leading: HTMLInputElement, other: HTMLInputElement, ratio: number): void => {
    const side = Number(leading.value) * ratio;
    if (side > 0) other.value = String(Math.max(STEP, Math.round(side / STEP) * STEP));
  };
  const ratio = (): number | undefined => {
    const [x, y] = aspect.value.split(":").map(Number);
    return aspect.value === "" ? undefined : y / x;
  };
  width.addEventListener("input", () => ratio() && hold(width, height, ratio()!));
  height.addEventListener("input", () => ratio() && hold(height, width, 1 / ratio()!));
  aspect.addEventListener("input", () => {
    if (aspect.value === "") return;
    const [w, h] = sidesOf(aspect.value, Number(width.value) || 512, Number(height.value) || 512);
    [width.value, height.value] = [String(w), String(h)];
  });
  byId("swap").addEventListener("click", () => {
    [width.value, height.value] = [height.value, width.value];
    aspect.value = "";
    width.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
