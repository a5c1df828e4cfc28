/**
 * `tune-plan`: which methods, steps and noise levels are worth their time with a model on this machine, measured, and presets of
 * the best.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import type { Picture } from "../image/png.ts";
import { parseJson } from "../json.ts";
import {
  nameOf,
  paretoFront,
  type Point,
  presetsFrom,
  spreadOf,
  type Trial,
  trialsFor,
  withoutOwn,
} from "../pipelines/plan_search.ts";
import { PRESET_NAMES } from "../pipelines/presets.ts";
import type { GenerateRequest, ModelInfo, Pipeline } from "../pipelines/types.ts";
import { planPicture } from "../pipelines/text_to_image.ts";
import type { MethodName, Plan } from "../scaling/types.ts";
import { VERSION } from "../version.ts";
import { fileFolder, fileSource } from "./files.ts";
import { modelInfo, openPipeline, quietly, startProgress } from "./generate.ts";
import { readBytes } from "./input.ts";
import type { Parsed } from "./options.ts";
import { checkFree, checkOutput, writeWhole } from "./output.ts";
import { paretoPlot } from "./pareto_plot.ts";
import { likeness, type Measured, type Quality } from "./plan_quality.ts";
import { duration } from "./progress.ts";
import { toEngineChoice, toRequest, withOneGuidance } from "./request.ts";
import type { Terminal } from "./terminal.ts";
import { launches, shortest } from "./warming.ts";

/** Prompts without `--prompts` and without words: things, a place, a person, letters. */
const PROMPTS: readonly string[] = [
  "a red apple on a table",
  "a lighthouse at dusk",
  "a portrait of an old sailor",
  "a shop sign that says OPEN",
];
/** The same for models that draw classes. */
const CLASSES: readonly string[] = ["1", "207", "388", "817"];
/** The most prompts of a file. */
const MOST_PROMPTS = 1000;
/** Steps of the reference, as often as the model's own. */
const REFERENCE_TIMES = 2;
const FALLBACK_BUDGET = 3;
/** Prompts of a judge without `--judged-prompts`. */
const JUDGED = 24;
const BOUNDS = { characters: 1 << 24, depth: 8 };

/** What the file holds: presets, and what they were chosen from, so that a run goes on where it was stopped. */
interface Results {
  /** What must be the same for measurements to be comparable. */
  readonly of: Readonly<Record<string, unknown>>;
  /** By prompt, by trial. */
  readonly measured: Record<string, Record<string, Measured>>;
  /** By prompt: seconds of the first trial, once more behind the last one. They tell whether the machine was as busy all the time. */
  readonly again: Record<string, number>;
}

/** "3x", "3×", "3" → 3. */
function budgetOf(text: string | undefined): number {
  if (text === undefined) return FALLBACK_BUDGET;
  const match = /^(\d+(?:\.\d+)?)\s*[x×]?$/i.exec(text.trim());
  const budget = Number(match?.[1]);
  if (budget > 1 && budget <= 100) return budget;
  throw new LssgenError(
    "bad_option",
    `Option --budget is "${text}", expected how many times faster than direct the fast preset shall be, above 1 to 100: 3x`,
  );
}

async function promptsOf(options: Parsed, prompt: string, classes: boolean): Promise<readonly string[]> {
  const path = options.text.prompts;
  if (path === undefined) return prompt !== "" ? [prompt] : classes ? CLASSES : PROMPTS;
  if (prompt !== "") {
    throw new LssgenError("bad_option", "Prompts are given twice, as words and as --prompts: keep one");
  }
  const text = new TextDecoder().decode(await readBytes(path, "--prompts"));
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  if (lines.length > 0 && lines.length <= MOST_PROMPTS) return lines;
  throw new LssgenError(
    "bad_file",
    `"${path}" (--prompts) holds ${lines.length} prompts, expected 1 to ${MOST_PROMPTS}, one a line`,
  );
}

