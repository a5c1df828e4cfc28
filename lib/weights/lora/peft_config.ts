/**
 * PEFT's settings of an adapter: `adapter_config.json` beside the file, or `lora_adapter_metadata` in its header, where
 * diffusers keeps one for each part of the model. They hold what is not in the tensors: alpha, patterns, rsLoRA.
 *
 * Source: LoraConfig, LoHaConfig and LoKrConfig of PEFT; lora_base.py of diffusers.
 *
 * @module
 */

import { LssgenError, shortJson } from "../../errors.ts";
import { type JsonBounds, parseJson } from "../../json.ts";

/** PEFT's kinds of adapters that are applied, and what alpha is called in each. */
const KINDS: Readonly<Record<string, string>> = { LORA: "lora_alpha", LOHA: "alpha", LOKR: "alpha" };

/** Settings that change what an adapter does, in a way that is not built here. */
const REFUSED = [
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "layer_replication",
  "target_parameters",
  "trainable_token_indices",
  "use_bdlora",
  "use_qalora",
];

/** Settings of training, of PEFT's own loading, and those that the tensors say themselves. */
const NEUTRAL = new Set([
  "alpha",
  "alpha_pattern",
  "auto_mapping",
  "base_model_name_or_path",
  "bias", // trained biases are tensors of the file, refused by their names
  "corda_config",
  "decompose_both",
  "decompose_factor",
  "ensure_weight_tying",
  "eva_config",
  "exclude_modules",
  "fan_in_fan_out", // of layers that no model here has
  "inference_mode",
  "init_lora_weights",
  "init_weights",
  "layers_pattern",
  "layers_to_transform",
  "loftq_config",
  "lora_alpha",
  "lora_bias",
  "lora_dropout",
  "lora_ga_config",
  "megatron_config",
  "megatron_core",
  "module_dropout",
  "modules_to_save",
  "monteclora_config",
  "peft_type",
  "peft_version",
  "qalora_group_size",
  "r",
  "rank_dropout",
  "rank_dropout_scale",
  "rank_pattern",
  "revision",
  "runtime_config",
  "target_modules",
  "task_type",
  "use_dora",
  "use_effective_conv2d",
  "use_rslora",
  "velora_config",
]);

/** Ways to begin that move a part of the base weight into the adapter: alone it does not say what it changes. */
const REBASED = /^(pissa|olora|corda|loftq|lora_ga)/i;

/** The settings of one adapter. */
export class PeftConfig {
  private readonly alphas: readonly (readonly [RegExp, number])[];
  private readonly ranks: readonly (readonly [RegExp, number])[];

  private constructor(
    private readonly where: string,
    private readonly json: Readonly<Record<string, unknown>>,
    private readonly alpha: number | undefined,
  ) {
    this.alphas = this.patterns("alpha_pattern");
    this.ranks = this.patterns("rank_pattern");
  }

  /**
   * @param where File, for messages. @param json Settings of one adapter.
   * @throws {LssgenError} `unsupported` for a kind or a setting that is not built here, `bad_file` for nonsense.
   */
  static of(where: string, json: Readonly<Record<string, unknown>>): PeftConfig {
    const kind = typeof json.peft_type === "string" ? json.peft_type.toUpperCase() : "LORA";
    if (!Object.hasOwn(KINDS, kind)) {
      throw new LssgenError(
        "unsupported",
        `${where}: PEFT's ${kind} adapters cannot be applied, supported are ${Object.keys(KINDS).join(", ")}`,
      );
    }
    const alpha = json[KINDS[kind]];
    const config = new PeftConfig(
      where,
      json,
      alpha === undefined ? undefined : numberOf(where, KINDS[kind], alpha),
    );
    if (!isNone(json.r)) rankOf(where, "r", json.r);
    for (const name of ["use_rslora", "use_dora"]) {
      if (isNone(json[name]) || typeof json[name] === "boolean") continue;
      throw new LssgenError(
        "bad_file",
        `${where}: ${name} is ${shortJson(json[name])}, expected true or false`,
      );
    }
    for (const name of REFUSED) {
      if (!isSet(json[name])) continue;
      throw config.refused(name, "which is not supported");
    }
    const begun = json.init_lora_weights;
    if (typeof begun === "string" && REBASED.test(begun)) {
      throw config.refused(
        "init_lora_weights",
        "whose adapter works on a changed base; save it with PEFT's path_initial_model_for_weight_conversion first",
      );
    }
    return config;
  }

  /** Settings that are neither heeded nor known to change nothing. */
  get unknown(): string[] {
    return Object.keys(this.json).filter((name) =>
      !NEUTRAL.has(name) && !REFUSED.includes(name) && isSet(this.json[name])
    );
  }

  /** Whether every module has lengths. */
  get dora(): boolean {
    return this.json.use_dora === true;
  }

