/**
 * `plan`: what a picture would cost, without a GPU.
 *
 * @module
 */

import { planPicture, readModelInfo } from "../pipelines/text_to_image.ts";
import { formatPlan } from "../scaling/plan.ts";
import { openModel } from "./model.ts";
import type { Parsed } from "./options.ts";
import { modelChoice, toRequest } from "./request.ts";
import type { Terminal } from "./terminal.ts";

/** Runs the command. */
export async function plan(options: Parsed, terminal: Terminal): Promise<void> {
  const request = toRequest(options);
  const { model } = await openModel(modelChoice(options), terminal, { headersOnly: true });
  const info = await readModelInfo(model);
  const result = planPicture(info, request);
  terminal.print(options.flag.json ? JSON.stringify(result) : formatPlan(result));
}
