/**
 * The API of OpenAI's images: `POST /v1/images/generations`, `POST /v1/images/edits`, `GET /v1/models`.
 *
 * @module
 */

import type { GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import { firstSeed, MAX_SEED } from "../random.ts";
import { ApiError, Fields, furtherPrompts } from "./fields.ts";
import { sentPicture, transparentMask } from "./incoming_pictures.ts";
import { checkFields, type FieldTable, only, refuseExtraArgs } from "./known_fields.ts";
import { type Limits, sized } from "./limits.ts";
import { baseName } from "../base_name.ts";

/** Fields of both routes; ours, beyond OpenAI's, last. */
const COMMON: FieldTable = {
  prompt: "done",
  n: "done",
  size: "done",
  response_format: "done",
  output_format: "done",
  stream: "done",
  partial_images: "done",
  // There is one model, and clients send names of OpenAI's own.
  model: "neutral",
  user: "neutral",
  quality: only('set "steps" for more or fewer of them', "auto", "standard", "medium"),
  background: only("pictures are opaque", "auto", "opaque"),
  output_compression: only("pictures are PNG, which loses nothing", 100),
  moderation: only("nothing is filtered", "auto", "low"),
  style: only("write it into the prompt"),
  seed: "done",
  steps: "done",
  guidance: "done",
  negative_prompt: "done",
  method: "done",
  prompt_2: "done",
  prompt_3: "done",
  negative_prompt_2: "done",
  negative_prompt_3: "done",
};
const EDITS: FieldTable = {
  ...COMMON,
  image: "done",
  mask: "done",
  strength: "done",
  input_fidelity: only('set "strength": less of it keeps more of the picture', "low"),
};

/** How many pictures on the way a client wants as events. Undefined: none, and one answer. */
export function streamed(body: unknown): number | undefined {
  const f = new Fields(body);
  const previews = f.whole("partial_images", 0, 3) ?? 0;
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
  return readRequests(body, info, limits, COMMON, "images/generations");
}

function readRequests(
  body: unknown,
  info: ModelInfo,
  limits: Limits,
  table: FieldTable,
  where: string,
): GenerateRequest[] {
  const f = new Fields(body);
  checkFields(table, { body: body as Record<string, unknown> }, where);
  for (const name of ["prompt", "negative_prompt"]) refuseExtraArgs(f.raw(name), name);
  const prompt = f.text("prompt");
  if (prompt === undefined) throw new ApiError(400, "missing_field", '"prompt" is missing', "prompt");
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
  const size = f.text("size", 20);
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
      steps: f.whole("steps", 1, limits.steps),
      guidance: f.number("guidance", 0, 100),
      method: f.text("method") as GenerateRequest["method"],
      ...furtherPrompts(f),
    },
    info,
    limits,
  );
  const length = f.whole("n", 1, limits.pictures) ?? 1;
  const seed = firstSeed(f.whole("seed", -1, MAX_SEED) ?? -1, length);
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
  const f = new Fields(body);
  const sent = (name: string): (string | Uint8Array<ArrayBuffer>)[] => {
    const value = (body as Record<string, unknown>)[name];
    return [
      ...files.get(name) ?? [],
      ...(Array.isArray(value) ? f.texts(name, Infinity) : [f.text(name, Infinity)]) ?? [],
    ]
      .filter((one) => one !== undefined);
  };
  const [image, ...more] = sent("image");
  if (image === undefined) {
    throw new ApiError(400, "missing_field", '"image" is missing: a picture to begin with', "image");
  }
  if (more.length > 0) {
    throw new ApiError(400, "unsupported", '"image" holds several pictures, one is taken', "image");
  }
  const [mask] = sent("mask");
  const start = {
    image: sentPicture(image, "image", limits),
    mask: mask === undefined ? undefined : transparentMask(sentPicture(mask, "mask", limits)),
    strength: f.number("strength", 0.01, 1),
  };
  return readRequests(body, info, limits, EDITS, "images/edits").map((request) => ({ ...request, ...start }));
}

/** Fields of a form that are numbers; a form knows texts only. */
const NUMBERS: readonly string[] = [
  "n",
  "seed",
  "steps",
  "guidance",
  "strength",
  "partial_images",
  "output_compression",
];
/** Those that are true or false. */
const FLAGS: readonly string[] = ["stream"];

/** A form's texts as JSON would hold them, and its files. Names of lists may end in `[]`, as OpenAI's clients have it. */
export async function formFields(form: FormData): Promise<{ body: unknown; files: FormFiles }> {
  const body: Record<string, unknown> = Object.create(null);
  const files = new Map<string, Uint8Array<ArrayBuffer>[]>();
  for (const [key, value] of form) {
    const name = key.replace(/\[\]$/, "");
    if (typeof value === "string") {
      body[name] = NUMBERS.includes(name) && value.trim() !== ""
        ? Number(value)
        : FLAGS.includes(name) && /^(true|false)$/i.test(value)
        ? value.toLowerCase() === "true"
        : value;
    } else {
      const list = files.get(name) ?? [];
      list.push(new Uint8Array(await value.arrayBuffer()));
      files.set(name, list);
    }
  }
  return { body, files };
}

/** The answer with pictures; `warnings` beyond OpenAI's fields, where there are any. */
export function imagesAnswer(files: readonly string[], warnings: readonly string[]): unknown {
  return {
    created: Math.floor(Date.now() / 1000),
    data: files.map((file) => ({ b64_json: file })),
    ...warnings.length > 0 && { warnings },
  };
}

function modelOf(info: ModelInfo): unknown {
  return { id: baseName(info.name), object: "model", created: 0, owned_by: "local" };
}

/** The one model there is. */
export function modelListAnswer(info: ModelInfo): unknown {
  return { object: "list", data: [modelOf(info)] };
}

/**
 * The model by its name.
 *
 * @throws {ApiError} 404 for another one.
 */
export function modelAnswer(info: ModelInfo, name: string): unknown {
  const own = baseName(info.name);
  if (name !== own) {
    throw new ApiError(
      404,
      "model_not_found",
      `There is no model "${name.slice(0, 100)}" here, only "${own}"`,
      "model",
    );
  }
  return modelOf(info);
}

/** How OpenAI's clients read an error. */
export function errorAnswer(error: ApiError): unknown {
  const type = error.status < 500 ? "invalid_request_error" : "server_error";
  return { error: { message: error.message, type, param: error.field ?? null, code: error.code } };
}
