/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The settings: from the form to a request and back. What the model does not have is not there.
 *
 * @module
 */

import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { byId, element } from "./dom.ts";
import { decimal, isText, t } from "./language.ts";
import * as loras from "./loras.ts";
import type { ModelSummary, PlanSummary } from "./protocol.ts";
import * as size from "./size.ts";
import type { TextName } from "./texts.ts";

// Fields, which what restores settings (form_restoring.ts) fills too.
export const prompt: HTMLTextAreaElement = byId("prompt");
export const negative: HTMLTextAreaElement = byId("negative");
export const steps: HTMLInputElement = byId("steps");
export const method: HTMLSelectElement = byId("method");
export const noise: HTMLInputElement = byId("noise");
export const seed: HTMLInputElement = byId("seed");
const lock: HTMLButtonElement = byId("lock");
export const strength: HTMLInputElement = byId("strength");
export const guidance: HTMLInputElement = byId("guidance");
export const trueCfg: HTMLInputElement = byId("true-cfg");
export const sampler: HTMLSelectElement = byId("sampler");
export const schedule: HTMLSelectElement = byId("schedule");
export const upsampler: HTMLSelectElement = byId("upsampler");
export const minResolution: HTMLInputElement = byId("min-resolution");
export const cache: HTMLInputElement = byId("cache");
export const preset: HTMLSelectElement = byId("model-preset");
const count: HTMLInputElement = byId("count");
const everyLine: HTMLInputElement = byId("every-line");
const planLine: HTMLElement = byId("plan");
const complaint: HTMLElement = element("p", { id: "complaint", className: "complaint", role: "alert" });

/** What a field's problem is, undefined when it has none. */
interface Problem {
  readonly field: HTMLElement;
  readonly text: string;
}

/** Names that a picture's parameters, a link and a preset have for settings. */
export type Settings = Partial<Omit<GenerateRequest, "image" | "mask">>;

/** The model's presets by their names for people. */
const PRESETS = { quality: "presetQuality", balanced: "presetBalanced", fast: "presetFast" } as const;

let model: ModelSummary | undefined;
let fromPicture = false;

/** A method's name for people. */
export function methodName(name: string): string {
  return isText(name) ? t(name) : name.charAt(0).toUpperCase() + name.slice(1);
}

/** Shows what a model has; a value that it has too stays chosen. */
export function offer(offered: ModelSummary): void {
  const first = model === undefined || model.name !== offered.name;
  model = offered;
  const { defaults } = offered;
  size.offer(defaults);
  options(method, offered.methods.map((name) => [name, methodName(name)]), offered.methods[0]);
  options(sampler, [["", t("ownSampler")], ...offered.samplers.map((name) => [name, name] as const)], "");
  options(schedule, [["", t("ownSampler")], ...offered.schedules.map((name) => [name, name] as const)], "");
  options(
    upsampler,
    [
      ["", defaults.upsampler],
      ...offered.upsamplers.filter((name) => name !== defaults.upsampler).map((name) =>
        [name, name] as const
      ),
    ],
    "",
  );
  options(
    preset,
    [["", t("presetOwn")], ...offered.presets.map((name) => [name, t(PRESETS[name])] as const)],
    "",
  );
  if (first) {
    steps.value = String(defaults.steps);
    noise.value = String(defaults.initNoise);
    guidance.value = String(defaults.guidance);
    minResolution.value = String(defaults.minResolution);
  }
  loras.offer(offered.loras);
  const has: Readonly<Record<string, boolean>> = {
    negative: offered.negative,
    guidance: offered.guidance,
    trueCfg: offered.trueCfg,
    samplers: offered.samplers.length > 0,
    schedules: offered.schedules.length > 0,
    loras: offered.loras.length > 0,
    presets: offered.presets.length > 0,
    cache: offered.cache,
  };
  for (const part of document.querySelectorAll<HTMLElement>("[data-offer]")) {
    part.hidden = !has[part.dataset.offer!];
  }
  byId("lora-hint").hidden = has.loras;
  refresh();
}

function options(
  select: HTMLSelectElement,
  values: readonly (readonly [string, string])[],
  fallback: string,
): void {
  const before = select.value;
  select.replaceChildren(...values.map(([value, textContent]) => element("option", { value, textContent })));
  select.value = values.some(([value]) => value === before) ? before : fallback;
}

/** Whether the picture begins with another, which has a strength and a size of its own. */
export function beginsWithPicture(begins: boolean): void {
  fromPicture = begins;
  size.fromPicture(begins);
  refresh();
}

/** Brings hints in line with what is chosen. */
export function refresh(): void {
  forgive();
  byId<HTMLOutputElement>("noise-value").value = decimal(Number(noise.value), 2);
  byId<HTMLOutputElement>("strength-value").value = decimal(Number(strength.value), 2);
  const direct = method.value === "direct";
  // A preset chooses these.
  const chosen = preset.value !== "";
  method.disabled = steps.disabled = cache.disabled = chosen;
  byId("model-preset-hint").hidden = !chosen;
  noise.disabled = minResolution.disabled = upsampler.disabled = direct || chosen;
  const hint = `${method.value}Hint`;
  byId("method-hint").textContent = isText(hint) ? t(hint) : "";
  byId("noise-hint").textContent = t(direct ? "noiseDirect" : "noiseHint");
  byId("negative-hint").hidden =
    !(model?.trueCfg && negative.value.trim() !== "" && Number(trueCfg.value) <= 1);
  lock.setAttribute("aria-pressed", String(locked()));
  size.refresh();
}

/** The model that is offered. */
export function offeredModel(): ModelSummary | undefined {
  return model;
}

/** Whether the seed is kept. */
export function locked(): boolean {
  return lock.dataset.locked === "true";
}

