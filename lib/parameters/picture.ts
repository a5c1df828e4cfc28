/**
 * A picture as a file that says what it is.
 *
 * @module
 */

import { encodePicture, type PictureFormatName, type PictureTexts } from "../image/picture_writing.ts";
import { parametersText, type Picture } from "../image/png_writing.ts";
import type { GeneratedImage } from "../pipelines/types.ts";
import type { A1111Names } from "../schedulers/a1111_names.ts";
import { baseName } from "../base_name.ts";
import type { EngineChoice } from "./engine_choice.ts";
import { PARAMETERS_KEYWORD } from "./keyword.ts";
import { VERSION } from "../version.ts";

// The page makes such files too: nothing here may bring the command line's options along.

/** The program, as pictures name it. */
export const SOFTWARE: string = `LSSGen for WebGPU ${VERSION}`;

/** Text of that chunk: a picture's parameters and what drew it. */
export function storedText(parameters: Readonly<Record<string, unknown>>, engine: EngineChoice): string {
  // What a machine has room for is no matter of the picture.
  const { maxVram: _, offload: _where, maxOffload: _most, ...stored } = engine;
  return JSON.stringify({ ...parameters, ...stored });
}

/** What a file says about its picture. */
export interface PictureFileOptions {
  /** Whether the model takes guidance as an input of its network: A1111's "CFG scale" is another number then. */
  readonly embeddedGuidance?: boolean;
  /** The model's scheduler_config.json: the sampler's name where the request has none. */
  readonly scheduler?: Readonly<Record<string, unknown>>;
  /** The working folder: paths below it are written from there on, as `--from` finds them again. */
  readonly folder?: string;
  /** Whether it says anything at all. Default true. */
  readonly metadata?: boolean;
  /** Format of the file. Default PNG. */
  readonly format?: PictureFormatName;
  /** The picture as a network has enlarged it, which is written in its place, and how many times its sides are larger. */
  readonly enlarged?: { readonly picture: Picture; readonly scale: number };
}

/** The parameters as A1111 spells them and other programs read them. @param names Of sampler and schedule. */
export function textOf(
  image: Pick<GeneratedImage, "width" | "height" | "parameters">,
  engine: EngineChoice,
  { embeddedGuidance = false, enlarged }: PictureFileOptions,
  names: A1111Names,
): string {
  const { prompt, negativePrompt, trueCfgScale = 1, ...rest } = image.parameters as Record<
    string,
    string | number | undefined
  >;
  const fields: Record<string, string | number> = {};
  const labels = {
    steps: "Steps",
    ...!embeddedGuidance && { guidance: "CFG scale" },
    seed: "Seed",
    method: "Method",
  };
  for (const [key, name] of Object.entries(labels)) {
    const value = rest[key];
    if (value !== undefined) fields[name] = value;
    if (key === "steps") {
      if (names.sampler !== undefined) fields.Sampler = names.sampler;
      if (names.schedule !== undefined) fields["Schedule type"] = names.schedule;
    }
    if (key === "steps" && embeddedGuidance) {
      fields["CFG scale"] = trueCfgScale;
      if (rest.guidance !== undefined) fields["Distilled CFG Scale"] = rest.guidance;
    }
  }
  fields.Size = `${image.width}x${image.height}`;
  if (typeof rest.clipSkip === "number" && rest.clipSkip > 1) fields["Clip skip"] = rest.clipSkip;
  fields.Model = engine.model === undefined ? "embedded" : baseName(engine.model);
  if (enlarged) Object.assign(fields, enlargedFields(enlarged.scale, engine.upscaleModel ?? ""));
  fields.Version = SOFTWARE;
  return parametersText({
    prompt: String(prompt ?? ""),
    negativePrompt: negativePrompt as string | undefined,
    fields,
  });
}

/** What A1111 notes of a picture that a network has enlarged, which has the size before. */
export function enlargedFields(scale: number, network: string): Record<string, string | number> {
  return { "Postprocess upscale by": scale, "Postprocess upscaler": baseName(network) };
}

