/**
 * What the page asks besides the APIs that others speak: which controls the server's model has, and what a request amounts to.
 * It draws by `/sdapi/v1/txt2img` and `img2img`, as any client.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import type { PictureFile } from "../image/picture_file.ts";
import { ALL_RULES } from "../pipelines/all_rules.ts";
import { presetsOf } from "../pipelines/family_presets.ts";
import { type ModelOffer, offerOf, type PlanSummary, summaryOf } from "../pipelines/offer.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import { baseName } from "../base_name.ts";
import { Fields } from "./fields.ts";
import { checkFields, done, type FieldTable } from "./known_fields.ts";
import type { Limits } from "./limits.ts";
import { number, whole } from "./shapes.ts";
import type { Engine } from "./queue.ts";
import { modelNamed, type Models } from "./models.ts";
import { namedModel, pictureRequests } from "./sdapi.ts";

/** The answer of `GET /lssgen/v1/model`. */
export interface PageModel extends ModelOffer {
  /** LoRAs that prompts may name. */
  readonly loras: readonly string[];
  /** Bounds of a request. */
  readonly limits: Limits;
}

/** What a plan is asked with. */
export const PLAN_FIELDS: FieldTable = {
  fields: done({ is: "object" }, "Fields of txt2img."),
  from: done(
    { is: "object" },
    "Size of a picture to begin with, {width, height} in pixels; the picture is not sent.",
  ),
};
const SIZE_FIELDS: FieldTable = {
  width: done(whole(1, 65_535), "Pixels."),
  height: done(whole(1, 65_535), "Pixels."),
};
const STRENGTH: FieldTable = { strength: done(number(0.01, 1), "Share of the noise that is added.") };

/** What the server's model offers. */
export function pageModel(info: ModelInfo, limits: Limits, loras: readonly string[]): PageModel {
  return { ...offerOf(info, ALL_RULES, presetsOf(info)), name: baseName(info.name), loras, limits };
}

/**
 * The stages of a request.
 *
 * @param body `{ fields, from }`: the fields of txt2img, and the size of a picture to begin with, which is not sent.
 * @throws {ApiError} 422 by the field's name; {@linkcode LssgenError} `bad_option` as planning does.
 */
export async function pagePlan(
  body: unknown,
  models: Models,
  usual: Engine,
  limits: Limits,
): Promise<PlanSummary> {
  const f = new Fields(body, PLAN_FIELDS);
  checkFields(PLAN_FIELDS, { body: body as Record<string, unknown> }, "plan");
  const { denoising_strength: strength, ...fields } = (f.raw("fields") ?? {}) as Record<string, unknown>;
  const { name, field } = namedModel(fields);
  const engine = await modelNamed(models, name, field) ?? usual;
  const from = f.raw("from") === undefined
    ? undefined
    : new Fields(f.raw("from"), SIZE_FIELDS, limits, "from.");
  const { requests: [request] } = pictureRequests({ prompt: "x", ...fields }, engine.info, limits, false);
  if (!from) return summaryOf(engine.plan(request));
  const image: PictureFile = {
    name: "image",
    format: "PNG",
    width: from.whole("width") ?? 1,
    height: from.whole("height") ?? 1,
    decode: () => Promise.reject(new LssgenError("internal", "A plan reads no pixels")),
  };
  const share = new Fields({ strength }, STRENGTH).number("strength");
  return summaryOf(engine.plan({ ...request, image, strength: share }));
}
