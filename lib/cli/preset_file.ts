/**
 * `--preset` with `--presets FILE`: the file's settings in place of the model's own.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { parseJson } from "../json.ts";
import { withSettings } from "../pipelines/family_presets.ts";
import { PRESET_NAMES, readPresets } from "../pipelines/presets.ts";
import type { GenerateRequest } from "../pipelines/types.ts";
import { readBytes } from "./input.ts";
import type { Parsed } from "./options.ts";

const BOUNDS = { characters: 1 << 24, depth: 8 };

/**
 * The request with the preset of `--presets` written out; as it is without that option.
 *
 * @throws {LssgenError} `bad_file` where the file is none of presets, `bad_option` where it has not the one that is asked for.
 */
export async function withPresetFile(options: Parsed, request: GenerateRequest): Promise<GenerateRequest> {
  const { presets: path, preset } = options.text;
  if (path === undefined) return request;
  if (preset === undefined) {
    throw new LssgenError(
      "bad_option",
      `Option --presets has no effect without --preset, one of ${PRESET_NAMES.join(", ")}`,
    );
  }
  const text = new TextDecoder().decode(await readBytes(path, "--presets"));
  let stored: unknown;
  try {
    stored = parseJson(path, text, BOUNDS);
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
    throw new LssgenError("bad_file", `"${path}" (--presets) is no JSON`, { cause });
  }
  const presets = readPresets((stored as { presets?: unknown } | null)?.presets, `${path}, presets`);
  const settings = presets[preset as keyof typeof presets];
  if (settings) return withSettings(settings, request);
  throw new LssgenError(
    "bad_option",
    `"${path}" has no preset "${preset}", only ${Object.keys(presets).join(", ") || "none"}`,
  );
}
