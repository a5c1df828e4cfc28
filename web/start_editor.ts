/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The picture to begin with, edited: any that the browser decodes, a mask drawn on it or chosen, and edges added to it.
 *
 * @module
 */

import { byId } from "./dom.ts";
import { allTexts, t } from "./language.ts";
import { extendedMask, feathered, isPadded, type Padding } from "./mask.ts";
import type { StartFiles } from "./protocol.ts";

await allTexts();

const canvas: HTMLCanvasElement = byId("mask-canvas");
const brush: HTMLInputElement = byId("brush");
const feather: HTMLInputElement = byId("feather");
const erase: HTMLButtonElement = byId("erase");
const undo: HTMLButtonElement = byId("undo");
const clear: HTMLButtonElement = byId("clear-mask");
const pads = ["top", "right", "bottom", "left"].map((side) => byId<HTMLInputElement>(`pad-${side}`));

/** Formats that the library reads itself, whose values are then the same everywhere. */
const READ = /^image\/(png|jpeg)$/;
/** Longest side of the mask that is drawn; the library takes it to the picture's size. */
const MASK_SIDE = 1024;
/** Pixels beside a new edge that are drawn anew as well. */
const OVERLAP = 8;

/** A line of the brush, in pixels of the mask. */
interface Stroke {
  readonly size: number;
  readonly erase: boolean;
  readonly points: (readonly [number, number])[];
}

let image: File | undefined;
let chosenMask: File | undefined;
let bitmap: ImageBitmap | undefined;
let strokes: (Stroke | "invert")[] = [];
let onChange: () => void = () => {};
let made: Promise<StartFiles> | undefined;

/** The name of the picture to begin with. */
export function startName(): string | undefined {
  return image?.name;
}

/**
 * Begins with a picture, or with noise alone.
 *
 * @throws {Error} When the browser cannot show it, in words for the page.
 */
export async function beginWith(picture?: File): Promise<void> {
  const [file, decoded] = picture ? await asPicture(picture) : [undefined, undefined];
  bitmap?.close();
  [image, bitmap, chosenMask, strokes] = [file, decoded, undefined, []];
  for (const pad of pads) pad.value = "0";
  for (const part of document.querySelectorAll<HTMLElement>("[data-start]")) part.hidden = !image;
  if (image) byId<HTMLDetailsElement>("start").open = true;
  if (bitmap) {
    const scale = Math.min(1, MASK_SIDE / Math.max(bitmap.width, bitmap.height));
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  }
  changed();
}

/** Takes a mask from a file in place of what is drawn. */
export async function maskWith(file: File): Promise<void> {
  [chosenMask] = await asPicture(file);
  strokes = [];
  changed();
}

/** A picture as a file that the library reads: other formats become PNG. */
async function asPicture(file: File): Promise<[File, ImageBitmap]> {
  const decoded = await createImageBitmap(file).catch(() => drawing(file));
  if (!decoded) throw new Error(t("badPicture", { name: file.name }));
  if (READ.test(file.type)) return [file, decoded];
  const copy = sheet(decoded.width, decoded.height);
  copy.drawImage(decoded, 0, 0);
  return [await asFile(copy, file.name.replace(/\.[^.]*$/, "") + ".png"), decoded];
}

/** What only an image element decodes: drawings as SVG. */
async function drawing(file: File): Promise<ImageBitmap | undefined> {
  const img = new Image();
  const url = URL.createObjectURL(file);
  img.src = url;
  try {
    await img.decode();
    const [width, height] = [img.naturalWidth || 512, img.naturalHeight || 512];
    const copy = sheet(width, height);
    copy.drawImage(img, 0, 0, width, height);
    return await createImageBitmap(copy.canvas);
  } catch {
    return undefined;
  } finally {
    URL.revokeObjectURL(url);
  }
}

function sheet(width: number, height: number): CanvasRenderingContext2D {
  const made = document.createElement("canvas");
  Object.assign(made, { width, height });
  return made.getContext("2d", { willReadFrequently: true })!;
}

