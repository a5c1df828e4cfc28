/// <reference lib="dom" />
/**
 * The settings.
 *
 * @module
 */

import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { byId, element } from "./dom.ts";
import type { ModelSummary, PlanSummary, StartFiles } from "./protocol.ts";

const prompt: HTMLTextAreaElement = byId("prompt");
const size: HTMLSelectElement = byId("size");
const steps: HTMLInputElement = byId("steps");
const method: HTMLSelectElement = byId("method");
const noise: HTMLInputElement = byId("noise");
const noiseValue: HTMLOutputElement = byId("noise-value");
const seed: HTMLInputElement = byId("seed");
const strength: HTMLInputElement = byId("strength");
const strengthValue: HTMLOutputElement = byId("strength-value");
const planLine: HTMLElement = byId("plan");
const complaint: HTMLElement = element("p", { id: "complaint", className: "complaint", role: "alert" });

/** Methods for people. Names that are not here are shown as they are. */
const METHODS: Readonly<Record<string, readonly [label: string, hint: string]>> = {
  lssgen: ["LSSGen", "Starts small; a small network enlarges the latents in mid-run."],
  direct: ["Direct", "Full size from the first step."],
  megafusion: ["MegaFusion", "Starts small; the clean estimate is enlarged as pixels and noised again."],
  "self-cascade": [
    "Self-Cascade",
    "Starts small; the latents are enlarged by interpolation and noised again.",
  ],
  diffusehigh: [
    "DiffuseHigh",
    "A finished small picture is enlarged, sharpened and partly drawn again, its outlines held by wavelets.",
  ],
  selflift: [
    "SelfLift",
    "The last quarter of the steps at full size; the clean estimate is enlarged before it.",
  ],
  "hires-fix": ["Hires fix", "A finished small picture is enlarged and partly drawn again."],
};

/** What a field's problem is, undefined when it has none. */
interface Problem {
  readonly field: HTMLElement;
  readonly text: string;
}

/** Value of the size that is left to the picture to begin with. */
const OWN_SIZE = "own";

let begin: StartFiles = {};

/** Begins with a picture, or with noise alone. A mask without a picture counts for nothing. */
export function beginWith(files: StartFiles): void {
  const { image, mask } = begin = files.image ? files : {};
  byId("mask-choice").hidden = byId("no-init").hidden = byId("strength-field").hidden = !image;
  byId("init-hint").textContent = image
    ? `Begins with ${image.name}` +
      (mask ? `; ${mask.name} says what is drawn anew: white, not black or transparent` : "")
    : "PNG, JPEG, WebP, GIF, BMP or AVIF. It stays on this computer.";
  const own = [...size.options].find((option) => option.value === OWN_SIZE);
  if (image && !own) {
    size.prepend(element("option", { value: OWN_SIZE, textContent: "As the picture" }));
    size.value = OWN_SIZE;
  } else if (!image && own) {
    const chosen = own.selected;
    own.remove();
    if (chosen) size.value = usualSize;
  }
  refresh();
}

/** The pictures that the next one begins with. */
export function start(): StartFiles {
  return begin;
}

/** The model's own size. */
let usualSize = "";

