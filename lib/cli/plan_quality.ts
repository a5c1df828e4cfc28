/**
 * What `tune-plan` measures of a picture beside its time: how like a reference it is, or what a judge sees in it
 * (`judged_quality.ts`).
 *
 * @module
 */

import { psnr, sharpness, ssim } from "../image/likeness.ts";
import type { Picture } from "../image/png.ts";
import { type Point, spreadOf } from "../pipelines/plan_search.ts";

/** What is kept of one trial of one prompt, as JSON has it. */
export interface Measured {
  readonly seconds: number;
  /** The reference's is 1; with a judge that of real drawings, or as it is where the judge knows none of the size. */
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
export interface Seen {
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
  /** Whether pictures are compared with one of many steps; each prompt's first trial is clocked once more then, else the last one's only. */
  readonly hasReference: boolean;
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
  /** One picture's quality, for the line that tells of it. */
  told(measured: Measured): string;
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
    hasReference: true,
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
    told: ({ ssim }) => `SSIM ${ssim!.toFixed(3)}`,
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