/** Keeps the seed, or lets each picture have a new one. */
export function lockSeed(keep: boolean): void {
  lock.dataset.locked = String(keep);
  lock.setAttribute("aria-pressed", String(keep));
}

/** The request as it stands, LoRAs in its prompt. */
export function request(): GenerateRequest {
  const all = settings();
  return { ...all, prompt: loras.tagged(all.prompt ?? "") };
}

/** The settings as they stand; what the model has for itself is left out. */
export function settings(): Settings {
  const text = (field: { readonly value: string }): string | undefined => field.value.trim() || undefined;
  const number = (field: HTMLInputElement): number | undefined =>
    field.value === "" ? undefined : Number(field.value);
  const direct = method.value === "direct";
  const chosen = text(preset);
  const cfg = model?.trueCfg && Number(trueCfg.value) !== 1 ? number(trueCfg) : undefined;
  return {
    prompt: prompt.value.trim(),
    ...size.chosen(),
    ...fromPicture && { strength: Number(strength.value) },
    seed: Number(seed.value),
    ...chosen ? { preset: chosen as GenerateRequest["preset"] } : {
      steps: Number(steps.value),
      method: method.value as GenerateRequest["method"],
      ...model?.cache && Number(cache.value) > 0 && { cacheThreshold: Number(cache.value) },
    },
    ...!direct && !chosen && {
      // The default is left out: a method may have its own, or none.
      ...Number(noise.value) !== model?.defaults.initNoise && { initNoise: Number(noise.value) },
      ...Number(minResolution.value) !== model?.defaults.minResolution &&
        { minResolution: number(minResolution) },
      upsampler: text(upsampler) as GenerateRequest["upsampler"],
    },
    ...model?.guidance && Number(guidance.value) !== model.defaults.guidance &&
      { guidance: number(guidance) },
    trueCfgScale: cfg,
    negativePrompt: model?.negative && (!model.trueCfg || (cfg ?? 1) > 1) ? text(negative) : undefined,
    scheduler: text(sampler) as GenerateRequest["scheduler"],
    schedule: text(schedule) as GenerateRequest["schedule"],
  };
}

/** The requests of one press of the button: a line of the prompt each, several pictures of each. */
export function requests(): GenerateRequest[] {
  const one = request();
  const lines = everyLine.checked ? promptLines() : [one.prompt];
  const each = Math.max(1, Number(count.value) || 1);
  return lines.flatMap((line) =>
    Array.from({ length: each }, (_, i) => ({
      ...one,
      prompt: everyLine.checked ? loras.tagged(line) : line,
      seed: (one.seed ?? 0) + i,
    }))
  );
}

function promptLines(): string[] {
  return prompt.value.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** Whether something cannot be drawn; says so at the first such field and moves there. */
export function complain(): boolean {
  forgive();
  const wrong = problem();
  if (!wrong) return false;
  complainAt(wrong.field, wrong.text);
  return true;
}

/** Says what is wrong with a field, and moves there. */
export function complainAt(field: HTMLElement, text: string): void {
  forgive();
  field.dataset.described = field.getAttribute("aria-describedby") ?? "";
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", complaint.id);
  complaint.textContent = text;
  field.closest(".field, fieldset")!.append(complaint);
  const fold = field.closest("details");
  if (fold) fold.open = true;
  field.focus();
}

/** Takes the complaint back. */
function forgive(): void {
  complaint.remove();
  for (const field of document.querySelectorAll<HTMLElement>("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    if (field.dataset.described) field.setAttribute("aria-describedby", field.dataset.described);
    else field.removeAttribute("aria-describedby");
  }
}

function problem(): Problem | undefined {
  const inRange = (field: HTMLInputElement, name: TextName, whole: boolean): Problem | undefined => {
    if (field.disabled || field.closest("[hidden]")) return undefined;
    const [low, high, value] = [Number(field.min), Number(field.max), Number(field.value)];
    const fits = field.value !== "" && value >= low && value <= high && (!whole || Number.isInteger(value));
    return fits
      ? undefined
      : { field, text: t(whole ? "wholeNumber" : "anyNumber", { name: t(name), low, high }) };
  };
  if (prompt.value.trim() === "") return { field: prompt, text: t("sayWhat") };
  return inRange(byId("width"), "width", true) ?? inRange(byId("height"), "height", true) ??
    inRange(steps, "steps", true) ?? inRange(seed, "seed", true) ?? inRange(guidance, "guidance", false) ??
    inRange(trueCfg, "trueCfg", false) ?? inRange(cache, "cache", false) ??
    inRange(minResolution, "minResolution", true) ??
    inRange(count, "count", true);
}

/** Another seed, of nine digits at most: it has to be read and typed. */
export function newSeed(): void {
  seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000_000);
}

/** Says in a line what the settings amount to. */
export function showPlan(plan: PlanSummary): void {
  const sides = plan.stages.map(({ width, height }) => width === height ? `${width}²` : `${width}×${height}`);
  const calls = plan.stages.reduce((sum, stage) => sum + stage.steps, 0);
  const parts = [sides.join(" → "), t("planSteps", { count: calls })];
  if (plan.speedup !== undefined && plan.speedup > 1.005) {
    parts.push(t("planFaster", { factor: decimal(plan.speedup, 2) }));
  } else if (plan.speedup !== undefined && plan.speedup < 0.995) {
    parts.push(t("planSlower", { factor: decimal(1 / plan.speedup, 2) }));
  }
  planLine.className = "plan";
  planLine.textContent = [parts.join(" · "), ...plan.warnings].join(". ");
}

/** Says in its place why there is no plan. */
export function showPlanProblem(text: string): void {
  planLine.className = "plan bad";
  planLine.textContent = text;
}
