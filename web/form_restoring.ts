/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Settings put into the form: a picture's, a link's, a preset's. Loaded with the first.
 *
 * @module
 */

import { byId } from "./dom.ts";
import {
  cache,
  guidance,
  lockSeed,
  method,
  minResolution,
  negative,
  noise,
  offeredModel,
  preset,
  prompt,
  refresh,
  sampler,
  schedule,
  seed,
  steps,
  strength,
  trueCfg,
  upsampler,
} from "./form.ts";
import * as loras from "./loras.ts";
import * as size from "./size.ts";

/** Settings that the form has a place for, by their names in a request. */
const PLACES: ReadonlySet<string> = new Set([
  "prompt",
  "negativePrompt",
  "width",
  "height",
  "steps",
  "guidance",
  "trueCfgScale",
  "seed",
  "method",
  "minResolution",
  "initNoise",
  "upsampler",
  "scheduler",
  "schedule",
  "strength",
  "preset",
  "cacheMode",
  "cacheThreshold",
]);
/** Threshold of a cache of steps that names none. */
const USUAL_CACHE = 0.05;
/** What a picture says although nobody asked for anything else. */
const USUAL: Readonly<Record<string, unknown>> = { emphasis: true, rng: "philox", count: 1, trueCfgScale: 1 };

/**
 * Puts settings into the form: a picture's, a link's, a preset's. What they leave out is the model's own.
 *
 * @param keepSeed Whether their seed is kept for the next picture.
 * @returns Names of those that this form or this model has no place for.
 */
export function restore(wanted: Readonly<Record<string, unknown>>, keepSeed = true): string[] {
  const number = (field: HTMLInputElement, value: unknown, fallback: number): void => {
    field.value = String(typeof value === "number" && Number.isFinite(value) ? value : fallback);
  };
  const model = offeredModel();
  const { defaults } = model ?? {};
  const { prompt: words, named } = loras.untagged(String(wanted.prompt ?? ""));
  prompt.value = words;
  loras.restore(named);
  negative.value = String(wanted.negativePrompt ?? "");
  if (defaults) {
    number(steps, wanted.steps, defaults.steps);
    number(noise, wanted.initNoise, defaults.initNoise);
    number(guidance, wanted.guidance, defaults.guidance);
    number(minResolution, wanted.minResolution, defaults.minResolution);
  }
  number(trueCfg, wanted.trueCfgScale, 1);
  number(strength, wanted.strength, 0.75);
  number(cache, wanted.cacheThreshold, wanted.cacheMode === "first-block" ? USUAL_CACHE : 0);
  if (typeof wanted.seed === "number") {
    seed.value = String(wanted.seed);
    lockSeed(keepSeed);
  }
  size.restore(wanted);
  const chosen: Readonly<Record<string, boolean>> = {
    method: choose(method, String(wanted.method ?? model?.methods[0] ?? "")),
    scheduler: choose(sampler, String(wanted.scheduler ?? "")),
    schedule: choose(schedule, String(wanted.schedule ?? "")),
    upsampler: choose(
      upsampler,
      wanted.upsampler === defaults?.upsampler ? "" : String(wanted.upsampler ?? ""),
    ),
    preset: choose(preset, String(wanted.preset ?? "")),
    cacheMode: (model?.cache ?? true) || wanted.cacheMode === "none",
    cacheThreshold: model?.cache ?? true,
    negativePrompt: model?.negative ?? true,
    guidance: model?.guidance ?? true,
    trueCfgScale: model?.trueCfg ?? true,
  };
  // What is behind the fold should not surprise anybody.
  if ([negative.value, sampler.value, schedule.value, preset.value].some((value) => value !== "")) {
    byId<HTMLDetailsElement>("advanced").open = true;
  }
  refresh();
  const usual: Readonly<Record<string, unknown>> = { ...USUAL, ...defaults };
  return Object.entries(wanted).filter(([name, value]) =>
    value !== undefined && value !== "" && value !== usual[name] &&
    !(PLACES.has(name) && (chosen[name] ?? true))
  ).map(([name]) => name);
}

/** Chooses an option; whether there is one of that value. */
function choose(select: HTMLSelectElement, value: string): boolean {
  const found = [...select.options].some((option) => option.value === value);
  if (found) select.value = value;
  return found;
}
