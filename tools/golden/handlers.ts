/**
 * Which handler computes which class. A new class is one line here or in the table it spreads.
 *
 * @module
 */

import type { CaseJson, Handler } from "./case.ts";
import { FILE_HANDLERS } from "./files.ts";
import { EDGE_HANDLERS } from "./edges.ts";
import { MODEL_HANDLERS } from "./models.ts";
import { OP_HANDLERS } from "./ops.ts";
import { PIPELINE_HANDLERS } from "./pipelines.ts";
import { SCHEDULER_HANDLERS } from "./schedulers.ts";
import { TOKENIZER_HANDLERS } from "./tokenizers.ts";

const HANDLERS: Readonly<Record<string, Handler>> = {
  ...FILE_HANDLERS,
  ...EDGE_HANDLERS,
  ...MODEL_HANDLERS,
  ...OP_HANDLERS,
  ...PIPELINE_HANDLERS,
  ...SCHEDULER_HANDLERS,
  ...TOKENIZER_HANDLERS,
};

/** The handler of a case's class, or of the class's first word ("LatentUpSampler (reference …)"). */
export function handlerOf(json: CaseJson): Handler | undefined {
  return HANDLERS[json.class] ?? HANDLERS[json.class.split(" (")[0]];
}
