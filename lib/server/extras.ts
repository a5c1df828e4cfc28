/**
 * A1111's "Extras": finished pictures that are enlarged, one by `extra-single-image`, several by `extra-batch-images`.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { MAX_PICTURE_PIXELS, type PictureFile } from "../image/picture_file.ts";
import { readPictureTexts } from "../image/picture_texts.ts";
import type { Picture } from "../image/png_writing.ts";
import { resize } from "../image/resize.ts";
import type { PictureUpscaler } from "../pipelines/upscaling.ts";
import { ApiError } from "./api_error.ts";
import { Fields } from "./fields.ts";
import { sentBytes, sentPicture } from "./incoming_pictures.ts";
import { blank, checkFields, done, type FieldRule, type FieldTable, only, required } from "./known_fields.ts";
import type { Limits } from "./limits.ts";
import { number, text, whole } from "./shapes.ts";
import { type ChosenUpscaler, type ServedUpscaler, upscalerNamed, type Upscalers } from "./upscalers.ts";

/** Times that a network is run at most to reach a size, as in A1111. */
const MOST_RUNS = 3;
/** Pixels of a result over those of the largest picture that is drawn, as of pictures that are sent in. */
const PIXELS_OUT = 4;

const FACES: FieldRule = only("faces are not restored; leave it at 0");

const COMMON: FieldTable = {
  resize_mode: done(
    whole(0, 1),
    "0: sides get upscaling_resize times as long; 1: the picture fills upscaling_resize_w × upscaling_resize_h.",
  ),
  upscaling_resize: done(number(0.05, 16), "Factor of resize_mode 0; default 2."),
  upscaling_resize_w: done(whole(1, 16_384), "Width in pixels of resize_mode 1; default 512."),
  upscaling_resize_h: done(whole(1, 16_384), "Height in pixels of resize_mode 1; default 512."),
  upscaling_crop: done(
    { is: "flag" },
    "resize_mode 1: true (the default) cuts what goes beyond the size, false keeps it.",
  ),
  upscaler_1: done(text(200), 'A name of GET /sdapi/v1/upscalers; default "None", which enlarges nothing.'),
  upscaler_2: done(text(200), "A second one, whose result is mixed in."),
  extras_upscaler_2_visibility: done(number(0, 1), "Share of upscaler_2's result; default 0."),
  gfpgan_visibility: FACES,
  codeformer_visibility: FACES,
  codeformer_weight: {
    neutral: (value, { body }) => typeof value === "number" && blank(body.codeformer_visibility),
    instead: "faces are not restored",
  },
  // The order of two things of which one is not done.
  upscale_first: "neutral",
  show_extras_results: "neutral",
  max_side_length: only('give the size by "resize_mode": 1'),
};

/** extra-single-image. */
export const EXTRA_FIELDS: FieldTable = {
  ...COMMON,
  image: required(text(Infinity), "a picture in base64"),
};

/** extra-batch-images. */
export const EXTRA_BATCH_FIELDS: FieldTable = {
  ...COMMON,
  imageList: { done: { is: "list" }, says: "Pictures: [{data: base64, name}].", required: true },
};

