/**
 * A LoRA file read: its header's facts, and each module's changes with the module's name.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { ByteSource } from "../bytes.ts";
import { changesOf } from "./algorithms.ts";
import type { Change } from "./change.ts";
import { type Group, groupsOf, openTensorFile, type TensorFile } from "./file.ts";
import { type ModuleName, moduleName, type PartName } from "./names.ts";
import { headerConfigs, type PeftConfig, sideConfig } from "./peft_config.ts";
import { notLora, refuseOthers } from "./refused.ts";

/** One module's change of its weight or its bias. */
export interface Adapter extends ModuleName {
  /** For messages: the module as the file spells it. */
  readonly key: string;
  /** File. */
  readonly file: LoraFile;
  /** What is changed. */
  readonly leaf: "weight" | "bias";
  /** How. */
  readonly change: Change;
}

/** A LoRA file with its adapters. */
export interface LoraFile {
  /** For messages. */
  readonly name: string;
  /** Place among the files given. */
  readonly order: number;
  /** Header. */
  readonly metadata: ReadonlyMap<string, unknown>;
  /** Changes. */
  readonly adapters: readonly Adapter[];
  /** Tensors that are part of no adapter. */
  readonly others: readonly string[];
  /** What the user should know, as sentences. */
  readonly notes: readonly string[];
}

/** What the user says about a file. */
export interface LoraOptions {
  /** Strength. */
  readonly strength: number;
  /** Text of the `adapter_config.json` beside it. */
  readonly config?: string;
  /** Place among the files given. */
  readonly order: number;
}

/**
 * Reads a file's header and its numbers.
 *
 * @throws {LssgenError} `bad_file` for an unsound file or one without adapters, `bad_tensor` for tensors that do not fit
 * together, `unsupported` for another kind of adapter, with its name.
 */
export async function readLora(source: ByteSource, options: LoraOptions): Promise<LoraFile> {
  const file = await openTensorFile(source);
  refuseOthers(file);
  const { groups, unknown } = groupsOf(file);
  const notes: string[] = [];
  const configs = headerConfigs(file.name, file.metadata);
  const beside = options.config === undefined ? undefined : sideConfig(file.name, options.config);
  if (beside && configs.size === 0 && fitsRanks(beside, file, groups, notes)) configs.set("", beside);
  for (const config of configs.values()) {
    if (config.unknown.length === 0) continue;
    notes.push(
      `its PEFT config has settings that are not known here and were left out: ${config.unknown.join(", ")}`,
    );
  }

  const adapters: Adapter[] = [];
  const others = [...unknown];
  const { name, metadata } = file;
  const lora: LoraFile = { name, order: options.order, metadata, adapters, others, notes };
  // A few at a time: each reads its numbers from the file, and files of the disk are opened for each read.
  for (let first = 0; first < groups.length; first += AT_ONCE) {
    const some = groups.slice(first, first + AT_ONCE).map((group) => ({
      group,
      place: moduleName(group.key),
    }));
    const read = await Promise.all(some.map(({ group, place: { prefix, module } }) => {
      const config = configs.get(configPart(prefix)) ?? configs.get("");
      return changesOf(file, { ...group, module }, { strength: options.strength, config });
    }));
    for (const [i, { group, place }] of some.entries()) {
      if (!read[i]) others.push(...group.tensors.values());
      for (const leaf of ["weight", "bias"] as const) {
        const change = read[i]?.[leaf];
        if (change) adapters.push({ ...place, key: group.key, file: lora, leaf, change });
      }
    }
  }
  if (adapters.length === 0) throw notLora(file);
  noteAlpha(file, groups, configs.size > 0, notes);
  return lora;
}

/** Modules whose numbers are read at the same time. */
const AT_ONCE = 32;

/** "transformer." → "transformer", as in diffusers' header. */
function configPart(prefix: string): string {
  return prefix.replace(/^(base_model\.model\.)+/, "").replace(/\.$/, "");
}

/** Whether a config beside a file is this file's: a folder may hold several LoRAs. */
function fitsRanks(config: PeftConfig, file: TensorFile, groups: readonly Group[], notes: string[]): boolean {
  for (const { key, tensors } of groups) {
    const down = tensors.get("down") ?? tensors.get("hada_w1_b");
    if (down === undefined) continue;
    const rank = file.info(down)!.shape[0];
    const said = config.rank(moduleName(key).module);
    if (said === undefined || said === rank) continue;
    notes.push(
      `adapter_config.json beside it says rank ${said} for "${key}", which has ${rank}: it is another file's and was left out`,
    );
    return false;
  }
  return true;
}

/** kohya's header names an alpha; without alpha tensors no program heeds it, since converters multiply it in. */
function noteAlpha(file: TensorFile, groups: readonly Group[], configured: boolean, notes: string[]): void {
  const [alpha, dim] = ["ss_network_alpha", "ss_network_dim"].map((name) =>
    Number(file.metadata.get(name) ?? NaN)
  );
  const tensors = groups.some(({ tensors }) => tensors.has("alpha") || tensors.has("scale"));
  if (tensors || configured || !(alpha > 0) || !(dim > 0) || alpha === dim) return;
  notes.push(
    `its header says alpha ${alpha} for rank ${dim}, but it has no alpha tensors: they are taken as multiplied in, as diffusers ` +
      `and ComfyUI do; if the picture is too strong, use a strength of ${alpha / dim}`,
  );
}

/** What a component's name says of the parts a LoRA may mean: "text_encoder_2" → itself, anything unknown is no part. */
export function isPart(name: string): name is PartName {
  return name === "denoiser" || /^text_encoder(_[23])?$/.test(name);
}

/** Refuses a strength that is no strength. */
export function checkStrength(file: string, strength: number): void {
  if (Number.isFinite(strength) && Math.abs(strength) <= 100) return;
  throw new LssgenError(
    "bad_option",
    `LoRA "${file}": scale is ${strength}, expected a number from -100 to 100`,
  );
}