function asFile({ canvas }: CanvasRenderingContext2D, name: string): Promise<File> {
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) =>
        blob
          ? resolve(new File([blob], name, { type: "image/png" }))
          : reject(new Error(t("badPicture", { name }))),
      "image/png",
    )
  );
}

/** Pixels added on each side. */
function padding(): Padding {
  const [top, right, bottom, left] = pads.map((pad) =>
    Math.min(2048, Math.max(0, Math.round(Number(pad.value)) || 0))
  );
  return { top, right, bottom, left };
}

/** The size that the picture has with its new edges; undefined without a picture. */
export function startSize(): { width: number; height: number } | undefined {
  if (!bitmap) return undefined;
  const { top, right, bottom, left } = padding();
  return { width: bitmap.width + left + right, height: bitmap.height + top + bottom };
}

/** The pictures that the next one begins with. */
export function startFiles(): Promise<StartFiles> {
  made ??= compose();
  // What failed is tried again.
  made.catch(() => made = undefined);
  return made;
}

async function compose(): Promise<StartFiles> {
  if (!image || !bitmap) return {};
  const pad = padding();
  const drawn = strokes.length > 0;
  if (!isPadded(pad) && !drawn) return { image, mask: chosenMask };
  const { width, height } = bitmap;
  let mask = chosenMask && !drawn ? await grey(chosenMask, width, height) : drawnMask(width, height);
  let whole = image;
  let [wide, high] = [width, height];
  if (isPadded(pad)) {
    mask = extendedMask(mask, width, height, pad, OVERLAP);
    [wide, high] = [pad.left + width + pad.right, pad.top + height + pad.bottom];
    whole = await extended(bitmap, pad, wide, high);
  }
  mask = feathered(mask, wide, high, Number(feather.value));
  const copy = sheet(wide, high);
  const pixels = copy.createImageData(wide, high);
  for (let i = 0; i < mask.length; i++) {
    pixels.data.fill(mask[i], 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4);
  }
  copy.putImageData(pixels, 0, 0);
  return { image: whole, mask: await asFile(copy, "mask.png") };
}

/** A mask of a file as one byte a pixel: white is drawn anew, transparent is not. */
async function grey(file: File, width: number, height: number): Promise<Uint8Array> {
  const copy = sheet(width, height);
  copy.fillRect(0, 0, width, height);
  const found = await createImageBitmap(file);
  copy.drawImage(found, 0, 0, width, height);
  found.close();
  const { data } = copy.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]);
}

/** The picture with its outermost pixels drawn out over the new edges: something for the noise to begin with. */
async function extended(from: ImageBitmap, pad: Padding, wide: number, high: number): Promise<File> {
  const { top, right, bottom, left } = pad;
  const { width: w, height: h } = from;
  const copy = sheet(wide, high);
  for (
    const [sx, sy, sw, sh, x, y, width, height] of [
      [0, 0, 1, 1, 0, 0, left, top],
      [0, 0, w, 1, left, 0, w, top],
      [w - 1, 0, 1, 1, left + w, 0, right, top],
      [0, 0, 1, h, 0, top, left, h],
      [w - 1, 0, 1, h, left + w, top, right, h],
      [0, h - 1, 1, 1, 0, top + h, left, bottom],
      [0, h - 1, w, 1, left, top + h, w, bottom],
      [w - 1, h - 1, 1, 1, left + w, top + h, right, bottom],
      [0, 0, w, h, left, top, w, h],
    ]
  ) {
    if (width > 0 && height > 0) copy.drawImage(from, sx, sy, sw, sh, x, y, width, height);
  }
  return await asFile(copy, image!.name.replace(/\.[^.]*$/, "") + ".png");
}

