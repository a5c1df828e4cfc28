/**
 * What the page asks besides the APIs that others speak: which controls the server's model has, and what a request amounts to.
 * It draws by `/sdapi/v1/txt2img` and `img2img`, as any client.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { PictureFile } from "../image/picture_file.ts";
import { type ModelOffer, offerOf, type PlanSummary, summaryOf } from "../pipelines/offer.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import { baseName } from "../base_name.ts";
import { Fields } from "./fields.ts";
import type { Limits } from "./limits.ts";
import type { Engine } from "./queue.ts";
import { pictureRequests } from "./sdapi.ts";

/** The answer of `GET /lssgen/v1/model`. */
export interface PageModel extends ModelOffer {
  /** LoRAs that prompts may name. */
  readonly loras: readonly string[];
  /** Bounds of a request. */
  readonly limits: Limits;
}

/** What the server's model offers. */
export function pageModel(info: ModelInfo, limits: Limits, loras: readonly string[]): PageModel {
  return { ...offerOf(info), name: baseName(info.name), loras, limits };
}

/**
 * The stages of a request.
 *
 * @param body `{ fields, from }`: the fields of txt2img, and the size of a picture to begin with, which is not sent.
 * @throws {ApiError} 422 by the field's name; {@linkcode LssgenError} `bad_option` as planning does.
 */
export function pagePlan(body: unknown, engine: Engine, limits: Limits): PlanSummary {
  const f = new Fields(body);
  const { denoising_strength: strength, ...fields } = (f.raw("fields") ?? {}) as Record<string, unknown>;
  const from = f.raw("from") === undefined ? undefined : new Fields(f.raw("from"));
  const { requests: [request] } = pictureRequests({ prompt: "x", ...fields }, engine.info, limits, false);
  if (!from) return summaryOf(engine.plan(request));
  const image: PictureFile = {
    name: "image",
    format: "PNG",
    width: from.whole("width", 1, 65_535) ?? 1,
    height: from.whole("height", 1, 65_535) ?? 1,
    decode: () => Promise.reject(new LssgenError("internal", "A plan reads no pixels")),
  };
  const share = new Fields({ strength }).number("strength", 0.01, 1);
  return summaryOf(engine.plan({ ...request, image, strength: share }));
}