/** Measurements of an earlier run that go with this one. */
async function resumed(
  path: string,
  of: Results["of"],
  force: boolean,
  { holds }: Quality,
): Promise<Results> {
  const fresh: Results = { of, measured: {}, again: {} };
  const file = await fileSource(path);
  if (!file || force) return fresh;
  const refused = (what: string): LssgenError =>
    new LssgenError("bad_file", `"${path}" (--out) ${what}; --force begins anew, --out takes another name`);
  let stored: unknown;
  try {
    stored = parseJson(path, new TextDecoder().decode(await readBytes(path, "--out")), BOUNDS);
  } catch (cause) {
    if (cause instanceof LssgenError) throw cause;
    throw refused("is no JSON");
  }
  const tuned = isObject(stored) ? stored.tuned : undefined;
  if (!isObject(tuned) || !isObject(tuned.of) || !isObject(tuned.measured)) {
    throw refused("holds no measurements of tune-plan");
  }
  const { of: before, measured } = tuned;
  const differs = Object.keys({ ...of, ...before }).filter((key) =>
    JSON.stringify(of[key]) !== JSON.stringify(before[key])
  );
  if (differs.length > 0) throw refused(`was measured with another ${differs.join(", ")}`);
  for (const trials of Object.values(measured)) {
    const all = isObject(trials) ? Object.values(trials) : [undefined];
    if (!all.every((one) => isMeasured(one) && holds(one))) throw refused("holds a measurement that is none");
  }
  return { of, measured: measured as Results["measured"], again: numbersOf(tuned.again) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMeasured(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const { seconds, sharpness, skipped = 0 } = value;
  return [seconds, sharpness, skipped].every(Number.isFinite);
}

/** The numbers of an object. */
function numbersOf(value: unknown): Record<string, number> {
  return Object.fromEntries(
    Object.entries(value ?? {}).filter(([, n]) => typeof n === "number" && Number.isFinite(n)),
  );
}

/** Between the first and the second clocking of a trial: beyond this the machine did something else too. */
const DRIFT = 1.2;

/** Prompts during which the machine's speed changed, as a sentence. */
function driftOf({ measured, again }: Results, { name }: Trial): string | undefined {
  const ratios = Object.entries(again).flatMap(([prompt, seconds]) => {
    const first = measured[prompt]?.[name]?.seconds;
    return first === undefined ? [] : [seconds / first];
  });
  const most = Math.max(0, ...ratios.map((ratio) => Math.max(ratio, 1 / ratio)));
  if (most <= DRIFT) return undefined;
  return `The machine's speed changed by up to ${most.toFixed(1)}x while it measured: "${name}" took ${
    ratios.map((ratio) => ratio.toFixed(2)).join(", ")
  } times as long at the end of a prompt. Compare "planned" instead, or measure on a quiet machine`;
}

/** Runs the command. */
export async function tunePlan(options: Parsed, terminal: Terminal): Promise<void> {
  const asked = toRequest(options);
  const budget = budgetOf(options.text.budget);
  const engine = toEngineChoice(options);
  const quiet = quietly(options, terminal);
  const info = await modelInfo(engine, quiet);
  const { prompt, ...rest } = withOneGuidance(asked, options, info, quiet.note);
  const picture = {
    ...rest,
    width: rest.width ?? info.defaults.width,
    height: rest.height ?? info.defaults.height,
  };
  const trials = trialsFor(info, picture, options.texts.methods, options.flag.quick);
  const most = picture.steps ?? info.defaults.steps;
  const reference = {
    ...picture,
    method: (options.text.referenceMethod ?? "direct") as MethodName,
    steps: options.number.referenceSteps ?? REFERENCE_TIMES * most,
  };
  const quality = await qualityOf(options, prompt, info, picture, reference);
  const { prompts, title } = quality;
  const plan = planPicture(info, reference);
  if (
    quality.hasReference && plan.stages.some(({ steps }) => steps.some(({ next }) => next.noise))
  ) {
    throw new LssgenError(
      "bad_option",
      "The sampler draws noise in each step, so no picture comes near a reference: --sampling-method euler, or another without noise",
    );
  }
  const path = options.text.out ?? "presets.json";
  const plot = path.replace(/(\.json)?$/i, ".svg");
  await checkOutput(path, { bytes: 1 << 20, endings: [".json"] });
  const { width, height, seed, guidance, trueCfgScale, scheduler, schedule } = picture;
  const drawn = { steps: most, width, height, seed, guidance, trueCfgScale, scheduler, schedule };
  const of = JSON.parse(JSON.stringify({
    model: info.name,
    pipeline: info.pipeline,
    ...drawn,
    ...quality.of,
    dtype: engine.dtype,
    version: VERSION,
  }));
  const force = options.flag.force ?? false;
  const results = await resumed(path, of, force, quality);
  // A plot belongs to its measurements: beside none it is somebody's picture.
  if (Object.keys(results.measured).length === 0) await checkFree(plot, force);
  const points = (): Point[] => pointsOf(trials, Object.values(results.measured), quality);
  const store = async (): Promise<void> => {
    const measured = points();
    const presets = measured.length > 0 && measured[0].name === trials[0].name
      ? presetsFrom(measured, budget)
      : {};
    const text = JSON.stringify({ presets, tuned: results }, null, 1);
    await writeWhole(path, new TextEncoder().encode(`${text}\n`));
  };

  const missing = prompts.flatMap(({ text }) => trials.filter(({ name }) => !results.measured[text]?.[name]));
  if (missing.length > 0) {
    quiet.note(
      `${info.name}, ${width}×${height}: ${trials.length} trials of ${prompts.length} prompts, ${missing.length} to measure; ` +
        `stopped with Ctrl-C, the same command goes on\n${quality.note}\n`,
    );
    const base = info.defaults.baseResolution;
    if (quality.hasReference && reference.method === "direct" && Math.min(width, height) > base) {
      quiet.note(
        `Warning: ${width}×${height} is beyond the ${base} pixels that the model was trained for: its direct pictures, the reference ` +
          `too, may be worse than those of stages. --reference-method lssgen compares with those\n`,
      );
    }
    const progress = startProgress(options, terminal);
    try {
      const first = { ...reference, prompt: prompts[0].text };
      await using pipeline = await openPipeline(engine, quiet, progress.onProgress, first);
      const bench = new Bench(pipeline, terminal.signal);
      for (const one of prompts) {
        const { text } = one;
        const measured = results.measured[text] ??= {};
        const left = trials.filter(({ name }) => !measured[name]);
        if (left.length === 0) continue;
        const asked = (request: Omit<GenerateRequest, "prompt">): GenerateRequest => ({
          ...request,
          prompt: text,
          seed: one.seed ?? request.seed,
        });
        const look = await quality.begin(one, () => bench.reference(asked(reference)));
        for (const trial of left) {
          const { seconds, image, skipped } = await bench.clocked(asked(withoutOwn(picture, trial.settings)));
          measured[trial.name] = { seconds, ...look(image), skipped };
          await store();
          progress.clear();
          quiet.note(
            `${text.slice(0, 24).padEnd(24)}  ${trial.name.padEnd(32)} ${
              duration(seconds * 1000).padStart(8)
            }  ${quality.told(measured[trial.name])}\n`,
          );
        }
        if (!quality.hasReference && one !== prompts.at(-1)) continue;
        const { seconds } = await bench.clocked(asked(withoutOwn(picture, trials[0].settings)));
        results.again[text] = seconds;
        await store();
      }
    } finally {
      progress.end();
    }
  }
  await store();
  const done = points();
  const svg = paretoPlot(done, `${info.name}, ${width}×${height}, ${title}`, quality.label);
  await writeWhole(plot, new TextEncoder().encode(svg));
  const presets = presetsFrom(done, budget);
  const drift = driftOf(results, trials[0]);
  if (options.flag.json) {
    terminal.print(
      JSON.stringify({
        version: VERSION,
        file: path,
        plot,
        presets,
        points: done,
        drift,
      }),
    );
    return;
  }
  for (const line of table(done)) terminal.print(line);
  if (drift) terminal.print(drift);
  for (const name of PRESET_NAMES) {
    const settings = presets[name];
    terminal.print(`${name.padEnd(9)} ${settings ? nameOf(settings) : "nothing was fast enough"}`);
  }
  terminal.print(`${path}, ${plot}: cli.ts "a prompt" --preset fast --presets ${path}`);
}

/** What quality is: likeness to a reference, or with `--judge` what the judge sees. */
async function qualityOf(
  options: Parsed,
  prompt: string,
  info: ModelInfo,
  picture: Omit<GenerateRequest, "prompt"> & { readonly width: number; readonly height: number },
  reference: { readonly method: MethodName; readonly steps: number },
): Promise<Quality> {
  const { judge: path, prompts: file, referenceMethod } = options.text;
  const { judgedPrompts, referenceSteps } = options.number;
  if (path === undefined) {
    if (judgedPrompts === undefined) {
      return likeness(await promptsOf(options, prompt, info.prompts === 0), reference);
    }
    throw new LssgenError("bad_option", "Option --judged-prompts needs --judge");
  }
  const other = Object.entries({
    "words for a prompt": prompt || undefined,
    "--prompts": file,
    "--reference-method": referenceMethod,
    "--reference-steps": referenceSteps,
  }).find(([, value]) => value !== undefined);
  if (other) {
    throw new LssgenError(
      "bad_option",
      `--judge has prompts of its own and needs no reference: leave out ${other[0]}`,
    );
  }
  const { judgedQuality } = await import("./judged_quality.ts");
  const { seed = 0, width, height } = picture;
  return await judgedQuality(fileFolder(path), {
    count: judgedPrompts ?? JUDGED,
    seed,
    side: Math.min(width, height),
  });
}

/** Draws and clocks. */
class Bench {
  private readonly warm = new Set<string>();

  constructor(private readonly pipeline: Pipeline, private readonly signal: AbortSignal) {}

  async reference(request: GenerateRequest): Promise<Picture> {
    const { image } = await this.draw(request);
    return image;
  }

  /** A trial's time, text encoding included, once its kernels have run: drivers compile a kernel when it first runs. */
  async clocked(request: GenerateRequest): Promise<{ seconds: number; image: Picture; skipped?: number }> {
    const plan = (request: GenerateRequest): Plan => this.pipeline.plan(request);
    const parts = launches(plan(request), request);
    if (parts.some((part) => !this.warm.has(part))) await this.draw(shortest(request, plan));
    for (const part of parts) this.warm.add(part);
    return await this.draw(request);
  }

  private async draw(
    request: GenerateRequest,
  ): Promise<{ seconds: number; image: Picture; skipped?: number }> {
    if (this.signal.aborted) throw new AbortedError();
    const began = performance.now();
    const { images } = await this.pipeline.generate({ ...request, count: 1 }, { signal: this.signal });
    const seconds = (performance.now() - began) / 1000;
    const [{ width, height, rgb, cached }] = images;
    const skipped = cached && cached.skipped / cached.calls;
    return { seconds, image: { width, height, channels: 3, data: rgb }, skipped };
  }
}

/** Means of the trials over the prompts that have measured all of them; of those that some have not, over what there is. */
function pointsOf(
  trials: readonly Trial[],
  measured: readonly Readonly<Record<string, Measured>>[],
  quality: Quality,
): Point[] {
  return trials.flatMap(({ name, settings, flops }): Point[] => {
    const all = measured.flatMap((prompt) => Object.hasOwn(prompt, name) ? [prompt[name]] : []);
    if (all.length === 0) return [];
    const seconds = spreadOf(all.map(({ seconds }) => seconds));
    return [{ name, settings, flops, seconds, ...quality.over(all) }];
  });
}

/** The points as a table, those of the front marked. */
function table(points: readonly Point[]): string[] {
  const front = new Set(paretoFront(points));
  const whole = points[0].seconds.mean;
  const rows = [...points].sort((a, b) => a.seconds.mean - b.seconds.mean).map((p) => [
    front.has(p) ? "*" : "",
    p.name,
    `${p.seconds.mean.toFixed(2)} (${p.seconds.least.toFixed(2)}–${p.seconds.most.toFixed(2)})`,
    `${(whole / p.seconds.mean).toFixed(2)}x`,
    `${(points[0].flops / p.flops).toFixed(2)}x`,
    ...Object.values(p.figures),
  ]);
  const all = [["", "trial", "seconds", "faster", "planned", ...Object.keys(points[0].figures)], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd());
}
