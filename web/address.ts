/// <reference lib="dom" />
/**
 * Settings in the page's address, behind its `#`, which is sent to nobody: a link brings them back.
 *
 * @module
 */

import type { Settings } from "./form.ts";

/** Settings that are numbers. */
const NUMBERS: readonly string[] = [
  "width",
  "height",
  "steps",
  "guidance",
  "trueCfgScale",
  "seed",
  "minResolution",
  "initNoise",
  "strength",
  "clipSkip",
  "cacheThreshold",
];
/** Settings that are texts. */
const TEXTS: readonly string[] = [
  "prompt",
  "negativePrompt",
  "method",
  "upsampler",
  "scheduler",
  "schedule",
  "preset",
];
/** Longest address that is made: some programs cut longer ones. */
const MOST = 8000;

/** Settings as an address' last part. */
export function toHash(settings: Settings): string {
  const given = new URLSearchParams();
  for (const key of [...TEXTS, ...NUMBERS]) {
    const value = settings[key as keyof Settings];
    if (value !== undefined && value !== "") given.set(key, String(value));
  }
  const text = `#${given}`;
  return text.length > MOST ? "#" : text;
}

/** Settings from an address' last part: what is unknown or no number is left out. */
export function fromHash(hash: string): Record<string, string | number> {
  const found: Record<string, string | number> = {};
  for (const [key, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (TEXTS.includes(key) && value.length <= MOST) found[key] = value;
    else if (NUMBERS.includes(key) && value !== "" && Number.isFinite(Number(value))) {
      found[key] = Number(value);
    }
  }
  return found;
}
