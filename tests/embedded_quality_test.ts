/** The embedded model keeps drawing what it is asked for: some of its own nouns, judged as `deno task evaluate` does. */

import { assert } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { spreadThreads } from "../lib/cli/software_adapter.ts";
import { createPipeline } from "../lib/pipelines/text_to_image.ts";
import { Judge } from "../tools/evaluate/judge.ts";
import { type Entry, score, spread } from "../tools/evaluate/score.ts";

const TRAIN = fromFileUrl(new URL("../train", import.meta.url));
const COUNT = 12;
/** Of {@linkcode COUNT} pictures; the shipped weights have one or two more, which another adapter may lose. */
const LEAST = { nouns: 6, backgrounds: 8, styles: 8 };

Deno.test("of twelve of its nouns on blue the embedded model draws as many right as it did when it was shipped", async () => {
  spreadThreads();
  const judge = await Judge.load(TRAIN);
  await using pipeline = await createPipeline();
  const nouns = pipeline.info.nouns!.filter((noun) => judge.names.nouns.includes(noun));
  const scores = [];
  for (const [id, noun] of spread(nouns, COUNT).entries()) {
    const entry: Entry = {
      id,
      kind: "style",
      prompt: `a flat style ${noun} on a blue background`,
      nouns: [noun],
      colours: [""],
      count: 1,
      style: "flat",
      background: "blue",
      ground: "plain",
    };
    const { images: [{ width, height, rgb }] } = await pipeline.generate({
      prompt: entry.prompt,
      seed: id,
      width: 256,
      height: 256,
      method: "lssgen",
    });
    const picture = { width, height, channels: 3 as const, data: rgb };
    scores.push(score(entry, judge.look(picture, 1), picture));
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
