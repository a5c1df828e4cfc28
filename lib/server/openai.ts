/**
 * The API of OpenAI's images: `POST /v1/images/generations`, `POST /v1/images/edits`, `GET /v1/models`.
 *
 * @module
 */

import type { GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import { firstSeed, MAX_SEED } from "../random.ts";
import { ApiError } from "./api_error.ts";
import { Fields } from "./fields.ts";
import { sentPicture, transparentMask } from "./incoming_pictures.ts";
import {
  checkFields,
  done,
  type FieldTable,
  only,
  refuseExtraArgs,
  required,
  shapeIn,
} from "./known_fields.ts";
import { type Limits, sized } from "./limits.ts";
import { listed, type ServedModel, shownNames } from "./models.ts";
import { OWN_FIELDS, ownSettings } from "./own_fields.ts";
import { FLAG, number, text, whole } from "./shapes.ts";

/** Names of OpenAI's own models, which clients send unasked: they mean the server's first. */
const OPENAIS = /^(dall-e|gpt-image|chatgpt-image)-[\w.-]+$/;

/** Fields of both routes; ours, beyond OpenAI's, last. */
const COMMON: FieldTable = {
  prompt: required(text(), "What to draw."),
  n: done(whole(1, "pictures"), "Pictures; default 1."),
  size: done(text(20), '"auto", or width and height in pixels, for example "512x512".'),
  response_format: done(text(), 'Only "b64_json": pictures are not kept.'),
  output_format: done(text(), 'Only "png".'),
  stream: done(FLAG, "Server-sent events in place of one answer."),
  partial_images: done(whole(0, 3), "Pictures on their way that a stream brings; default 0."),
  model: done(text(), "A name of GET /v1/models. Names of OpenAI's own models mean the first of them."),
  user: "neutral",
  quality: only('set "steps" for more or fewer of them', "auto", "standard", "medium"),
  background: only("pictures are opaque", "auto", "opaque"),
  output_compression: only("pictures are PNG, which loses nothing", 100),
  moderation: only("nothing is filtered", "auto", "low"),
  style: only("write it into the prompt"),
  seed: done(
    whole(-1, MAX_SEED),
    "Seed of the first picture, each further one has the next; -1 takes one by chance.",
  ),
  steps: done(whole(1, "steps"), "Denoising steps."),
  guidance: done(number(0, 100), "Guidance scale."),
  negative_prompt: done(text(), "What to keep away from."),
  ...OWN_FIELDS,
};

/** Fields of generations. */
export const GENERATION_FIELDS: FieldTable = COMMON;

/** Fields of edits. A form holds `image` and `mask` as files. */
export const EDIT_FIELDS: FieldTable = {
  ...COMMON,
  image: done({ is: "textOrTexts" }, "The picture to begin with, in base64 or as a data: address; one."),
  mask: done({ is: "textOrTexts" }, "A picture in base64: what is transparent is drawn anew."),
  strength: done(number(0.01, 1), "Share of the noise that is added to the picture."),
  input_fidelity: only('set "strength": less of it keeps more of the picture', "low"),
};

/** The model that a body names; undefined for the server's first. */
export function namedModel(body: unknown): unknown {
  const { model } = (body ?? {}) as { model?: unknown };
  return typeof model === "string" && OPENAIS.test(model) ? undefined : model;
}

/** How many pictures on the way a client wants as events. Undefined: none, and one answer. */
export function streamed(body: unknown): number | undefined {
  const f = new Fields(body, COMMON);
  const previews = f.whole("partial_images") ?? 0;
  if (f.flag("stream")) return previews;
  if (previews > 0) {
    throw new ApiError(400, "bad_field", '"partial_images" needs "stream": true', "partial_images");
  }
  return undefined;
}

/** An event of a stream: a picture on its way (`index`), or finished. */
export function pictureEvent(
  edit: boolean,
  file: string,
  size: { readonly width: number; readonly height: number },
  index?: number,
): { readonly type: string } {
  return {
    type: `${edit ? "image_edit" : "image_generation"}.${
      index === undefined ? "completed" : "partial_image"
    }`,
    b64_json: file,
    created_at: Math.floor(Date.now() / 1000),
    size: `${size.width}x${size.height}`,
    quality: "auto",
    background: "opaque",
    output_format: "png",
    ...index !== undefined && { partial_image_index: index },
    // Nothing is counted in tokens here; clients read the field.
    ...index === undefined && {
      usage: {
        input_tokens: 0,
        output_tokens: 0,
        total_tokens: 0,
        input_tokens_details: { image_tokens: 0, text_tokens: 0 },
      },
    },
  } as { readonly type: string };
}

/** Requests of one picture each. Fields beyond OpenAI's: `seed`, `steps`, `guidance`, `negative_prompt`, `method`, `prompt_2` … */
export function imageRequests(body: unknown, info: ModelInfo, limits: Limits): GenerateRequest[] {
  return readRequests(body, info, limits, GENERATION_FIELDS, "images/generations");
}

function readRequests(
  body: unknown,
  info: ModelInfo,
  limits: Limits,
  table: FieldTable,
  where: string,
): GenerateRequest[] {
  const f = new Fields(body, table, limits);
  checkFields(table, { body: body as Record<string, unknown> }, where);
  for (const name of ["prompt", "negative_prompt"]) refuseExtraArgs(f.raw(name), name);
  const prompt = f.text("prompt")!;
  const format = f.text("response_format");
  if (format !== undefined && format !== "b64_json") {
    throw new ApiError(
      400,
      "unsupported",
      `"response_format" is "${format.slice(0, 40)}", only "b64_json" is supported: pictures are not kept`,
      "response_format",
    );
  }
  const type = f.text("output_format");
  if (type !== undefined && type !== "png") {
    throw new ApiError(
      400,
      "unsupported",
      `"output_format" is "${type.slice(0, 40)}", only "png" is supported`,
      "output_format",
    );
  }
  const size = f.text("size");
  const [, width, height] = /^(\d{2,5})x(\d{2,5})$/.exec(size ?? "") ?? [];
  if (size !== undefined && size !== "auto" && width === undefined) {
    throw new ApiError(400, "bad_field", `"size" is "${size}", expected for example "512x512"`, "size");
  }
  const request = sized(
    {
      prompt,
      width: width === undefined ? undefined : Number(width),
      height: height === undefined ? undefined : Number(height),
      negativePrompt: f.text("negative_prompt"),
      steps: f.whole("steps"),
      guidance: f.number("guidance"),
      ...ownSettings(f),
    },
    info,
    limits,
  );
  const length = f.whole("n") ?? 1;
  const seed = firstSeed(f.whole("seed") ?? -1, length);
  return Array.from({ length }, (_, i) => ({ ...request, seed: seed + i }));
}

/** Files of a form, by field. */
export type FormFiles = ReadonlyMap<string, readonly Uint8Array<ArrayBuffer>[]>;

/**
 * Requests of one picture each that begin with another one. As JSON `image` is base64 or a data: address, alone or in a
 * list, as a form it is a file. Beyond OpenAI's fields: those of {@linkcode imageRequests}, and `strength`.
 */
export function editRequests(
  body: unknown,
  files: FormFiles,
  info: ModelInfo,
  limits: Limits,
): GenerateRequest[] {
  const f = new Fields(body, EDIT_FIELDS, limits);
  const sent = (name: string): (string | Uint8Array<ArrayBuffer>)[] => [
    ...files.get(name) ?? [],
    ...f.textOrTexts(name),
  ];
  const [image, ...more] = sent("image");
  if (image === undefined) {
    throw new ApiError(400, "missing_field", '"image" is missing: a picture to begin with', "image");
  }
  if (more.length > 0) {
    throw new ApiError(400, "unsupported", '"image" holds several pictures, one is taken', "image");
  }
  const [mask, ...moreMasks] = sent("mask");
  if (moreMasks.length > 0) {
    throw new ApiError(400, "unsupported", '"mask" holds several pictures, one is taken', "mask");
  }
  const start = {
    image: sentPicture(image, "image", limits),
    mask: mask === undefined ? undefined : transparentMask(sentPicture(mask, "mask", limits)),
    strength: f.number("strength"),
  };
  return readRequests(body, info, limits, EDIT_FIELDS, "images/edits").map((request) => ({
    ...request,
    ...start,
  }));
}

/** Fields that are files in a form. */
const FILES: readonly string[] = ["image", "mask"];

/**
 * A form's texts as JSON would hold them, and its files. Names of lists may end in `[]`, as OpenAI's clients have it.
 *
 * @throws {ApiError} For a text that is there twice, and for a file in a text's place.
 */
export async function formFields(form: FormData): Promise<{ body: unknown; files: FormFiles }> {
  const body: Record<string, unknown> = Object.create(null);
  const files = new Map<string, Uint8Array<ArrayBuffer>[]>();
  for (const [key, value] of form) {
    const name = key.replace(/\[\]$/, "");
    if (typeof value === "string") {
      if (!(name in body)) body[name] = typed(name, value);
      else if (FILES.includes(name)) body[name] = [body[name], value].flat();
      else {
        const shown = name.slice(0, 100);
        throw new ApiError(400, "bad_field", `"${shown}" is there twice: send one`, shown);
      }
    } else if (!FILES.includes(name)) {
      if (shapeIn(EDIT_FIELDS, name)) {
        throw new ApiError(400, "bad_field", `"${name}" is a file, expected a text`, name);
      }
      // Refused by its name with the other fields.
      body[name] = "a file";
    } else {
      const list = files.get(name) ?? [];
      list.push(new Uint8Array(await value.arrayBuffer()));
      files.set(name, list);
    }
  }
  return { body, files };
}

/** A form's text as the type that the table says; as it is where it is none. */
function typed(name: string, value: string): unknown {
  const kind = name === "output_compression" ? "number" : shapeIn(EDIT_FIELDS, name)?.is;
  if ((kind === "number" || kind === "whole") && value.trim() !== "") {
    const number = Number(value);
    return Number.isNaN(number) ? value : number;
  }
  if (kind === "flag" && /^(true|false)$/i.test(value)) return value.toLowerCase() === "true";
  return value;
}

/** The answer with pictures; `warnings` beyond OpenAI's fields, where there are any. */
export function imagesAnswer(files: readonly string[], warnings: readonly string[]): unknown {
  return {
    created: Math.floor(Date.now() / 1000),
    data: files.map((file) => ({ b64_json: file })),
    ...warnings.length > 0 && { warnings },
  };
}

function modelOf({ name, bytes, family }: ServedModel): unknown {
  return { id: name, object: "model", created: 0, owned_by: "local", family, size: bytes };
}

/** The models that there are. Sizes and families stand beside OpenAI's fields. */
export function modelListAnswer(models: readonly ServedModel[]): unknown {
  return { object: "list", data: models.map(modelOf) };
}

/**
 * A model by its name.
 *
 * @throws {ApiError} 404 for one that is not there.
 */
export function modelAnswer(models: readonly ServedModel[], name: string): unknown {
  const found = listed(models, name);
  if (found) return modelOf(found);
  throw new ApiError(
    404,
    "model_not_found",
    `There is no model "${name.slice(0, 100)}" here, only ${shownNames(models)}`,
    "model",
  );
}

/** How OpenAI's clients read an error. */
export function errorAnswer(error: ApiError): unknown {
  const type = error.status < 500 ? "invalid_request_error" : "server_error";
  return { error: { message: error.message, type, param: error.field ?? null, code: error.code } };
}
