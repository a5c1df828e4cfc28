/**
 * What a stranger may ask of the GPU.
 *
 * @module
 */

import type { GenerateRequest, ModelInfo } from "../pipelines/types.ts";
import { ApiError } from "./api_error.ts";

/** Bounds of a request. */
export interface Limits {
  /** Pixels of a picture. */
  readonly pixels: number;
  /** Denoising steps, A1111's own bound. */
  readonly steps: number;
  /** Pictures of a request. */
  readonly pictures: number;
}

/** Without other wishes. */
export const LIMITS: Limits = { pixels: 2048 * 2048, steps: 150, pictures: 16 };

/**
 * The request, if its picture is not too large.
 *
 * @throws {ApiError} 422.
 */
export function sized(request: GenerateRequest, info: ModelInfo, limits: Limits): GenerateRequest {
  const { width = info.defaults.width, height = info.defaults.height } = request;
  if (width * height > limits.pixels) {
    throw new ApiError(
      422,
      "too_large",
      `${width} × ${height} is ${width * height} pixels, this server draws at most ${limits.pixels}`,
      "width",
    );
  }
  // Class-conditional models draw a picture of every class in a prompt.
  const classes = info.prompts === 0 ? request.prompt.trim().split(/[\s,]+/).length : 1;
  if (classes > limits.pictures) {
    throw new ApiError(
      422,
      "bad_field",
      `"prompt" names ${classes} classes, at most ${limits.pictures} pictures are drawn`,
      "prompt",
    );
  }
  return request;
}