/** One picture to enlarge. */
interface Source {
  readonly file: PictureFile;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The whole result, and what is kept of its middle. */
  readonly size: Size;
  readonly kept: Size;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A request that was read. */
export interface AskedEnlarging {
  /** The pictures. */
  readonly sources: readonly Source[];
  /** What A1111 notes of each in its parameters. */
  readonly fields: Readonly<Record<string, string | number>>;
  /** The first upscaler. */
  readonly first: ChosenUpscaler;
  /** The second one, and its share in (0, 1]. */
  readonly second?: { readonly upscaler: ChosenUpscaler; readonly share: number };
}

/** A picture with what its file says. */
export interface EnlargedPicture {
  readonly picture: Picture;
  /** Texts of the file that was sent, by keyword. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Reads a body: everything that is wrong with it is said here, before the queue.
 *
 * @param batch Whether it is one of extra-batch-images.
 * @throws {ApiError} 422, naming the field.
 * @throws {LssgenError} `bad_file`, `unsupported`: no picture, or one of too many pixels.
 */
export function askedEnlarging(
  body: unknown,
  networks: readonly ServedUpscaler[],
  limits: Limits,
  batch: boolean,
): AskedEnlarging {
  const table = batch ? EXTRA_BATCH_FIELDS : EXTRA_FIELDS;
  const f = new Fields(body, table, limits);
  const where = batch ? "extra-batch-images" : "extra-single-image";
  checkFields(table, { body: body as Record<string, unknown> }, where);
  const first = upscalerNamed(networks, f.text("upscaler_1") || "None", "upscaler_1");
  const other = upscalerNamed(networks, f.text("upscaler_2") || "None", "upscaler_2");
  const share = f.number("extras_upscaler_2_visibility") ?? 0;
  const second = other.name !== "None" && share > 0 ? { upscaler: other, share } : undefined;
  if (first.name === "None" && second) {
    throw new ApiError(
      422,
      "bad_field",
      `"upscaler_2" is "${second.upscaler.name}" and there is no "upscaler_1", whose result it would be mixed into`,
      "upscaler_2",
    );
  }
  const asked = {
    width: f.whole("upscaling_resize_w") ?? 512,
    height: f.whole("upscaling_resize_h") ?? 512,
  };
  const to = f.whole("resize_mode") === 1 ? asked : undefined;
  const by = f.number("upscaling_resize") ?? 2;
  const crop = f.flag("upscaling_crop") ?? true;
  const texts = batch
    ? picturesIn(f.raw("imageList"), limits)
    : [{ field: "image", value: f.text("image")! }];
  const sources = texts.map(({ field, value }): Source => {
    const bytes = sentBytes(value, field);
    const file = sentPicture(bytes, field, limits);
    if (first.name === "None") return { file, bytes, size: file, kept: file };
    const factor = to ? Math.max(to.width / file.width, to.height / file.height) : by;
    const side = (n: number, least: number): number => Math.max(least, Math.round(n * factor));
    const size = { width: side(file.width, to?.width ?? 1), height: side(file.height, to?.height ?? 1) };
    checkSize(size, limits, to ? "upscaling_resize_w" : "upscaling_resize");
    for (const one of [first, ...second ? [second.upscaler] : []]) {
      if ("network" in one) runsOf(one.network, file, size);
    }
    return { file, bytes, size, kept: to && crop ? to : size };
  });
  const fields: Record<string, string | number> = {};
  if (first.name !== "None") {
    Object.assign(
      fields,
      to ? { "Postprocess upscale to": `${to.width}x${to.height}` } : { "Postprocess upscale by": by },
      { "Postprocess upscaler": first.name },
      second && { "Postprocess upscaler 2": second.upscaler.name },
      to && crop && { "Postprocess crop to": `${to.width}x${to.height}` },
    );
  }
  return { sources, fields, first, second };
}

/** The pictures of `imageList`. */
function picturesIn(list: unknown, limits: Limits): { readonly field: string; readonly value: string }[] {
  const refuse = (field: string, why: string): ApiError =>
    new ApiError(422, "bad_field", `"${field}" ${why}`, field);
  if (!Array.isArray(list) || list.length === 0) throw refuse("imageList", "is no list of pictures");
  if (list.length > limits.pictures) {
    throw refuse("imageList", `holds ${list.length} pictures, at most ${limits.pictures} are taken`);
  }
  return list.map((entry, i) => {
    const within = `imageList.${i}`;
    const { data, name: _, ...more } = (entry ?? {}) as Record<string, unknown>;
    const [unknown] = Object.keys(more);
    if (unknown !== undefined) {
      throw refuse(`${within}.${unknown.slice(0, 60)}`, "is no field here, expected data and name");
    }
    if (typeof data !== "string" || data === "") {
      throw refuse(`${within}.data`, "is missing: a picture in base64");
    }
    return { field: `${within}.data`, value: data };
  });
}

function checkSize({ width, height }: Size, limits: Limits, field: string): void {
  const most = Math.min(MAX_PICTURE_PIXELS, PIXELS_OUT * limits.pixels);
  if (width * height <= most && Math.max(width, height) <= 65_535) return;
  throw new ApiError(
    422,
    "too_large",
    `"${field}": the picture would have ${width} × ${height} pixels, ${
      width * height
    } in all; this server makes at most ${most}`,
    field,
  );
}

/** How often a network is run on a picture for a size that it is then resized to. */
function runsOf({ name, scale }: ServedUpscaler, from: Size, to: Size): number {
  for (let runs = 1;; runs++) {
    const [width, height] = [from.width, from.height].map((side) => side * scale ** runs);
    if (width * height > MAX_PICTURE_PIXELS || Math.max(width, height) > 65_535) {
      throw new ApiError(
        422,
        "too_large",
        `"${name}" makes ${width} × ${height} pixels of ${from.width} × ${from.height} before they are resized, at most ` +
          `${MAX_PICTURE_PIXELS} are made; send a smaller picture or take a network of a smaller scale`,
        "upscaler_1",
      );
    }
    if ((width >= to.width && height >= to.height) || runs === MOST_RUNS || scale === 1) return runs;
  }
}

/**
 * Enlarges the pictures of a request, one after another. Each network is loaded once.
 *
 * @param onShare Told the share of all that is done.
 */
export async function enlarged(
  { sources, first, second }: AskedEnlarging,
  upscalers: Upscalers | undefined,
  signal: AbortSignal,
  onShare: (share: number) => void,
): Promise<EnlargedPicture[]> {
  const passes = [first, ...second ? [second.upscaler] : []];
  const results: Picture[][] = sources.map(() => []);
  let done = 0;
  const all = passes.length * sources.length;
  for (const pass of passes) {
    using network = "network" in pass ? await loaded(upscalers, pass.network.name, signal) : undefined;
    for (const [i, { file, size, kept }] of sources.entries()) {
      signal.throwIfAborted();
      const picture = await file.decode();
      let large = picture;
      if ("filter" in pass) large = pass.filter(picture, size.width, size.height);
      else {
        const repeats = runsOf(pass.network, file, size);
        large = await network!.upscale(picture, {
          repeats,
          signal,
          onProgress: ({ share = 0 }) => onShare((done + share) / all),
        });
        if (large.width !== size.width || large.height !== size.height) {
          large = resize(large, size.width, size.height, "lanczos");
        }
      }
      results[i].push(middleOf(large, kept));
      onShare(++done / all);
    }
  }
  return await Promise.all(sources.map(async ({ file, bytes }, i) => ({
    picture: second ? mixed(results[i][0], results[i][1], second.share) : results[i][0],
    // Broken texts take no picture from the client.
    texts: await readPictureTexts(bytes, file.name).catch(() => new Map<string, string>()),
  })));
}

function loaded(
  upscalers: Upscalers | undefined,
  name: string,
  signal: AbortSignal,
): Promise<PictureUpscaler> {
  if (!upscalers) {
    throw new LssgenError("internal", `There is no folder of networks, "${name}" was asked for`);
  }
  return upscalers.open(name, { signal });
}

/** The middle of a picture. */
function middleOf(picture: Picture, { width, height }: Size): Picture {
  if (picture.width === width && picture.height === height) return picture;
  const { channels, data } = picture;
  const [left, top] = [Math.floor((picture.width - width) / 2), Math.floor((picture.height - height) / 2)];
  const out = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * channels;
    out.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data: out };
}

/** `share` of b and the rest of a, pictures of one size. */
function mixed(a: Picture, b: Picture, share: number): Picture {
  const channels = [a, b].some((one) => one.channels % 2 === 0) ? 4 : 3;
  const [x, y] = [inColours(a, channels), inColours(b, channels)];
  return { ...a, channels, data: x.map((v, i) => Math.round(v + (y[i] - v) * share)) };
}

/** Pixels as RGB or RGBA; without alpha opaque. */
function inColours({ channels, data }: Picture, wanted: 3 | 4): Uint8Array<ArrayBuffer> {
  if (channels === wanted) return data;
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * wanted).fill(255);
  const grey = channels <= 2;
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) out[i * wanted + c] = data[i * channels + (grey ? 0 : c)];
    if (channels % 2 === 0) out[i * wanted + 3] = data[(i + 1) * channels - 1];
  }
  return out;
}

/** What was done, as A1111 says it beside the picture. */
export function infoHtml(fields: Readonly<Record<string, string | number>>): string {
  const words = Object.entries(fields).map(([key, value]) => `${key}: ${value}`).join(", ");
  return `<p>${words.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)}</p>`;
}
