/**
 * Planning a picture with any sampler and method.
 *
 * @module
 */

import { isRecord } from "../json.ts";
import { bad, check } from "../option_kinds.ts";
import type { Plan } from "../scaling/types.ts";
import { ALL_RULES } from "./all_rules.ts";
import { planWith } from "./resolved_request.ts";
import type { GenerateRequest, ModelInfo } from "./types.ts";

/**
 * The stages of a picture, without a GPU or weights.
 *
 * @param compared `directSteps`: steps of the direct run that savings are counted against; the request's without it.
 * @throws {LssgenError} `bad_option`, naming the option.
 */
export function planPicture(
  info: ModelInfo,
  asked: Omit<GenerateRequest, "prompt">,
  compared: { readonly directSteps?: number } = {},
): Plan {
  if (!isRecord(info) || !isRecord(info.defaults)) throw bad("info", info, "what readModelInfo gives");
  check("What planPicture compares with", compared, { directSteps: "a number" });
  return planWith(ALL_RULES, info, asked, compared);
}