/** A1111's parameters of a picture with what was done to it since; unchanged where they are none. */
export function withFields(parameters: string, fields: Readonly<Record<string, string | number>>): string {
  if (!/(^|\n)Steps: [^\n]*$/.test(parameters)) return parameters;
  return [
    parameters,
    ...Object.entries(fields).map(([key, value]) => `${key}: ${JSON.stringify(value)}`),
  ].join(", ");
}

/**
 * What a picture says that a server has enlarged: A1111's parameters with what was done. Ours for `--from` stay where nothing was:
 * they have no room for filters and second networks, and `--from` would draw another picture.
 */
export function enlargedTexts(
  before: ReadonlyMap<string, string>,
  fields: Readonly<Record<string, string | number>>,
): PictureTexts {
  const [parameters, stored] = [before.get("parameters"), before.get(PARAMETERS_KEYWORD)];
  return {
    Software: SOFTWARE,
    ...parameters !== undefined && { parameters: withFields(parameters, fields) },
    ...stored !== undefined && Object.keys(fields).length === 0 && { [PARAMETERS_KEYWORD]: stored },
  };
}

/**
 * A file of the picture with the parameters twice: as JSON for `--from`, and as other programs spell and read them. Pictures
 * are given away: of a path that leads from the disk's root or out of the working folder only the last part is written.
 */
export async function pictureFile(
  image: GeneratedImage,
  engine: EngineChoice,
  options: PictureFileOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const drawn = { width: image.width, height: image.height, channels: 3, data: image.rgb } as const;
  const { format = "PNG", enlarged: { picture = drawn } = {} } = options;
  if (options.metadata === false) return await encodePicture(picture, format);
  return await encodePicture(picture, format, {
    parameters: textOf(image, engine, options, await namesOf(image.parameters, options.scheduler)),
    [PARAMETERS_KEYWORD]: storedText(image.parameters, givenAway(engine, options.folder)),
    Software: SOFTWARE,
  });
}

/** A1111's names for how a picture was drawn: those of a flow model's own sampler are known without the table of all. */
async function namesOf(
  request: GeneratedImage["parameters"],
  stored?: Readonly<Record<string, unknown>>,
): Promise<A1111Names> {
  const own = !request.scheduler && request.schedule === undefined && request.sigmas === undefined;
  if (own && stored && isOwnEuler(stored)) return { sampler: "Euler", schedule: "Automatic" };
  return (await import("../schedulers/a1111_names.ts")).a1111Names(request, stored);
}

/** Whether a stored config is FLUX's or SD3's as it is: Euler steps, no spacing. */
function isOwnEuler(stored: Readonly<Record<string, unknown>>): boolean {
  return stored._class_name === "FlowMatchEulerDiscreteScheduler" && stored.stochastic_sampling !== true &&
    ["karras", "exponential", "beta"].every((name) => stored[`use_${name}_sigmas`] !== true);
}

/** The engine's files without the folders of this machine. */
function givenAway(engine: EngineChoice, folder = ""): EngineChoice {
  return Object.fromEntries(
    Object.entries(engine).map(([key, value]) => [key, pathGivenAway(value, folder)]),
  ) as EngineChoice;
}

/** A path, or each of several, as a picture may say it: below the working folder from there on, else its last part alone. */
export function pathGivenAway(value: unknown, folder = ""): unknown {
  if (Array.isArray(value)) return value.map((one) => pathGivenAway(one, folder));
  if (typeof value === "string" && folder.length > 1 && value.startsWith(`${folder}/`)) {
    return pathGivenAway(value.slice(folder.length + 1), folder);
  }
  const elsewhere = typeof value === "string" &&
    /^([/\\~]|[a-z]:[/\\]|file:)|(^|[/\\])\.\.([/\\]|$)/i.test(value);
  return elsewhere ? baseName(value) : value;
}
