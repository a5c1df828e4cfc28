/**
 * What `tune-plan` measures of a picture beside its time: how like a reference it is, or what a judge sees in it.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { psnr, sharpness, ssim } from "../image/likeness.ts";
import type { Picture } from "../image/png.ts";
import { interval, type Judge, kernelDistance } from "../judging/judge.ts";
import { type Entry, score } from "../judging/score.ts";
import { type Point, spreadOf } from "../pipelines/plan_search.ts";

/** What is kept of one trial of one prompt, as JSON has it. */
export interface Measured {
  readonly seconds: number;
  /** The reference's is 1; with a judge that of real drawings. */
  readonly sharpness: number;
  /** Share of the network's calls that skipped blocks. */
  readonly skipped?: number;
  /** Structural similarity to the reference. */
  readonly ssim?: number;
  /** `null` in JSON: pictures that are equal. */
  readonly psnr?: number | null;
  /** What the judge saw. */
  readonly seen?: Seen;
}

/** What was right; absent where the prompt does not ask for it. */
interface Seen {
  /** All things that the prompt names. */
  readonly things: boolean;
  readonly background: boolean;
  readonly colour?: boolean;
  readonly style: boolean;
  /** For distances between sets of pictures. */
  readonly features: readonly number[];
}

/** A prompt to measure with. */
export interface MeasuredPrompt {
  readonly text: string;
  /** In place of the request's. */
  readonly seed?: number;
}

/** A figure of a picture's quality. */
export interface Quality {
  /** Its name, on plots and in tables. */
  readonly label: string;
  readonly prompts: readonly MeasuredPrompt[];
  /** What must be the same for measurements to be comparable. */
  readonly of: Readonly<Record<string, unknown>>;
  /** Behind the model's name and size, in the plot's title. */
  readonly title: string;
  /** What the figure says and what it does not. */
  readonly note: string;
  /** Whether each prompt's first trial is clocked once more, or the last prompt's only. */
  readonly clocksEach: boolean;
  /**
   * Gets ready for a prompt.
   *
   * @param draw Draws the reference.
   * @returns What is measured of a picture of it.
   */
  begin(
    prompt: MeasuredPrompt,
    draw: () => Promise<Picture>,
  ): Promise<(image: Picture) => Omit<Measured, "seconds" | "skipped">>;
  /** Whether a stored measurement is one of these. */
  holds(measured: Readonly<Record<string, unknown>>): boolean;
  /** A trial's quality over the prompts, the more the better, and columns of the table. */
  over(measured: readonly Measured[]): Pick<Point, "quality" | "blurred" | "figures">;
}

/** Below this share of the reference's sharpness a picture is like everything. */
const SHARP_ENOUGH = 0.85;

/** SSIM and PSNR to a picture of many steps. */
export function likeness(
  prompts: readonly string[],
  reference: { readonly method: string; readonly steps: number },
): Quality {
  const { method, steps } = reference;
  return {
    label: "SSIM to the reference",
    prompts: prompts.map((text) => ({ text })),
    of: { reference: `${method} ${steps}` },
    title: `${prompts.length} prompts, reference ${method} ${steps} steps`,
    note:
      `Quality is SSIM and PSNR to a ${method} picture of ${steps} steps with the same seed. Methods that ` +
      `begin on another grid draw another picture of the prompt and score low for that alone: compare them with each other`,
    clocksEach: true,
    async begin(_, draw) {
      const ideal = await draw();
      return (image) => {
        const distance = psnr(image, ideal);
        return {
          ssim: ssim(image, ideal),
          psnr: Number.isFinite(distance) ? distance : null,
          sharpness: sharpness(image) / sharpness(ideal),
        };
      };
    },
    holds: ({ ssim, psnr }) => [ssim, psnr ?? 0].every(Number.isFinite),
    over(measured) {
      const quality = spreadOf(measured.map(({ ssim }) => ssim!));
      const sharp = spreadOf(measured.map(({ sharpness }) => sharpness));
      const distance = spreadOf(measured.map(({ psnr }) => psnr ?? Infinity));
      return {
        quality,
        blurred: sharp.mean < SHARP_ENOUGH,
        figures: {
          SSIM: `${quality.mean.toFixed(3)} (${quality.least.toFixed(3)}–${quality.most.toFixed(3)})`,
          PSNR: distance.mean.toFixed(1),
          sharpness: sharp.mean.toFixed(2),
        },
      };
    },
  };
}

/**
 * The share of pictures in which a judge sees what was asked for.
 *
 * @param entries Prompts that the model has not learnt, with what each asks for.
 * @param seed Is added to an entry's number.
 * @param side Of the pictures, pixels: what sharpness is compared for.
 */
export function judged(judge: Judge, entries: readonly Entry[], seed: number, side: number): Quality {
  const byPrompt = new Map(entries.map((entry) => [entry.prompt, entry]));
  const unknown = entries.flatMap(({ nouns }) => nouns).find((noun) => !judge.names.nouns.includes(noun));
  if (unknown !== undefined) {
    throw new LssgenError(
      "bad_file",
      `The judge (--judge) knows no "${unknown}", which its prompts ask for: judge.json and unseen.json do not go together`,
    );
  }
  const [sharp] = judge.names.manner[String(side)] ?? [];
  const share = (right: readonly (boolean | undefined)[]): string => {
    const asked = right.filter((r) => r !== undefined);
    const n = asked.filter(Boolean).length;
    const [low, high] = interval(n, asked.length);
    const percent = (v: number): string => Math.round(100 * v).toString();
    return asked.length ? `${percent(n / asked.length)} % (${percent(low)}–${percent(high)})` : "–";
  };
  return {
    label: "share of pictures with all things asked for",
    prompts: entries.map(({ prompt, id }) => ({ text: prompt, seed: seed + id })),
    of: { judge: judge.names.nouns.length, prompts: entries.map(({ id }) => id).join() },
    title: `${entries.length} prompts, things that the judge sees`,
    note:
      `Quality is the share of pictures in which the judge sees all things that the prompt names, of ${entries.length} prompts`,
    clocksEach: false,
    begin({ text }) {
      const entry = byPrompt.get(text)!;
      return Promise.resolve((image) => {
        const { noun, both, background, colour, style, features, sharpness } = score(
          entry,
          judge.look(image, entry.nouns.length),
          image,
        );
        const rounded = Array.from(features, (v) => Number(v.toPrecision(4)));
        return {
          sharpness: sharp ? sharpness / sharp : sharpness,
          seen: { things: (noun ?? both)!, background, colour, style, features: rounded },
        };
      });
    },
    holds({ seen }) {
      const { things, background, style, features } = (seen ?? {}) as Partial<Seen>;
      return [things, background, style].every((v) => typeof v === "boolean") &&
        Array.isArray(features) && features.length === judge.real[0].length &&
        features.every(Number.isFinite);
    },
    over(measured) {
      const all = measured.map(({ seen }) => seen!);
      const right = all.filter(({ things }) => things).length;
      const [least, most] = interval(right, all.length);
      const made = all.map(({ features }) => Float32Array.from(features));
      const sharp = spreadOf(measured.map(({ sharpness }) => sharpness));
      return {
        quality: { mean: right / all.length, least, most },
        blurred: false, // what is seen counts
        figures: {
          things: share(all.map(({ things }) => things)),
          background: share(all.map(({ background }) => background)),
          colour: share(all.map(({ colour }) => colour)),
          style: share(all.map(({ style }) => style)),
          distance: made.length > 1 ? kernelDistance(made, judge.real).toFixed(1) : "–",
          sharpness: sharp.mean.toFixed(2),
        },
      };
    },
  };
}
