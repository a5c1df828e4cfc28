/**
 * The API of OpenAI's images: `POST /v1/images/generations`, `GET /v1/models`.
 *
 * @module
 */

import type { GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import { firstSeed, MAX_SEED } from "../random.ts";
import { ApiError, Fields, furtherPrompts } from "./fields.ts";
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
