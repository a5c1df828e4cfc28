/**
 * The API of OpenAI's images: `POST /v1/images/generations`, `POST /v1/images/edits`, `GET /v1/models`.
 *
 * @module
 */

import type { GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import { firstSeed, MAX_SEED } from "../random.ts";
import { ApiError, Fields, furtherPrompts } from "./fields.ts";
import { sentPicture, transparentMask } from "./incoming_pictures.ts";
import { type Limits, sized } from "./limits.ts";

/** Requests of one picture each. Fields beyond OpenAI's: `seed`, `steps`, `guidance`, `negative_prompt`, `method`, `prompt_2` … */
export function imageRequests(body: unknown, info: ModelInfo, limits: Limits): GenerateRequest[] {
  const f = new Fields(body);
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
      method: f.text("method"),
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
  return imageRequests(body, info, limits).map((request) => ({ ...request, ...start }));
}

/** Fields of a form that are numbers; a form knows texts only. */
const NUMBERS: readonly string[] = ["n", "seed", "steps", "guidance", "strength"];

/** A form's texts as JSON would hold them, and its files. Names of lists may end in `[]`, as OpenAI's clients have it. */
export async function formFields(form: FormData): Promise<{ body: unknown; files: FormFiles }> {
  const body: Record<string, unknown> = {};
  const files = new Map<string, Uint8Array<ArrayBuffer>[]>();
  for (const [key, value] of form) {
    const name = key.replace(/\[\]$/, "");
    if (typeof value === "string") {
      body[name] = NUMBERS.includes(name) && value.trim() !== "" ? Number(value) : value;
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

/** The one model there is. */
export function modelListAnswer(info: ModelInfo): unknown {
  return { object: "list", data: [{ id: info.name, object: "model", created: 0, owned_by: "local" }] };
}

/** How OpenAI's clients read an error. */
export function errorAnswer(error: ApiError): unknown {
  const type = error.status < 500 ? "invalid_request_error" : "server_error";
  return { error: { message: error.message, type, param: error.field ?? null, code: error.code } };
}
