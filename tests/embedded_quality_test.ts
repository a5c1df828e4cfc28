/** The embedded model keeps drawing what it is asked for: some of the unseen prompts, drawn and judged as `deno task evaluate` does. */

import { assert } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { fileFolder } from "../lib/cli/files.ts";
import { spreadThreads } from "../lib/cli/software_adapter.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { Judge } from "../lib/judging/judge.ts";
import { readEntries, score, spread } from "../lib/judging/score.ts";

const TRAIN = fromFileUrl(new URL("../train", import.meta.url));
const COUNT = 20;
/** Of {@linkcode COUNT} pictures, 15 of one noun; the shipped weights have 7, 19 and 12, of which another adapter may lose one each. */
const LEAST = { nouns: 6, backgrounds: 18, styles: 11 };

Deno.test("of twenty unseen prompts the embedded model draws as many right as it did when it was shipped", async () => {
  spreadThreads();
  const judge = await Judge.load(fileFolder(TRAIN));
  const entries = await readEntries(fileFolder(TRAIN));
  await using pipeline = await createPipeline();
  const scores = [];
  for (const entry of spread(spread(entries, 96), COUNT)) {
    const { images: [{ width, height, rgb }] } = await pipeline.generate({
      prompt: entry.prompt,
      seed: entry.id,
      width: 256,
      height: 256,
      method: "lssgen",
    });
    const picture = { width, height, channels: 3 as const, data: rgb };
    scores.push(score(entry, judge.look(picture, entry.nouns.length), picture));
  }
  const right = {
    nouns: scores.filter(({ noun }) => noun).length,
    backgrounds: scores.filter(({ background }) => background).length,
    styles: scores.filter(({ style }) => style).length,
  };
  for (const [what, least] of Object.entries(LEAST)) {
    assert(right[what as keyof typeof right] >= least, `right: ${JSON.stringify(right)} of ${COUNT}`);
  }
});