  /** alpha / rank, or alpha / √rank with rsLoRA; a module's own where a pattern fits its name. */
  scaling(module: string, rank: number | undefined): number {
    const alpha = matching(this.alphas, module) ?? this.alpha;
    const r = rank ?? this.rank(module);
    if (alpha === undefined || r === undefined) return 1;
    return alpha / (this.json.use_rslora === true ? Math.sqrt(r) : r);
  }

  /** The rank that a module should have; undefined where the settings do not say. */
  rank(module: string): number | undefined {
    return matching(this.ranks, module) ?? (typeof this.json.r === "number" ? this.json.r : undefined);
  }

  private patterns(name: string): (readonly [RegExp, number])[] {
    const patterns = this.json[name] ?? {};
    if (typeof patterns !== "object" || Array.isArray(patterns)) {
      throw new LssgenError(
        "bad_file",
        `${this.where}: ${name} is not an object from module names to numbers`,
      );
    }
    return Object.entries(patterns as Record<string, unknown>).map(([pattern, value]) => {
      const read = name === "rank_pattern" ? rankOf : numberOf;
      return [this.pattern(name, pattern), read(this.where, `${name} of "${pattern}"`, value)] as const;
    });
  }

  /** PEFT's rule: a module's last parts, as a regular expression. */
  private pattern(name: string, pattern: string): RegExp {
    // The file's author may be anyone: no expression whose search could take for ever.
    const loops = pattern.match(/[*+{]/g)?.length ?? 0;
    const simple = pattern.length <= 300 && loops <= 3 && !/\)[*+?{]/.test(pattern) &&
      !/\\[1-9k]/.test(pattern);
    try {
      if (simple) return new RegExp(`^(.*\\.)?(${pattern})$`);
    } catch {
      // Said below.
    }
    throw new LssgenError(
      "unsupported",
      `${this.where}: the key "${pattern.slice(0, 80)}" of ${name} is no simple pattern of module names`,
    );
  }

  private refused(name: string, why: string): LssgenError {
    const value = JSON.stringify(this.json[name]).slice(0, 60);
    return new LssgenError(
      "unsupported",
      `${this.where}: the adapter was made with ${name} = ${value}, ${why}`,
    );
  }
}

function numberOf(where: string, name: string, value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new LssgenError(
    "bad_file",
    `${where}: ${name} is ${JSON.stringify(value)?.slice(0, 40)}, expected a number`,
  );
}

/** The most that ranks are taken for: the width of a layer. */
const MOST_RANK = 2 ** 18;

function rankOf(where: string, name: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) > 0 && (value as number) <= MOST_RANK) {
    return value as number;
  }
  throw new LssgenError(
    "bad_file",
    `${where}: ${name} is ${shortJson(value)}, expected a whole number from 1 to ${MOST_RANK}`,
  );
}

function isNone(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== "";
}

function matching(patterns: readonly (readonly [RegExp, number])[], module: string): number | undefined {
  return patterns.find(([pattern]) => pattern.test(module))?.[1];
}

/**
 * The settings in a LoRA file's header, by what stands before its keys ("transformer", "unet", "text_encoder", …; "" where
 * they are for all).
 *
 * @throws {LssgenError} As {@linkcode PeftConfig.of}.
 */
export function headerConfigs(file: string, metadata: ReadonlyMap<string, unknown>): Map<string, PeftConfig> {
  const text = metadata.get("lora_adapter_metadata");
  const found = new Map<string, PeftConfig>();
  if (typeof text !== "string") return found;
  const where = `LoRA "${file}", lora_adapter_metadata`;
  const parts = new Map<string, Record<string, unknown>>();
  for (const [name, value] of Object.entries(objectOf(where, text))) {
    const dot = name.lastIndexOf(".");
    const part = name.slice(0, Math.max(dot, 0));
    let settings = parts.get(part);
    if (!settings) parts.set(part, settings = {});
    settings[name.slice(dot + 1)] = value;
  }
  for (const [part, json] of parts) found.set(part, PeftConfig.of(where, json));
  return found;
}

/**
 * adapter_config.json.
 *
 * @throws {LssgenError} As {@linkcode PeftConfig.of}.
 */
export function sideConfig(file: string, text: string): PeftConfig {
  const where = `adapter_config.json beside "${file}"`;
  return PeftConfig.of(where, objectOf(where, text));
}

/** With a pattern for each module such settings have some ten thousand characters. */
const BOUNDS: JsonBounds = { characters: 1 << 20, depth: 16 };

function objectOf(where: string, text: string): Record<string, unknown> {
  try {
    const json = parseJson(where, text, BOUNDS);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) {
      return json as Record<string, unknown>;
    }
  } catch (error) {
    if (error instanceof LssgenError) throw error;
    // Said below.
  }
  throw new LssgenError("bad_file", `${where} is not a JSON object`);
}
