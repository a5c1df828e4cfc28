/// <reference lib="dom" />
/**
 * Two settings against each other: a picture for each pair of values.
 *
 * @module
 */

import type { GenerateRequest } from "../lib/pipelines/types.ts";
import { byId, element } from "./dom.ts";
import { complainAt } from "./form.ts";
import { allTexts, t } from "./language.ts";
import type { ModelSummary } from "./protocol.ts";
import type { TextName } from "./texts.ts";

await allTexts();

const MOST = 36;

/** A setting that values can be given for. */
interface Axis {
  /** Name in a request. */
  readonly key: keyof GenerateRequest;
  /** Its name for people. */
  readonly label: TextName;
  /** Whether its values are numbers; otherwise these. */
  readonly values?: (model: ModelSummary) => readonly string[];
  /** Whether the model has it. */
  readonly has?: (model: ModelSummary) => boolean;
}

const AXES: readonly Axis[] = [
  { key: "steps", label: "steps" },
  { key: "seed", label: "seed" },
  { key: "guidance", label: "guidance", has: (model) => model.guidance },
  { key: "trueCfgScale", label: "trueCfg", has: (model) => model.trueCfg },
  { key: "initNoise", label: "noise" },
  { key: "minResolution", label: "minResolution" },
  { key: "method", label: "method", values: (model) => model.methods },
  { key: "scheduler", label: "sampler", values: (model) => model.samplers },
  { key: "schedule", label: "schedule", values: (model) => model.schedules },
  { key: "upsampler", label: "upsampler", values: (model) => model.upsamplers },
  { key: "strength", label: "strength" },
  { key: "prompt", label: "prompt", values: () => [] },
];

/** A grid that was asked for. */
export interface Grid {
  /** For its caption. */
  readonly title: string;
  /** Values across. */
  readonly columns: readonly string[];
  /** Values down; one empty text without a second setting. */
  readonly rows: readonly string[];
  /** The request of a cell. */
  requestAt(column: number, row: number): GenerateRequest;
}

let model: ModelSummary | undefined;

/** Offers the settings that a model has. */
export function offer(offered?: ModelSummary): void {
  model = offered ?? model;
  if (!model) return;
  for (const side of ["x", "y"] as const) {
    const select: HTMLSelectElement = byId(`grid-${side}`);
    const before = select.value;
    const axes = AXES.filter(({ has }) => has?.(model!) ?? true);
    select.replaceChildren(
      ...side === "y" ? [element("option", { value: "", textContent: t("gridNone") })] : [],
      ...axes.map(({ key, label }) => element("option", { value: key, textContent: t(label) })),
    );
    select.value = axes.some(({ key }) => key === before) ? before : side === "y" ? "" : axes[0].key;
    suggest(side, false);
  }
  byId("grid-hint").textContent = t("gridHint", { most: MOST });
}

function axisOf(side: "x" | "y"): Axis | undefined {
  return AXES.find(({ key }) => key === byId<HTMLSelectElement>(`grid-${side}`).value);
}

/** Labels the field of values, and fills in those that there are. */
function suggest(side: "x" | "y", anew: boolean): void {
  const axis = axisOf(side);
  if (side === "y") byId("grid-y-field").hidden = !axis;
  byId(`grid-${side}-label`).textContent = axis ? t("gridValues", { axis: t(axis.label) }) : "";
  const field: HTMLInputElement = byId(`grid-${side}-values`);
  if (anew) field.value = axis?.values?.(model!).slice(0, 4).join(", ") ?? "";
}

/** Listens to its own controls. */
export function listen(base: () => GenerateRequest, draw: (grid: Grid) => void): void {
  for (const side of ["x", "y"] as const) {
    byId(`grid-${side}`).addEventListener("input", () => suggest(side, true));
  }
  byId("grid-draw").addEventListener("click", () => {
    const grid = read(base());
    if (grid) draw(grid);
  });
}

function read(base: GenerateRequest): Grid | undefined {
  const [x, y] = [values("x"), values("y")];
  if (!x || !y) return undefined;
  const count = x.texts.length * y.texts.length;
  if (count > MOST) {
    complainAt(byId("grid-x-values"), t("gridMany", { count, most: MOST }));
    return undefined;
  }
  const set = ({ axis, texts }: Values, index: number): Partial<GenerateRequest> =>
    axis ? { [axis.key]: axis.values ? texts[index] : Number(texts[index]) } : {};
  const name = ({ axis }: Values): string => axis ? t(axis.label) : "–";
  return {
    title: y.axis ? t("gridTitle", { x: name(x), y: name(y) }) : name(x),
    columns: x.texts,
    rows: y.texts,
    requestAt: (column, row) => ({ ...base, ...set(x, column), ...set(y, row) }),
  };
}

interface Values {
  readonly axis?: Axis;
  readonly texts: readonly string[];
}

/** The values of a side; a complaint at their field when they are none. */
function values(side: "x" | "y"): Values | undefined {
  const axis = axisOf(side);
  if (!axis) return { texts: [""] };
  const field: HTMLInputElement = byId(`grid-${side}-values`);
  const texts = field.value.split(",").map((text) => text.trim()).filter((text) => text !== "");
  const known = axis.values?.(model!) ?? [];
  const bad = texts.find((text) =>
    axis.values ? known.length > 0 && !known.includes(text) : !Number.isFinite(Number(text))
  );
  if (texts.length === 0) complainAt(field, t("gridNeeds"));
  else if (bad !== undefined) complainAt(field, t("gridBad", { value: bad, axis: t(axis.label) }));
  else return { axis, texts };
  return undefined;
}
