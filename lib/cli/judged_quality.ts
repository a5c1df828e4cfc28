/**
 * What a judge sees in the pictures of `tune-plan --judge`.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";
import { interval, Judge, kernelDistance, shareText } from "../judging/judge.ts";
import { type Entry, readEntries, score, spread } from "../judging/score.ts";
import { spreadOf } from "../pipelines/plan_search.ts";
import type { FolderSource } from "../weights/bytes.ts";
import type { Quality, Seen } from "./plan_quality.ts";

/**
 * {@linkcode judged} by the judge of a folder, of `count` of its prompts, evenly through all kinds.
 *
 * @throws {LssgenError} `bad_file` or `bad_tensor` where the folder holds no judge, or one that does not know its prompts' things.
 */
export async function judgedQuality(
  folder: FolderSource,
  { count, seed, side }: { readonly count: number; readonly seed: number; readonly side: number },
): Promise<Quality> {
  return judged(await Judge.load(folder), spread(await readEntries(folder), count), seed, side);
}

/**
 * The share of pictures in which a judge sees what was asked for.
 *
 * @param entries Prompts that the model has not learnt, with what each asks for.
 * @param seed Is added to an entry's number.
 * @param side Of the pictures, pixels: what sharpness is compared for.
 */
function judged(judge: Judge, entries: readonly Entry[], seed: number, side: number): Quality {
  const byPrompt = new Map(entries.map((entry) => [entry.prompt, entry]));
  const unknown = entries.flatMap(({ nouns }) => nouns).find((noun) => !judge.names.nouns.includes(noun));
  if (unknown !== undefined) {
    throw new LssgenError(
      "bad_file",
      `The judge (--judge) knows no "${unknown}", which its prompts ask for: judge.json and unseen.json do not go together`,
    );
  }
  const sharp = judge.names.manner[String(side)]?.[0];
  return {
    label: "share of pictures with all things asked for",
    prompts: entries.map(({ prompt, id }) => ({ text: prompt, seed: seed + id })),
    // A judge that learnt on knows the same nouns and sees other things.
    of: {
      judge: [judge.names.nouns.length, ...Object.values(judge.names.right)],
      prompts: entries.map(({ id }) => id).join(),
    },
    title: `${entries.length} prompts, things that the judge sees`,
    note:
      `Quality is the share of pictures in which the judge sees all things that the prompt names, of ${entries.length} prompts`,
    hasReference: false,
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
          sharpness: sharp === undefined ? sharpness : sharpness / sharp,
          seen: { things: (noun ?? both)!, background, colour, style, features: rounded },
        };
      });
    },
    told({ seen }) {
      const { things, background, colour } = seen!;
      return Object.entries({ things, background, colour })
        .flatMap(([what, ok]) => ok === undefined ? [] : [`${what} ${ok ? "✓" : "✗"}`]).join(" ");
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
      const sharpness = spreadOf(measured.map(({ sharpness }) => sharpness)).mean;
      return {
        quality: { mean: right / all.length, least, most },
        blurred: false, // what is seen counts
        figures: {
          things: shareText(all.map(({ things }) => things)),
          background: shareText(all.map(({ background }) => background)),
          colour: shareText(all.map(({ colour }) => colour)),
          style: shareText(all.map(({ style }) => style)),
          distance: made.length > 1 ? kernelDistance(made, judge.real).toFixed(1) : "–",
          // Of a size at which the judge has measured no drawings, a figure of its own says nothing.
          sharpness: sharp === undefined ? "–" : sharpness.toFixed(2),
        },
      };
    },
  };
}