/** Fills in what the model offers; a size or method that it has too stays chosen. */
export function offer(model: ModelSummary): void {
  const { baseResolution: b, width, height } = model.defaults;
  const even = (value: number): number => Math.round(value / 64) * 64;
  const sizes = [[b / 2, b / 2], [b, b], [even(1.5 * b), even(1.5 * b)], [2 * b, 2 * b], [2 * b, b], [
    b,
    2 * b,
  ], [
    4 * b,
    4 * b,
  ], [width, height]];
  const values = [...new Set(sizes.map(([w, h]) => `${w}x${h}`))];
  const area = (value: string): number =>
    value.split("x").reduce((product, side) => product * Number(side), 1);
  values.sort((a, b) => area(a) - area(b));
  usualSize = `${width}x${height}`;
  const own = begin.image ? [[OWN_SIZE, "As the picture"] as const] : [];
  options(
    size,
    [...own, ...values.map((value) => [value, `${value.replace("x", " × ")}`] as const)],
    usualSize,
  );
  options(method, model.methods.map((name) => [name, METHODS[name]?.[0] ?? name]), model.methods[0]);
  steps.value = String(model.defaults.steps);
  noise.value = String(model.defaults.initNoise);
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

/** Brings hints in line with what is chosen. */
export function refresh(): void {
  forgive();
  noiseValue.value = Number(noise.value).toFixed(2);
  strengthValue.value = Number(strength.value).toFixed(2);
  const direct = method.value === "direct";
  noise.disabled = direct;
  byId("method-hint").textContent = METHODS[method.value]?.[1] ?? "";
  byId("noise-hint").textContent = direct
    ? "Direct generation has one stage: nothing grows, no noise is put back."
    : "Noise put back after the picture grows: more redraws more.";
}

/** The request as it stands. */
export function request(): GenerateRequest {
  const [width, height] = size.value === OWN_SIZE ? [] : size.value.split("x").map(Number);
  return {
    prompt: prompt.value.trim(),
    width,
    height,
    ...begin.image && { strength: Number(strength.value) },
    steps: Number(steps.value),
    method: method.value as GenerateRequest["method"],
    initNoise: Number(noise.value),
    seed: Number(seed.value),
  };
}

/** Whether something cannot be drawn; says so at the first such field and moves there. */
export function complain(): boolean {
  forgive();
  const wrong = problem();
  if (!wrong) return false;
  const { field, text } = wrong;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", complaint.id);
  complaint.textContent = text;
  field.closest(".field")!.append(complaint);
  field.focus();
  return true;
}

/** Takes the complaint back. */
function forgive(): void {
  complaint.remove();
  for (const field of [prompt, steps, seed]) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}

function problem(): Problem | undefined {
  const whole = (field: HTMLInputElement, name: string): Problem | undefined => {
    const [low, high, value] = [Number(field.min), Number(field.max), Number(field.value)];
    if (field.value !== "" && Number.isInteger(value) && value >= low && value <= high) return undefined;
    return { field, text: `${name}: a whole number from ${low} to ${high} is expected` };
  };
  if (prompt.value.trim() === "") return { field: prompt, text: "Prompt: say what to draw" };
  return whole(steps, "Steps") ?? whole(seed, "Seed");
}

/** Puts a picture's settings back into the form. */
export function restore(parameters: Readonly<Record<string, unknown>>): void {
  prompt.value = String(parameters.prompt ?? "");
  steps.value = String(parameters.steps);
  seed.value = String(parameters.seed);
  noise.value = String(parameters.initNoise);
  choose(size, `${parameters.width}x${parameters.height}`);
  choose(method, String(parameters.method));
  refresh();
}

function choose(select: HTMLSelectElement, value: string): void {
  if ([...select.options].some((option) => option.value === value)) select.value = value;
}

/** Another seed, of nine digits at most: it has to be read and typed. */
export function newSeed(): void {
  seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000_000);
}

/** Says in a line what the settings amount to. */
export function showPlan(plan: PlanSummary): void {
  const sides = plan.stages.map(({ width, height }) => width === height ? `${width}²` : `${width}×${height}`);
  const calls = plan.stages.reduce((sum, stage) => sum + stage.steps, 0);
  const parts = [sides.join(" → "), `${calls} steps`];
  if (plan.speedup !== undefined && plan.speedup > 1.005) {
    parts.push(`${plan.speedup.toFixed(2)}× less denoising work than direct`);
  } else if (plan.speedup !== undefined && plan.speedup < 0.995) {
    parts.push(`${(1 / plan.speedup).toFixed(2)}× the denoising work of direct`);
  }
  planLine.className = "plan";
  planLine.textContent = [parts.join(" · "), ...plan.warnings].join(". ");
}

/** Says in its place why there is no plan. */
export function showPlanProblem(text: string): void {
  planLine.className = "plan bad";
  planLine.textContent = text;
}
