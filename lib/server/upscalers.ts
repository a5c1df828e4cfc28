/**
 * What enlarges finished pictures: filters that are always there, and networks of a folder.
 *
 * @module
 */

import type { Picture } from "../image/png_writing.ts";
import { resize } from "../image/resize.ts";
import type { PictureUpscaler, UpscalerOptions } from "../pipelines/upscaling.ts";
import { nearest } from "../nearest.ts";
import { ApiError } from "./api_error.ts";
import { withoutEnding } from "./models.ts";

/** A network that requests may name. */
export interface ServedUpscaler {
  /** Name of its file. Requests may leave its ending out. */
  readonly name: string;
  /** RRDBNet or SRVGGNetCompact. */
  readonly network: string;
  /** How many times larger it makes a side. */
  readonly scale: number;
}

/** The networks that there are. */
export interface Upscalers {
  /** Those of now, by name: files come and go while the server runs. */
  list(): Promise<readonly ServedUpscaler[]>;
  /**
   * Loads one.
   *
   * @param name As in the list.
   * @throws {LssgenError} As `openUpscaler`; `bad_file` where the file is gone.
   */
  open(name: string, options: Pick<UpscalerOptions, "signal" | "onProgress">): Promise<PictureUpscaler>;
}

/** Filters by A1111's names. They make any size at once; "None" leaves the picture as it is. */
export const FILTERS: Readonly<
  Record<string, (picture: Picture, width: number, height: number) => Picture>
> = {
  None: (picture) => picture,
  Lanczos: (picture, width, height) => resize(picture, width, height, "lanczos"),
  Nearest: nearestPixels,
};

/** A1111's names of networks that it downloads, and the files' own. */
const A1111_NAMES: Readonly<Record<string, string>> = {
  "R-ESRGAN 4x+": "RealESRGAN_x4plus",
  "R-ESRGAN 4x+ Anime6B": "RealESRGAN_x4plus_anime_6B",
  "R-ESRGAN 2x+": "RealESRGAN_x2plus",
  "R-ESRGAN General 4xV3": "realesr-general-x4v3",
  "R-ESRGAN AnimeVideo": "realesr-animevideov3",
};

/** What a request's upscaler is: a filter, or a network. */
export type ChosenUpscaler =
  | { readonly name: string; readonly filter: (typeof FILTERS)[string] }
  | { readonly name: string; readonly network: ServedUpscaler };

/**
 * The upscaler of this name.
 *
 * @throws {ApiError} 422 for a name that is not there, with those that are.
 */
export function upscalerNamed(
  networks: readonly ServedUpscaler[],
  name: string,
  field: string,
): ChosenUpscaler {
  if (Object.hasOwn(FILTERS, name)) return { name, filter: FILTERS[name] };
  const wanted = Object.hasOwn(A1111_NAMES, name) ? [name, A1111_NAMES[name]] : [name];
  const network = networks.find((one) =>
    wanted.includes(one.name) || wanted.includes(withoutEnding(one.name))
  );
  if (network) return { name: withoutEnding(network.name), network };
  const names = [...Object.keys(FILTERS), ...networks.map((one) => withoutEnding(one.name))];
  const near = nearest(name.slice(0, 100), names);
  throw new ApiError(
    422,
    "unsupported",
    `"${field}": there is no upscaler ${JSON.stringify(name.slice(0, 100))} here${
      near ? `; did you mean "${near}"?` : `, only ${names.map((one) => `"${one}"`).join(", ")}`
    } (GET /sdapi/v1/upscalers lists them; networks lie in the folder of serve --upscale-model-dir)`,
    field,
  );
}

/** The answer of upscalers. */
export function upscalersAnswer(networks: readonly ServedUpscaler[]): unknown {
  return [
    ...Object.keys(FILTERS).map((name) => ({ name, model_name: null, model_path: null, scale: 1 })),
    ...networks.map(({ name, network, scale }) => ({
      name: withoutEnding(name),
      model_name: network,
      model_path: name,
      scale,
    })),
  ].map((one) => ({ ...one, model_url: null }));
}

/** Each pixel of the result is the pixel of the picture below its middle. */
function nearestPixels(picture: Picture, width: number, height: number): Picture {
  const { channels, data } = picture;
  const out = new Uint8Array(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.floor((y + 0.5) * picture.height / height) * picture.width;
    for (let x = 0; x < width; x++, to += channels) {
      const from = (row + Math.floor((x + 0.5) * picture.width / width)) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = data[from + c];
    }
  }
  return { width, height, channels, data: out };
}
