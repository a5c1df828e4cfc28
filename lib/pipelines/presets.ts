/**
 * Named settings that trade time for quality: `quality`, `balanced` and `fast`, as a model or a file has them.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { isRecord } from "../json.ts";
import type { PresetName, Presets, PresetSettings } from "./types.ts";

/** Every {@linkcode PresetName}. */
export const PRESET_NAMES: readonly PresetName[] = ["quality", "balanced", "fast"];

/** What a preset may say, with the types that JSON has. */
const SETTINGS: Readonly<Record<keyof PresetSettings, "string" | "number" | "boolean">> = {
  method: "string",
  steps: "number",
  minResolution: "number",
  initNoise: "number",
  upsampler: "string",
  shortenSteps: "boolean",
  entry: "string",
  stages: "string",
  refineSteps: "number",
  spectralDelta: "number",
  cacheMode: "string",
  cacheThreshold: "number",
};

/** Names of {@linkcode PresetSettings}. */
export const PRESET_SETTINGS: readonly (keyof PresetSettings)[] = Object.keys(SETTINGS) as (
  keyof PresetSettings
)[];

/**
 * Presets as a JSON file holds them, `{ "fast": { "method": "refine", "steps": 12 } }`.
 *
 * @param name File and key, for messages.
 * @throws {LssgenError} `bad_file` for another name, an unknown setting, or a value of another type.
 */
export function readPresets(value: unknown, name: string): Presets {
  const refused = (what: string): LssgenError => new LssgenError("bad_file", `"${name}" ${what}`);
  if (!isRecord(value)) throw refused(`is no object of presets, expected ${PRESET_NAMES.join(", ")}`);
  for (const [preset, settings] of Object.entries(value)) {
    if (!PRESET_NAMES.includes(preset as PresetName)) {
      throw refused(`has a preset "${preset}", expected ${PRESET_NAMES.join(", ")}`);
    }
    if (!isRecord(settings)) throw refused(`: preset "${preset}" is no object of settings`);
    for (const [key, setting] of Object.entries(settings)) {
      if (!Object.hasOwn(SETTINGS, key)) {
        throw refused(
          `: preset "${preset}" has "${key}", expected some of ${PRESET_SETTINGS.join(", ")}`,
        );
      }
      const type = SETTINGS[key as keyof PresetSettings];
      const given = typeof setting;
      if (given !== type) {
        throw refused(`: "${key}" of preset "${preset}" is no ${type}`);
      }
    }
  }
  return value as Presets;
}
