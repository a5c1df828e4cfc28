/**
 * Every reader that is fuzzed.
 *
 * @module
 */

import { models, networks, schedulers } from "./configs.ts";
import { drawn } from "./draws.ts";
import { lora } from "./lora.ts";
import { headers, jpeg, png } from "./pictures.ts";
import { notFinite } from "./poisons.ts";
import { openai, sdapi, stored } from "./requests.ts";
import type { Target } from "./target.ts";
import { clipTokenizer, t5Tokenizer } from "./tokenizers.ts";
import { tunings } from "./tunings.ts";
import { gguf, safetensors, scanned, shards } from "./weights.ts";
import { commandLine, prompts } from "./words.ts";

/** One row a reader. */
export const TARGETS: readonly Target[] = [
  safetensors,
  gguf,
  shards,
  scanned,
  lora,
  models,
  networks,
  schedulers,
  clipTokenizer,
  t5Tokenizer,
  png,
  jpeg,
  headers,
  prompts,
  commandLine,
  stored,
  sdapi,
  openai,
  tunings,
  drawn,
  notFinite,
];