/** What was drawn with the brush, at the picture's size. */
function drawnMask(width: number, height: number): Uint8Array {
  const copy = sheet(width, height);
  const scale = width / canvas.width;
  copy.scale(scale, scale);
  paint(copy);
  const { data } = copy.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: width * height }, (_, i) => data[4 * i + 3]);
}

/** Paints all strokes: opaque where the picture is drawn anew. */
function paint(to: CanvasRenderingContext2D): void {
  to.lineCap = to.lineJoin = "round";
  for (const stroke of strokes) {
    if (stroke === "invert") {
      to.globalCompositeOperation = "xor";
      to.fillRect(0, 0, canvas.width, canvas.height);
      continue;
    }
    to.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
    to.lineWidth = stroke.size;
    to.beginPath();
    const [[x, y], ...more] = stroke.points;
    to.moveTo(x, y);
    // A line of no length shows as a dot.
    for (const [nextX, nextY] of more.length > 0 ? more : [[x, y]]) to.lineTo(nextX, nextY);
    to.stroke();
  }
  to.globalCompositeOperation = "source-over";
}

function show(): void {
  undo.disabled = strokes.length === 0;
  clear.disabled = strokes.length === 0 && !chosenMask;
  byId<HTMLOutputElement>("brush-value").value = brush.value;
  byId<HTMLOutputElement>("feather-value").value = feather.value;
  const size = startSize();
  byId("extended").textContent = size && isPadded(padding()) ? t("extendedTo", size) : "";
  byId("init-hint").textContent = !image
    ? t(document.documentElement.dataset.server === "true" ? "beginHintServer" : "beginHint")
    : chosenMask
    ? t("beginsWithMask", { name: image.name, mask: chosenMask.name })
    : t("beginsWith", { name: image.name });
  if (!bitmap) return;
  const view = canvas.getContext("2d")!;
  view.globalAlpha = 1;
  view.clearRect(0, 0, canvas.width, canvas.height);
  view.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const over = sheet(canvas.width, canvas.height);
  paint(over);
  over.globalCompositeOperation = "source-in";
  over.fillStyle = getComputedStyle(canvas).getPropertyValue("--accent").trim() || "#0f6b5c";
  over.fillRect(0, 0, canvas.width, canvas.height);
  view.globalAlpha = 0.6;
  view.drawImage(over.canvas, 0, 0);
}

function changed(): void {
  made = undefined;
  show();
  onChange();
}

/** Brings texts in line with the language. */
export const refresh: () => void = show;

/** Listens to its own controls; `told` hears of every change. */
export function listen(told: () => void): void {
  onChange = told;
  let drawing: Stroke | undefined;
  const place = (event: PointerEvent): readonly [number, number] => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!bitmap || event.button > 0) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    // A pen's other end erases.
    const rubs = erase.getAttribute("aria-pressed") === "true" || event.buttons === 32;
    drawing = { size: Number(brush.value) * scale, erase: rubs, points: [place(event)] };
    chosenMask = undefined;
    strokes.push(drawing);
    show();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) drawing.points.push(place(one));
    show();
  });
  const end = (): void => {
    if (!drawing) return;
    drawing = undefined;
    changed();
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  erase.addEventListener("click", () => {
    erase.setAttribute("aria-pressed", String(erase.getAttribute("aria-pressed") !== "true"));
  });
  undo.addEventListener("click", () => {
    strokes.pop();
    changed();
    if (undo.disabled) canvas.parentElement!.querySelector<HTMLElement>("#erase")!.focus();
  });
  clear.addEventListener("click", () => {
    [strokes, chosenMask] = [[], undefined];
    changed();
    erase.focus();
  });
  byId("invert-mask").addEventListener("click", () => {
    strokes.push("invert");
    chosenMask = undefined;
    changed();
  });
  for (const input of [feather, ...pads]) input.addEventListener("input", changed);
  brush.addEventListener("input", show);
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches("textarea, input, select");
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || typing || strokes.length === 0) return;
    event.preventDefault();
    strokes.pop();
    changed();
  });
}
